"""The page budget of a stream in one request, for any reason to read on; and pages that are too large."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.federation.fake import FakeVendor, Item, page
from tracegraph.adapter.paging import Page, PageRequest
from tracegraph.domain.filters import OrderDirection
from tracegraph.errors import SourceErrorCode, SourceResponseTooLarge
from tracegraph.federation.merge import Positions

FEW = 20


def equals(count: int, value: int = 5) -> list[Item]:
    return [Item(f"{number:05}", value) for number in range(count)]


async def test_a_group_of_equals_that_is_longer_than_the_budget_fails_its_source() -> None:
    vendor = FakeVendor("v", equals(10_000), page_max=10)
    merged = await page([vendor], 5, Positions(), budget=3)
    error = merged.streams[0].error
    assert error is not None
    assert error.code is SourceErrorCode.BAD_REQUEST
    assert "same value" in error.message
    assert len(vendor.calls) <= 3 + FEW


async def test_rows_before_such_a_group_are_given_and_the_source_is_limited() -> None:
    vendor = FakeVendor("v", [Item("first", 9), Item("second", 8), *equals(10_000)], page_max=10)
    merged = await page([vendor], 5, Positions(), budget=3)
    assert [row.node.id for row in merged.rows] == ["first", "second"]
    assert merged.streams[0].budget_exhausted
    assert merged.has_next
    assert len(vendor.calls) <= 3 + FEW


@pytest.mark.parametrize("pages_by_range", [False, True], ids=["offset", "range"])
async def test_a_group_of_equals_without_a_further_match_does_not_hold_the_list(
    pages_by_range: bool,  # noqa: FBT001
) -> None:
    """Each request reads the group to its end, and the budget ends there: the next one goes on behind it."""
    items = [*equals(103), *(Item(f"later{number:02}", 9) for number in range(3))]
    vendor = FakeVendor("v", items, OrderDirection.ASC, page_max=6, pages_by_range=pages_by_range)
    positions, seen = Positions(), list[str]()
    for _ in range(20):
        merged = await page([vendor], 1, positions, budget=3, matches=lambda item: item.id in {"00102", "later02"})
        assert merged.streams[0].error is None
        seen += [row.node.id for row in merged.rows]
        positions = merged.positions_at_end()
        if not merged.has_next:
            break
    assert seen == ["00102", "later02"]


async def test_a_list_that_is_longer_than_the_budget_is_not_read_again_and_again() -> None:
    vendor = FakeVendor("v", [Item(f"{n:05}", n) for n in range(100)], page_max=10, vendor_orders=False)

    def insert() -> None:
        vendor.items.append(Item(f"0000{len(vendor.calls)}-new", 1))

    vendor.between_calls = insert
    merged = await page([vendor], 5, Positions(), budget=12)
    assert merged.streams[0].error is None
    assert merged.streams[0].scan_limited
    values = [row.node.value or 0 for row in merged.rows]
    assert values == sorted(values, reverse=True)
    assert len(vendor.calls) <= 12 + FEW


class Heavy(FakeVendor):
    """Its replies are too large from `most` rows on."""

    most = 30

    async def fetch(self, request: PageRequest) -> Page[Item]:
        if request.limit > self.most:
            self.calls.append(request)
            raise SourceResponseTooLarge(self.name, "too large", upstream_requests=1)
        return await super().fetch(request)


@pytest.mark.parametrize("pages_by_range", [False, True], ids=["offset", "range"])
async def test_a_page_that_is_too_large_is_requested_again_with_half_the_rows(pages_by_range: bool) -> None:  # noqa: FBT001
    vendor = Heavy(
        "v", [Item(f"{n:03}", n) for n in range(100)], OrderDirection.ASC, pages_by_range=pages_by_range
    )
    merged = await page([vendor], 100, Positions())
    assert [row.node.value for row in merged.rows] == list(range(100))
    limits = [request.limit for request in vendor.calls]
    assert limits[:3] == [100, 50, 25]
    assert max(limits[3:]) <= 25
    stats = merged.streams[0].stats
    assert (stats.upstream_requests, stats.pages) == (2, len(limits))


async def test_a_list_that_the_gateway_orders_is_read_by_smaller_pages_too() -> None:
    vendor = Heavy("v", [Item(f"{n:03}", n) for n in range(60)], OrderDirection.ASC, vendor_orders=False)
    merged = await page([vendor], 100, Positions())
    assert [row.node.value for row in merged.rows] == list(range(60))


async def test_one_row_that_is_too_large_fails_its_source() -> None:
    vendor = Heavy("v", equals(3))
    vendor.most = 0
    merged = await page([vendor], 3, Positions())
    stream = merged.streams[0]
    assert stream.error is not None
    assert stream.error.code is SourceErrorCode.BAD_RESPONSE
    assert vendor.calls[-1].limit == 1
    assert stream.stats.upstream_requests == len(vendor.calls)


def moving(vendor: FakeVendor, at: int, change: Callable[[], None]) -> None:
    def stir() -> None:
        if len(vendor.calls) == at:
            change()

    vendor.between_calls = stir


@pytest.mark.parametrize("inserted", [1, 4, 30])
async def test_rows_inserted_ahead_are_not_taken_for_a_broken_order(inserted: int) -> None:
    """A page then begins with rows already read. A few calls distinguish the two causes."""
    vendor = FakeVendor("v", [Item(f"{n:03}", -n) for n in range(60)], page_max=10)
    moving(vendor, 4, lambda: vendor.items.extend(Item(f"new{n}", 100 + n) for n in range(inserted)))
    merged = await page([vendor], 60, Positions())
    assert [row.node.id for row in merged.rows] == [f"{n:03}" for n in range(60)]
    assert merged.streams[0].error is None
    assert max(request.limit for request in vendor.calls) <= 63
    assert len(vendor.calls) <= 16


async def test_rows_inserted_among_rows_already_read_are_not_taken_for_a_broken_order() -> None:
    vendor = FakeVendor("v", [Item(f"{n:03}", -2 * n) for n in range(60)], page_max=10)
    moving(vendor, 4, lambda: vendor.items.extend(Item(f"new{n}", -2 * n - 1) for n in range(20, 25)))
    merged = await page([vendor], 60, Positions())
    assert {f"{n:03}" for n in range(55)} <= {row.node.id for row in merged.rows}
    assert merged.streams[0].error is None
