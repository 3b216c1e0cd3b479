"""A list read against the only direction that its vendor offers, by windows on the sorted value.

The vendor takes a range on times: every row of a window is read in the vendor's direction, and emitted in the
other. The first window holds the rows at the list's far end, and is found by steps that grow fourfold. Each
further window begins at the end of the previous one, and its rows set the width.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

from tracegraph.adapter.paging import Key
from tracegraph.federation.keyset import RowBatch
from tracegraph.federation.pages import COMPARABLE_KEY, PageBudgetExhausted, PageSource, Row, RowPage
from tracegraph.federation.position import Position
from tracegraph.federation.progress import OrderBroken, ProgressCheck
from tracegraph.federation.sort_key import ComparableKey, SortKey, ascends, before_value

T = TypeVar("T")

_GROWTH = 4
_SECOND = 1_000_000
_HOUR, _DAY = 3_600 * _SECOND, 86_400 * _SECOND
"""In microseconds, as sorted values are."""

_FAR = 60_000_000_000 * _SECOND
"""The distance of the farthest time of a search from 1970: 1,900 years."""

_WIDTH_MAX = 60
"""The binary logarithm of the widest window."""


def _now() -> int:
    return time.time_ns() // 1000


class _Window(NamedTuple, Generic[T]):
    """Every row up to `end` (None: the list's end), in the requested order."""

    rows: list[Row[T]]
    end: int | None


class WindowReader(Generic[T]):
    """Reads on from a key, window by window. Not for concurrent use.

    The hint of a position tells the width of an earlier window. A time within this class is a number that
    grows in the requested direction: microseconds, negated where that direction is descending. None is the list's
    beginning or end.
    """

    def __init__(
        self,
        source: PageSource[T],
        start: Position,
        *,
        page_budget: int,
        clock: Callable[[], int] = _now,
    ) -> None:
        self._source = source
        direction = source.ordering.direction
        self._direction = direction
        self._sign = 1 if ascends(direction) else -1
        self._latest = _DAY if self._sign < 0 else clock() + _DAY
        self._start, after = start, start.sort_key
        self.reached = start
        """Where the list resumes while no row was read."""
        self._after: ComparableKey | None = None if after is None else after.comparable(direction)
        self._begin = None if after is None else self._time_of(after)
        self._begun_at = self._begin
        self._width = _HOUR if start.hint is None else 1 << max(0, min(_WIDTH_MAX, start.hint))
        self._page_budget = page_budget
        self._rows_from_start: int | None = 0 if after is None else None
        self._ids: set[str] = set()

    def _time_of(self, key: SortKey) -> int:
        """Return the time of a key. Rows without a value come last: such a key is beyond all times."""
        return self._sign * key.value if isinstance(key.value, int) else self._latest + 1

    @property
    def width(self) -> int:
        """The hint of a position: the binary logarithm of the next window's width."""
        return min(_WIDTH_MAX, (self._width - 1).bit_length())

    async def read(self, count: int) -> RowBatch[T]:
        """Read about `count` more rows: at least one unless the list ends, or the page budget does.

        Raises:
            OrderBroken: The vendor's rows do not come in its order.
            SourceBadRequest: The page budget was exhausted before any row was read, and will be again.
            SourceError: The source failed.
        """
        try:
            return await self._next_batch(count)
        except OrderBroken:
            raise OrderBroken(self._ids) from None
        except PageBudgetExhausted:
            if self._has_progressed():
                return RowBatch((), (), ended=False)
            raise self._source.budget_error() from None

    async def _next_batch(self, count: int) -> RowBatch[T]:
        while True:
            window = await (self._first_window(count) if self._begin is None else self._next_window(count))
            rows, ended = window.rows, window.end is None
            if self._after is not None:
                rows = rows[bisect_right(rows, self._after, key=COMPARABLE_KEY) :]
            if rows:
                self._after = rows[-1].comparable_key
                self._ids.update(self._source.ordering.id_of(row.node) for row in rows)
            if self._rows_from_start is not None:
                self._rows_from_start += len(rows)
                if ended:
                    self._source.set_row_count(self._rows_from_start)
            if rows or ended or (self._has_progressed() and self._source.stats.pages >= self._page_budget):
                return RowBatch(rows, (), ended)

    def _has_progressed(self) -> bool:
        """Return whether a request from the place reached so far begins elsewhere, or with another window."""
        if self._ids or self._begin is None:
            return bool(self._ids)
        after = self._start.sort_key
        if self._begin != self._begun_at:
            after = before_value(self._sign * self._begin, self._direction)  # no row is before the beginning
        self.reached = Position(after, self.width)
        return self.reached != self._start

    # -- windows ---------------------------------------------------------------------------------------

    async def _first_window(self, count: int) -> _Window[T]:
        """Return a window without a beginning that fits into one page, or else the first one of a single time.

        Its end is sought by growing steps while pages are full, and by halves once a step went too far.
        """
        end: int | None = None
        empty_until: int | None = None
        full_from, step, was_empty = 0, 0, False
        while True:
            page = await self._page(self._limit(count), None, end)
            if page.nodes and page.next_hint is not None:
                full_from = self._time(page, -1)
                span, was_empty = self._time(page, 0) - full_from, False
                step = max(_GROWTH * step, span)
                end = _next_end(full_from, span, step, empty_until)
            elif page.nodes or end is None:
                return self._begun(page, end, count)
            elif end == full_from - 1:
                self._begin, self._width = full_from, _SECOND
                return await self._next_window(count)
            else:
                # Up to `full_from` there is a row at least.
                empty_until, end = end, full_from if was_empty else (end + full_from) // 2
                was_empty = True

    def _begun(self, page: RowPage[T], end: int | None, count: int) -> _Window[T]:
        self._begin = end
        rows = sorted(page.rows(), key=COMPARABLE_KEY)
        if rows and end is not None:
            self._width = max(1, (end - self._time(page, -1)) * (count + 1) // len(rows))
        return _Window(rows, end)

    async def _next_window(self, count: int) -> _Window[T]:
        """The window from `_begin` on; made narrower until its rows fit into a page, or it holds a single time."""
        begin = self._begin or 0
        end = None if begin + self._width > self._latest else begin + self._width
        while True:
            page = await self._page(self._limit(count), begin, end)
            if page.next_hint is None:
                break
            if end == begin:
                return await self._single_time(page, begin)
            farthest = self._time(page, -1)
            end = begin + max(0, farthest - begin) // 2
            self._width = max(1, end - begin)
        if end is not None:
            expected = (count + 1) / len(page.nodes) if page.nodes else _GROWTH
            self._width = max(1, int((end - begin) * min(_GROWTH, expected)))
            self._begin = end = max(end, begin + 1)  # every row of the beginning itself is read
        return _Window(sorted(page.rows(), key=COMPARABLE_KEY), end)

    async def _single_time(self, page: RowPage[T], begin: int) -> _Window[T]:
        """Every row of one time, by the vendor's tokens."""
        rows, progress = page.rows(), ProgressCheck[T]()
        while page.next_hint is not None:
            progress.check(page)
            page = await self._page(self._source.page_max, begin, begin, page.next_hint)
            rows += page.rows()
        self._begin, self._width = begin + 1, _SECOND
        return _Window(sorted({row.comparable_key: row for row in rows}.values(), key=COMPARABLE_KEY), begin + 1)

    # -- pages -----------------------------------------------------------------------------------------

    def _limit(self, count: int) -> int:
        return min(self._source.page_max, max(100, 2 * count))

    async def _page(
        self, limit: int, begin: int | None, end: int | None, token: int | str | None = None
    ) -> RowPage[T]:
        """A page of the window in the vendor's direction: from its end towards its beginning, both included."""
        after = None if end is None else Key(self._sign * end, "")
        until = None if begin is None else self._sign * begin
        page = await self._source.range_page(limit, after, until, token if isinstance(token, str) else None)
        keys = [page.comparable_key(index)[:2] for index in range(len(page.nodes))]
        lacks_value = any(page.ordering.value_of(node) is None for node in page.nodes)
        if lacks_value or any(previous < current for previous, current in pairwise(keys)):
            raise OrderBroken
        return page

    def _time(self, page: RowPage[T], index: int) -> int:
        return self._time_of(page.ordering.sort_key(page.nodes[index]))


def _next_end(full_from: int, span: int, step: int, empty_until: int | None) -> int:
    """Return the end of the next window to try, after a full page whose rows span some time."""
    if span == 0:  # all rows of the page are of one time: is it the first?
        return full_from - 1
    if empty_until is None:
        return max(-_FAR, min(_FAR, full_from - step))
    return full_from if full_from - empty_until < 2 * span else (empty_until + full_from) // 2
