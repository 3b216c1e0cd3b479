"""A list of offsets read from its end, against the only direction that its vendor offers.

Of `end` rows, the row `skip` rows before the end is at the offset `end - skip - 1`. The vendor's total is a hint,
and may be wrong: rows show the end. So a first request is for one row more than is wanted. With a total that is
right, one call returns the last rows and shows that none follows.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt
from typing import Generic, TypeVar

from tracegraph.adapter.paging import OffsetRequest, Page, PageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceError, SourceResponseTooLarge
from tracegraph.federation.faults import bad_response
from tracegraph.federation.pages import Fetch

T = TypeVar("T")


_CALLS_MAX = 19
"""Calls for one page: enough to find the end of 100,000 rows in pages of 50 without any help of the total."""


_FIRST_LOOK = 100
"""The rows to request where their number is unknown: enough for most lists."""


_GROWTH = 4
"""The factor between two offsets where no page has shown the end yet."""


_TOTALS_TRIED = 4


_TOTAL_MAX = 2**31


class ReversedList(Generic[T]):
    """The pages of a vendor's list in the other direction. Offsets count from the end."""

    def __init__(self, source: str, fetch: Fetch[T], page_max: int, total_hint: int | None = None) -> None:
        """Create the list.

        Args:
            source: The source's name, for errors.
            fetch: Fetches a page in the vendor's direction, by OffsetRequest.
            page_max: The most rows of one page.
            total_hint: How many rows the list is said to have.
        """
        self._source = source
        self._fetch = fetch
        self._page_max = page_max
        self._total_hint = total_hint
        self._end: int | None = None

    async def fetch(self, request: PageRequest) -> Page[T]:
        """Fetch a page in the other direction, in as many calls as finding the end takes.

        Raises:
            SourceBadResponse: The vendor's pages do not show where the list ends.
            SourceError: The source failed.
        """
        skip = request.offset if isinstance(request, OffsetRequest) else 0
        known = self._end if skip else None
        search = _EndSearch(request.limit, skip, self._page_max, self._total_hint, known)
        cost = FetchInfo()
        for _ in range(_CALLS_MAX):
            try:
                page = await self._fetch(search.request)
            except SourceError as error:
                if isinstance(error, SourceResponseTooLarge):
                    self._page_max = max(1, search.request.limit // 2)
                error.upstream_requests += cost.upstream_requests
                raise
            cost += page.provenance
            done = search.take(page)
            if search.is_end_shown:
                self._end = search.end
            if done:
                return _reversed(page, search, cost)
        raise bad_response(
            self._source,
            f"Source {self._source!r} does not show where a list ends: it cannot be read from its end.",
            upstream_requests=cost.upstream_requests,
        )


def _reversed(page: Page[T], search: _EndSearch, cost: FetchInfo) -> Page[T]:
    start, sent = page.offset or 0, _sent(page)
    end = search.end or 0
    total = page.total if page.total in {None, end} else None
    if search.target <= 0:
        return Page((), offset=search.skip, next_hint=None, total=total, provenance=cost)
    first = max(0, min(end - start - sent, search.skip))
    return replace(
        page,
        items=list(page.items)[::-1],
        offset=first,
        next_hint=first + sent if start > 0 else None,
        total=total,
        provenance=cost,
        skipped=tuple(sorted(sent - 1 - place for place in page.skipped)),
        repeated=frozenset(sent - 1 - place for place in page.repeated),
    )


def _sent(page: Page[T]) -> int:
    return len(page.items) + len(page.skipped)


class _EndSearch:
    """Finds `limit` rows that end `skip` rows before the last. Each page says which request to make next.

    At least `_least` rows exist, and at most `_most` where that is known. `known` is where the list ended earlier
    in this request. With `skip`, a stated total is trusted while no page reaches it: the reader checks by key any
    row but the list's first one.
    """

    def __init__(self, limit: int, skip: int, page_max: int, total_hint: int | None, known: int | None) -> None:
        self.skip = skip
        self.end = known
        self.is_end_shown = False
        self._limit = max(1, min(limit, page_max))
        self._page_max = page_max
        self._least = 0
        self._most: int | None = None
        self._totals_tried = 0
        self._is_stated = False
        self._aimed = False
        self.request = self._first_request(total_hint)

    @property
    def target(self) -> int:
        """The offset right behind the wanted rows; 0 or less when there are none."""
        return (self.end or 0) - self.skip

    def take(self, page: Page[T]) -> bool:
        """Learn from the page; return whether it is the last one needed. If not, `request` is the next one."""
        self._learn(page)
        if self.end is None:
            self.request = self._next_request(page.total)
            return False
        if self.target <= 0 or self._covers(page):
            return True
        if self._aimed and (page.offset or 0) + _sent(page) < self.target:
            # A vendor of numbered pages may have none with all these rows: fewer are on one.
            self._limit = max(1, self._limit // 2)
        self.request = self._request_up_to(self.target)
        return False

    def _first_request(self, total_hint: int | None) -> OffsetRequest:
        if self.end is not None:
            return self._request_up_to(self.target)
        if total_hint is not None and self.skip < total_hint <= _TOTAL_MAX:
            if self.skip:
                self.end, self._is_stated = total_hint, True
                return self._request_up_to(self.target)
            return self._request_beyond(total_hint)
        return OffsetRequest(min(self._page_max, max(self._limit, _FIRST_LOOK)))

    def _request_beyond(self, total: int) -> OffsetRequest:
        """Request the last of so many rows, and one place more."""
        self._aimed = self.skip == 0
        wanted = min(total, self._limit if self._aimed else 1, max(1, self._page_max - 1))
        return OffsetRequest(min(self._page_max, wanted + 1), total - wanted)

    def _request_up_to(self, target: int) -> OffsetRequest:
        self._aimed = True
        limit = max(1, min(self._limit, target))
        return OffsetRequest(limit, max(0, target - limit))

    def _learn(self, page: Page[T]) -> None:
        start, sent = page.offset or 0, _sent(page)
        shows_end = page.next_hint is None and (sent > 0 or start == 0)
        if shows_end:
            self.end, self.is_end_shown = start + sent, True
        elif not sent:
            self._most, self.end = start, None  # rows were deleted, or the total is too high
            self._least = min(self._least, start)
        else:
            self._least = max(self._least, start + sent)
            if self._most is not None and self._most < self._least:
                self._most = None  # rows were added meanwhile
            if self.end is not None and self.end < self._least + self._is_stated:
                self.end = None
        if self.end is None and self._least == self._most:
            self.end, self.is_end_shown = self._least, True
        if self.end is None and self.skip and self._is_beyond(page.total):
            self.end, self._is_stated = page.total, True

    def _is_beyond(self, total: int | None) -> bool:
        """Return whether the total is possible, and more than the rows that pages have shown."""
        return total is not None and total > self._least and self._is_possible(total)

    def _is_possible(self, total: int) -> bool:
        return self._least <= total <= (_TOTAL_MAX if self._most is None else self._most)

    def _covers(self, page: Page[T]) -> bool:
        # A page with only the row to resume after would not lead on: two rows, where there are two.
        least = min(self.target, self._limit, 2 if self._aimed else self._limit)
        start = page.offset or 0
        return start <= self.target - least and start + _sent(page) >= self.target

    def _next_request(self, total: int | None) -> OffsetRequest:
        if total is not None and self._totals_tried < _TOTALS_TRIED and self._is_possible(total):
            self._totals_tried += 1
            return self._request_beyond(total)
        self._aimed = False
        size = min(self._page_max, 10 * _FIRST_LOOK)
        return OffsetRequest(size, self._probe(size))

    def _probe(self, size: int) -> int:
        """Return the offset of a page that may hold the end: by growing steps, then between what is known."""
        least, most = self._least, self._most
        if most is None:
            return max(least, _GROWTH * least)
        # The geometric mean, since a total that is too large is often too large by far.
        return least if most - least <= size else max(least, isqrt((least + size) * (most + size)) - size)
