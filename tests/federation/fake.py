"""A vendor's list in memory, of any kind of paging. A test may change its rows between calls."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from tracegraph.adapter.paging import (
    CursorRequest,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    RangeRequest,
    WholeRequest,
)
from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.sort_values import SortValue
from tracegraph.errors import SourceBadRequest, SourceUnavailable
from tracegraph.federation.merge import Merged, Positions, merge
from tracegraph.federation.reversed_list import ReversedList
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
    called before each call. With `one_direction` it lists in the other direction only. Lists of tokens order ties
    by id, with `ties_by_tag` by tag; `expire` makes the list refuse every token that it has returned.
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
    pages_by_token: bool = False
    token_ranges: bool = False
    ties_by_tag: bool = False
    whole: bool = False
    one_direction: bool = False
    age: int = 0
    reports_total: bool = True
    between_calls: Callable[[], None] | None = None
    calls: list[PageRequest] = field(default_factory=list)

    @property
    def paging(self) -> Paging:
        if self.pages_by_token:
            return Paging.CURSOR
        if self.whole:
            return Paging.WHOLE
        return Paging.RANGE if self.pages_by_range else Paging.OFFSET

    @property
    def vendor_direction(self) -> OrderDirection:
        return self.direction.opposite if self.one_direction else self.direction

    def expire(self) -> None:
        self.age += 1

    def ordered_items(self) -> list[Item]:
        if not self.vendor_orders:
            return sorted(self.items, key=lambda i: i.id)
        items = list(self.items)
        if self.shuffle is not None:
            self.shuffle.shuffle(items)
        sign = 1 if self.vendor_direction is OrderDirection.ASC else -1
        if self.pages_by_token:
            return sorted(items, key=self._token_key)
        return sorted(items, key=lambda i: ((i.value is None) != self.nulls_first, sign * (i.value or 0)))

    def _token_key(self, item: Item) -> tuple[bool, int, str, str]:
        sign = 1 if self.vendor_direction is OrderDirection.ASC else -1
        return item.value is None, sign * (item.value or 0), item.tag if self.ties_by_tag else "", item.id

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
        match request:
            case CursorRequest():
                return self._page_by_token(rows, request.token, limit)
            case RangeRequest():
                return self._page_by_range(rows, request, limit)
            case WholeRequest():
                start = int(request.token or 0)
            case OffsetRequest():
                assert request.token is None
                start = request.offset
        got = rows[start : start + limit]
        end = start + len(got)
        return Page(
            got, start, end if got and end < len(rows) else None, len(rows) if self.reports_total else None
        )

    def _page_by_token(self, rows: list[Item], token: str | None, limit: int) -> Page[Item]:
        if token is not None:
            age, *after = json.loads(token)
            if age != self.age:
                raise SourceBadRequest(self.name, "expired", upstream_requests=1)
            rows = [item for item in rows if self._token_key(item) > tuple(after)]
        got = rows[:limit]
        following = json.dumps([self.age, *self._token_key(got[-1])]) if len(got) < len(rows) else None
        return Page(got, None, following)

    def _page_by_range(self, rows: list[Item], request: RangeRequest, limit: int) -> Page[Item]:
        if request.until is not None:
            rows = [item for item in rows if not self._is_before(request.until, item)]
        start = 0
        if self.pages_by_token and request.token is not None:
            return self._page_by_token(rows, request.token, limit)
        if request.token is not None:
            start = int(request.token)
        elif request.after is not None and request.after.value is not None:
            rows_before = (item for item in rows if self._is_before_item(item, request.after.value))
            start = sum(1 for _ in rows_before)
        got = rows[start : start + limit]
        if self.pages_by_token:
            following = json.dumps([self.age, *self._token_key(got[-1])]) if start + len(got) < len(rows) else None
            return Page(got, None, following)
        end = start + len(got)
        return Page(got, None, str(end) if got and end < len(rows) else None)

    def _is_before_item(self, item: Item, bound: SortValue) -> bool:
        assert isinstance(bound, int)
        if item.value is None:
            return False
        return item.value < bound if self.vendor_direction is OrderDirection.ASC else item.value > bound

    def _is_before(self, bound: SortValue, item: Item) -> bool:
        """Whether the bound comes before the item."""
        assert isinstance(bound, int)
        if item.value is None:
            return True
        return bound < item.value if self.vendor_direction is OrderDirection.ASC else bound > item.value


def stream(
    vendor: FakeVendor,
    positions: Positions,
    *,
    matches: Callable[[Item], bool] | None = None,
    budget: int = 1000,
    vendor_orders: bool = True,
) -> Stream[Item]:
    from_the_end = vendor.one_direction and vendor.paging is Paging.OFFSET
    spec = StreamSpec(
        name=vendor.name,
        key=vendor.name,
        fetch=ReversedList(vendor.name, vendor.fetch, vendor.page_max).fetch if from_the_end else vendor.fetch,
        ordering=Ordering(vendor.name, vendor.direction, attrgetter("value"), attrgetter("id")),
        matches=matches,
        vendor_orders=vendor_orders and vendor.vendor_orders,
        page_max=vendor.page_max,
        page_budget=budget,
        align_to_cache_pages=vendor.align_to_cache_pages,
        paging=vendor.paging,
        ranges=vendor.token_ranges,
        backwards=vendor.one_direction and not from_the_end,
    )
    return Stream(spec, positions.for_stream(vendor.name))


async def page(vendors: list[FakeVendor], first: int, positions: Positions, **options: Any) -> Merged[Item]:
    return await merge([stream(vendor, positions, **options) for vendor in vendors], first)


def comparable_key(vendor_name: str, item: Item, direction: OrderDirection) -> ComparableKey:
    """Return an item's key in a second, plain implementation: value, nulls last, then vendor, then id."""
    sign = 1 if direction is OrderDirection.ASC else -1
    return (item.value is None, sign * (item.value or 0), vendor_name, item.id)
