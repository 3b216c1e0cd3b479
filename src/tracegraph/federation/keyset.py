"""Resuming a vendor's list exactly after a key, although the vendor pages by offset and its rows move.

The key is the truth, the offset a hint. A page is read from the hint; rows at or before the key are dropped
(something was inserted ahead), and when the page's first row lies after the key already, something was deleted
ahead and the reading starts further back. Rows of one value are handed on as a whole group, since vendors
promise no order among equals: the last group of a page stays open until another value, or the end, shows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, TypeVar

from tracegraph.federation.order import Mark, Place, end_of_group, same_group
from tracegraph.federation.pages import PLACE, PageSource, Row, RowPage
from tracegraph.records import record

T = TypeVar("T")

_PASSES_OVER_ONE_GROUP = 50
_PASSES_BY_THEMSELVES = 5
_SMALLEST_WINDOW = 10


class OrderBroken(Exception):
    """The vendor's rows do not come in the order that it was asked for."""


@record(frozen=True, slots=True)
class Stretch(Generic[T]):
    """Rows in whole groups, those of a last group that is still open, and whether the list ends here."""

    rows: Sequence[Row[T]]
    open_rows: Sequence[Row[T]]
    ended: bool


def _in_order(page: RowPage[T]) -> bool:
    """Whether the rows come as asked; a list that begins with missing values may have others behind them."""
    if page.rises:
        return True
    places = list(map(page.ordering.place, page.nodes))
    if places and places[0][0] and not page.start and page.next is not None:
        return False
    return all(one[:2] <= other[:2] for one, other in pairwise(places))


class KeysetReader(Generic[T]):
    """Reads on from a place, stretch by stretch. Not for concurrent use."""

    def __init__(self, source: PageSource[T], after: Mark | None, hint: int | None) -> None:
        self._source = source
        self._mark = after
        self._after: Place | None = None if after is None else after.place(source.ordering.direction)
        self._hint = hint
        self._continuation: int | str | None = None
        self._overlaps = False
        self._window: int | None = None
        self._fresh_only = False
        self._read: Sequence[Row[T]] = ()

    async def read(self, want: int) -> Stretch[T]:
        """About `want` more rows: at least one whole group unless the list ends.

        Raises OrderBroken when the vendor's order is not the asked one, and SourceError.
        """
        self._go_behind()
        if self._window is None:
            self._window = min(self._source.page_max, 4 * (want + 3))
        limit = max(2, want + 1 if self._after is None else want + 3)  # its anchor, and the key's own row
        while True:
            page = await self._anchored(limit)
            stretch = self._whole_groups(page)
            if not stretch.rows and not stretch.ended:
                last = page.place(-1)
                if self._is_before_key(last):  # nothing new yet: go on behind it
                    self._continuation, self._overlaps = page.continuation, page.continuation != page.next
                    continue
                stretch = await self._long_group(last, limit)
            else:
                self._read = stretch.rows
            if stretch.rows or stretch.ended:
                return stretch

    def _go_behind(self) -> None:
        """Everything up to the value of the last row that was read is done."""
        rows = self._read
        if rows:
            self._mark, self._after = rows[-1].mark, end_of_group(rows[-1].place)
            self._hint = max((row.offset for row in rows if row.offset is not None), default=None)
            self._continuation, self._read = None, ()

    # -- finding the place -----------------------------------------------------------------------------

    async def _page(self, limit: int, hint: int | str | None) -> RowPage[T]:
        page = await self._source.page(limit, self._mark, hint, fresh=self._fresh_only)
        if _in_order(page):
            return page
        if page.start or page.next is not None:
            raise OrderBroken
        page.start = None  # The whole list in one page: the gateway orders it, and offsets lead nowhere.
        return page

    async def _anchored(self, limit: int) -> RowPage[T]:
        """A page that begins at or before the key, as near to it as is known."""
        if self._after is None:
            return await self._page(limit, None)
        if self._continuation is not None:
            page = await self._page(limit, self._continuation)
            follows = not self._overlaps or self._is_anchored(page)
            return await self._sought(limit, page if follows else None)
        if self._hint is None:
            return await self._sought(limit)
        page = await self._window_page(self._hint) or await self._page(limit, self._hint)
        if self._is_anchored(page):
            return page
        self._fresh_only = True
        page = await self._page(limit, max(0, self._hint - limit + 1))
        return page if self._is_anchored(page) else await self._sought(limit)

    async def _window_page(self, hint: int) -> RowPage[T] | None:
        """The page of a fixed grid that holds the hint and goes on behind the key, if there is one.

        All requests that page through a list ask for the same pages of the grid, which a cache then answers.
        Neighbours share two rows: the last that is done with, and the one whose group may go on.
        """
        window = self._window or 0
        if not self._source.on_grid or window < _SMALLEST_WINDOW or self._fresh_only:
            return None
        stride = window - 2
        beginning = hint // stride * stride
        for offset in (beginning, beginning + stride):
            page = await self._page(window, offset)
            if not self._is_anchored(page):
                self._fresh_only = True
                return None
            if page.next is None or self._whole_groups(page).rows:
                return page
        return None

    def _is_anchored(self, page: RowPage[T]) -> bool:
        """Whether no row after the key can stand before this page."""
        if not page.start:  # the list's beginning, or a list that is asked by range
            return True
        return bool(page.nodes) and self._is_before_key(page.place(0))

    def _is_before_key(self, place: Place) -> bool:
        """Whether the place's whole group lies at or before the key: equals may stand on both sides of one."""
        return self._after is not None and end_of_group(place) <= self._after

    async def _sought(self, limit: int, begin: RowPage[T] | None = None) -> RowPage[T]:
        """An anchored page that reaches past the key, found by steps that double and then by halving.

        `begin` is an anchored page to start from, the list's first without one.
        """
        page = begin or await self._page(limit, None)
        low, step, high = 0, limit, None
        while page.start is not None and page.next is not None and self._is_before_key(page.place(-1)):
            low = max(low, page.start + len(page.nodes) - 1)
            if high is not None and high - low <= 1:
                break
            probe = low + step if high is None else (low + high) // 2
            found = await self._page(limit, probe)
            if found.nodes and self._is_before_key(found.place(0)):
                page, step = found, step * 2
            else:
                high = probe
        if page.start is not None:
            self._hint, self._continuation = page.start, None
        return page

    # -- whole groups ----------------------------------------------------------------------------------

    def _whole_groups(self, page: RowPage[T]) -> Stretch[T]:
        ended, count = page.next is None, len(page.nodes)
        closed = count if ended else page.last_group
        rows = page.rows_after(self._after, 0, closed)
        if not page.rises:
            rows.sort(key=PLACE)
        return Stretch(rows, page.rows_after(self._after, closed, count), ended)

    async def _long_group(self, group: Place, limit: int) -> Stretch[T]:
        """Every row of a group that is longer than a page.

        The vendor may order equals differently on every call, so that one pass over the pages can show a row
        twice and another never: passes are made until there are as many rows as places, and no page began with
        a row that none before had shown. The first few passes stand by themselves: what an earlier pass showed
        hides that rows were deleted during this one. No row and no end: the group was deleted meanwhile.
        """
        known: dict[str, Row[T]] = {}
        for number in range(_PASSES_OVER_ONE_GROUP):
            shown: set[str] = set() if number < _PASSES_BY_THEMSELVES else set(known)
            places, steady, ended = await self._pass_over(group, limit, known, shown)
            if steady and len(known) >= places:
                break
            self._fresh_only, limit = True, self._source.page_max  # a cache would show the same gap again
        self._read = rows = sorted(known.values(), key=PLACE)
        first = 0 if self._after is None else bisect_right(rows, self._after, key=PLACE)
        self._go_behind()
        return Stretch(rows[first:], (), ended)

    async def _pass_over(
        self, group: Place, limit: int, known: dict[str, Row[T]], shown: set[str]
    ) -> tuple[int, bool, bool]:
        """One pass: how many places the group has, whether no row slipped by, whether the list ends with it.

        A page that begins with a row among those `shown`, to which each page adds its own, follows on.
        """
        id_of = self._source.ordering.id_of
        page = await self._anchored(limit)
        anchor: int | None = None
        places: set[int] = set()
        steady = True
        while True:
            of_group = [row for row in page.rows() if same_group(row.place, group)]
            if anchor is not None and page.nodes and same_group(page.place(0), group):
                page.anchor_before = anchor
            elif anchor is None and of_group:
                anchor = of_group[0].anchor
            for row in of_group:
                known.setdefault(id_of(row.node), row)
                shown.add(id_of(row.node))
            places |= {row.offset for row in of_group if row.offset is not None}
            past = any(page.place(index)[:2] > group[:2] for index in range(len(page.nodes)))
            if page.next is None or past:
                return len(places), steady, page.next is None and not past
            overlaps = page.continuation != page.next
            limit = min(2 * limit, self._source.page_max)
            page = await self._page(limit, page.continuation)
            if overlaps:
                if not page.nodes or page.place(0)[:2] > group[:2]:
                    return len(places), False, False
                steady = steady and (page.place(0)[:2] < group[:2] or id_of(page.nodes[0]) in shown)
