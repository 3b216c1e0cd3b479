"""Resumes a vendor's list exactly after a sort key, although the vendor pages by offset and its rows move.

The key is authoritative and the offset is a hint. A page is read from the hint. Rows at or before the key are
dropped: rows were inserted ahead. A first row after the key means that rows were deleted ahead, so the scan starts
further back. Vendors promise no order among equal values, so rows with one value are emitted as a complete group.
The last group of a page stays open until another value or the end follows.

Two pages of one scan must agree where they overlap. When they do not, rows moved between them, or the vendor
breaks its order. Reading the earlier page again tells these cases apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

import msgspec

from tracegraph.federation.pages import COMPARABLE_KEY, PageBudgetExhausted, PageSource, Row, RowPage
from tracegraph.federation.position import Position
from tracegraph.federation.progress import STABLE_PASSES, OrderBroken, OrderUnknown, ProgressCheck, agree, follows
from tracegraph.federation.sort_key import ComparableKey, SortKey, after_value, end_of_group, same_value

T = TypeVar("T")


_MAX_GROUP_PASSES = 50


_INDEPENDENT_PASSES = 5


_MIN_WINDOW = 10


_MAX_REREADS = 2


class RowBatch(msgspec.Struct, Generic[T], frozen=True):
    """Rows of complete groups, the rows of a last group that is still open, and whether the list ends here."""

    rows: Sequence[Row[T]]
    open_rows: Sequence[Row[T]]
    ended: bool


def _in_order(page: RowPage[T]) -> bool:
    """Return whether the rows are in the requested order.

    A list that starts with nulls may have more of them later. Only values that are never null are read backwards.
    """
    if page.is_strictly_sorted:
        return True
    keys = list(map(page.ordering.comparable_key, page.nodes))
    starts_with_null = bool(keys) and page.ordering.value_of(page.nodes[0]) is None
    if starts_with_null and not page.start_offset and page.next_hint is not None:
        return False
    return all(previous[:2] <= current[:2] for previous, current in pairwise(keys))


class _Pass(NamedTuple):
    """One pass over a group: the received ids, the number of offsets, no row missed, end of the list reached."""

    ids: list[str]
    places: int
    is_gapless: bool
    ended: bool
    goes_back: bool = False


class _PageQuery(NamedTuple):
    """The parameters of a page request, to repeat it."""

    limit: int
    sort_key: SortKey | None
    hint: int | str | None


class KeysetReader(Generic[T]):
    """Reads batch by batch from a sort key. Not for concurrent use."""

    def __init__(self, source: PageSource[T], after: SortKey | None, hint: int | None) -> None:
        self._source = source
        self._sort_key = after
        self._after: ComparableKey | None = None if after is None else after.comparable(source.ordering.direction)
        self._hint = hint
        self._continuation: int | str | None = None
        self._overlaps = False
        self._window = 0
        self._bypass_cache = False
        self._last_rows: Sequence[Row[T]] = ()
        self._emitted_ids: set[str] = set()
        """The ids of the rows before the last batch."""
        self._rows_from_start: int | None = None if after is not None else 0
        self._last_query = _PageQuery(0, None, None)
        self._previous: tuple[RowPage[T], _PageQuery] | None = None
        """The page of the last batch."""
        self._start = self.reached = Position(after, hint)
        """`reached` is where the list resumes while no row was read."""
        self._has_emitted = False

    async def read(self, count: int) -> RowBatch[T]:
        """Return about `count` more rows: at least one complete group, unless the list ends.

        A batch without rows that is not the end means that the page budget was exhausted within a group.

        Raises:
            OrderBroken: The vendor's order is not the requested one, or its first page does not show the order.
            SourceBadRequest: The page budget was exhausted before any row was read, and will be again.
            SourceError: The source failed.
        """
        try:
            batch = await self._next_batch(count)
        except OrderBroken as broken:
            self._advance()
            raise type(broken)(self._emitted_ids) from None
        except PageBudgetExhausted:
            self._advance()
            if self._has_emitted or self.reached != self._start:
                return RowBatch((), (), ended=False)
            raise self._source.budget_error() from None
        self._has_emitted = self._has_emitted or bool(batch.rows)
        return batch

    async def _next_batch(self, count: int) -> RowBatch[T]:
        self._window = max(self._window, 4 * (count + 3))
        progress: ProgressCheck[T] | None = None
        while True:
            self._advance()
            # the anchor and the key's own row come first
            limit = self._source.page_max if progress else max(2, count + (1 if self._after is None else 3))
            page = await self._consistent_page(await self._page_at_or_before(limit), limit)
            batch = self._complete_groups(page)
            if not batch.rows and not batch.ended:
                last = page.comparable_key(-1)
                if self._is_at_or_before_key(last):  # no new row yet: continue after this page
                    progress = progress or ProgressCheck()
                    progress.check(page)
                    self._continuation, self._overlaps = page.continuation, page.continuation != page.next_hint
                    continue
                batch = await self._read_tie_group(last, limit)
            else:
                self._last_rows = batch.rows
                self._previous = page, self._last_query
            batch = self._without_repeats(batch)
            if batch.rows or batch.ended:
                return batch

    def _advance(self) -> None:
        """Continue after the value of the last row read."""
        rows = self._last_rows
        if rows:
            self._emitted_ids.update(map(self._source.ordering.id_of, [row.node for row in rows]))
            self._sort_key, self._after = rows[-1].sort_key, end_of_group(rows[-1].comparable_key)
            self._hint = max((row.offset for row in rows if row.offset is not None), default=None)
            if not self._has_emitted:
                self.reached = Position(
                    after_value(self._sort_key.value, self._source.ordering.direction), self._hint
                )
            self._continuation, self._last_rows = None, ()

    def _without_repeats(self, batch: RowBatch[T]) -> RowBatch[T]:
        """Drop rows that were already emitted: they moved, or the vendor repeats them."""
        rows, ids, id_of = batch.rows, self._emitted_ids, self._source.ordering.id_of
        if ids:
            rows = [row for row in rows if id_of(row.node) not in ids]
        if self._rows_from_start is not None:
            self._rows_from_start += len(rows)
            if batch.ended:
                self._source.set_row_count(self._rows_from_start)
        return RowBatch(rows, batch.open_rows, batch.ended)

    # -- whether pages are parts of one list -----------------------------------------------------------

    async def _consistent_page(self, page: RowPage[T], limit: int) -> RowPage[T]:
        """Return the page, read again when it disagreed with the previous page.

        Raise OrderBroken if it still does. Stale pages of a vendor that is down may be of different times. They
        cannot be read again.
        """
        if self._previous is None or self._source.stats.stale is not None:
            return page
        previous, query = self._previous
        if follows(previous, page) or agree(previous, page):
            return page
        self._bypass_cache = True
        for _ in range(_MAX_REREADS):
            previous = await self._fetch(query)
            if agree(previous, page):
                return page
            page = await self._page_at_or_before(limit)
            if agree(previous, page):
                return page
        raise OrderBroken

    # -- seeking ---------------------------------------------------------------------------------------

    async def _page(self, limit: int, hint: int | str | None) -> RowPage[T]:
        self._last_query = _PageQuery(limit, self._sort_key, hint)
        return await self._fetch(self._last_query)

    async def _fetch(self, query: _PageQuery) -> RowPage[T]:
        page = await self._source.page(query.limit, query.sort_key, query.hint, bypass_cache=self._bypass_cache)
        if _in_order(page):
            return page
        if page.start_offset or page.next_hint is not None or self._previous is not None:
            has_value = any(page.ordering.value_of(node) is not None for node in page.nodes)
            raise OrderBroken if page.start_offset or has_value else OrderUnknown
        page.start_offset = None  # One page holds the list: the gateway sorts it, and offsets mean nothing.
        return page

    async def _page_at_or_before(self, limit: int) -> RowPage[T]:
        """Return a page that begins at or before the key, as close as the hint allows."""
        if self._after is None:
            return await self._page(limit, None)
        if self._continuation is not None:
            page = await self._page(limit, self._continuation)
            continues = not self._overlaps or self._starts_at_or_before_key(page)
            return await self._seek(limit, page if continues else None)
        if self._hint is None:
            return await self._seek(limit)
        page = await self._aligned_page(self._hint) or await self._page(limit, self._hint)
        if self._starts_at_or_before_key(page):
            return page
        self._bypass_cache = True
        page = await self._page(limit, max(0, self._hint - limit + 1))
        return page if self._starts_at_or_before_key(page) else await self._seek(limit)

    async def _aligned_page(self, hint: int) -> RowPage[T] | None:
        """Return the page of a fixed grid that holds the hint and continues after the key, if there is one.

        All requests that page through a list request the same pages of the grid, so a cache can serve them.
        Neighbouring pages share two rows: the last completed row, and the row whose group may continue.
        """
        window = min(self._window, self._source.page_max)
        if not self._source.align_to_cache_pages or window < _MIN_WINDOW or self._bypass_cache:
            return None
        stride = window - 2
        beginning = hint // stride * stride
        for offset in (beginning, beginning + stride):
            page = await self._page(window, offset)
            if not self._starts_at_or_before_key(page):
                self._bypass_cache = True
                return None
            if page.next_hint is None or self._complete_groups(page).rows:
                return page
        return None

    def _starts_at_or_before_key(self, page: RowPage[T]) -> bool:
        """Return whether no row after the key can precede this page."""
        if not page.start_offset:  # the list's start, or a list that is paged by range
            return True
        return bool(page.nodes) and self._is_at_or_before_key(page.comparable_key(0))

    def _is_at_or_before_key(self, key: ComparableKey) -> bool:
        """Return whether the complete group of a key is at or before the reader's key."""
        return self._after is not None and end_of_group(key) <= self._after

    async def _seek(self, limit: int, start: RowPage[T] | None = None) -> RowPage[T]:
        """Return a page that starts at or before the key and reaches past it: double the step, then halve it.

        `start` is such a page to begin with. Without it, the list's first page is read.
        """
        page = start or await self._page(limit, None)
        low, step, high = 0, limit, None
        progress: ProgressCheck[T] = ProgressCheck()
        while (
            page.start_offset is not None
            and page.next_hint is not None
            and self._is_at_or_before_key(page.comparable_key(-1))
        ):
            low = max(low, page.start_offset + len(page.nodes) - 1)
            if high is not None and high - low <= 1:
                break
            probe = low + step if high is None else (low + high) // 2
            probe_page = await self._page(limit, probe)
            if probe_page.nodes and self._is_at_or_before_key(probe_page.comparable_key(0)):
                progress.check(probe_page)
                page, step = probe_page, step * 2
            else:
                high = probe
        if page.start_offset is not None:
            self._hint, self._continuation = page.start_offset, None
        return page

    # -- complete groups -------------------------------------------------------------------------------

    def _complete_groups(self, page: RowPage[T]) -> RowBatch[T]:
        ended, count = page.next_hint is None, len(page.nodes)
        closed = count if ended else page.last_group
        rows = page.rows_after(self._after, 0, closed)
        if not page.is_strictly_sorted:
            rows.sort(key=COMPARABLE_KEY)
            rows = list({row.comparable_key: row for row in rows}.values())
        return RowBatch(rows, page.rows_after(self._after, closed, count), ended)

    async def _read_tie_group(self, group: ComparableKey, limit: int) -> RowBatch[T]:
        """Return every row of a group that is longer than a page.

        The vendor may order equal values differently on every call. One pass can then return a row twice and miss
        another. Passes are made until there are as many rows as offsets and each page began with a row already
        seen. The first few passes are independent: rows seen in an earlier pass would hide that rows were deleted
        during this one. An empty batch that is not the end means that the group was deleted.
        """
        rows_by_id: dict[str, Row[T]] = {}
        previous_ids: list[str] = []
        identical_passes = passes_going_back = 0
        for pass_number in range(_MAX_GROUP_PASSES):
            seen_ids: set[str] = set() if pass_number < _INDEPENDENT_PASSES else set(rows_by_id)
            result = await self._scan_group_once(group, limit, rows_by_id, seen_ids)
            identical_passes, previous_ids = (
                (identical_passes + 1 if result.ids == previous_ids else 0),
                result.ids,
            )
            if result.is_gapless and (len(rows_by_id) >= result.places or identical_passes >= STABLE_PASSES):
                break
            passes_going_back = passes_going_back + 1 if result.goes_back else 0
            if identical_passes >= STABLE_PASSES or passes_going_back >= STABLE_PASSES:
                raise OrderBroken
            self._bypass_cache, limit = True, self._source.page_max  # a cache would repeat the same gap
        self._last_rows = rows = sorted(rows_by_id.values(), key=COMPARABLE_KEY)
        first = 0 if self._after is None else bisect_right(rows, self._after, key=COMPARABLE_KEY)
        return RowBatch(rows[first:], (), result.ended)

    async def _scan_group_once(
        self, group: ComparableKey, limit: int, rows_by_id: dict[str, Row[T]], seen_ids: set[str]
    ) -> _Pass:
        """Make one pass over the group. Add the ids of each page to `seen_ids`.

        A page continues the previous one if it begins with a row of `seen_ids`. Raises OrderBroken when a vendor's
        cursor leads back to values before the group.
        """
        id_of = self._source.ordering.id_of
        page = await self._page_at_or_before(limit)
        progress: ProgressCheck[T] = ProgressCheck()
        anchor: int | None = None
        offsets: set[int] = set()
        ids: list[str] = []
        is_gapless, goes_back = True, False
        while True:
            ids += progress.check(page)
            group_rows = [row for row in page.rows() if same_value(row.comparable_key, group)]
            if anchor is not None and page.nodes and same_value(page.comparable_key(0), group):
                page.anchor_before = anchor
            elif anchor is None and group_rows:
                anchor = group_rows[0].anchor
            for row in group_rows:
                rows_by_id.setdefault(id_of(row.node), row)
                seen_ids.add(id_of(row.node))
            offsets |= {row.offset for row in group_rows if row.offset is not None}
            is_past_group = any(page.comparable_key(index)[:2] > group[:2] for index in range(len(page.nodes)))
            self._previous = page, self._last_query
            if page.next_hint is None or is_past_group:
                return _Pass(
                    ids,
                    len(offsets),
                    is_gapless and not goes_back,
                    page.next_hint is None and not is_past_group,
                    goes_back,
                )
            overlaps = page.continuation != page.next_hint
            limit = min(2 * limit, self._source.page_max)
            page = await self._page(limit, page.continuation)
            if not page.nodes or page.comparable_key(0)[:2] > group[:2]:
                if overlaps:
                    return _Pass(ids, len(offsets), is_gapless=False, ended=False, goes_back=goes_back)
            elif page.comparable_key(0)[:2] < group[:2]:
                if isinstance(page.hint, str):
                    progress.check(page)  # raises when the rows are repeated
                    raise OrderBroken
                goes_back = goes_back or self._has_unseen_rows(page, group, ids)
            elif overlaps:
                is_gapless = is_gapless and id_of(page.nodes[0]) in seen_ids

    def _has_unseen_rows(self, page: RowPage[T], group: ComparableKey, ids: Sequence[str]) -> bool:
        """Return whether the page holds rows before the group that no earlier page had."""
        id_of = self._source.ordering.id_of
        earlier_ids = {id_of(row.node) for row in page.rows() if row.comparable_key[:2] < group[:2]}
        return not earlier_ids <= self._emitted_ids.union(ids)
