"""What may be asked of a source: filters, orders, and the test whether an object answers them.

Conditions in a filter hold all at once; a list within one means any of its members. The gateway applies every
filter itself, whatever the vendor did with it: these functions are that second look.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Whole microseconds since 1970 UTC: exact, comparable, short in a cursor."""
    return (time - EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """The time that `microseconds` made the number from."""
    return EPOCH + timedelta(microseconds=count)


SortValue = int | float | str | None
"""A comparable sort value: microseconds for times, case-folded text for names, a number for figures, None when missing."""


OrderValue = datetime | SortValue
"""A sort value as an object has it: what `sort_value` makes one from."""


def sort_value(value: OrderValue) -> SortValue:
    """The sort value."""
    return microseconds(value) if isinstance(value, datetime) else value
