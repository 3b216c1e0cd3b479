"""Lists in one direction, read in the other: by windows on the value, or from the end."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.federation.fake import FakeVendor, Item, page
from tracegraph.adapter.paging import OffsetRequest, Page, PageRequest
from tracegraph.domain.filters import OrderDirection
from tracegraph.errors import SourceErrorCode
from tracegraph.federation.merge import Positions
from tracegraph.federation.sort_key import SortKey

HOUR = 3_600_000_000
DIRECTIONS = st.sampled_from(OrderDirection)
SPREADS = st.sampled_from([1, 50, 1_000, 1_000_000, HOUR, 10_000 * HOUR])


def reversed_vendor(
    values: list[int], direction: OrderDirection, page_max: int, *, windows: bool, reports_total: bool = True
) -> FakeVendor:
    items = [Item(f"r{number:05}", value) for number, value in enumerate(values)]
    return FakeVendor(
        "r",
        items,
        direction,
        page_max=page_max,
        pages_by_range=windows,
        one_direction=True,
        reports_total=reports_total,
    )


def in_order(vendor: FakeVendor) -> list[str]:
    sign = 1 if vendor.direction is OrderDirection.ASC else -1
    return [item.id for item in sorted(vendor.items, key=lambda item: (sign * (item.value or 0), item.id))]


async def traversed(vendor: FakeVendor, first: int, budget: int, pages: int = 3_000) -> list[str]:
    """The ids of the whole list, page by page; an error, or an empty page without a reason, fails the test."""
    positions, seen, is_limited = Positions(), list[str](), False
    for _ in range(pages):
        merged = await page([vendor], first, positions, budget=budget)
        assert merged.streams[0].error is None
        assert merged.rows or is_limited or merged.streams[0].budget_exhausted or not seen
        is_limited = merged.streams[0].budget_exhausted
        seen += [row.node.id for row in merged.rows]
        positions = merged.positions_at_end()
        if not merged.has_next:
            return seen
    raise AssertionError("the list does not end")


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=12),
    SPREADS,
    DIRECTIONS,
    st.integers(2, 9),
    st.integers(1, 12),
    st.sampled_from([1, 2, 3, 20]),
)
@example([(0, 6), (1, 6)], 1, OrderDirection.ASC, 9, 4, 20)
@example([(0, 12), (1, 12)], 1, OrderDirection.ASC, 9, 4, 2)
async def test_windows_give_every_row_once_whatever_the_budget_and_the_spread_of_times(  # noqa: PLR0917
    groups: list[tuple[int, int]], spread: int, direction: OrderDirection, page_max: int, first: int, budget: int
) -> None:
    values = [value * spread + 1_700_000_000_000_000 for value, count in groups for _ in range(count)]
    vendor = reversed_vendor(values, direction, page_max, windows=True)
    assert await traversed(vendor, first, budget) == in_order(vendor)


@pytest.mark.parametrize("direction", OrderDirection)
async def test_a_group_of_one_time_at_the_far_end_is_read_in_a_few_calls(direction: OrderDirection) -> None:
    vendor = reversed_vendor([5 * HOUR] * 350, direction, 100, windows=True)
    merged = await page([vendor], 400, Positions(), budget=20)
    assert [row.node.id for row in merged.rows] == in_order(vendor)
    assert len(vendor.calls) <= 20  # of which most show that no row of a later time follows


@pytest.mark.parametrize("direction", OrderDirection)
async def test_behind_a_row_without_a_value_no_time_follows(direction: OrderDirection) -> None:
    """Rows without a value come last, those of another source, too."""
    vendor = reversed_vendor([number * HOUR for number in range(100)], direction, 10, windows=True)
    merged = await page([vendor], 10, Positions(SortKey(None, "other", "row")))
    assert (merged.rows, merged.has_next) == ([], False)
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("direction", OrderDirection)
async def test_two_times_that_fit_no_page_together_are_two_windows(direction: OrderDirection) -> None:
    vendor = reversed_vendor([HOUR] * 60 + [HOUR + 1] * 60, direction, 100, windows=True)
    assert await traversed(vendor, 50, 20, pages=4) == in_order(vendor)


@pytest.mark.parametrize("budget", [1, 3])
@pytest.mark.parametrize("direction", OrderDirection)
async def test_a_filter_that_drops_nearly_all_rows_reaches_the_others_within_small_budgets(
    direction: OrderDirection, budget: int
) -> None:
    vendor = reversed_vendor([number * 700 for number in range(500)], direction, 10, windows=True)
    positions, seen = Positions(), list[str]()
    for _ in range(2_000):
        merged = await page(
            [vendor], 5, positions, matches=lambda item: item.id in {"r00007", "r00490"}, budget=budget
        )
        assert merged.streams[0].error is None
        seen += [row.node.id for row in merged.rows]
        positions = merged.positions_at_end()
        if not merged.has_next:
            break
    assert sorted(seen) == ["r00007", "r00490"]


async def test_a_group_of_one_time_that_no_budget_suffices_for_is_an_error() -> None:
    vendor = reversed_vendor([HOUR] * 300, OrderDirection.ASC, 5, windows=True)
    positions = Positions()
    for _ in range(5):
        merged = await page([vendor], 5, positions, budget=3)
        positions = merged.positions_at_end()
    error = merged.streams[0].error
    assert error is not None
    assert error.code is SourceErrorCode.BAD_REQUEST


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(st.integers(0, 12), max_size=300), DIRECTIONS, st.integers(2, 30), st.integers(1, 30), st.booleans()
)
async def test_a_list_of_offsets_is_read_from_its_end_with_and_without_a_total(
    values: list[int],
    direction: OrderDirection,
    page_max: int,
    first: int,
    reports_total: bool,  # noqa: FBT001 - hypothesis draws it by place
) -> None:
    vendor = reversed_vendor(values, direction, page_max, windows=False, reports_total=reports_total)
    assert await traversed(vendor, first, 40) == in_order(vendor)


class Miscounting(FakeVendor):
    """Reports a total that is off."""

    off = 0

    async def fetch(self, request: PageRequest) -> Page[Item]:
        assert isinstance(request, OffsetRequest)
        found = await super().fetch(request)
        return Page(found.items, found.offset, found.next_hint, max(0, len(self.items) + self.off))


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 300), st.integers(-300, 300), st.integers(2, 60), st.integers(1, 30))
@example(6, -4, 2, 1)
async def test_a_wrong_total_costs_calls_and_no_rows(rows: int, off: int, page_max: int, first: int) -> None:
    items = [Item(f"r{number:05}", number) for number in range(rows)]
    vendor = Miscounting("r", items, OrderDirection.ASC, page_max=page_max, one_direction=True)
    vendor.off = off
    assert await traversed(vendor, first, 40) == in_order(vendor)
