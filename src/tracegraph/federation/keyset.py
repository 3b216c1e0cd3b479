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

from tracegraph.domain.value_objects import value_object
from tracegraph.errors import SourceBadRequest
from tracegraph.federation.pages import PLACE, PageSource, PagesSpent, Row, RowPage
from tracegraph.federation.progress import ALIKE, Advance, OrderBroken, agree, follows
from tracegraph.federation.sort_key import ComparableKey, SortKey, end_of_group, same_value

T = TypeVar("T")


_PASSES_OVER_ONE_GROUP = 50


_PASSES_BY_THEMSELVES = 5


_SMALLEST_WINDOW = 10


_TRIES = 2


@value_object(frozen=True, slots=True)
class RowBatch(Generic[T]):
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


class _Pass(NamedTuple):
    """One pass over a group: the ids that came, how many places it has, whether no row slipped by, the end."""

    ids: list[str]
    places: int
    steady: bool
    ended: bool
    goes_back: bool = False


class _Asked(NamedTuple):
    """What a page was asked for by, so that it can be read again."""

    limit: int
    mark: SortKey | None
    hint: int | str | None


class KeysetReader(Generic[T]):
    """Reads on from a place, stretch by stretch. Not for concurrent use."""

    def __init__(self, source: PageSource[T], after: SortKey | None, hint: int | None) -> None:
        self._source = source
        self._mark = after
        self._after: ComparableKey | None = None if after is None else after.place(source.ordering.direction)
        self._hint = hint
        self._continuation: int | str | None = None
        self._overlaps = False
        self._window: int | None = None
        self._fresh_only = False
        self._read: Sequence[Row[T]] = ()
        self._handed_on: set[str] = set()
        """The ids of the rows before those that were read last."""
        self._rows_from_start: int | None = None if after is not None else 0
        self._asked = _Asked(0, None, None)
        self._earlier: tuple[RowPage[T], _Asked] | None = None
        """The page that the last stretch came from."""

    async def read(self, want: int) -> RowBatch[T]:
        """About `want` more rows: at least one whole group unless the list ends.

        No row and no end: the page budget ended within a group. Raises OrderBroken when the vendor's order is not
        the asked one, SourceBadRequest when the budget ended before any row was read, and SourceError.
        """
        try:
            return await self._next_stretch(want)
        except OrderBroken:
            self._go_behind()
            raise OrderBroken(self._handed_on) from None
        except PagesSpent:
            self._go_behind()
            if self._handed_on:
                return RowBatch((), (), ended=False)
            raise self._spent() from None

    async def _next_stretch(self, want: int) -> RowBatch[T]:
        if self._window is None:
            self._window = 4 * (want + 3)
        behind: Advance[T] | None = None
        while True:
            self._go_behind()
            # its anchor, and the key's own row
            limit = max(2, want + 1 if self._after is None else want + 3)
            page = await self._in_agreement(await self._anchored(limit), limit)
            stretch = self._whole_groups(page)
            if not stretch.rows and not stretch.ended:
                last = page.place(-1)
                if self._is_before_key(last):  # nothing new yet: go on behind it
                    behind = behind or Advance()
                    behind.see(page)
                    self._continuation, self._overlaps = page.continuation, page.continuation != page.next
                    continue
                stretch = await self._long_group(last, limit)
            else:
                self._read = stretch.rows
                self._earlier = page, self._asked
            stretch = self._first_time(stretch)
            if stretch.rows or stretch.ended:
                return stretch

    def _go_behind(self) -> None:
        """Everything up to the value of the last row that was read is done."""
        rows = self._read
        if rows:
            self._handed_on.update(map(self._source.ordering.id_of, [row.node for row in rows]))
            self._mark, self._after = rows[-1].mark, end_of_group(rows[-1].place)
            self._hint = max((row.offset for row in rows if row.offset is not None), default=None)
            self._continuation, self._read = None, ()

    def _first_time(self, stretch: RowBatch[T]) -> RowBatch[T]:
        """Without rows that came before: they moved, or the vendor repeats them."""
        rows, ids, id_of = stretch.rows, self._handed_on, self._source.ordering.id_of
        if ids:
            rows = [row for row in rows if id_of(row.node) not in ids]
        if self._rows_from_start is not None:
            self._rows_from_start += len(rows)
            if stretch.ended:
                self._source.read_whole(self._rows_from_start)
        return RowBatch(rows, stretch.open_rows, stretch.ended)

    def _spent(self) -> SourceBadRequest:
        name = self._source.ordering.source
        return SourceBadRequest(
            name,
            f"The next rows of source {name!r} take more pages than the gateway may read at once, since too many "
            "have the same value, or change meanwhile: use another order, or narrow the filter.",
        )

    # -- whether pages belong to one list --------------------------------------------------------------

    async def _in_agreement(self, page: RowPage[T], limit: int) -> RowPage[T]:
        """The page, read again when it disagreed with the page before it. Raises OrderBroken.

        Older pages, of a vendor that is down, may be of different times: they cannot be read again.
        """
        if self._earlier is None or self._source.tally.stale is not None:
            return page
        earlier, asked = self._earlier
        if follows(earlier, page) or agree(earlier, page):
            return page
        self._fresh_only = True
        for _ in range(_TRIES):
            earlier = await self._get(asked)
            if agree(earlier, page):
                return page
            page = await self._anchored(limit)
            if agree(earlier, page):
                return page
        raise OrderBroken

    # -- finding the place -----------------------------------------------------------------------------

    async def _page(self, limit: int, hint: int | str | None) -> RowPage[T]:
        self._asked = _Asked(limit, self._mark, hint)
        return await self._get(self._asked)

    async def _get(self, asked: _Asked) -> RowPage[T]:
        page = await self._source.page(asked.limit, asked.mark, asked.hint, fresh=self._fresh_only)
        if _in_order(page):
            return page
        if page.start or page.next is not None or self._earlier is not None:
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
        window = min(self._window or 0, self._source.page_max)
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

    def _is_before_key(self, place: ComparableKey) -> bool:
        """Whether the place's whole group lies at or before the key: equals may stand on both sides of one."""
        return self._after is not None and end_of_group(place) <= self._after

    async def _sought(self, limit: int, begin: RowPage[T] | None = None) -> RowPage[T]:
        """An anchored page that reaches past the key, found by steps that double and then by halving.

        `begin` is an anchored page to start from, the list's first without one.
        """
        page = begin or await self._page(limit, None)
        low, step, high = 0, limit, None
        advance: Advance[T] = Advance()
        while page.start is not None and page.next is not None and self._is_before_key(page.place(-1)):
            low = max(low, page.start + len(page.nodes) - 1)
            if high is not None and high - low <= 1:
                break
            probe = low + step if high is None else (low + high) // 2
            found = await self._page(limit, probe)
            if found.nodes and self._is_before_key(found.place(0)):
                advance.see(found)
                page, step = found, step * 2
            else:
                high = probe
        if page.start is not None:
            self._hint, self._continuation = page.start, None
        return page

    # -- whole groups ----------------------------------------------------------------------------------

    def _whole_groups(self, page: RowPage[T]) -> RowBatch[T]:
        ended, count = page.next is None, len(page.nodes)
        closed = count if ended else page.last_group
        rows = page.rows_after(self._after, 0, closed)
        if not page.rises:
            rows.sort(key=PLACE)
            rows = list({row.place: row for row in rows}.values())
        return RowBatch(rows, page.rows_after(self._after, closed, count), ended)

    async def _long_group(self, group: ComparableKey, limit: int) -> RowBatch[T]:
        """Every row of a group that is longer than a page.

        The vendor may order equals differently on every call, so that one pass over the pages can show a row
        twice and another never: passes are made until there are as many rows as places, and no page began with
        a row that none before had shown. The first few passes stand by themselves: what an earlier pass showed
        hides that rows were deleted during this one. No row and no end: the group was deleted meanwhile.
        """
        known: dict[str, Row[T]] = {}
        before: list[str] = []
        alike = back = 0
        for number in range(_PASSES_OVER_ONE_GROUP):
            shown: set[str] = set() if number < _PASSES_BY_THEMSELVES else set(known)
            done = await self._pass_over(group, limit, known, shown)
            alike, before = (alike + 1 if done.ids == before else 0), done.ids
            if done.steady and (len(known) >= done.places or alike >= ALIKE):
                break
            back = back + 1 if done.goes_back else 0
            if alike >= ALIKE or back >= ALIKE:
                raise OrderBroken
            self._fresh_only, limit = True, self._source.page_max  # a cache would show the same gap again
        self._read = rows = sorted(known.values(), key=PLACE)
        first = 0 if self._after is None else bisect_right(rows, self._after, key=PLACE)
        return RowBatch(rows[first:], (), done.ended)

    async def _pass_over(
        self, group: ComparableKey, limit: int, known: dict[str, Row[T]], shown: set[str]
    ) -> _Pass:
        """One pass. A page that begins with a row among `shown`, to which each page adds its own, follows on.

        Raises OrderBroken when a vendor's cursor leads back to values before the group.
        """
        id_of = self._source.ordering.id_of
        page = await self._anchored(limit)
        advance: Advance[T] = Advance()
        anchor: int | None = None
        places: set[int] = set()
        ids: list[str] = []
        steady, goes_back = True, False
        while True:
            ids += advance.see(page)
            of_group = [row for row in page.rows() if same_value(row.place, group)]
            if anchor is not None and page.nodes and same_value(page.place(0), group):
                page.anchor_before = anchor
            elif anchor is None and of_group:
                anchor = of_group[0].anchor
            for row in of_group:
                known.setdefault(id_of(row.node), row)
                shown.add(id_of(row.node))
            places |= {row.offset for row in of_group if row.offset is not None}
            past = any(page.place(index)[:2] > group[:2] for index in range(len(page.nodes)))
            self._earlier = page, self._asked
            if page.next is None or past:
                return _Pass(ids, len(places), steady and not goes_back, page.next is None and not past, goes_back)
            overlaps = page.continuation != page.next
            limit = min(2 * limit, self._source.page_max)
            page = await self._page(limit, page.continuation)
            if not page.nodes or page.place(0)[:2] > group[:2]:
                if overlaps:
                    return _Pass(ids, len(places), steady=False, ended=False, goes_back=goes_back)
            elif page.place(0)[:2] < group[:2]:
                if isinstance(page.asked, str):
                    advance.see(page)  # the same rows again, or others
                    raise OrderBroken
                goes_back = goes_back or self._has_strangers(page, group, ids)
            elif overlaps:
                steady = steady and id_of(page.nodes[0]) in shown

    def _has_strangers(self, page: RowPage[T], group: ComparableKey, ids: Sequence[str]) -> bool:
        """Whether the page holds rows of values before the group that no page before it had."""
        id_of = self._source.ordering.id_of
        strangers = {id_of(row.node) for row in page.rows() if row.place[:2] < group[:2]}
        return not strangers <= self._handed_on.union(ids)
