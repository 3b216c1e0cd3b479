"""The slices of a list that is too long: properties over generated lists, without a service."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracegraph_nemo.partition_search import PartitionHints, SliceCursor, Timeline, TimeSlice

from tracegraph.adapter.paging import ExperimentQuery, Key, OffsetRequest
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.models import Experiment, ExperimentKind
from tracegraph.domain.sort_values import microseconds

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MAX_ROWS = 6
"""How many rows the made-up service lists."""
ROUNDS = 5000

FIELDS = st.sampled_from(list(ExperimentOrderField))
ORDERS = st.builds(ExperimentOrder, FIELDS, st.sampled_from(list(OrderDirection)))
AGES = st.one_of(
    st.integers(-(10**6), 10**8),
    st.integers(0, 10**15),
    st.sampled_from([0, 1, 2, 10**6, 10**9, -(10**14), 1_795_000_000_000_000]),
)


def timeline_of(order: ExperimentOrder, times: TimeRange | None = None) -> Timeline:
    return Timeline.for_query(ExperimentQuery(ExperimentFilter(created_at=times, updated_at=times), order))


def positions_of(timeline: Timeline, ages: list[int]) -> list[int]:
    now = microseconds(NOW)
    return sorted(timeline.sign * (now - age) for age in ages)


def reading(
    timeline: Timeline, rows: list[int], hints: PartitionHints, position: int
) -> Iterator[tuple[TimeSlice, list[int] | None]]:
    """Every part and its rows, None for a refused one."""
    cursor = SliceCursor(timeline, position, hints, 4, microseconds(NOW))
    while not cursor.ended:
        time_slice = cursor.next_slice()
        slice_rows = [row for row in rows if time_slice.first <= row <= time_slice.last]
        if len(slice_rows) > MAX_ROWS:
            yield time_slice, None
            cursor.mark_too_large(time_slice)
        else:
            yield time_slice, slice_rows
            cursor.advance(time_slice, slice_rows)


def check(timeline: Timeline, rows: list[int], hints: PartitionHints, position: int) -> int:
    """Read to the end: the parts adjoin, each row comes once. Gives the number of calls."""
    calls, expected_first, seen = 0, position, list[int]()
    for time_slice, slice_rows in reading(timeline, rows, hints, position):
        calls += 1
        assert calls < ROUNDS
        assert time_slice.first == expected_first
        assert time_slice.first <= time_slice.last <= timeline.last
        if slice_rows is None:
            assert time_slice.first < time_slice.last, "a single microsecond is too long"
            continue
        seen += slice_rows
        expected_first = time_slice.last + 1
    assert expected_first == timeline.last + 1
    assert seen == [row for row in rows if row >= position]
    return calls


@st.composite
def lists(draw: st.DrawFn) -> list[int]:
    """Ages of rows, at most MAX_ROWS of them in any one microsecond."""
    ages = draw(st.lists(AGES, max_size=40))
    return [age for number, age in enumerate(ages) if ages[:number].count(age) < MAX_ROWS]


@given(lists(), ORDERS)
def test_slices_adjoin_and_hold_every_row_once(ages: list[int], order: ExperimentOrder) -> None:
    timeline = timeline_of(order)
    check(timeline, positions_of(timeline, ages), PartitionHints(), timeline.first)


@given(lists(), lists(), ORDERS)
def test_hints_of_another_list_cost_calls_and_no_rows(
    ages: list[int], earlier: list[int], order: ExperimentOrder
) -> None:
    """Between two readings any row may have come or gone."""
    timeline, hints = timeline_of(order), PartitionHints()
    check(timeline, positions_of(timeline, earlier), hints, timeline.first)
    check(timeline, positions_of(timeline, ages), hints, timeline.first)


@given(lists(), ORDERS, st.data())
def test_reading_may_begin_anywhere(ages: list[int], order: ExperimentOrder, data: st.DataObject) -> None:
    timeline, hints = timeline_of(order), PartitionHints()
    rows = positions_of(timeline, ages)
    position = data.draw(
        st.one_of(st.integers(timeline.first, timeline.last), st.sampled_from(rows or [timeline.first]))
    )
    check(timeline, rows, hints, position)
    check(timeline, rows, hints, timeline.first)


@given(lists(), lists(), ORDERS, st.lists(st.booleans(), max_size=100))
def test_two_readers_may_share_hints_concurrently(
    one: list[int], other: list[int], order: ExperimentOrder, turns: list[bool]
) -> None:
    timeline, hints = timeline_of(order), PartitionHints()
    lists_ = [positions_of(timeline, one), positions_of(timeline, other)]
    readings = [reading(timeline, rows, hints, timeline.first) for rows in lists_]
    seen: list[list[int]] = [[], []]
    running = {0, 1}
    for number in range(2 * ROUNDS):
        if not running:
            break
        turn = int(turns[number]) if number < len(turns) else number % 2
        reader = turn if turn in running else 1 - turn
        step = next(readings[reader], None)
        if step is None:
            running.discard(reader)
        else:
            seen[reader] += step[1] or []
    assert not running
    assert seen == lists_


@pytest.mark.parametrize("direction", list(OrderDirection))
def test_a_list_with_hints_is_read_in_full_slices(direction: OrderDirection) -> None:
    """24 rows an hour apart, in parts cut for four: the first reading searches, the third knows."""
    timeline, hints = timeline_of(ExperimentOrder(direction=direction)), PartitionHints()
    rows = positions_of(timeline, [hour * 3_600_000_000 for hour in range(24)])
    assert check(timeline, rows, hints, timeline.first) > 8
    check(timeline, rows, hints, timeline.first)
    assert check(timeline, rows, hints, timeline.first) == 6


@pytest.mark.parametrize("direction", list(OrderDirection))
def test_a_long_gap_is_searched_once(direction: OrderDirection) -> None:
    day = 86_400_000_000
    timeline, hints = timeline_of(ExperimentOrder(direction=direction)), PartitionHints()
    rows = positions_of(
        timeline, [start + second * 1_000_000 for start in (day, 90 * day) for second in range(12)]
    )
    first, second = (check(timeline, rows, hints, timeline.first) for _ in range(2))
    assert first > 30
    assert second <= 8


def test_rows_added_to_a_gap_are_found() -> None:
    """That there was nothing is remembered, never believed."""
    timeline, hints = timeline_of(ExperimentOrder(direction=OrderDirection.ASC)), PartitionHints()
    hour = 3_600_000_000
    old = [start * hour + second * 1_000_000 for start in (2, 9000) for second in range(12)]
    check(timeline, positions_of(timeline, old), hints, timeline.first)
    check(
        timeline,
        positions_of(timeline, [*old, 400 * hour, *(-minute for minute in range(20))]),
        hints,
        timeline.first,
    )


def test_memory_of_gaps_is_bounded() -> None:
    hints = PartitionHints()
    for first in range(0, 1000, 10):
        hints.add_gap(first, first + 5)
    assert len(hints.gaps) == 32


class TestTimeline:
    def test_descending_positions_grow_towards_the_past(self) -> None:
        timeline = timeline_of(
            ExperimentOrder(direction=OrderDirection.DESC), TimeRange(NOW - timedelta(days=1), NOW)
        )
        now = microseconds(NOW)
        assert (timeline.first, timeline.last) == (1 - now, 86_400_000_000 - now)

    def test_an_order_that_is_not_listed_is_read_by_creation_ascending(self) -> None:
        timeline = timeline_of(ExperimentOrder(ExperimentOrderField.NAME, OrderDirection.DESC))
        assert (timeline.attribute, timeline.sign) == ("created_at", 1)

    def test_the_whole_timeline_is_the_unrestricted_filter(self) -> None:
        order = ExperimentOrder(ExperimentOrderField.UPDATED_AT)
        timeline = timeline_of(order)
        whole = timeline.restrict(
            ExperimentFilter(dataset_name=StringFilter(eq="cases")), TimeSlice(timeline.first, timeline.last)
        )
        assert whole == ExperimentFilter(dataset_name=StringFilter(eq="cases"), updated_at=TimeRange())

    def test_a_slice_is_closed_at_both_ends(self) -> None:
        timeline = timeline_of(ExperimentOrder(direction=OrderDirection.DESC))
        now = microseconds(NOW)
        narrowed = timeline.restrict(ExperimentFilter(), TimeSlice(-now, 5 - now))
        assert narrowed.created_at == TimeRange(NOW - timedelta(microseconds=5), NOW + timedelta(microseconds=1))

    @pytest.mark.parametrize("direction", list(OrderDirection))
    def test_a_page_begins_at_its_hint_then_at_its_key(self, direction: OrderDirection) -> None:
        timeline = timeline_of(ExperimentOrder(direction=direction))
        key = Key(microseconds(NOW), "x")
        assert timeline.start_position(OffsetRequest(10, after=key, token="17")) == 17
        assert timeline.start_position(OffsetRequest(10, after=key)) == timeline.sign * microseconds(NOW)
        assert timeline.start_position(OffsetRequest(10, 400, key)) == timeline.sign * microseconds(NOW), (
            "no offset counts here"
        )
        assert timeline.start_position(OffsetRequest(10)) == timeline.first

    def test_behind_a_key_without_a_time_no_range_leads_on(self) -> None:
        timeline = timeline_of(ExperimentOrder())
        assert timeline.start_position(OffsetRequest(10, after=Key(None, "x"))) > timeline.last

    @pytest.mark.parametrize("value", [10**30, -(10**30)])
    def test_a_key_beyond_the_calendar_is_before_the_list_or_behind_it(self, value: int) -> None:
        timeline = timeline_of(ExperimentOrder(direction=OrderDirection.ASC))
        begin = timeline.start_position(OffsetRequest(10, after=Key(value, "x")))
        assert begin == timeline.first or begin > timeline.last

    def test_an_experiment_without_the_time_has_no_position(self) -> None:
        experiment = Experiment(source="n", ref="a", vendor_id="a", kind=ExperimentKind.EVALUATION, name="a")
        assert timeline_of(ExperimentOrder()).position_of(experiment) is None
