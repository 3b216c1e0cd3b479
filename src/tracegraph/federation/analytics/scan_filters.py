"""Which filters of sessions one list can serve: the part that the vendor applies, and the rest on its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.domain.conditions import TimeRange
from tracegraph.domain.filters import SessionFilter, active_conditions, fields_of_conditions

EVERY_SESSION = SessionFilter()
"""The filter without conditions."""

_ALWAYS_NARROW = frozenset({"started_at", "ids"})
"""Conditions that shorten a list of every vendor: a list by start has bounds, and look-ups read named rows."""


def narrowing_part(session_filter: SessionFilter, capabilities: ListCapabilities) -> SessionFilter:
    """Return the conditions that make the vendor's list shorter. The others only drop rows after reading."""
    narrowing = capabilities.filters | _ALWAYS_NARROW
    return without(session_filter, active_conditions(session_filter) - narrowing)


def without(session_filter: SessionFilter, conditions: Iterable[str]) -> SessionFilter:
    """Return the filter without the conditions of these names."""
    return replace(session_filter, **dict.fromkeys(conditions))


def readable_part(session_filter: SessionFilter, missing: frozenset[str]) -> SessionFilter:
    """Return the conditions that can be checked on a row without the `missing` fields."""
    conditions = {name: getattr(session_filter, name) for name in active_conditions(session_filter)}
    unreadable = [
        name
        for name, condition in conditions.items()
        if not missing.isdisjoint(fields_of_conditions(SessionFilter(**{name: condition})))
    ]
    return without(session_filter, unreadable)


def serves(listed: SessionFilter, wanted: SessionFilter) -> bool:
    """Return whether the rows of one filter include all rows of another: its conditions are among the other's."""
    return all(
        _contains(listed.started_at, wanted.started_at)
        if name == "started_at"
        else getattr(listed, name) == getattr(wanted, name)
        for name in active_conditions(listed)
    )


def _contains(outer: TimeRange | None, inner: TimeRange | None) -> bool:
    if outer is None:
        return True
    if inner is None:
        inner = TimeRange()
    return (outer.gte is None or (inner.gte is not None and outer.gte <= inner.gte)) and (
        outer.lt is None or (inner.lt is not None and outer.lt >= inner.lt)
    )


def widest(filters: Iterable[SessionFilter]) -> Sequence[SessionFilter]:
    """Return the fewest of the filters that serve all of them."""
    kept: list[SessionFilter] = []
    for candidate in filters:
        if not any(serves(one, candidate) for one in kept):
            kept = [one for one in kept if not serves(candidate, one)] + [candidate]
    return kept


def within(session_filter: SessionFilter, times: TimeRange) -> SessionFilter:
    """Return the filter for the sessions that also started within a range."""
    own = session_filter.started_at or TimeRange()
    starts = [time for time in (own.gte, times.gte) if time is not None]
    ends = [time for time in (own.lt, times.lt) if time is not None]
    return replace(session_filter, started_at=TimeRange(max(starts, default=None), min(ends, default=None)))


def has_no_time(session_filter: SessionFilter) -> bool:
    """Return whether the range of starts ends before it begins, so that it contains no session."""
    times = session_filter.started_at
    return times is not None and times.gte is not None and times.lt is not None and times.gte >= times.lt
