"""A list of tokens resumes exactly, whatever becomes of its tokens and of its rows."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.examples import examples
from tests.federation.fake import FakeVendor, Item, page
from tracegraph.adapter.paging import CursorRequest, Page, PageRequest, RangeRequest
from tracegraph.domain.filters import OrderDirection
from tracegraph.errors import SourceBadRequest, SourceErrorCode
from tracegraph.federation.merge import Merged, Positions
from tracegraph.federation.position import Position
from tracegraph.federation.sort_key import SortKey

SEEDS = st.integers(0, 2**32)
BUDGET = 20
KINDS = ["offset", "range", "tokens", "tokens and ranges", "whole", "windows", "end"]


def numbered(values: Sequence[int], prefix: str = "t") -> list[Item]:
    return [Item(f"{prefix}{number:04}", value) for number, value in enumerate(values)]


def token_vendor(items: list[Item], page_max: int = 100, *, ranges: bool = False, name: str = "t") -> FakeVendor:
    return FakeVendor(name, items, page_max=page_max, pages_by_token=True, token_ranges=ranges)


def ids(merged: Merged[Item]) -> list[str]:
    return [row.node.id for row in merged.rows]


async def read_to(vendor: FakeVendor, first: int, pages: int) -> Positions:
    positions = Positions()
    for _ in range(pages):
        positions = (await page([vendor], first, positions, budget=BUDGET)).positions_at_end()
    return positions


async def read_on(
    vendors: list[FakeVendor], positions: Positions, first: int = 20, budget: int = BUDGET
) -> list[str]:
    """The ids of the rest of the list."""
    found: list[str] = []
    for _ in range(300):
        merged = await page(vendors, first, positions, budget=budget)
        assert not any(stream.error for stream in merged.streams)
        found += ids(merged)
        positions = merged.positions_at_end()
        if not merged.has_next:
            return found
    raise AssertionError("the list does not end")


# -- what a page costs -----------------------------------------------------------------------------------


async def test_a_position_deep_within_a_vendors_page_is_resumed_in_one_call() -> None:
    """The page of the token is requested with as many rows more as are done with."""
    vendor = token_vendor(numbered(range(5_000)), page_max=1_000)
    positions = await read_to(vendor, 100, 20)
    merged = await page([vendor], 100, positions)
    positions = merged.positions_after(merged.rows[79])
    vendor.calls.clear()
    merged = await page([vendor], 10, positions)
    assert [row.node.value for row in merged.rows] == list(range(2_919, 2_909, -1))
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("ranges", [False, True], ids=["tokens", "tokens and ranges"])
async def test_the_deletion_of_the_last_row_costs_no_second_reading_of_the_list(ranges: bool) -> None:  # noqa: FBT001
    vendor = token_vendor(numbered(range(5_000)), page_max=1_000, ranges=ranges)
    merged = await page([vendor], 20, await read_to(vendor, 20, 60))
    edge = merged.rows[6]
    vendor.items.remove(edge.node)
    vendor.calls.clear()
    rest = await page([vendor], 20, merged.positions_after(edge), budget=BUDGET)
    assert [row.node.value for row in rest.rows] == list(range(3_792, 3_772, -1))
    assert len(vendor.calls) == 1


async def test_after_rows_that_a_filter_drops_the_next_read_is_longer() -> None:
    """Four of five rows do not match: 50 matching rows are read with two more calls, not with one for each ten."""
    vendor = token_vendor(numbered(range(5_000)), page_max=1_000)
    merged = await page([vendor], 50, Positions(), matches=lambda item: item.value % 5 == 0)
    assert [row.node.value for row in merged.rows] == list(range(4_995, 4_745, -5))
    assert len(vendor.calls) <= 3


async def test_a_token_that_leads_back_is_read_on_from() -> None:
    """The vendor's tokens are offsets, and more rows than a page has were added before them."""
    vendor = DriftingVendor("t", numbered(range(500)), page_max=20, pages_by_token=True)
    positions = await read_to(vendor, 20, 10)
    vendor.items += [Item(f"n{number}", 1_000) for number in range(50)]
    vendor.calls.clear()
    merged = await page([vendor], 20, positions)
    assert [row.node.value for row in merged.rows] == list(range(299, 279, -1))
    assert len(vendor.calls) <= 5


class DriftingVendor(FakeVendor):
    """Its tokens are offsets."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        assert isinstance(request, CursorRequest)
        self.calls.append(request)
        rows, start = self.ordered_items(), int(request.token or 0)
        end = start + min(request.limit, self.page_max)
        return Page(rows[start:end], None, str(end) if end < len(rows) else None)


# -- rows that move and rows of other lists --------------------------------------------------------------


@pytest.mark.parametrize("ranges", [False, True], ids=["tokens", "tokens and ranges"])
@pytest.mark.parametrize("edge", [3, 9], ids=["within the first page", "at a page's end"])
@pytest.mark.parametrize("by", [1_000, -3], ids=["before the position", "behind the position"])
async def test_the_keys_row_that_moves_takes_the_position_nowhere(
    ranges: bool,  # noqa: FBT001
    edge: int,
    by: int,
) -> None:
    vendor = token_vendor(numbered(range(100)), page_max=10, ranges=ranges)
    merged = await page([vendor], 10, Positions())
    moved = merged.rows[edge].node
    assert moved.value is not None
    vendor.items[vendor.items.index(moved)] = Item(moved.id, moved.value + by)
    expected = [f"t{number:04}" for number in range(98 - edge, -1, -1)]
    rest = await read_on([vendor], merged.positions_after(merged.rows[edge]))
    assert [row_id for row_id in rest if row_id != moved.id] == expected
    assert rest.count(moved.id) == (by < 0)


async def test_an_id_of_another_source_is_no_place_in_the_list() -> None:
    """The source was added to the configuration after the cursor was created."""
    vendor = token_vendor(numbered(range(10)))
    assert await read_on([vendor], Positions(SortKey(7, "a", "t0002"))) == [f"t000{n}" for n in range(7, -1, -1)]


# -- rows of equal value ---------------------------------------------------------------------------------


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.integers(0, 3), max_size=60), st.integers(2, 9), st.integers(1, 12), SEEDS)
async def test_rows_of_equal_value_come_once_each_in_the_vendors_order(
    values: list[int], page_max: int, first: int, seed: int
) -> None:
    """Whatever the order of the vendor's ties is, tokens that expire lead back to the key's row."""
    rng = random.Random(seed)
    items = [Item(f"t{number:04}", value, f"{rng.random()}") for number, value in enumerate(values)]
    vendor = token_vendor(items, page_max)
    vendor.ties_by_tag = True
    positions, seen = Positions(), list[str]()
    while True:
        merged = await page([vendor], first, positions)
        seen += ids(merged)
        for edge in rng.sample(list(merged.rows), min(2, len(merged.rows))):
            if rng.random() < 0.5:
                vendor.expire()
            rest = await read_on([vendor], merged.positions_after(edge), 50, 1000)
            expected = [item.id for item in vendor.ordered_items()]
            assert rest == expected[expected.index(edge.node.id) + 1 :]
        if not merged.has_next:
            break
        positions = merged.positions_at_end()
    assert seen == [item.id for item in vendor.ordered_items()]


@pytest.mark.parametrize("tie", [1, -1], ids=["ids ascend", "ids descend"])
async def test_after_a_deletion_ids_decide_in_the_direction_in_which_the_vendor_lists_them(tie: int) -> None:
    items = [Item(f"t{number:04}", 5, f"{500 + tie * number}") for number in range(60)]
    vendor = token_vendor(items, page_max=10)
    vendor.ties_by_tag = True
    merged = await page([vendor], 35, Positions())
    edge = merged.rows[-1].node
    vendor.items.remove(edge)
    vendor.expire()
    expected = [item.id for item in vendor.ordered_items()]
    assert await read_on([vendor], merged.positions_at_end()) == expected[34:]


@pytest.mark.parametrize("budget", [1, 2, 3])
async def test_a_search_that_the_budget_ends_within_equal_values_loses_none_of_them(budget: int) -> None:
    vendor = token_vendor(numbered([9] * 25 + [5] * 14 + [1] * 8), page_max=10)
    positions = await read_to(vendor, 30, 1)
    assert positions.overrides["t"].sort_key == SortKey(5, "t", "t0029")
    vendor.items = [item for item in vendor.items if item.id != "t0029"]
    vendor.expire()
    assert await read_on([vendor], positions, budget=budget) == [f"t{number:04}" for number in range(30, 47)]


async def test_a_group_of_equals_that_no_budget_suffices_for_is_an_error_and_no_endless_list() -> None:
    vendor = token_vendor(numbered([5] * 400), page_max=10)
    positions = await read_to(vendor, 100, 1)
    vendor.items = [item for item in vendor.items if item.id != "t0099"]
    vendor.expire()
    for _ in range(10):
        merged = await page([vendor], 20, positions, budget=3)
        positions = merged.positions_at_end()
        assert not merged.rows
    error = merged.streams[0].error
    assert error is not None
    assert error.code is SourceErrorCode.BAD_REQUEST
    assert "exceed the page budget" in error.message


# -- tokens that the vendor refuses ----------------------------------------------------------------------


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.integers(0, 30), max_size=80), st.booleans(), st.integers(2, 12), st.integers(1, 30), SEEDS)
async def test_tokens_that_expire_between_any_two_calls_cost_no_row(
    values: list[int],
    ranges: bool,  # noqa: FBT001 - hypothesis draws it by place
    page_max: int,
    first: int,
    seed: int,
) -> None:
    rng = random.Random(seed)
    vendor = token_vendor(numbered(values), page_max, ranges=ranges)
    vendor.between_calls = lambda: vendor.expire() if rng.random() < 0.2 else None
    positions, seen = Positions(), list[str]()
    for _ in range(2_000):
        merged = await page([vendor], first, positions)
        seen += ids(merged)
        positions = merged.positions_at_end()
        if not merged.has_next and merged.streams[0].error is None:
            break
    assert seen == [item.id for item in vendor.ordered_items()]


async def test_a_token_that_expires_within_a_page_fails_no_source() -> None:
    vendor = token_vendor(numbered(range(100)), page_max=10)

    def expire_once() -> None:
        if len(vendor.calls) == 3:
            vendor.expire()

    vendor.between_calls = expire_once
    merged = await page([vendor], 50, Positions())
    assert merged.streams[0].error is None
    assert ids(merged) == [f"t{number:04}" for number in range(99, 49, -1)]


async def test_tokens_that_are_refused_again_and_again_are_the_sources_error() -> None:
    vendor = token_vendor(numbered(range(100)), page_max=10)
    vendor.between_calls = vendor.expire
    merged = await page([vendor], 50, Positions(), budget=BUDGET)
    assert isinstance(merged.streams[0].error, SourceBadRequest)
    assert ids(merged) == [f"t{number:04}" for number in range(99, 89, -1)]
    assert len(vendor.calls) < 10


# -- positions of other kinds of paging ------------------------------------------------------------------


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(st.integers(0, 12), max_size=60),
    st.sampled_from(OrderDirection),
    st.lists(st.sampled_from(KINDS), min_size=8, max_size=8),
    st.integers(2, 12),
    st.integers(1, 12),
)
async def test_a_position_of_one_kind_of_paging_resumes_in_any_other(
    values: list[int], direction: OrderDirection, kinds: list[str], page_max: int, first: int
) -> None:
    """The vendor's dialect changes between pages: the key is the truth."""
    items, positions, seen = numbered(values), Positions(), list[str]()
    for number in range(1_000):
        kind = kinds[number % len(kinds)]
        vendor = FakeVendor(
            "t", items, direction, page_max,
            pages_by_range=kind in {"range", "windows"},
            pages_by_token="tokens" in kind,
            token_ranges=kind == "tokens and ranges",
            whole=kind == "whole",
            one_direction=kind in {"windows", "end"},
            age=number,
        )  # fmt: skip
        merged = await page([vendor], first, positions)
        seen += ids(merged)
        positions = merged.positions_at_end()
        if not merged.has_next:
            break
    sign = 1 if direction is OrderDirection.ASC else -1
    assert seen == [item.id for item in sorted(items, key=lambda item: (sign * (item.value or 0), item.id))]


async def test_a_token_of_one_list_is_never_sent_to_another_of_the_source() -> None:
    """The vendor had one list for all kinds when the cursor was created; now it has one for each."""
    key = SortKey(5, "t", "t0005")
    positions = Positions(key, {"t": Position(key, 0, "a token of the old list")})
    assert positions.for_stream("t/AGENT") == Position(key, 0)
    assert positions.for_stream("t").token == "a token of the old list"


async def test_a_range_after_a_refused_token_begins_at_the_keys_value() -> None:
    vendor = token_vendor(numbered(range(100)), page_max=10, ranges=True)
    positions = await read_to(vendor, 10, 3)
    vendor.expire()
    await page([vendor], 10, positions)
    requests = [request for request in vendor.calls if isinstance(request, RangeRequest)]
    assert [request.after.value for request in requests if request.after] == [70]


class LongTokens(FakeVendor):
    """Its tokens are longer than a cursor holds."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        assert isinstance(request, CursorRequest)
        token = None if request.token is None else request.token.strip()
        found = await super().fetch(CursorRequest(request.limit, token))
        return Page(found.items, None, None if found.next_hint is None else f"{found.next_hint:>200}")


async def test_a_list_whose_tokens_no_cursor_holds_ends_with_an_error_beyond_the_budget() -> None:
    vendor = LongTokens("t", numbered(range(100)), page_max=10, pages_by_token=True)
    merged = await page([vendor], 20, Positions(SortKey(90, "t", "t0090")), budget=3)
    assert ids(merged) == [f"t{number:04}" for number in range(89, 69, -1)]
    merged = await page([vendor], 20, Positions(SortKey(50, "t", "t0050")), budget=3)
    assert isinstance(merged.streams[0].error, SourceBadRequest)
    assert "too long for a cursor" in merged.streams[0].error.message


async def test_a_position_whose_row_ends_the_last_page_of_the_budget_is_not_returned_again() -> None:
    vendor = LongTokens("t", numbered(range(100)), page_max=10, pages_by_token=True)
    merged = await page([vendor], 10, Positions(SortKey(70, "t", "t0070")), budget=3)
    assert isinstance(merged.streams[0].error, SourceBadRequest)
    assert "too long for a cursor" in merged.streams[0].error.message


async def test_a_search_that_ends_with_the_keys_row_goes_on_right_after_it() -> None:
    vendor = token_vendor(numbered(range(100)), page_max=10)
    merged = await page([vendor], 10, Positions(SortKey(70, "t", "t0070")), budget=3)
    assert ids(merged) == []
    calls = len(vendor.calls)
    merged = await page([vendor], 10, merged.positions_at_end(), budget=3)
    assert ids(merged) == [f"t{number:04}" for number in range(69, 59, -1)]
    assert len(vendor.calls) == calls + 1


# -- tokens that contradict the list, and ties without an order of ids --------------------------------------


class ShiftedVendor(FakeVendor):
    """Its pages by token hold later values than its first page: the order breaks between pages."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        answer = await super().fetch(request)
        if isinstance(request, CursorRequest) and request.token is not None:
            items = [Item(item.id, (item.value or 0) + 1_000) for item in answer.items]
            return Page(items, None, answer.next_hint)
        return answer


async def test_an_order_that_breaks_between_the_pages_of_two_requests_loses_no_row() -> None:
    vendor = ShiftedVendor("t", numbered(range(60)), page_max=20, pages_by_token=True)
    merged = await page([vendor], 20, Positions())
    with capture_logs() as logs:
        rest = await page([vendor], 100, merged.positions_at_end())
    (stream,) = rest.streams
    assert stream.error is not None or {row.node.id for row in rest.rows} >= {f"t{n:04}" for n in range(40)}
    assert {log["event"] for log in logs} & {"source.order_broken", "source.unusable_pages"}


class ScatteredVendor(FakeVendor):
    """Rows of one value keep the order of adding, whatever their ids."""

    def ordered_items(self) -> list[Item]:
        return sorted(self.items, key=lambda item: -(item.value or 0))

    async def fetch(self, request: PageRequest) -> Page[Item]:
        assert isinstance(request, CursorRequest)
        rows = self.ordered_items()
        after = None if request.token is None else request.token
        start = 0 if after is None else 1 + [item.tag for item in rows].index(after)
        got = rows[start : start + request.limit]
        return Page(got, None, got[-1].tag if start + len(got) < len(rows) else None)


@pytest.mark.parametrize("edge", range(0, 19, 3))
async def test_ties_without_an_order_of_ids_stay_whole_when_the_rows_own_edge_is_deleted(edge: int) -> None:
    items = [Item(f"t{(7 * n) % 60:02}", 2 - n // 20, tag=str(n)) for n in range(60)]
    vendor = ScatteredVendor("t", list(items), page_max=20, pages_by_token=True)
    merged = await page([vendor], 20, Positions())
    vendor.items.remove(merged.rows[edge].node)
    rest = await read_on([vendor], merged.positions_after(merged.rows[edge]))
    assert rest == [item.id for item in items[edge + 1 :]]
