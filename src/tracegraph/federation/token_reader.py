"""Resumes a vendor's list by the vendor's own continuation tokens.

A token begins a page of the vendor. The key of the last row says where in that page to go on. So the next page
costs one call at any depth. Rows of one value keep the vendor's order: a token is exact between such rows, an id
is not. Without a token, or with one that the vendor refuses or that leads elsewhere, the list is read by range,
where the vendor takes one, else from its start up to the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, TypeVar

from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound, SourceObjectNotFound
from tracegraph.federation.keyset import RowBatch
from tracegraph.federation.pages import PageSource, Row, RowPage, key_of
from tracegraph.federation.position import Position
from tracegraph.federation.progress import OrderBroken, ProgressCheck
from tracegraph.federation.sort_key import ComparableKey, SortKey

T = TypeVar("T")


_REFUSALS = (SourceBadRequest, SourceNotFound, SourceObjectNotFound)
"""Errors that may mean a refused token. Reading without the token shows whether the list itself is refused."""


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
        self._is_exact = start.token is not None and start.hint == 0
        self._is_searching = start.hint is None
        """Whether the token begins a page of a search, which ends behind it."""
        self._page_budget = page_budget
        self._ranges = ranges
        self._is_sought = start.sort_key is not None
        self._is_resumed = start.token is not None
        self._last: ComparableKey | None = None
        self._seen: set[str] = set()
        self._held: list[Row[T]] = []
        """Rows of the key's value, while the key's row may still follow."""
        self._rows_from_start: int | None = None if start.sort_key is not None else 0
        self._progress: ProgressCheck[T] = ProgressCheck()
        self.reached = start
        """Where the list resumes while no row was read."""

    async def read(self, count: int) -> RowBatch[T]:
        """Read about `count` more rows: at least one unless the list ends, or the page budget does.

        Raises:
            OrderBroken: The vendor's rows are not in the requested order.
            SourceError: The source failed.
        """
        while True:
            page = await self._page(count)
            rows = self._new_rows(page)
            ended = page.next_hint is None
            self._token = page.next_token
            if self._rows_from_start is not None:
                self._rows_from_start += len(rows)
                if ended:
                    self._source.set_row_count(self._rows_from_start)
            if rows or ended:
                return RowBatch(rows, (), ended)
            if self._is_sought:
                self.reached = Position(self._after, None, self._token)
            if self._source.stats.pages >= self._page_budget:
                return RowBatch((), (), ended=False)
            count = self._source.page_max

    # -- pages -----------------------------------------------------------------------------------------

    async def _page(self, count: int) -> RowPage[T]:
        page = await self._resumed_page(count) if self._is_resumed else None
        if page is None:
            by_key = self._is_sought and self._token is None
            page = await (self._page_by_key(count) if by_key else self._source.page(count, None, self._token))
        self._check_order(page)
        self._progress.check(page)
        return page

    async def _resumed_page(self, count: int) -> RowPage[T] | None:
        """Return the page of the cursor's token; None when the vendor refuses the token, or it leads elsewhere."""
        self._is_resumed = False
        try:
            page = await self._source.page(count, None, self._token)
        except SourceError as error:
            if not isinstance(error, _REFUSALS):
                raise
            self._source.stats.upstream_requests += error.upstream_requests
        else:
            if not self._is_elsewhere(page):
                return page
        self._token, self._is_exact = None, False
        return None

    async def _page_by_key(self, count: int) -> RowPage[T]:
        """Return a page that begins at or before the key: by range, else the list's first."""
        if self._ranges:
            return await self._source.range_page(count, key_of(self._after))
        return await self._source.page(count, None, None)

    def _is_elsewhere(self, page: RowPage[T]) -> bool:
        """Return whether the page of a token begins before the key and does not hold the key's row."""
        if self._after is None or self._is_searching or not page.nodes:
            return False
        key = self._after.comparable(self._source.ordering.direction)
        id_of = self._source.ordering.id_of
        return page.comparable_key(0)[:2] < key[:2] and self._after.id not in map(id_of, page.nodes)

    def _check_order(self, page: RowPage[T]) -> None:
        if not page.nodes:
            return
        first, last = page.comparable_key(0)[:2], page.comparable_key(-1)
        in_order = page.is_strictly_sorted or all(
            page.comparable_key(index)[:2] <= page.comparable_key(following)[:2]
            for index, following in pairwise(range(len(page.nodes)))
        )
        if not in_order or (self._last is not None and first < self._last[:2]):
            raise OrderBroken(self._seen)
        self._last = last

    # -- rows ------------------------------------------------------------------------------------------

    def _new_rows(self, page: RowPage[T]) -> Sequence[Row[T]]:
        """Return the rows after the key, each once."""
        rows = page.rows()
        if self._is_sought and self._after is not None:
            rows = self._rows_after(self._after, page, rows)
        if rows:
            self._is_sought = False
        id_of = self._source.ordering.id_of
        new = [row for row in rows if id_of(row.node) not in self._seen]
        self._seen.update(id_of(row.node) for row in new)
        return new

    def _rows_after(self, after: SortKey, page: RowPage[T], rows: list[Row[T]]) -> list[Row[T]]:
        """Return the rows after the key.

        Rows of the key's value may be on both sides of its row. Where that row was deleted, ids decide.
        """
        id_of = self._source.ordering.id_of
        ids = list(map(id_of, page.nodes))
        if after.id in ids:
            self._is_sought, self._held = False, []
            return rows[ids.index(after.id) + 1 :]
        key = after.comparable(self._source.ordering.direction)[:3]
        equal = [row for row in rows if row.comparable_key[:3] == key]
        behind = [row for row in rows if row.comparable_key[:3] > key]
        if self._is_exact:  # the page begins right after the key's row
            return equal + behind
        self._held += equal
        if not behind and page.next_hint is not None:
            return []
        held, self._held = self._held, []
        return [row for row in held if id_of(row.node) > after.id] + behind
