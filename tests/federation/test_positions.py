"""The position after an edge: one sort key for all streams, and exceptions where a stream differs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.federation.fake import FakeVendor, Item, page, stream
from tracegraph.adapter.paging import OffsetRequest, Page, PageRequest
from tracegraph.domain.filters import OrderDirection
from tracegraph.errors import SourceErrorCode
from tracegraph.federation.merge import Merged, Positions, merge
from tracegraph.federation.position import Position
from tracegraph.federation.sort_key import SortKey
from tracegraph.federation.stream import FULL_SCAN


def items(prefix: str, values: Sequence[int | None]) -> list[Item]:
    return [Item(f"{prefix}{number:04}", value) for number, value in enumerate(values)]


def ids(merged: Merged[Item]) -> list[str]:
    return [row.node.id for row in merged.rows]


async def test_vendors_that_page_by_range_need_the_sort_key_only() -> None:
    vendors = [FakeVendor(name, items(name, range(40)), pages_by_range=True) for name in "abc"]
    merged = await page(vendors, 10, Positions())
    assert merged.positions_at_end() == Positions(merged.rows[-1].sort_key)


async def test_a_vendors_offset_is_that_of_the_last_row_of_an_earlier_value() -> None:
    """A page read from that offset shows whether rows moved."""
    vendor = FakeVendor("v", items("v", [9, 8, 8, 8, 7, 7]))
    merged = await page([vendor], 4, Positions())
    hints = [merged.positions_after(row).overrides.get("v", Position()).hint for row in merged.rows]
    assert hints == [0, 0, 0, 0]
    merged = await page([vendor], 6, Positions())
    assert merged.positions_at_end().overrides["v"].hint == 3


async def test_a_failed_source_keeps_its_position() -> None:
    """The other sources continue. The failed source's rows come late, not never."""
    good, bad = FakeVendor("a", items("a", range(20, 0, -1))), FakeVendor("b", items("b", range(20, 0, -1)))
    first = await page([good, bad], 6, Positions())
    bad.down = True
    second = await page([good, bad], 6, first.positions_at_end())
    assert {row.sort_key.source for row in second.rows} == {"a"}
    stayed = second.positions_at_end().for_stream("b").sort_key
    assert stayed == first.rows[-1].sort_key
    bad.down = False
    third = await page([good, bad], 3, second.positions_at_end())
    assert ids(third) == ["b0003", "b0004", "b0005"]


async def test_a_source_that_fails_on_its_first_call_is_read_from_its_start() -> None:
    good, bad = FakeVendor("a", items("a", [3, 2, 1])), FakeVendor("b", items("b", [9, 8]), down=True)
    positions = (await page([good, bad], 3, Positions())).positions_at_end()
    assert positions.overrides["b"] == Position()
    bad.down = False
    assert ids(await page([good, bad], 9, positions)) == ["b0000", "b0001"]


async def test_many_rows_that_the_filter_drops_are_not_read_again() -> None:
    """A stream that dropped fifty or more rows after the edge has its own sort key ahead of the edge."""
    vendor = FakeVendor("v", items("v", range(300, 0, -1)), page_max=100)

    def matches(item: Item) -> bool:
        return item.value in {300, 120, 1}

    first = await page([vendor], 1, Positions(), matches=matches)
    assert ids(first) == ["v0000"]
    vendor.calls.clear()
    ahead = first.positions_at_end().for_stream("v").sort_key
    assert ahead is not None
    assert isinstance(ahead.value, int)
    assert ahead.value < 250
    assert ids(await page([vendor], 1, first.positions_at_end(), matches=matches)) == ["v0180"]


async def test_an_empty_page_resumes_after_the_last_row_scanned() -> None:
    vendor = FakeVendor("v", items("v", range(300, 0, -1)), page_max=20)
    merged = await page([vendor], 5, Positions(), matches=lambda item: item.value == 1, budget=3)
    assert (merged.rows, merged.has_next) == ([], True)
    reached = merged.positions_at_end()
    assert reached.sort_key is None
    stands = reached.overrides["v"].sort_key
    assert stands is not None
    seen: list[str] = []
    for _ in range(20):
        merged = await page([vendor], 5, reached, matches=lambda item: item.value == 1, budget=3)
        seen += ids(merged)
        if not merged.has_next:
            break
        reached = merged.positions_at_end()
    assert seen == ["v0299"]


async def test_a_source_without_page_budget_holds_back_later_rows_of_other_sources() -> None:
    """Otherwise its rows would come after theirs, out of order."""
    slow = FakeVendor("a", items("a", range(200, 0, -1)), page_max=10)
    fast = FakeVendor("b", items("b", [250, 195, 5]))
    streams = [
        stream(slow, Positions(), matches=lambda item: item.value == 50, budget=2),
        stream(fast, Positions()),
    ]
    merged = await merge(streams, 10)
    assert ids(merged) == ["b0000", "b0001"]
    assert merged.has_next is True


async def test_a_vendor_that_breaks_its_order_is_read_by_full_scan_from_then_on() -> None:
    vendor = FakeVendor("v", items("v", [None, 3, 2, 1, None, 5]), nulls_first=True, page_max=3)
    merged = await page([vendor], 2, Positions())
    assert [row.node.value for row in merged.rows] == [5, 3]
    positions = merged.positions_at_end()
    assert positions.overrides["v"].hint == FULL_SCAN
    assert [row.node.value for row in (await page([vendor], 9, positions)).rows] == [2, 1, None, None]


async def test_a_group_that_is_deleted_while_it_is_read_ends_nothing() -> None:
    """The group was at the end of a page, and deleted before its rest was read."""
    vendor = FakeVendor("v", items("v", [*[5] * 20, 4, 3]), page_max=4)

    def delete_the_group() -> None:
        if len(vendor.calls) == 2:
            del vendor.items[:20]

    vendor.between_calls = delete_the_group
    assert ids(await page([vendor], 9, Positions())) == ["v0020", "v0021"]


class EndingWithTheRequestedRow(FakeVendor):
    """Returns pages that end with the requested row: one row of each is new."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        items = self.ordered_items()
        requested = request.offset if isinstance(request, OffsetRequest) else 0
        self.calls.append(request)
        assert len(self.calls) < 1000, "the reading does not end"
        start = max(0, requested - request.limit + 1)
        got = items[start : requested + 1]
        return Page(got, start, requested + 1 if requested + 1 < len(items) else None, len(items))


async def test_a_vendor_whose_page_ends_with_the_requested_row_is_read_to_its_end() -> None:
    vendor = EndingWithTheRequestedRow("v", items("v", [3, 3, 3, 2, 2, 1, None, None]))
    assert ids(await page([vendor], 20, Positions())) == [f"v{number:04}" for number in range(8)]


async def test_an_unknown_stream_resumes_after_the_common_sort_key() -> None:
    """The source was added to the configuration after the cursor was created."""
    sort_key = SortKey(7, "a", "a1")
    assert Positions(sort_key, {"a": Position(sort_key, 3)}).for_stream("new") == Position(sort_key)
    vendor = FakeVendor("new", items("n", [9, 7, 5]), OrderDirection.DESC)
    assert ids(await page([vendor], 9, Positions(sort_key))) == ["n0001", "n0002"]


@pytest.mark.parametrize("budget", [3, 1000])
async def test_an_edge_keeps_the_rows_that_come_after_it_on_the_page(budget: int) -> None:
    """The stream's own sort key is that of the page's end: rows between this edge and the end must come."""
    vendor = FakeVendor("v", items("v", range(400, 0, -1)), page_max=20)

    def matches(item: Item) -> bool:
        return item.value in {400, 399, 100, 99}

    merged = await page([vendor], 2, Positions(), matches=matches, budget=budget)
    seen: list[str] = []
    positions = merged.positions_after(merged.rows[0])
    while merged.has_next:
        merged = await page([vendor], 2, positions, matches=matches, budget=budget)
        seen += ids(merged)
        positions = merged.positions_at_end()
    assert seen == ["v0001", "v0300", "v0301"]


class UnorderedVendor(FakeVendor):
    """Lists its items in insertion order."""

    def ordered_items(self) -> list[Item]:
        return self.items


async def test_a_vendor_that_breaks_its_order_within_a_page_gives_no_row_twice() -> None:
    """Rows from the third page on are read by full scan. The second 8 belongs earlier, so the stream fails."""
    vendor = UnorderedVendor("v", items("v", [9, 8, 7, 6, 5, 4, 3, 8, 2, 1]), page_max=3)
    merged = await page([vendor], 20, Positions())
    assert [row.node.value for row in merged.rows] == [9, 8, 7, 6, 5, 4]
    error = merged.streams[0].error
    assert error is not None
    assert error.code is SourceErrorCode.BAD_RESPONSE
    rest = await page([vendor], 20, merged.positions_at_end())
    assert [row.node.value for row in rest.rows] == [3, 2, 1]
