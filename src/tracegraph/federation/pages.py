"""Rows of one vendor page, and the counts of a scan's cost.

Most rows are only passed on. A row is therefore an index into its page, and its sort key is computed on demand.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, pairwise, repeat
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from tracegraph.adapter.checks import consistent_total
from tracegraph.adapter.paging import (
    CursorRequest,
    Key,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    RangeRequest,
    WholeRequest,
)
from tracegraph.domain.sort_values import SortValue
from tracegraph.errors import SourceBadRequest, SourceError, SourceResponseTooLarge
from tracegraph.federation.faults import bad_response
from tracegraph.federation.sort_key import ComparableKey, Ordering, SortKey, same_value
from tracegraph.upstream import request_scope

T = TypeVar("T")


COMPARABLE_KEY: Callable[[Any], ComparableKey] = attrgetter("comparable_key")
"""Key function to sort and search rows."""


Fetch = Callable[[PageRequest], Awaitable[Page[T]]]


_EXTRA_PAGES = 20
"""Pages beyond the budget that a scan within the budget may read to find its position or to end a tie group."""


class PageBudgetExhausted(Exception):
    """The stream may read no further page in this request."""


class Row(msgspec.Struct, Generic[T], eq=False):
    """A row of a stream, and the offsets to find the row again.

    `offset` is the vendor's offset of the row. `anchor` is the offset of the last row with an earlier sort value,
    or 0. A page read from the anchor shows whether rows moved. Both are None in a list that is paged by range.
    """

    # A Struct, because there is one for every row: it takes 0.1 us to create, a class with slots 0.3 us.
    node: T
    _page: RowPage[T]
    _index: int
    _comparable_key: ComparableKey | None = None

    @property
    def sort_key(self) -> SortKey:
        """Return the sort key that a cursor stores."""
        return self._page.ordering.sort_key(self.node)

    @property
    def comparable_key(self) -> ComparableKey:
        """Return the key that orders the row."""
        if self._comparable_key is None:
            self._comparable_key = self._page.comparable_key(self._index)
        return self._comparable_key

    @property
    def keeps_vendor_ties(self) -> bool:
        """Return whether the row is of a list of tokens, where rows of one value keep the vendor's order."""
        return isinstance(self._page, TokenPage)

    @property
    def token_position(self) -> tuple[str | None, int | None]:
        """Return the token of the page to resume in after the row, and how many of its rows are done with."""
        return self._page.token_position(self._index)

    @property
    def offset(self) -> int | None:
        """Return the vendor's offset of the row."""
        return self._page.offset(self._index)

    @property
    def anchor(self) -> int | None:
        """Return the vendor's offset of the last row with an earlier sort value."""
        return self._page.anchor(self._index)


class RowPage(Generic[T]):
    """One page as rows.

    `hint` is the hint that the page was requested with. `next_hint` continues the page; it is None at the list's
    end. `start_offset` is the offset of the first row, or None in a list that is paged by range. `anchor_before`
    is the anchor of the first row. Most pages are strictly sorted: no two rows have the same value, so each row is
    a group.
    """

    __slots__ = (
        "_anchors",
        "anchor_before",
        "hint",
        "is_strictly_sorted",
        "next_hint",
        "nodes",
        "ordering",
        "skipped",
        "start_offset",
    )

    def __init__(self, page: Page[T], ordering: Ordering[T], hint: int | str | None) -> None:
        self.nodes = page.items
        self.start_offset = page.offset
        self.skipped = page.skipped
        self.next_hint = page.next_hint
        self.hint = hint
        self.ordering = ordering
        self.is_strictly_sorted = ordering.is_strictly_sorted(page.items)
        self.anchor_before = None if page.offset is None else max(0, page.offset - 1)
        self._anchors: list[int] = []

    @property
    def continuation(self) -> int | str | None:
        """Return the hint for the next page so that it shares one row with this page: that row shows movement.

        The plain next hint is used for a vendor that returns single rows, and for a vendor's own cursor. It is
        also used when the page ends with the requested row: the same request would not advance.
        """
        if self.start_offset is None:
            return self.next_hint
        if isinstance(self.next_hint, int) and len(self.nodes) > 1 and self.next_hint - 1 != self.hint:
            return self.next_hint - 1
        return self.next_hint

    def offset(self, index: int) -> int | None:
        """Return the vendor's offset of the row at an index."""
        if self.start_offset is None:
            return None
        position = index
        for skipped in self.skipped:
            position += skipped <= position
        return self.start_offset + position

    def rows(self, first: int = 0, last: int | None = None) -> list[Row[T]]:
        """Return the rows of an index range."""
        return list(map(Row, self.nodes[first:last], repeat(self), count(first)))

    def rows_after(self, key: ComparableKey | None, first: int, last: int) -> list[Row[T]]:
        """Return the rows of an index range that come after a key."""
        if key is None:
            return self.rows(first, last)
        if self.is_strictly_sorted:
            return self.rows(bisect_right(range(last), key, first, key=self.comparable_key), last)
        return [row for row in self.rows(first, last) if row.comparable_key > key]

    def comparable_key(self, index: int) -> ComparableKey:
        """Return the key that orders the row at an index; -1 is the last row."""
        return self.ordering.comparable_key(self.nodes[index])

    @property
    def next_token(self) -> str | None:
        """Return the token of the next page, if it has one."""
        return self.next_hint if isinstance(self.next_hint, str) else None

    def token_position(self, index: int) -> tuple[str | None, int | None]:  # noqa: ARG002 - see TokenPage
        """Return where a list of tokens resumes after a row: nowhere in any other list."""
        return None, None

    @property
    def last_group(self) -> int:
        """Return the index of the first row with the last row's value."""
        index = len(self.nodes) - 1
        if self.is_strictly_sorted:
            return index
        last = self.comparable_key(index)
        while index > 0 and same_value(self.comparable_key(index - 1), last):
            index -= 1
        return index

    def anchor(self, index: int) -> int | None:
        """Return the offset of the last row with an earlier value than the row at an index."""
        if self.start_offset is None or self.anchor_before is None:
            return None
        if self.is_strictly_sorted:
            return self.start_offset + index - 1 if index else self.anchor_before
        if not self._anchors:
            self._anchors = list(self._every_anchor(self.start_offset, self.anchor_before))
        return self._anchors[index]

    def _every_anchor(self, start_offset: int, anchor: int) -> Iterator[int]:
        yield anchor
        keys = map(self.ordering.comparable_key, self.nodes)
        for offset, (previous, current) in enumerate(pairwise(keys), start_offset):
            anchor = anchor if same_value(previous, current) else offset
            yield anchor


class TokenPage(RowPage[T]):
    """A page of a list of tokens: rows of one value keep the vendor's order, whatever their ids.

    `stream` is the key of the stream, `first_number` counts its rows before the page. `is_addressable`: the hint
    alone requests the page again.
    """

    __slots__ = ("first_number", "is_addressable", "stream")

    def __init__(
        self,
        page: Page[T],
        ordering: Ordering[T],
        hint: int | str | None,
        *,
        stream: str,
        first_number: int,
        is_addressable: bool,
    ) -> None:
        super().__init__(page, ordering, hint)
        self.stream = stream
        self.first_number = first_number
        self.is_addressable = is_addressable

    def comparable_key(self, index: int) -> ComparableKey:
        """Return the key that orders the row at an index: its stream and its number there in place of its id.

        They sort before every id, and differ in two streams of one source.
        """
        position = index if index >= 0 else len(self.nodes) + index
        return (*super().comparable_key(index)[:3], f"\0{self.stream}\0{self.first_number + position:09}")

    def token_position(self, index: int) -> tuple[str | None, int | None]:
        """Return the token of the page to resume in after a row, and how many of its rows are done with.

        The list's first page has no token.
        """
        if index == len(self.nodes) - 1 and isinstance(self.next_hint, str):
            return self.next_hint, 0
        if not self.is_addressable:
            return None, None
        return (self.hint if isinstance(self.hint, str) else None), index + 1


def key_of(sort_key: SortKey | None) -> Key | None:
    """Return the sort key as the port has it."""
    return None if sort_key is None else Key(sort_key.value, sort_key.id)


@dataclass(slots=True)
class ScanStats:
    """The cost of a scan: port calls, rows and vendor calls.

    `total` is the vendor's total. `stale` is the error that made a reply stale. `reached` is the number of rows up
    to the last row read: a smaller total is wrong. `error` is set when some of the list's experiments could not be
    read. `unreadable` are the places of rows that could not be read: offsets, or numbers where a list has none.
    """

    pages: int = 0
    fetched: int = 0
    upstream_requests: int = 0
    total: int | None = None
    stale: SourceError | None = None
    error: SourceError | None = None
    reached: int = 0
    unreadable: set[int] = field(default_factory=set)

    def add(self, page: Page[Any]) -> None:
        """Add one page's rows and vendor calls. The caller counts port calls."""
        count = len(page.items)
        self.fetched += count
        self.upstream_requests += page.provenance.upstream_requests
        self.stale = self.stale or page.provenance.stale
        self.error = self.error or page.error
        if count and page.offset is not None:
            self.reached = max(self.reached, page.offset + count)
        self.total = None if page.total is None or page.total < self.reached else page.total
        if page.skipped:
            self._add_unreadable(page)

    def _add_unreadable(self, page: Page[Any]) -> None:
        """Count each unreadable row once, although a scan may read its page again."""
        places = [place for place in page.skipped if place not in page.repeated]
        if page.offset is None:
            self.unreadable |= {-1 - len(self.unreadable) - number for number in range(len(places))}
        else:
            self.unreadable |= {page.offset + place for place in places}


class PageSource(Generic[T]):
    """Fetches pages, turns them into rows and counts them.

    A scan makes at most `page_budget` calls and a few more.
    """

    __slots__ = (
        "_calls_left",
        "_fetch",
        "_rows",
        "_stream",
        "_total_is_wrong",
        "align_to_cache_pages",
        "keeps_vendor_ties",
        "ordering",
        "page_max",
        "paging",
        "stats",
    )

    def __init__(
        self,
        fetch: Fetch[T],
        ordering: Ordering[T],
        page_max: int,
        stats: ScanStats,
        *,
        stream: str,
        page_budget: int,
        paging: Paging = Paging.OFFSET,
        align_to_cache_pages: bool = False,
    ) -> None:
        self._fetch = fetch
        self._stream = stream
        self.ordering = ordering
        self.page_max = page_max
        self.stats = stats
        self.paging = paging
        self.keeps_vendor_ties = False
        """Whether rows of one value keep the vendor's order; else ids order them."""
        self.align_to_cache_pages = align_to_cache_pages
        self._calls_left = page_budget + _EXTRA_PAGES
        self._rows = 0
        self._total_is_wrong = False

    async def page(
        self, limit: int, after: SortKey | None, hint: int | str | None, *, bypass_cache: bool = False
    ) -> RowPage[T]:
        """Fetch one page, in smaller pages when the reply is too large.

        Args:
            limit: The number of rows; at most `page_max` are requested.
            after: The sort key that the page follows, for vendors that page by range.
            hint: The vendor's offset or token.
            bypass_cache: Whether the vendor must be called now.

        Raises:
            SourceError: The source failed, or it returned an empty page that has a next hint.
            PageBudgetExhausted: No call is left.
        """
        request = self._request(min(limit, self.page_max), after, hint)
        if not bypass_cache:
            return self._rows_of(await self._fetch_page(request), hint)
        with request_scope.bypass_cache():
            return self._rows_of(await self._fetch_page(request), hint)

    async def range_page(
        self, limit: int, after: Key | None, until: SortValue = None, token: str | None = None
    ) -> RowPage[T]:
        """Fetch one page by range, from the value of `after` up to `until`. Raises as `page` does."""
        request = RangeRequest(min(limit, self.page_max), after, until, token)
        return self._rows_of(await self._fetch_page(request), None, is_addressable=False)

    def _request(self, limit: int, after: SortKey | None, hint: int | str | None) -> PageRequest:
        token = hint if isinstance(hint, str) else None
        match self.paging:
            case Paging.OFFSET:
                return OffsetRequest(limit, hint if isinstance(hint, int) else 0, key_of(after), token)
            case Paging.RANGE:
                return RangeRequest(limit, key_of(after), None, token)
            case Paging.CURSOR:
                return CursorRequest(limit, token)
            case Paging.WHOLE:
                return WholeRequest(limit, hint)

    def _rows_of(self, page: Page[T], hint: int | str | None, *, is_addressable: bool = True) -> RowPage[T]:
        if page.next_hint is not None and not page.items:
            raise bad_response(
                self.ordering.source,
                f"Source {self.ordering.source!r} returned an empty page that is not the last one: "
                "its pages do not advance.",
            )
        if isinstance(page.next_hint, int) and self.paging in {Paging.RANGE, Paging.CURSOR}:
            raise bad_response(
                self.ordering.source,
                f"Source {self.ordering.source!r} continues a list at an offset, although the list has none.",
            )
        self.stats.add(page)
        self._total_is_wrong = self._total_is_wrong or consistent_total(page) != page.total
        if self._total_is_wrong:
            self.stats.total = None
        if not self.keeps_vendor_ties:
            return RowPage(page, self.ordering, hint)
        self._rows += len(page.items)
        number = self._rows - len(page.items)
        return TokenPage(
            page,
            self.ordering,
            hint,
            stream=self._stream,
            first_number=number,
            is_addressable=is_addressable,
        )

    async def _fetch_page(self, request: PageRequest) -> Page[T]:
        """Call the port. After a reply that is too large, request half the rows, from then on."""
        while True:
            if self._calls_left <= 0:
                raise PageBudgetExhausted
            self._calls_left -= 1
            self.stats.pages += 1
            try:
                return await self._fetch(request)
            except SourceResponseTooLarge as error:
                if request.limit <= 1:
                    raise
                self.stats.upstream_requests += error.upstream_requests
                self.page_max = request.limit // 2
                request = replace(request, limit=self.page_max)

    def budget_error(self) -> SourceBadRequest:
        """Return the error of a list whose next rows take more pages than one request may read."""
        name = self.ordering.source
        return SourceBadRequest(
            name,
            f"The next rows of source {name!r} exceed the page budget of one request, because too many rows "
            "have the same value or change during the scan: use another order, or narrow the filter.",
        )

    def drop_total(self) -> None:
        """Record that the vendor's total is not the number of rows of the list."""
        self._total_is_wrong, self.stats.total = True, None

    def set_row_count(self, rows: int) -> None:
        """Record that the list was read from start to end and has this many rows. Drop a contradicting total."""
        if self.stats.total not in {None, rows}:
            self.drop_total()
