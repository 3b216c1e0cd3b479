"""DateTime as a string: RFC 3339 in UTC, whatever zone the input has."""

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.graphql.types.scalars import parse_time, serialize_time
from tracegraph.http.json import to_json

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
IN_UTC = st.datetimes(timezones=st.just(UTC)).filter(lambda time: 1 < time.year < 9999)
TIMES = st.builds(datetime.astimezone, IN_UTC, ZONES | st.just(UTC))


class OwnTime(datetime):
    """A time of a vendor library's own class."""


def written(time: datetime, **beside: object) -> str:
    """Return the time as the response has it."""
    body = json.loads(to_json({"time": serialize_time(time), **beside}))
    return str(body["time"])


@given(TIMES)
def test_a_time_is_written_in_utc_with_a_fraction_only_if_it_has_one(time: datetime) -> None:
    assert written(time) == time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert parse_time(written(time)) == time


@given(TIMES)
def test_a_time_of_any_class_is_written_alike(time: datetime) -> None:
    assert written(OwnTime.fromisoformat(time.isoformat())) == written(time)


@given(TIMES)
def test_a_time_is_written_alike_beside_a_number_that_few_can_read(time: datetime) -> None:
    assert written(time, number=10**30) == written(time)
