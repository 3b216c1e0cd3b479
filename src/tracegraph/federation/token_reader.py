"""Resumes a vendor's list by the vendor's own continuation tokens.

A token begins a page of the vendor. The key of the last row says where in that page to go on. So the next page
costs one call at any depth. Rows of one value keep the vendor's order: a token is exact between such rows, an id
is not. Without a token, or with one that the vendor refuses, the list is read by range, where the vendor takes
one, else from its start up to the key. A page that begins before the key is read on from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Generic, TypeVar

from tracegraph.errors import SourceBadRequest, SourceNotFound, SourceObjectNotFound
from tracegraph.federation.keyset import RowBatch
from tracegraph.federation.pages import PageBudgetExhausted, PageSource, Row, RowPage, key_of
from tracegraph.federation.position import TOKEN_MAX, Position
from tracegraph.federation.progress import OrderBroken, ProgressCheck
from tracegraph.federation.sort_key import ComparableKey, SortKey

T = TypeVar("T")


_REFUSALS = (SourceBadRequest, SourceNotFound, SourceObjectNotFound)
"""Errors that may mean a refused token. Reading without the token shows whether the list itself is refused."""


_MIN_FIRST_PAGE, _MIN_FURTHER_PAGE = 2, 10
"""The fewest rows of a page: a first page fits the client's page, so that the next one costs one call."""


class TokenReader(Generic[T]):
    """Reads on from a position, page by page. Not for concurrent use."""

    def __init__(self, source: PageSource[T], start: Position, *, page_budget: int, ranges: bool) -> None:
        """Create a reader.

        Args:
            source: The pages of the list.
            start: Where to go on.
            page_budget: The most pages that the search for the position may read.
            ranges: Whether the vendor takes range requests, too.
        """
        self._source = source
        source.keeps_vendor_ties = True
        self._after = start.sort_key
        self._token = start.token
        self._done = start.hint or 0
        """How many rows of the first page precede the position: they are requested beside the wanted rows."""
        self._index = start.hint or 0
        """The same number, while that page is looked at."""
        self._is_exact = start.token is not None and start.hint == 0
        """Whether the token begins right after the key's row."""
        self._is_misplaced = False
        """Whether such a token began before the key, and the key's row did not follow."""
        self._page_budget = page_budget
        self._ranges = ranges
        self._is_sought = start.sort_key is not None
        self._is_restarted = False
        """Whether a token was refused, or led elsewhere, in this request."""
        self._last_row: Row[T] | None = None
        self._last: ComparableKey | None = None
        self._seen: set[str] = set()
        self._held: list[Row[T]] = []
        """Rows of the key's value, while the key's row may still follow."""
        self._rows_from_start: int | None = None if start.sort_key is not None else 0
        self._progress: ProgressCheck[T] = ProgressCheck()
        self._start = self.reached = start
        """`reached` is where the list resumes while no row was read."""

    async def read(self, count: int) -> RowBatch[T]:
        """Read about `count` more rows: at least one unless the list ends, or the page budget does.

        Raises:
            OrderBroken: The vendor's rows are not in the requested order.
            SourceBadRequest: The page budget was exhausted before any row was read, and will be again.
            SourceError: The source failed.
        """
        try:
            # Of a page with few rows, all may be unreadable, which looks like a broken contract.
            least = _MIN_FIRST_PAGE if self._last_row is None else _MIN_FURTHER_PAGE
            return await self._next_batch(max(least, count))
        except PageBudgetExhausted:
            if self._last_row is not None or self.reached != self._start:
                return RowBatch((), (), ended=False)
            raise self._source.budget_error() from None

    async def _next_batch(self, count: int) -> RowBatch[T]:
        while True:
            page = await self._page(count)
            found = self._rows_behind(page)
            ended = page.next_hint is None
            if self._is_misled(found, ended=ended):
                self._restart()
                continue
            rows = self._new_rows(found)
            self._token = page.next_token
            if self._rows_from_start is not None:
                self._rows_from_start += len(rows)
                if ended:
                    self._source.set_row_count(self._rows_from_start)
            if rows or ended:
                return RowBatch(rows, (), ended)
            if (self._is_sought or self._last_row is None) and not self._held:
                # The page may end with the key's row: then the token begins right after the key.
                self.reached = Position(self._after, None if self._is_sought else 0, self._token)
            if self._source.stats.pages >= self._page_budget and not self._held:
                self._require_resumable()
                return RowBatch((), (), ended=False)
            count = self._source.page_max

    def _is_misled(self, rows: Sequence[Row[T]], *, ended: bool) -> bool:
        """Whether a token that begins right after the key led before it, and not to the key's row.

        Then only the list itself shows what follows the key.
        """
        return self._is_misplaced and not self._is_restarted and (bool(rows) or ended)

    def _require_resumable(self) -> None:
        """Raise SourceBadRequest where no cursor holds the token that the search goes on with."""
        is_without_row = self._is_sought or self._last_row is None
        if is_without_row and self._token is not None and len(self._token) > TOKEN_MAX:
            name = self._source.ordering.source
            raise SourceBadRequest(
                name,
                f"Source {name!r} continues its list by tokens that are too long for a cursor, and the position "
                "is beyond the page budget of one request: use another order, or narrow the filter.",
            )

    # -- pages -----------------------------------------------------------------------------------------

    async def _page(self, count: int) -> RowPage[T]:
        page = None if self._token is None else await self._page_by_token(count, self._token)
        if page is None:
            page = await self._page_by_key(count)
        self._done = 0
        self._check_order(page)
        self._progress.check(page)
        return page

    async def _page_by_token(self, count: int, token: str) -> RowPage[T] | None:
        """Return the page of the token; None when the list must be read by key instead.

        Where the vendor takes no range, a page before the key is nearer to it than the list's start.
        """
        try:
            page = await self._source.page(count + self._done, None, token)
        except _REFUSALS as error:
            if self._is_restarted:
                raise
            self._source.stats.upstream_requests += error.upstream_requests
        else:
            if self._is_restarted or not self._ranges or not self._ends_before_key(page):
                return page
        self._restart()
        return None

    async def _page_by_key(self, count: int) -> RowPage[T]:
        """Return a page that begins at or before the key: by range, else the list's first."""
        if self._is_sought and self._ranges:
            return await self._source.range_page(count + 1, key_of(self._after))
        return await self._source.page(count + self._done, None, None)

    def _restart(self) -> None:
        """Go on by key, after the last row read."""
        self._is_restarted = True
        self._token, self._done, self._held = None, 0, []
        self._is_exact = self._is_misplaced = False
        self._last, self._progress = None, ProgressCheck()
        if self._last_row is not None:
            self._after, self._is_sought = self._last_row.sort_key, True

    def _ends_before_key(self, page: RowPage[T]) -> bool:
        if not self._is_sought or self._after is None or not page.nodes:
            return False
        return page.comparable_key(-1)[:2] < self._after.comparable(page.ordering.direction)[:2]

    def _check_order(self, page: RowPage[T]) -> None:
        if not page.nodes:
            return
        first, last = page.comparable_key(0)[:2], page.comparable_key(-1)
        in_order = page.is_strictly_sorted or all(
            page.comparable_key(index)[:2] <= page.comparable_key(following)[:2]
            for index, following in pairwise(range(len(page.nodes)))
        )
        is_start = self._last is None and self._after is None
        starts_with_null = is_start and first[0] and page.next_hint is not None
        if not in_order or starts_with_null or (self._last is not None and first < self._last[:2]):
            raise OrderBroken(self._seen)
        self._last = last

    # -- rows ------------------------------------------------------------------------------------------

    def _rows_behind(self, page: RowPage[T]) -> list[Row[T]]:
        """Return the rows of the page after the key."""
        rows = page.rows()
        return self._rows_after(self._after, page, rows) if self._is_sought and self._after is not None else rows

    def _new_rows(self, rows: list[Row[T]]) -> Sequence[Row[T]]:
        """Return the rows, each once in this request."""
        if rows:
            self._is_sought, self._last_row = False, rows[-1]
        id_of = self._source.ordering.id_of
        new = [row for row in rows if id_of(row.node) not in self._seen]
        self._seen.update(id_of(row.node) for row in new)
        return new

    def _rows_after(self, after: SortKey, page: RowPage[T], rows: list[Row[T]]) -> list[Row[T]]:
        """Return the rows after the key.

        Rows of the key's value may be on both sides of its row. Where that row was deleted, ids decide.
        """
        for index, row in enumerate(rows):
            if page.ordering.id_of(row.node) == after.id and row.sort_key == after:
                self._is_sought, self._held, self._is_misplaced = False, [], False
                return rows[index + 1 :]
        key = after.comparable(page.ordering.direction)[:3]
        index, self._index = self._index, 0
        if index and not self._is_restarted and (counted := self._rows_from_index(index, key, rows)):
            return counted
        if self._is_exact and rows and rows[0].comparable_key[:3] >= key:
            return rows
        self._is_misplaced = self._is_misplaced or (self._is_exact and bool(rows))
        self._is_exact = False
        self._held += [row for row in rows if row.comparable_key[:3] == key]
        behind = [row for row in rows if row.comparable_key[:3] > key]
        if not behind and page.next_hint is not None:
            return []
        held, self._held = self._held, []
        return self._held_after(after.id, held) + behind

    def _rows_from_index(self, index: int, key: tuple[Any, ...], rows: list[Row[T]]) -> list[Row[T]]:
        """Return the rows after the key's deleted row by their number in the page, where no id orders equals."""
        ids = [self._source.ordering.id_of(row.node) for row in rows if row.comparable_key[:3] == key]
        if len(ids) < 2 or ids in (sorted(ids), sorted(ids, reverse=True)):
            return []
        return [row for row in rows[index - 1 :] if row.comparable_key[:3] >= key]

    def _held_after(self, after: str, held: list[Row[T]]) -> list[Row[T]]:
        """Return the rows of the key's value that follow its deleted row, in the direction in which ids go."""
        ids = [self._source.ordering.id_of(row.node) for row in held]
        descends = len(ids) > 1 and ids == sorted(ids, reverse=True)
        return [row for row, id_ in zip(held, ids, strict=True) if (id_ < after if descends else id_ > after)]
