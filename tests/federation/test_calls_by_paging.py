"""How many calls a page of a list costs, by the kind of paging, at any depth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.federation.fake import FakeVendor, Item, page
from tracegraph.domain.filters import OrderDirection
from tracegraph.federation.merge import Merged, Positions

HOUR = 3_600_000_000


def token_vendor(rows: int = 5_000, name: str = "t", **options: Any) -> FakeVendor:
    items = [Item(f"{name}{n:05}", n) for n in range(rows)]
    return FakeVendor(name, items, page_max=1000, pages_by_token=True, **options)


async def calls_of_pages(vendors: list[FakeVendor], first: int, pages: int) -> list[list[int]]:
    """The calls to each vendor, page by page."""
    positions, counts = Positions(), []
    for _ in range(pages):
        before = [len(vendor.calls) for vendor in vendors]
        merged = await page(vendors, first, positions, budget=20)
        assert len(merged.rows) == first
        counts.append([len(vendor.calls) - calls for vendor, calls in zip(vendors, before, strict=True)])
        positions = merged.positions_at_end()
    return counts


async def read_to(vendor: FakeVendor, first: int, pages: int) -> Merged[Item]:
    positions = Positions()
    for _ in range(pages):
        merged = await page([vendor], first, positions, budget=20)
        positions = merged.positions_at_end()
    return merged


async def test_each_page_of_a_list_of_tokens_costs_one_call_at_any_depth() -> None:
    assert await calls_of_pages([token_vendor()], 20, 60) == [[1]] * 60


async def test_a_page_that_begins_within_a_vendors_page_costs_one_call() -> None:
    merged = await page([token_vendor()], 20, Positions())
    vendor = token_vendor()
    rest = await page([vendor], 20, merged.positions_after(merged.rows[6]))
    assert [row.node.value for row in rest.rows] == list(range(4992, 4972, -1))
    assert len(vendor.calls) == 1


async def test_a_merged_list_costs_two_calls_a_source_and_page_at_most() -> None:
    vendors = [
        FakeVendor("o", [Item(f"o{n:05}", 3 * n) for n in range(1000)], page_max=1000),
        FakeVendor("r", [Item(f"r{n:05}", 3 * n + 1) for n in range(1000)], page_max=1000, pages_by_range=True),
        FakeVendor("t", [Item(f"t{n:05}", 3 * n + 2) for n in range(1000)], page_max=1000, pages_by_token=True),
    ]
    counts = await calls_of_pages(vendors, 20, 100)
    assert max(max(of_page) for of_page in counts) <= 2


async def test_an_expired_token_is_recovered_from_by_reading_up_to_the_key() -> None:
    vendor = token_vendor()
    positions = (await read_to(vendor, 20, 10)).positions_at_end()
    vendor.expire()
    merged = await page([vendor], 20, positions, budget=20)
    assert [row.node.value for row in merged.rows] == list(range(4799, 4779, -1))


async def test_a_range_replaces_a_token_that_expired_in_one_more_call() -> None:
    vendor = token_vendor(token_ranges=True)
    positions = (await read_to(vendor, 20, 10)).positions_at_end()
    vendor.expire()
    before = len(vendor.calls)
    merged = await page([vendor], 21, positions, budget=20)
    assert [row.node.value for row in merged.rows] == list(range(4799, 4778, -1))
    assert len(vendor.calls) - before == 2  # the refused one, and the range


async def test_a_search_for_the_key_that_the_budget_ends_goes_on_with_the_next_request() -> None:
    vendor = FakeVendor("t", [Item(f"t{n:05}", n) for n in range(5_000)], page_max=100, pages_by_token=True)
    positions = (await read_to(vendor, 100, 40)).positions_at_end()
    vendor.expire()
    found: list[int | None] = []
    for _ in range(4):
        merged = await page([vendor], 20, positions, budget=20)
        found += [row.node.value for row in merged.rows]
        assert merged.has_next
        assert merged.rows or merged.streams[0].budget_exhausted
        positions = merged.positions_at_end()
    assert found == list(range(999, 999 - len(found), -1))
    assert found


@pytest.mark.parametrize("direction", list(OrderDirection))
async def test_a_range_in_one_direction_is_read_the_other_way_by_windows(direction: OrderDirection) -> None:
    items = [Item(f"r{n:05}", n * HOUR) for n in range(3_000)]
    vendor = FakeVendor("r", items, direction, page_max=100, pages_by_range=True, one_direction=True)
    counts = [of_page[0] for of_page in await calls_of_pages([vendor], 20, 100)]
    assert counts[0] <= 14
    assert sum(counts[1:]) <= 2 * 99


async def test_a_list_of_offsets_is_read_from_its_end_in_one_call_where_the_total_is_right() -> None:
    items = [Item(f"o{n:05}", n) for n in range(3_000)]
    vendor = FakeVendor("o", items, page_max=1000, one_direction=True)
    counts = [of_page[0] for of_page in await calls_of_pages([vendor], 20, 50)]
    assert counts[0] <= 2
    assert max(counts) <= 2
