"""Intervals of a range follow the clock and the calendar of any time zone."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.errors import BadUserInput
from tracegraph.federation.analytics.intervals import MAX_INTERVALS, TimeInterval, boundaries, zone_named

ZONES = sorted(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())
CALENDAR = (TimeInterval.DAY, TimeInterval.WEEK, TimeInterval.MONTH)
CLOCK = (TimeInterval.MINUTE, TimeInterval.HOUR)
LONGEST = {
    TimeInterval.MINUTE: timedelta(hours=5),
    TimeInterval.HOUR: timedelta(days=9),
    TimeInterval.DAY: timedelta(days=90),
    TimeInterval.WEEK: timedelta(days=500),
    TimeInterval.MONTH: timedelta(days=2000),
}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def lengths(found: list[datetime]) -> list[float]:
    """The hours of each interval."""
    return [(end - start) / timedelta(hours=1) for start, end in pairwise(found)]


# -- daylight saving -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "first", "last", "hours"),
    [
        ("Europe/Berlin", "2026-03-28T00:00+01:00", "2026-03-31T00:00+02:00", [24, 23, 24]),
        ("Europe/Berlin", "2026-10-24T00:00+02:00", "2026-10-27T00:00+01:00", [24, 25, 24]),
        ("America/New_York", "2026-03-07T00:00-05:00", "2026-03-10T00:00-04:00", [24, 23, 24]),
        ("America/New_York", "2026-10-31T00:00-04:00", "2026-11-03T00:00-05:00", [24, 25, 24]),
        ("Australia/Lord_Howe", "2026-04-04T00:00+11:00", "2026-04-07T00:00+10:30", [24, 24.5, 24]),
        ("Asia/Kolkata", "2026-05-01T00:00+05:30", "2026-05-03T00:00+05:30", [24, 24]),
        ("America/Havana", "2026-03-07T00:00-05:00", "2026-03-10T00:00-04:00", [24, 23, 24]),
        ("Pacific/Apia", "2011-12-28T00:00-10:00", "2012-01-01T00:00+14:00", [24, 24, 24]),
    ],
)
def test_a_day_has_the_hours_of_its_time_zone(zone: str, first: str, last: str, hours: list[float]) -> None:
    """In Havana the clock skips midnight; Samoa skipped a whole day."""
    assert lengths(boundaries(moment(first), moment(last), TimeInterval.DAY, zone_named(zone))) == hours


@pytest.mark.parametrize(
    ("zone", "first", "last", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", [1] * 23),
        ("Europe/Berlin", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", [1] * 25),
        ("America/New_York", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00", [1] * 25),
        ("Australia/Lord_Howe", "2026-04-05T00:00+11:00", "2026-04-05T04:00+10:30", [1, 1, 0.5, 1, 1]),
        ("Asia/Kolkata", "2026-05-01T00:00Z", "2026-05-01T02:00Z", [0.5, 1, 0.5]),
    ],
)
def test_hours_begin_where_the_clock_shows_a_full_hour(
    zone: str, first: str, last: str, hours: list[float]
) -> None:
    assert lengths(boundaries(moment(first), moment(last), TimeInterval.HOUR, zone_named(zone))) == hours


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    zone = zone_named("Europe/Berlin")
    first, last = moment("2026-02-11T12:00Z"), moment("2026-04-10T12:00Z")
    weeks = [one.astimezone(zone) for one in boundaries(first, last, TimeInterval.WEEK, zone)[1:-1]]
    assert weeks[0].date() == date(2026, 2, 16)
    assert {one.weekday() for one in weeks} == {0}
    assert len(weeks) == 8
    months = [one.astimezone(zone) for one in boundaries(first, last, TimeInterval.MONTH, zone)[1:-1]]
    assert [one.isoformat() for one in months] == ["2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00"]


def test_the_first_and_the_last_interval_are_cut_to_the_range() -> None:
    first, last = moment("2026-05-01T09:30Z"), moment("2026-05-03T00:00:01Z")
    found = boundaries(first, last, TimeInterval.DAY, zone_named("UTC"))
    assert found == [first, moment("2026-05-02T00:00Z"), moment("2026-05-03T00:00Z"), last]


# -- laws ----------------------------------------------------------------------------------------------

zones = st.sampled_from(ZONES)
moments = st.timedeltas(timedelta(), timedelta(days=31_000)).map(datetime(1951, 1, 1, tzinfo=UTC).__add__)


@st.composite
def asked(draw: st.DrawFn, *intervals: TimeInterval) -> tuple[datetime, datetime, TimeInterval, ZoneInfo]:
    interval, first = draw(st.sampled_from(intervals)), draw(moments)
    length = draw(st.timedeltas(timedelta(microseconds=1), LONGEST[interval]))
    return first, first + length, interval, zone_named(draw(zones))


@given(asked(*TimeInterval))
def test_intervals_follow_on_each_other_from_the_first_to_the_last_moment(
    request: tuple[datetime, datetime, TimeInterval, ZoneInfo],
) -> None:
    first, last, *_ = request
    found = boundaries(*request)
    assert (found[0], found[-1]) == (first, last)
    assert all(start < end for start, end in pairwise(found))
    assert {one.tzinfo for one in found} == {UTC}


@given(asked(*CALENDAR))
def test_each_day_week_and_month_begins_with_the_first_moment_of_its_first_date(
    request: tuple[datetime, datetime, TimeInterval, ZoneInfo],
) -> None:
    _, _, interval, zone = request
    for one in boundaries(*request)[1:-1]:
        before, local = (one - timedelta(microseconds=1)).astimezone(zone), one.astimezone(zone)
        assert before.date() < local.date()
        skipped = local.date() - before.date() - timedelta(days=1)
        if interval is TimeInterval.WEEK:
            assert local.weekday() == 0 or skipped
        if interval is TimeInterval.MONTH:
            assert local.day == 1 or skipped


@given(asked(*CALENDAR))
def test_no_interval_of_the_calendar_holds_two(
    request: tuple[datetime, datetime, TimeInterval, ZoneInfo],
) -> None:
    """The start and the end of an interval, its end excluded, are of the same day, week or month."""
    _, _, interval, zone = request

    def label(day: date) -> object:
        if interval is TimeInterval.DAY:
            return day
        return day.isocalendar()[:2] if interval is TimeInterval.WEEK else (day.year, day.month)

    for start, end in pairwise(boundaries(*request)):
        last = (end - timedelta(microseconds=1)).astimezone(zone)
        goes_back = (start.astimezone(zone).replace(tzinfo=None) - last.replace(tzinfo=None)) > timedelta(0)
        assert goes_back or label(start.astimezone(zone).date()) == label(last.date())


@given(asked(*CLOCK))
def test_each_minute_and_hour_begins_where_the_clock_is_full(
    request: tuple[datetime, datetime, TimeInterval, ZoneInfo],
) -> None:
    """But for one that begins where the clock changes by less than an hour."""
    _, _, interval, zone = request
    width = timedelta(hours=1) if interval is TimeInterval.HOUR else timedelta(minutes=1)
    for previous, one in pairwise(boundaries(*request)[:-1]):
        local = one.astimezone(zone)
        full = local.second == local.microsecond == 0 and (interval is TimeInterval.MINUTE or local.minute == 0)
        assert full or local.utcoffset() != previous.astimezone(zone).utcoffset()
        assert one - previous <= width


@given(asked(*TimeInterval), st.data())
def test_a_part_of_a_range_has_the_same_boundaries(
    request: tuple[datetime, datetime, TimeInterval, ZoneInfo], data: st.DataObject
) -> None:
    first, last, interval, zone = request
    found = boundaries(*request)
    cut = data.draw(st.datetimes(first.replace(tzinfo=None), last.replace(tzinfo=None), timezones=st.just(UTC)))
    if first < cut < last:
        parts = {*boundaries(first, cut, interval, zone), *boundaries(cut, last, interval, zone)}
        assert parts - {cut} == {*found} - {cut}


# -- errors --------------------------------------------------------------------------------------------


def test_a_range_has_at_most_a_thousand_intervals() -> None:
    first, zone = moment("2026-05-01T00:00Z"), zone_named("UTC")
    longest = first + timedelta(minutes=MAX_INTERVALS)
    assert len(boundaries(first, longest, TimeInterval.MINUTE, zone)) == MAX_INTERVALS + 1
    with pytest.raises(BadUserInput, match="more than 1000 intervals of one MINUTE"):
        boundaries(first, longest + timedelta(microseconds=1), TimeInterval.MINUTE, zone)


@pytest.mark.parametrize("last", ["2026-05-01T00:00Z", "2026-04-30T00:00Z"])
def test_an_empty_range_is_an_error(last: str) -> None:
    with pytest.raises(BadUserInput, match="gte must be before lt"):
        boundaries(moment("2026-05-01T00:00Z"), moment(last), TimeInterval.DAY, zone_named("UTC"))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize(
    ("first", "last"), [("0001-01-01T00:00Z", "0001-01-02T00:00Z"), ("9999-12-31T00:00Z", "9999-12-31T23:59Z")]
)
@pytest.mark.parametrize("interval", TimeInterval)
def test_a_range_at_the_ends_of_time_has_intervals_or_is_an_error(
    zone: str, first: str, last: str, interval: TimeInterval
) -> None:
    try:
        found = boundaries(moment(first), moment(last), interval, zone_named(zone))
    except BadUserInput as error:
        assert "outside the years" in error.message or "more than 1000" in error.message  # noqa: PT017
    else:
        assert (found[0], found[-1]) == (moment(first), moment(last))


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "europe/berlin", "Europe", "/etc/passwd", "../UTC", "posix/UTC", "right/UTC", "\0"],
)
def test_a_name_that_is_not_in_the_database_is_an_error(name: str) -> None:
    """Names are exact, and lead to no other file of the machine."""
    with pytest.raises(BadUserInput, match="IANA"):
        zone_named(name)


def test_a_machine_without_a_database_has_all_time_zones() -> None:
    """Containers often have none. The package tzdata replaces it."""
    program = """if True:
        from zoneinfo import TZPATH
        from tracegraph.federation.analytics.intervals import zone_named
        print(TZPATH, zone_named("Europe/Berlin").key)
    """
    environment = {**os.environ, "PYTHONTZPATH": ""}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert found.stdout.decode().split() == ["()", "Europe/Berlin"]


def test_every_time_zone_of_the_database_can_be_used() -> None:
    assert len(ZONES) > 400
    assert {zone_named(name).key for name in ZONES} == set(ZONES)
