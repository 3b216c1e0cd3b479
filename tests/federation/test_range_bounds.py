"""Start and end of a list under a range on its sort time, for vendors that take no such range."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.federation.fake import FakeVendor, Item, stream
from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.paging import OffsetRequest, Paging, SessionPageRequest
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.sort_values import from_microseconds, microseconds
from tracegraph.federation.merge import Positions, merge
from tracegraph.federation.range_bounds import Bounds, experiment_bounds, session_bounds
from tracegraph.federation.sort_key import SortKey
from tracegraph.federation.stream import Stream

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MOMENTS = st.integers(-3, 3).map(lambda step: NOON + timedelta(microseconds=step))
RANGES = st.builds(TimeRange, st.none() | MOMENTS, st.none() | MOMENTS)
SOURCES = st.sampled_from(["a", "nemo", "z", "\U0010fffe"])
SORT_KEYS = st.builds(SortKey, st.none() | MOMENTS.map(microseconds), SOURCES, st.text(max_size=2))
WAYS = st.sampled_from(OrderDirection)


def capabilities(*pushed: str) -> ListCapabilities:
    return ListCapabilities(Paging.OFFSET, 100, filters=frozenset(pushed))


def of_created(times: TimeRange | None, way: OrderDirection = OrderDirection.DESC, *pushed: str) -> Bounds:
    order = ExperimentOrder(ExperimentOrderField.CREATED_AT, way)
    return experiment_bounds(order, ExperimentFilter(created_at=times), capabilities(*pushed))


def started(times: TimeRange | None, way: OrderDirection = OrderDirection.DESC) -> SessionPageRequest:
    return SessionPageRequest(
        ("e",), OffsetRequest(5), SessionFilter(started_at=times), SessionOrder(direction=way)
    )


@given(RANGES, SORT_KEYS, WAYS)
def test_no_row_within_the_range_lies_beyond_its_bounds(
    times: TimeRange, sort_key: SortKey, way: OrderDirection
) -> None:
    if not times.matches(None if sort_key.value is None else from_microseconds(int(sort_key.value))):
        return
    for bounds in (
        of_created(times, way),
        session_bounds(started(times, way), capabilities()),
    ):
        assert bounds.starts_after is None or bounds.starts_after.comparable(way) < sort_key.comparable(way)
        assert bounds.ends_at is None or sort_key.comparable(way) < bounds.ends_at


@given(RANGES, SORT_KEYS, WAYS)
def test_no_row_outside_the_range_lies_between_its_bounds(
    times: TimeRange, sort_key: SortKey, way: OrderDirection
) -> None:
    """A missing time, which comes last in both directions, is beyond an end but not before a beginning."""
    if sort_key.value is None or times.matches(from_microseconds(int(sort_key.value))):
        return
    bounds = of_created(times, way)
    before = bounds.starts_after is not None and sort_key.comparable(way) <= bounds.starts_after.comparable(way)
    behind = bounds.ends_at is not None and bounds.ends_at <= sort_key.comparable(way)
    assert before or behind


@given(MOMENTS, WAYS)
def test_a_row_without_a_time_lies_behind_the_end(moment: datetime, way: OrderDirection) -> None:
    times = TimeRange(gte=moment, lt=moment + timedelta(hours=1))
    ends_at = of_created(times, way).ends_at
    assert ends_at is not None
    assert ends_at < SortKey(None, "", "").comparable(way)


def test_a_range_that_the_vendor_takes_needs_no_bounds() -> None:
    times = TimeRange(gte=NOON)
    assert of_created(times, OrderDirection.DESC, "created_at") == Bounds()
    assert session_bounds(started(times), capabilities("started_at")) == Bounds()


def test_without_a_range_there_are_no_bounds() -> None:
    assert of_created(None) == Bounds()
    assert session_bounds(started(None), capabilities()) == Bounds()


@pytest.mark.parametrize("field", [ExperimentOrderField.UPDATED_AT, ExperimentOrderField.NAME])
def test_a_range_on_a_value_other_than_the_sort_value_gives_no_bounds(field: ExperimentOrderField) -> None:
    experiment_filter = ExperimentFilter(created_at=TimeRange(gte=NOON), name=StringFilter(eq="a"))
    assert experiment_bounds(ExperimentOrder(field), experiment_filter, capabilities()) == Bounds()


@pytest.mark.parametrize("way", OrderDirection)
async def test_a_list_is_read_within_its_bounds_only(way: OrderDirection) -> None:
    """Ten of two thousand rows match: reading starts before them and ends after them."""
    vendor = FakeVendor("v", [Item(f"{number:04}", number) for number in range(2000)], way)
    times = TimeRange(gte=from_microseconds(1000), lt=from_microseconds(1010))
    given_bounds = of_created(times, way)
    spec = stream(vendor, Positions(), matches=lambda item: 1000 <= (item.value or 0) < 1010).spec
    bounded = Stream(replace(spec, bounds=given_bounds), Positions().for_stream("v"))
    merged = await merge([bounded], 50)
    values = [row.node.value for row in merged.rows]
    assert values == sorted(range(1000, 1010), reverse=way is OrderDirection.DESC)
    assert merged.has_next is False
    assert len(vendor.calls) <= 2 * 11 + 2  # steps that double, then halves, then the rows themselves
