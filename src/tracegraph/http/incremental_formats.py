"""The forms in which the parts of a response are sent: two of the JSON, multipart or events around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from tracegraph.graphql.incremental import (
    CompletedFragment,
    FirstPart,
    FragmentData,
    LaterPart,
    Part,
    PendingFragment,
)
from tracegraph.http.json import to_json
from tracegraph.http.negotiation import GRAPHQL, JSON, MAX_CACHED_HEADERS, media_ranges

MULTIPART = "multipart/mixed"


EVENTS = "text/event-stream"


class PartForm(Enum):
    """The JSON of a part.

    - PATHS: fragments are named by path and label, as in the draft specification of August 2022.
    - IDS: fragments are announced with an id, as graphql-core 3.3 and GraphQL.js 17 do.
    """

    PATHS = "deferspec=20220824"
    IDS = "incrementalspec=v0.2"


_WHOLE = frozenset({JSON, GRAPHQL, "application/*", "*/*"})
"""The media ranges that accept one response."""


_PARAMETERS = {form.value: form for form in PartForm}


_FORM_PARAMETERS = frozenset({"deferspec", "incrementalspec", "subscriptionspec"})
"""The parameters of a media range that select a form. A range with an unknown value is not accepted."""


@dataclass(frozen=True, slots=True)
class PartMedia:
    """A media type for parts, and the form of their JSON."""

    kind: str
    form: PartForm

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        if self.kind == EVENTS:
            return f"{EVENTS}; charset=utf-8"
        parameter = "deferSpec=20220824" if self.form is PartForm.PATHS else "incrementalSpec=v0.2"
        return f'{MULTIPART}; boundary="-"; {parameter}'

    def encode(self, part: Part) -> bytes:
        """Return the JSON of a part."""
        return to_json(_with_paths(part) if self.form is PartForm.PATHS else _with_ids(part))

    def frame(self, body: bytes, *, is_first: bool, is_last: bool) -> bytes:
        """Return the bytes that carry one JSON.

        In multipart, the boundary after a part belongs to its bytes: clients read a part when they see it.
        """
        if self.kind == EVENTS:
            return b"event: next\ndata: %b\n\n%b" % (body, b"event: complete\ndata:\n\n" if is_last else b"")
        begin = b"\r\n---" if is_first else b""
        end = b"--\r\n" if is_last else b""
        return b"%b\r\nContent-Type: application/json; charset=utf-8\r\n\r\n%b\r\n---%b" % (begin, body, end)


@lru_cache(MAX_CACHED_HEADERS)
def negotiate_parts(header: str | None) -> PartMedia | None:
    """Return the media type for parts that an Accept header names, or None when it prefers one response.

    Wildcards do not select parts. Of equal weights, parts win over one response, multipart over events, and a form
    that the header names over the default form, which is IDS.
    """
    best, best_rank, whole = None, (0.0, False, False), 0.0
    for kind, parameters, weight in media_ranges(header or ""):
        if kind in _WHOLE:
            whole = max(whole, weight)
        if kind not in {MULTIPART, EVENTS} or not weight:
            continue
        named = [f"{name}={value}" for name, value in parameters.items() if name in _FORM_PARAMETERS]
        form = _PARAMETERS.get(named[0]) if named else PartForm.IDS
        rank = (weight, kind == MULTIPART, bool(named))
        if form is not None and rank > best_rank:
            best, best_rank = PartMedia(kind, form), rank
    return best if best_rank[0] >= whole else None


def whole_as_part(body: bytes) -> bytes:
    """Return the JSON of a complete response as that of the only part."""
    return b'%b,"hasNext":false}' % body.removesuffix(b"}")


# -- forms ---------------------------------------------------------------------------------------------


def _with_ids(part: Part) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if isinstance(part, FirstPart):
        body |= {"data": part.data} | _present(errors=part.errors, extensions=part.extensions)
    body |= _present(pending=[_pending(one) for one in part.pending])
    if isinstance(part, LaterPart):
        fragments = [
            {"id": one.fragment.id, "data": one.data} | _present(subPath=one.sub_path, errors=one.errors)
            for one in part.fragments
        ]
        completed = [{"id": one.fragment.id} | _present(errors=one.errors) for one in part.completed]
        body |= _extended(part, fragments) | _present(completed=completed)
    return body | {"hasNext": part.has_next}


def _pending(fragment: PendingFragment) -> dict[str, Any]:
    return {"id": fragment.id, "path": fragment.path} | _label(fragment)


def _with_paths(part: Part) -> dict[str, Any]:
    if isinstance(part, FirstPart):
        body = {"data": part.data} | _present(errors=part.errors, extensions=part.extensions)
    else:
        failed = [_failed(one) for one in part.completed if one.errors]
        body = _extended(part, [*(_data(one) for one in part.fragments), *failed])
    return body | {"hasNext": part.has_next}


def _data(fragment: FragmentData) -> dict[str, Any]:
    named = {"data": fragment.data, "path": fragment.path} | _label(fragment.fragment)
    return named | _present(errors=fragment.errors)


def _failed(completed: CompletedFragment) -> dict[str, Any]:
    fragment = completed.fragment
    return {"data": None, "path": fragment.path, "errors": completed.errors} | _label(fragment)


def _extended(part: LaterPart, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the member for the entries. Clients read the extensions of a later part from its last entry."""
    if not entries:
        return _present(extensions=part.extensions)
    *others, last = entries
    return {"incremental": [*others, last | _present(extensions=part.extensions)]}


def _label(fragment: PendingFragment) -> dict[str, Any]:
    """Return the member for the label of a fragment that has one, which may be empty."""
    return {} if fragment.label is None else {"label": fragment.label}


def _present(**members: Any) -> dict[str, Any]:
    """Return the members that are neither empty nor None."""
    return {name: value for name, value in members.items() if value}
