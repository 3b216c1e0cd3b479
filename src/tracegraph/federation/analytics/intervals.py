"""Consecutive intervals of a time range, aligned in a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from importlib import resources
from itertools import islice
from zoneinfo import ZoneInfo

from tracegraph.errors import BadUserInput

MAX_INTERVALS = 1000


class TimeInterval(Enum):
    """The width of an interval. A day, a week and a month begin at midnight of the time zone, a week on Monday."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


_WIDTHS = {TimeInterval.MINUTE: timedelta(minutes=1), TimeInterval.HOUR: timedelta(hours=1)}
"""The intervals of the clock. The others are of the calendar."""


@cache
def _zone_names() -> frozenset[str]:
    """Return the names in the time zone database: a name must not lead to any other file of the machine."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database.

    Args:
        name: The exact name, such as `Europe/Berlin`.

    Raises:
        BadUserInput: When the database does not have the name.
    """
    if name not in _zone_names():
        raise BadUserInput(
            "timeZone is not in the IANA time zone database: use a name such as Europe/Berlin or UTC."
        )
    return ZoneInfo(name)


def boundaries(start: datetime, end: datetime, interval: TimeInterval, zone: ZoneInfo) -> list[datetime]:
    """Return the boundaries of the intervals of a range in UTC: both ends, and those of the time zone between.

    An hour that the clock repeats is an interval of its own. An hour that the clock skips is none. A day whose
    midnight the clock skips begins at its first moment.

    Args:
        start: The first moment of the range.
        end: The moment at which the range ends.
        interval: The width of the intervals.
        zone: The time zone.

    Raises:
        BadUserInput: When the range is empty, or has more than MAX_INTERVALS intervals.
    """
    if start >= end:
        raise BadUserInput("range is empty: gte must be before lt.")
    try:
        found = list(islice(_boundaries(start, end, interval, zone), MAX_INTERVALS + 1))
    except OverflowError:
        raise BadUserInput("range is outside the years 1 to 9999 in this time zone: use another range.") from None
    if len(found) > MAX_INTERVALS:
        raise BadUserInput(
            f"range has more than {MAX_INTERVALS} intervals of one {interval.value}: use a wider interval, or a "
            "shorter range."
        )
    return [*found, end]


def _boundaries(start: datetime, end: datetime, interval: TimeInterval, zone: ZoneInfo) -> Iterator[datetime]:
    moment = start
    while moment < end:
        yield moment
        moment = (_next_of_clock if interval in _WIDTHS else _next_of_calendar)(moment, interval, zone)


def _next_of_clock(moment: datetime, interval: TimeInterval, zone: ZoneInfo) -> datetime:
    """Return the next full minute or hour of the time zone's clock."""
    width, local = _WIDTHS[interval], moment.astimezone(zone)
    in_hour = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return moment + width - in_hour % width


def _next_of_calendar(moment: datetime, interval: TimeInterval, zone: ZoneInfo) -> datetime:
    """Return the next beginning of a day, week or month.

    A clock that goes back over midnight shows the day before again. The new day began nevertheless.
    """
    day = moment.astimezone(zone).date()
    while True:
        day = _next_first_day(day, interval)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        if midnight > moment:
            return midnight


def _next_first_day(day: date, interval: TimeInterval) -> date:
    match interval:
        case TimeInterval.WEEK:
            return day + timedelta(days=7 - day.weekday())
        case TimeInterval.MONTH:
            return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        case _:
            return day + timedelta(days=1)
