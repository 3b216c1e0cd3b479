"""Sort values: the values by which lists are ordered, comparable and short in a cursor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Return the whole microseconds since 1970 UTC: exact, comparable, short in a cursor."""
    return (time - EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """Return the time of a number of microseconds since 1970 UTC."""
    return EPOCH + timedelta(microseconds=count)


SortValue = int | float | str | None
"""A comparable sort value, None when missing: microseconds for times, case-folded text, a number for figures."""


OrderValue = datetime | SortValue
"""The value by which an object is ordered, before `sort_value` converts it."""


def sort_value(value: OrderValue) -> SortValue:
    """Return the sort value of an order value."""
    return microseconds(value) if isinstance(value, datetime) else value
