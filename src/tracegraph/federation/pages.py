"""A stream's rows as read from one page of a vendor, and the count of what reading took.

Most rows are only handed on. So a row is no more than its place in a page, and what says where it stands in the
list is made when it is asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count, pairwise, repeat
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from tracegraph.adapter.checks import consistent_total
from tracegraph.adapter.paging import Key, Page, PageRequest
from tracegraph.errors import SourceBadResponse, SourceError, SourceResponseTooLarge
from tracegraph.federation.sort_key import ComparableKey, Ordering, SortKey, same_value

T = TypeVar("T")


PLACE: Callable[[Any], ComparableKey] = attrgetter("place")
"""Sorts and searches rows."""


Fetch = Callable[[PageRequest], Awaitable[Page[T]]]


_TO_END_A_READING = 20
"""Pages beyond the budget that a reading may take that began within it: to find its place, to end a group."""


class PagesSpent(Exception):
    """No further page may be read for this stream in this request."""


class Row(msgspec.Struct, Generic[T], eq=False):
    """A row of a stream and how to find it again.

    `offset` is where the vendor has it and `anchor` where the last row of an earlier value stands (0 when there
    is none): a page read from the anchor shows whether rows moved. Both are None in a list asked by range.
    """

    # A Struct, since there is one for every row: 0.1 us to make where a class with slots takes 0.3.
    node: T
    _page: RowPage[T]
    _index: int
    _place: ComparableKey | None = None

    @property
    def mark(self) -> SortKey:
        """What a cursor holds of it."""
        return self._page.ordering.mark(self.node)

    @property
    def place(self) -> ComparableKey:
        """What it is ordered by."""
        if self._place is None:
            self._place = self._page.ordering.place(self.node)
        return self._place

    @property
    def offset(self) -> int | None:
        """See above."""
        return self._page.offset(self._index)

    @property
    def anchor(self) -> int | None:
        """See above."""
        return self._page.anchor(self._index)


class RowPage(Generic[T]):
    """One page as rows; `next` continues it, None at the list's end. `asked` is the hint that it was read from.

    `start` is the offset of its first row, None in a list asked by range, and `anchor_before` the anchor of its
    first row. Most pages `rise`: no two rows have the same value, so each is a group of its own.
    """

    __slots__ = ("_anchors", "anchor_before", "asked", "next", "nodes", "ordering", "rises", "skipped", "start")

    def __init__(self, page: Page[T], ordering: Ordering[T], asked: int | str | None) -> None:
        self.nodes = page.items
        self.start = page.offset
        self.skipped = page.skipped
        self.next = page.next_hint
        self.asked = asked
        self.ordering = ordering
        self.rises = ordering.rises(page.items)
        self.anchor_before = None if page.offset is None else max(0, page.offset - 1)
        self._anchors: list[int] = []

    @property
    def continuation(self) -> int | str | None:
        """The hint for the next page so that it shares a row with this one: that row shows movement.

        A vendor that gives single rows is followed without, and so is one whose page ends with the very row that
        was asked for, since asking for that again would lead nowhere; a vendor's own cursor needs none.
        """
        if isinstance(self.next, int) and len(self.nodes) > 1 and self.next - 1 != self.asked:
            return self.next - 1
        return self.next

    def offset(self, index: int) -> int | None:
        """Where the vendor has the row of that index."""
        if self.start is None:
            return None
        place = index
        for skipped in self.skipped:
            place += skipped <= place
        return self.start + place

    def rows(self, first: int = 0, last: int | None = None) -> list[Row[T]]:
        """The rows from one index up to another."""
        return list(map(Row, self.nodes[first:last], repeat(self), count(first)))

    def rows_after(self, place: ComparableKey | None, first: int, last: int) -> list[Row[T]]:
        """Those of these rows that come after the place."""
        if place is None:
            return self.rows(first, last)
        if self.rises:
            return self.rows(bisect_right(range(last), place, first, key=self.place), last)
        return [row for row in self.rows(first, last) if row.place > place]

    def place(self, index: int) -> ComparableKey:
        """What the row there is ordered by; -1 is the last one's."""
        return self.ordering.place(self.nodes[index])

    @property
    def last_group(self) -> int:
        """Where the rows of the last row's value begin."""
        index = len(self.nodes) - 1
        if self.rises:
            return index
        last = self.place(index)
        while index > 0 and same_value(self.place(index - 1), last):
            index -= 1
        return index

    def anchor(self, index: int) -> int | None:
        """Where the last row of an earlier value than that row's stands."""
        if self.start is None or self.anchor_before is None:
            return None
        if self.rises:
            return self.start + index - 1 if index else self.anchor_before
        if not self._anchors:
            self._anchors = list(self._every_anchor(self.start, self.anchor_before))
        return self._anchors[index]

    def _every_anchor(self, start: int, anchor: int) -> Iterator[int]:
        yield anchor
        places = map(self.ordering.place, self.nodes)
        for offset, (one, other) in enumerate(pairwise(places), start):
            anchor = anchor if same_value(one, other) else offset
            yield anchor


@dataclass(slots=True)
class ScanStats:
    """What reading took: port calls, rows, calls to the vendor; and the vendor's own total, why rows are old.

    `reached` is the largest offset behind a row: a total below it is not the list's. `error`: why some of the
    list's experiments could not be read.
    """

    pages: int = 0
    fetched: int = 0
    upstream_requests: int = 0
    total: int | None = None
    stale: SourceError | None = None
    error: SourceError | None = None
    reached: int = 0

    def add(self, page: Page[Any]) -> None:
        """Add one page's rows and calls to the vendor; port calls are counted where they are made."""
        count = len(page.items)
        self.fetched += count
        self.upstream_requests += page.provenance.upstream_requests
        self.stale = self.stale or page.provenance.stale
        self.error = self.error or page.error
        if count and page.offset is not None:
            self.reached = max(self.reached, page.offset + count)
        self.total = None if page.total is None or page.total < self.reached else page.total


class PageSource(Generic[T]):
    """Fetches pages and turns them into rows, counting; never more than `page_budget` calls and a few."""

    __slots__ = ("_calls_left", "_fetch", "_total_is_wrong", "on_grid", "ordering", "page_max", "tally")

    def __init__(
        self,
        fetch: Fetch[T],
        ordering: Ordering[T],
        page_max: int,
        tally: ScanStats,
        *,
        page_budget: int,
        on_grid: bool = False,
    ) -> None:
        self._fetch = fetch
        self.ordering = ordering
        self.page_max = page_max
        self.tally = tally
        self.on_grid = on_grid
        self._calls_left = page_budget + _TO_END_A_READING
        self._total_is_wrong = False

    async def page(
        self, limit: int, after: SortKey | None, hint: int | str | None, *, fresh: bool = False
    ) -> RowPage[T]:
        """One port call, or more by smaller pages when the answer is too large. Raises SourceError, PagesSpent."""
        key = None if after is None else Key(after.value, after.id)
        page = await self._answer(PageRequest(min(limit, self.page_max), key, hint, fresh, self.on_grid))
        if page.next_hint is not None and not page.items:
            raise SourceBadResponse(
                self.ordering.source,
                f"Source {self.ordering.source!r} gave an empty page that goes on: its pages do not advance.",
            )
        self.tally.add(page)
        self._total_is_wrong = self._total_is_wrong or consistent_total(page) != page.total
        if self._total_is_wrong:
            self.tally.total = None
        return RowPage(page, self.ordering, hint)

    async def _answer(self, request: PageRequest) -> Page[T]:
        """The smaller page that was taken in the end is the largest that is asked for from then on."""
        while True:
            if self._calls_left <= 0:
                raise PagesSpent
            self._calls_left -= 1
            self.tally.pages += 1
            try:
                return await self._fetch(request)
            except SourceResponseTooLarge as error:
                if request.limit <= 1:
                    raise
                self.tally.upstream_requests += error.upstream_requests
                self.page_max = request.limit // 2
                request = replace(request, limit=self.page_max)

    def read_whole(self, rows: int) -> None:
        """The list was read from its start to its end and has so many rows: no total says otherwise."""
        if self.tally.total not in {None, rows}:
            self._total_is_wrong, self.tally.total = True, None
