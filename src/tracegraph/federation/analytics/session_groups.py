"""Figures of an experiment's sessions by a property that they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph.domain.models import Aggregate, Metric
from tracegraph.federation.analytics.dimensions import SessionDimension
from tracegraph.federation.analytics.parts import figures_of_parts
from tracegraph.federation.analytics.session_columns import SessionScan


@dataclass(frozen=True, slots=True)
class SessionGroup:
    """Sessions with the same key, None for those without one, and their figures."""

    key: str | None
    session_count: int
    aggregates: Sequence[Aggregate]


@dataclass(frozen=True, slots=True)
class SessionGroups:
    """The largest groups. `other_count` counts the sessions in all others. `complete`: every session was read."""

    complete: bool
    groups: Sequence[SessionGroup]
    other_count: int


def session_groups(
    scan: SessionScan, by: SessionDimension, metrics: Sequence[Metric], first: int
) -> SessionGroups:
    """Return the largest groups of the sessions, without the metrics whose values could not be read.

    Groups of one size are ordered by key, the sessions without a key last.

    Args:
        scan: The sessions, with the keys of the dimension.
        by: The property that the sessions of a group share.
        metrics: The metrics.
        first: The number of groups.
    """
    keys = scan.keys[by]
    sizes = Counter(keys)
    largest = sorted(sizes, key=lambda key: (-sizes[key], key is None, key or ""))[:first]
    number_of = {key: number for number, key in enumerate(largest)}
    parts = figures_of_parts(scan, metrics, [number_of.get(key) for key in keys], len(largest))
    groups = [
        SessionGroup(key, part.session_count, part.aggregates) for key, part in zip(largest, parts, strict=True)
    ]
    return SessionGroups(scan.complete, groups, len(keys) - sum(group.session_count for group in groups))
