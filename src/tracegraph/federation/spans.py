"""The spans of a session as trees: depth first, siblings by their start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from tracegraph.domain.models import SessionRef, Span, SpanRef
from tracegraph.domain.sort_values import EPOCH

_Place = tuple[datetime, str, int]
"""What orders siblings: start and id of a span. One without a start has those before it, and a number."""


class PlacedSpan(msgspec.Struct, frozen=True, gc=False):
    """A span in the tree of its session. `depth` is 0 for a root, whose `parent_id` is None.

    A span whose parent is unknown is a root. In a circle of parents, the earliest span is a root.
    """

    source: str
    session: SessionRef
    span: Span
    depth: int = 0
    parent_id: str | None = None

    @property
    def ref(self) -> SpanRef:
        """The identity for `ListsSpans.get_spans`."""
        return SpanRef(self.session, self.span.vendor_id)

    @property
    def parent_ref(self) -> SpanRef | None:
        """The identity of the span within which this one ran, None for a root."""
        return None if self.parent_id is None else SpanRef(self.session, self.parent_id)


def arranged(source: str, session: SessionRef, spans: Sequence[Span]) -> list[PlacedSpan]:
    """Return each span once, parents before their children, the children of each in the order of their start.

    Equal starts are ordered by id. A span without a start stands behind the span before it in the list.

    Args:
        source: The configured name of the source.
        session: The session.
        spans: The spans in any order. Of several with one id, the first counts.
    """
    known: dict[str, Span] = {}
    for span in spans:
        known.setdefault(span.vendor_id, span)
    places = _places(known)
    parents = _parents(known, places)
    children: dict[str | None, list[str]] = {}
    for span_id in sorted(known, key=places.__getitem__, reverse=True):
        children.setdefault(parents[span_id], []).append(span_id)
    placed: list[PlacedSpan] = []
    stack = [(span_id, 0) for span_id in children.get(None, ())]
    while stack:
        span_id, depth = stack.pop()
        placed.append(PlacedSpan(source, session, known[span_id], depth, parents[span_id]))
        stack += [(child, depth + 1) for child in children.get(span_id, ())]
    return placed


def _places(known: Mapping[str, Span]) -> Mapping[str, _Place]:
    places: dict[str, _Place] = {}
    start, before, number = EPOCH, "", 0
    for span_id, span in known.items():
        if span.started_at is None:
            number += 1
        else:
            start, before, number = span.started_at, span_id, 0
        places[span_id] = start, before, number
    return places


def _parents(known: Mapping[str, Span], places: Mapping[str, _Place]) -> Mapping[str, str | None]:
    """Return the parent of each span, None for a root. No span is its own ancestor."""
    parents = {span_id: span.parent_id if span.parent_id in known else None for span_id, span in known.items()}
    visited: set[str] = set()
    for first in known:
        path: dict[str, None] = {}
        at: str | None = first
        while at is not None and at not in visited and at not in path:
            path[at] = None
            at = parents[at]
        if at in path:
            circle = list(path)[list(path).index(at) :]
            parents[min(circle, key=places.__getitem__)] = None
        visited |= path.keys()
    return parents
