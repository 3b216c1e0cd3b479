"""Which parts of a list that is too long are asked for: laws over made-up lists, no service."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracegraph_nemo.partition_search import PartitionHints, SliceCursor, Timeline, TimeSlice

from tracegraph.adapter.paging import ExperimentQuery, Key, PageRequest
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    TimeRange,
)
from tracegraph.domain.models import Experiment, ExperimentKind
from tracegraph.domain.sort_values import microseconds

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MOST = 6
"""How many rows the made-up service lists."""
ROUNDS = 5000

FIELDS = st.sampled_from(list(ExperimentOrderField))
ORDERS = st.builds(ExperimentOrder, FIELDS, st.sampled_from(list(OrderDirection)))
AGES = st.one_of(
    st.integers(-(10**6), 10**8),
    st.integers(0, 10**15),
    st.sampled_from([0, 1, 2, 10**6, 10**9, -(10**14), 1_795_000_000_000_000]),
)


def line_of(order: ExperimentOrder, times: TimeRange | None = None) -> Timeline:
    return Timeline.of(ExperimentQuery(ExperimentFilter(created_at=times, updated_at=times), order))


def places_of(line: Timeline, ages: list[int]) -> list[int]:
    now = microseconds(NOW)
    return sorted(line.sign * (now - age) for age in ages)


def reading(
    line: Timeline, rows: list[int], note: PartitionHints, at: int
) -> Iterator[tuple[TimeSlice, list[int] | None]]:
    """Every part and its rows, None for a refused one."""
    search = SliceCursor(line, at, note, 4, microseconds(NOW))
    while not search.ended:
        part = search.part()
        found = [row for row in rows if part.first <= row <= part.last]
        if len(found) > MOST:
            yield part, None
            search.refuse(part)
        else:
            yield part, found
            search.take(part, found)


def check(line: Timeline, rows: list[int], note: PartitionHints, at: int) -> int:
    """Read to the end: the parts adjoin, each row comes once. Gives the number of calls."""
    calls, expected_first, seen = 0, at, list[int]()
    for part, found in reading(line, rows, note, at):
        calls += 1
        assert calls < ROUNDS
        assert part.first == expected_first
        assert part.first <= part.last <= line.last
        if found is None:
            assert part.first < part.last, "a single microsecond is too long"
            continue
        seen += found
        expected_first = part.last + 1
    assert expected_first == line.last + 1
    assert seen == [row for row in rows if row >= at]
    return calls


@st.composite
def lists(draw: st.DrawFn) -> list[int]:
    """Ages of rows, at most MOST of them in any one microsecond."""
    ages = draw(st.lists(AGES, max_size=40))
    return [age for number, age in enumerate(ages) if ages[:number].count(age) < MOST]


@given(lists(), ORDERS)
def test_parts_adjoin_and_hold_every_row_once(ages: list[int], order: ExperimentOrder) -> None:
    line = line_of(order)
    check(line, places_of(line, ages), PartitionHints(), line.first)


@given(lists(), lists(), ORDERS)
def test_what_was_learnt_of_another_list_costs_calls_and_no_rows(
    ages: list[int], earlier: list[int], order: ExperimentOrder
) -> None:
    """Between two readings any row may have come or gone."""
    line, note = line_of(order), PartitionHints()
    check(line, places_of(line, earlier), note, line.first)
    check(line, places_of(line, ages), note, line.first)


@given(lists(), ORDERS, st.data())
def test_reading_may_begin_anywhere(ages: list[int], order: ExperimentOrder, data: st.DataObject) -> None:
    line, note = line_of(order), PartitionHints()
    rows = places_of(line, ages)
    at = data.draw(st.one_of(st.integers(line.first, line.last), st.sampled_from(rows or [line.first])))
    check(line, rows, note, at)
    check(line, rows, note, line.first)


@given(lists(), lists(), ORDERS, st.lists(st.booleans(), max_size=100))
def test_two_may_read_and_learn_at_the_same_time(
    one: list[int], other: list[int], order: ExperimentOrder, turns: list[bool]
) -> None:
    line, note = line_of(order), PartitionHints()
    lists_ = [places_of(line, one), places_of(line, other)]
    readings = [reading(line, rows, note, line.first) for rows in lists_]
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
def test_a_list_that_is_known_is_read_in_one_part_for_each_full_one(direction: OrderDirection) -> None:
    """24 rows an hour apart, in parts cut for four: the first reading searches, the third knows."""
    line, note = line_of(ExperimentOrder(direction=direction)), PartitionHints()
    rows = places_of(line, [hour * 3_600_000_000 for hour in range(24)])
    assert check(line, rows, note, line.first) > 8
    check(line, rows, note, line.first)
    assert check(line, rows, note, line.first) == 6


@pytest.mark.parametrize("direction", list(OrderDirection))
def test_a_long_gap_is_searched_once(direction: OrderDirection) -> None:
    day = 86_400_000_000
    line, note = line_of(ExperimentOrder(direction=direction)), PartitionHints()
    rows = places_of(line, [start + second * 1_000_000 for start in (day, 90 * day) for second in range(12)])
    first, second = (check(line, rows, note, line.first) for _ in range(2))
    assert first > 30
    assert second <= 8


def test_what_came_into_a_gap_is_found() -> None:
    """That there was nothing is remembered, never believed."""
    line, note = line_of(ExperimentOrder(direction=OrderDirection.ASC)), PartitionHints()
    hour = 3_600_000_000
    old = [start * hour + second * 1_000_000 for start in (2, 9000) for second in range(12)]
    check(line, places_of(line, old), note, line.first)
    check(line, places_of(line, [*old, 400 * hour, *(-minute for minute in range(20))]), note, line.first)


def test_memory_of_gaps_is_bounded() -> None:
    note = PartitionHints()
    for first in range(0, 1000, 10):
        note.add_gap(first, first + 5)
    assert len(note.gaps) == 32


class TestTimeline:
    def test_descending_places_grow_towards_the_past(self) -> None:
        line = line_of(ExperimentOrder(direction=OrderDirection.DESC), TimeRange(NOW - timedelta(days=1), NOW))
        now = microseconds(NOW)
        assert (line.first, line.last) == (1 - now, 86_400_000_000 - now)

    def test_an_order_that_is_not_listed_is_read_by_creation_ascending(self) -> None:
        line = line_of(ExperimentOrder(ExperimentOrderField.NAME, OrderDirection.DESC))
        assert (line.attribute, line.sign) == ("created_at", 1)

    def test_the_whole_line_is_the_filter_itself(self) -> None:
        order = ExperimentOrder(ExperimentOrderField.UPDATED_AT)
        line = line_of(order)
        whole = line.narrowed(ExperimentFilter(dataset_name="cases"), TimeSlice(line.first, line.last))
        assert whole == ExperimentFilter(dataset_name="cases", updated_at=TimeRange())

    def test_a_part_is_closed_at_both_ends(self) -> None:
        line = line_of(ExperimentOrder(direction=OrderDirection.DESC))
        now = microseconds(NOW)
        narrowed = line.narrowed(ExperimentFilter(), TimeSlice(-now, 5 - now))
        assert narrowed.created_at == TimeRange(NOW - timedelta(microseconds=5), NOW + timedelta(microseconds=1))

    @pytest.mark.parametrize("direction", list(OrderDirection))
    def test_a_page_begins_at_its_hint_then_at_its_key(self, direction: OrderDirection) -> None:
        line = line_of(ExperimentOrder(direction=direction))
        key = Key(microseconds(NOW), "x")
        assert line.begin(PageRequest(10, key, "17")) == 17
        assert line.begin(PageRequest(10, key)) == line.sign * microseconds(NOW)
        assert line.begin(PageRequest(10, key, 400)) == line.sign * microseconds(NOW), "no offset counts here"
        assert line.begin(PageRequest(10)) == line.first

    def test_behind_a_key_without_a_time_no_range_leads_on(self) -> None:
        line = line_of(ExperimentOrder())
        assert line.begin(PageRequest(10, Key(None, "x"))) > line.last

    @pytest.mark.parametrize("value", [10**30, -(10**30)])
    def test_a_key_beyond_the_calendar_is_before_the_list_or_behind_it(self, value: int) -> None:
        line = line_of(ExperimentOrder(direction=OrderDirection.ASC))
        begin = line.begin(PageRequest(10, Key(value, "x")))
        assert begin == line.first or begin > line.last

    def test_an_experiment_without_the_time_has_no_place(self) -> None:
        experiment = Experiment(source="n", ref="a", vendor_id="a", kind=ExperimentKind.EVALUATION, name="a")
        assert line_of(ExperimentOrder()).place(experiment) is None
