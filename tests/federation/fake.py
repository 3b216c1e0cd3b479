"""A vendor's list in memory, paged by offset. A test may change its rows between calls."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from tracegraph.adapter.paging import Page, PageRequest
from tracegraph.domain.filters import OrderDirection
from tracegraph.errors import SourceUnavailable
from tracegraph.federation.merge import Merged, Positions, merge
from tracegraph.federation.sort_key import ComparableKey, Ordering
from tracegraph.federation.stream import Stream, StreamSpec


@dataclass(frozen=True)
class Item:
    id: str
    value: int | None
    tag: str = ""


@dataclass
class FakeVendor:
    """Lists its items in one order, nulls last unless `nulls_first`, ties in insertion order or shuffled.

    With `vendor_orders` False it lists by id for any order. After `down_after` calls it fails. `between_calls` is
    called before each call.
    """

    name: str
    items: list[Item]
    direction: OrderDirection = OrderDirection.DESC
    page_max: int = 100
    shuffle: random.Random | None = None
    short: random.Random | None = None
    nulls_first: bool = False
    vendor_orders: bool = True
    down: bool = False
    down_after: int | None = None
    align_to_cache_pages: bool = False
    pages_by_range: bool = False
    reports_total: bool = True
    between_calls: Callable[[], None] | None = None
    calls: list[PageRequest] = field(default_factory=list)

    def ordered_items(self) -> list[Item]:
        if not self.vendor_orders:
            return sorted(self.items, key=lambda i: i.id)
        items = list(self.items)
        if self.shuffle is not None:
            self.shuffle.shuffle(items)
        sign = 1 if self.direction is OrderDirection.ASC else -1
        return sorted(items, key=lambda i: ((i.value is None) != self.nulls_first, sign * (i.value or 0)))

    async def fetch(self, request: PageRequest) -> Page[Item]:
        self.calls.append(request)
        assert len(self.calls) < 200_000
        if self.down_after is not None:
            self.down, self.down_after = self.down_after <= 0, self.down_after - 1
        if self.down:
            raise SourceUnavailable(self.name, "down", upstream_requests=1)
        if self.between_calls is not None:
            self.between_calls()
        rows = self.ordered_items()
        limit = min(request.limit, self.page_max)
        if self.short is not None:
            limit = self.short.randint(1, limit)
        if self.pages_by_range:
            return self._page_by_range(rows, request, limit)
        assert request.hint is None or isinstance(request.hint, int)
        start = request.hint or 0
        got = rows[start : start + limit]
        end = start + len(got)
        return Page(
            got, start, end if got and end < len(rows) else None, len(rows) if self.reports_total else None
        )

    def _page_by_range(self, rows: list[Item], request: PageRequest, limit: int) -> Page[Item]:
        start = 0
        if isinstance(request.hint, str):
            start = int(request.hint)
        elif request.after is not None and request.after.value is not None:
            bound = request.after.value
            assert isinstance(bound, int)
            for item in rows:
                is_past_bound = item.value is None or (
                    item.value >= bound if self.direction is OrderDirection.ASC else item.value <= bound
                )
                if is_past_bound:
                    break
                start += 1
        got = rows[start : start + limit]
        end = start + len(got)
        return Page(got, None, str(end) if got and end < len(rows) else None)


def stream(
    vendor: FakeVendor,
    positions: Positions,
    *,
    matches: Callable[[Item], bool] | None = None,
    budget: int = 1000,
    vendor_orders: bool = True,
) -> Stream[Item]:
    spec = StreamSpec(
        name=vendor.name,
        key=vendor.name,
        fetch=vendor.fetch,
        ordering=Ordering(vendor.name, vendor.direction, attrgetter("value"), attrgetter("id")),
        matches=matches,
        vendor_orders=vendor_orders and vendor.vendor_orders,
        page_max=vendor.page_max,
        page_budget=budget,
        align_to_cache_pages=vendor.align_to_cache_pages,
    )
    return Stream(spec, positions.for_stream(vendor.name))


async def page(vendors: list[FakeVendor], first: int, positions: Positions, **options: Any) -> Merged[Item]:
    return await merge([stream(vendor, positions, **options) for vendor in vendors], first)


def comparable_key(vendor_name: str, item: Item, direction: OrderDirection) -> ComparableKey:
    """Return an item's key in a second, plain implementation: value, nulls last, then vendor, then id."""
    sign = 1 if direction is OrderDirection.ASC else -1
    return (item.value is None, sign * (item.value or 0), vendor_name, item.id)
