"""Resuming a vendor's list exactly after a key, although the vendor pages by offset and its rows move.

The key is the truth, the offset a hint. A page is read from the hint; rows at or before the key are dropped
(something was inserted ahead), and when the page's first row lies after the key already, something was deleted
ahead and the reading starts further back. Rows of one value are handed on as a whole group, since vendors
promise no order among equals: the last group of a page stays open until another value, or the end, shows.

Two pages of one reading must agree where they overlap; when they do not, rows moved between them, or the vendor
breaks its order. Reading the earlier page again tells which.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

from tracegraph.domain.value_objects import record
from tracegraph.errors import SourceBadRequest
from tracegraph.federation.pages import COMPARABLE_KEY, PageBudgetExhausted, PageSource, Row, RowPage
from tracegraph.federation.progress import STABLE_PASSES, OrderBroken, ProgressCheck, agree, follows
from tracegraph.federation.sort_key import ComparableKey, SortKey, end_of_group, same_value

T = TypeVar("T")


_MAX_GROUP_PASSES = 50


_INDEPENDENT_PASSES = 5


_MIN_WINDOW = 10


_MAX_REREADS = 2


@record(frozen=True, slots=True)
class RowBatch(Generic[T]):
    """Rows in whole groups, those of a last group that is still open, and whether the list ends here."""

    rows: Sequence[Row[T]]
    open_rows: Sequence[Row[T]]
    ended: bool


def _in_order(page: RowPage[T]) -> bool:
    """Whether the rows come as asked; a list that begins with missing values may have others behind them."""
    if page.is_strictly_sorted:
        return True
    keys = list(map(page.ordering.comparable_key, page.nodes))
    if keys and keys[0][0] and not page.start_offset and page.next_hint is not None:
        return False
    return all(previous[:2] <= current[:2] for previous, current in pairwise(keys))


class _Pass(NamedTuple):
    """One pass over a group: the ids that came, how many places it has, whether no row slipped by, the end."""

    ids: list[str]
    places: int
    is_gapless: bool
    ended: bool
    goes_back: bool = False


class _PageQuery(NamedTuple):
    """What a page was asked for by, so that it can be read again."""

    limit: int
    sort_key: SortKey | None
    hint: int | str | None


class KeysetReader(Generic[T]):
    """Reads on from a place, stretch by stretch. Not for concurrent use."""

    def __init__(self, source: PageSource[T], after: SortKey | None, hint: int | None) -> None:
        self._source = source
        self._sort_key = after
        self._after: ComparableKey | None = None if after is None else after.comparable(source.ordering.direction)
        self._hint = hint
        self._continuation: int | str | None = None
        self._overlaps = False
        self._window: int | None = None
        self._bypass_cache = False
        self._last_rows: Sequence[Row[T]] = ()
        self._emitted_ids: set[str] = set()
        """The ids of the rows before those that were read last."""
        self._rows_from_start: int | None = None if after is not None else 0
        self._last_query = _PageQuery(0, None, None)
        self._previous: tuple[RowPage[T], _PageQuery] | None = None
        """The page that the last stretch came from."""

    async def read(self, count: int) -> RowBatch[T]:
        """About `want` more rows: at least one whole group unless the list ends.

        No row and no end: the page budget ended within a group. Raises OrderBroken when the vendor's order is not
        the asked one, SourceBadRequest when the budget ended before any row was read, and SourceError.
        """
        try:
            return await self._next_batch(count)
        except OrderBroken:
            self._advance()
            raise OrderBroken(self._emitted_ids) from None
        except PageBudgetExhausted:
            self._advance()
            if self._emitted_ids:
                return RowBatch((), (), ended=False)
            raise self._budget_error() from None

    async def _next_batch(self, count: int) -> RowBatch[T]:
        if self._window is None:
            self._window = 4 * (count + 3)
        progress: ProgressCheck[T] | None = None
        while True:
            self._advance()
            # its anchor, and the key's own row
            limit = max(2, count + 1 if self._after is None else count + 3)
            page = await self._consistent_page(await self._page_at_or_before(limit), limit)
            batch = self._complete_groups(page)
            if not batch.rows and not batch.ended:
                last = page.comparable_key(-1)
                if self._is_at_or_before_key(last):  # nothing new yet: go on behind it
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
        """Everything up to the value of the last row that was read is done."""
        rows = self._last_rows
        if rows:
            self._emitted_ids.update(map(self._source.ordering.id_of, [row.node for row in rows]))
            self._sort_key, self._after = rows[-1].sort_key, end_of_group(rows[-1].comparable_key)
            self._hint = max((row.offset for row in rows if row.offset is not None), default=None)
            self._continuation, self._last_rows = None, ()

    def _without_repeats(self, batch: RowBatch[T]) -> RowBatch[T]:
        """Without rows that came before: they moved, or the vendor repeats them."""
        rows, ids, id_of = batch.rows, self._emitted_ids, self._source.ordering.id_of
        if ids:
            rows = [row for row in rows if id_of(row.node) not in ids]
        if self._rows_from_start is not None:
            self._rows_from_start += len(rows)
            if batch.ended:
                self._source.set_row_count(self._rows_from_start)
        return RowBatch(rows, batch.open_rows, batch.ended)

    def _budget_error(self) -> SourceBadRequest:
        name = self._source.ordering.source
        return SourceBadRequest(
            name,
            f"The next rows of source {name!r} take more pages than the gateway may read at once, since too many "
            "have the same value, or change meanwhile: use another order, or narrow the filter.",
        )

    # -- whether pages belong to one list --------------------------------------------------------------

    async def _consistent_page(self, page: RowPage[T], limit: int) -> RowPage[T]:
        """The page, read again when it disagreed with the page before it. Raises OrderBroken.

        Older pages, of a vendor that is down, may be of different times: they cannot be read again.
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

    # -- finding the place -----------------------------------------------------------------------------

    async def _page(self, limit: int, hint: int | str | None) -> RowPage[T]:
        self._last_query = _PageQuery(limit, self._sort_key, hint)
        return await self._fetch(self._last_query)

    async def _fetch(self, query: _PageQuery) -> RowPage[T]:
        page = await self._source.page(query.limit, query.sort_key, query.hint, bypass_cache=self._bypass_cache)
        if _in_order(page):
            return page
        if page.start_offset or page.next_hint is not None or self._previous is not None:
            raise OrderBroken
        page.start_offset = None  # The whole list in one page: the gateway orders it, and offsets lead nowhere.
        return page

    async def _page_at_or_before(self, limit: int) -> RowPage[T]:
        """A page that begins at or before the key, as near to it as is known."""
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
        """The page of a fixed grid that holds the hint and goes on behind the key, if there is one.

        All requests that page through a list ask for the same pages of the grid, which a cache then answers.
        Neighbours share two rows: the last that is done with, and the one whose group may go on.
        """
        window = min(self._window or 0, self._source.page_max)
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
        """Whether no row after the key can stand before this page."""
        if not page.start_offset:  # the list's beginning, or a list that is asked by range
            return True
        return bool(page.nodes) and self._is_at_or_before_key(page.comparable_key(0))

    def _is_at_or_before_key(self, key: ComparableKey) -> bool:
        """Whether the place's whole group lies at or before the key: equals may stand on both sides of one."""
        return self._after is not None and end_of_group(key) <= self._after

    async def _seek(self, limit: int, start: RowPage[T] | None = None) -> RowPage[T]:
        """An anchored page that reaches past the key, found by steps that double and then by halving.

        `begin` is an anchored page to start from, the list's first without one.
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

    # -- whole groups ----------------------------------------------------------------------------------

    def _complete_groups(self, page: RowPage[T]) -> RowBatch[T]:
        ended, count = page.next_hint is None, len(page.nodes)
        closed = count if ended else page.last_group
        rows = page.rows_after(self._after, 0, closed)
        if not page.is_strictly_sorted:
            rows.sort(key=COMPARABLE_KEY)
            rows = list({row.comparable_key: row for row in rows}.values())
        return RowBatch(rows, page.rows_after(self._after, closed, count), ended)

    async def _read_tie_group(self, group: ComparableKey, limit: int) -> RowBatch[T]:
        """Every row of a group that is longer than a page.

        The vendor may order equals differently on every call, so that one pass over the pages can show a row
        twice and another never: passes are made until there are as many rows as places, and no page began with
        a row that none before had shown. The first few passes stand by themselves: what an earlier pass showed
        hides that rows were deleted during this one. No row and no end: the group was deleted meanwhile.
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
            self._bypass_cache, limit = True, self._source.page_max  # a cache would show the same gap again
        self._last_rows = rows = sorted(rows_by_id.values(), key=COMPARABLE_KEY)
        first = 0 if self._after is None else bisect_right(rows, self._after, key=COMPARABLE_KEY)
        return RowBatch(rows[first:], (), result.ended)

    async def _scan_group_once(
        self, group: ComparableKey, limit: int, rows_by_id: dict[str, Row[T]], seen_ids: set[str]
    ) -> _Pass:
        """One pass. A page that begins with a row among `shown`, to which each page adds its own, follows on.

        Raises OrderBroken when a vendor's cursor leads back to values before the group.
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
                    progress.check(page)  # the same rows again, or others
                    raise OrderBroken
                goes_back = goes_back or self._has_unseen_rows(page, group, ids)
            elif overlaps:
                is_gapless = is_gapless and id_of(page.nodes[0]) in seen_ids

    def _has_unseen_rows(self, page: RowPage[T], group: ComparableKey, ids: Sequence[str]) -> bool:
        """Whether the page holds rows of values before the group that no page before it had."""
        id_of = self._source.ordering.id_of
        earlier_ids = {id_of(row.node) for row in page.rows() if row.comparable_key[:2] < group[:2]}
        return not earlier_ids <= self._emitted_ids.union(ids)
