"""DateTime as text: RFC 3339 in UTC, whatever zone a time came with."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.graphql.scalars import parse_time, serialize_time

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
IN_UTC = st.datetimes(timezones=st.just(UTC)).filter(lambda time: 1 < time.year < 9999)
TIMES = st.builds(datetime.astimezone, IN_UTC, ZONES | st.just(UTC))


class OwnTime(datetime):
    """A time of a vendor library's own class."""


@given(TIMES)
def test_a_time_is_written_in_utc_with_a_fraction_only_where_there_is_one(time: datetime) -> None:
    written = serialize_time(time)
    assert written == time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert parse_time(written) == time


@given(TIMES)
def test_a_time_of_any_class_is_written_alike(time: datetime) -> None:
    assert serialize_time(OwnTime.fromisoformat(time.isoformat())) == serialize_time(time)
