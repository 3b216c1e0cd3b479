"""Search for the end of a list of sessions. The service's total is only a hint and may be wrong.

A page with fewer rows than its size proves the end. So the first page is one row larger than the requested rows:
with a correct total, one call returns the newest rows and proves that no newer row exists.
"""

from __future__ import annotations

from collections import OrderedDict
from math import isqrt
from typing import NamedTuple

from tracegraph_nemo.client import ListResponse
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage, page_up_to
from tracegraph_nemo.wire import SessionRow

MAX_CALLS = 16
"""The maximum number of calls for one page: enough to find the end of 100,000 sessions without a total."""


_INITIAL_PAGE_ROWS = 100
"""The size of the first page when the total is unknown: enough for most experiments."""


_MAX_TOTALS_TRIED = 4


_MAX_TOTAL = 2**31


_MAX_CACHED_ENDS = 1000


class ListEnd(NamedTuple):
    """The total that the service stated, or None, and the actual number of rows."""

    stated: int | None
    end: int


class EndSearch:
    """Finds the `limit` rows that end `skip` rows before the newest row.

    Each response determines the next page to request. At least `_min_rows` rows exist, and at most `_max_rows` if
    that bound is known. `cached_end` is the end from an earlier search. A page that does not reach the newest rows
    relies on `cached_end` while the service states the same total.
    """

    def __init__(self, limit: int, skip: int, total_hint: int | None, cached_end: ListEnd | None) -> None:
        self.end: int | None = None
        """The number of rows, once responses have proved it."""
        self._limit = max(1, min(limit, MAX_PAGE_SIZE))
        self._skip = skip
        self._cached_end = cached_end if skip else None
        self._min_rows = 0
        self._max_rows: int | None = None
        self._totals_tried = 0
        self._last_probe = 0
        self._targets_rows = False
        self.page = self._first_page(total_hint)

    @property
    def target(self) -> int:
        """Return the offset after the requested rows; 0 or less if no such rows exist."""
        return (self.end or 0) - self._skip

    def accept(self, response: ListResponse[SessionRow]) -> bool:
        """Process the response for `page`, and return whether it is the last response needed.

        Otherwise `page` becomes the next page to request.
        """
        self._update_bounds(response)
        if self.end is None:
            self.page = self._next_page(response.stated_total)
            return False
        if self.target <= 0 or self._covers(response):
            return True
        self.page = self._page_ending_at(self.target)
        return False

    def _first_page(self, total_hint: int | None) -> VendorPage:
        if total_hint is not None and self._skip < total_hint <= _MAX_TOTAL:
            if self._cached_end is not None and self._cached_end.end == total_hint:
                return self._page_ending_at(total_hint - self._skip)
            return self._page_past(total_hint)
        return VendorPage(1, min(max(self._limit, _INITIAL_PAGE_ROWS), MAX_PAGE_SIZE))

    def _page_past(self, total: int) -> VendorPage:
        """Return a page with the newest rows of `total` rows and room for one more row."""
        self._targets_rows = self._skip == 0
        rows = self._limit if self._targets_rows else 1
        return page_up_to(total + 1, min(rows + 1, MAX_PAGE_SIZE), MAX_PAGE_SIZE)

    def _page_ending_at(self, target: int) -> VendorPage:
        self._targets_rows = True
        return page_up_to(target, self._limit, MAX_PAGE_SIZE)

    def _update_bounds(self, response: ListResponse[SessionRow]) -> None:
        if response.reaches_end:
            self.end = response.end_offset
        elif not response.sent_rows:
            # Sessions were deleted, or the stated total is too high.
            self._max_rows, self.end = response.offset, None
            self._min_rows = min(self._min_rows, response.offset)
        else:
            self._min_rows = max(self._min_rows, response.end_offset)
            if self._max_rows is not None and self._max_rows < self._min_rows:
                self._max_rows = None  # sessions were added since
        if self.end is None and self._min_rows == self._max_rows:
            self.end = self._min_rows
        cached_end = self._cached_end
        if self.end is None and cached_end is not None and cached_end.stated == response.stated_total:
            self.end = cached_end.end if self._is_possible(cached_end.end) else None

    def _is_possible(self, total: int) -> bool:
        return self._min_rows <= total <= (_MAX_TOTAL if self._max_rows is None else self._max_rows)

    def _covers(self, response: ListResponse[SessionRow]) -> bool:
        # With only the requested row, the next page could not connect to this one: require two rows if they exist.
        required = min(self.target, self._limit, 2 if self._targets_rows else self._limit)
        return response.offset <= self.target - required and response.end_offset >= self.target

    def _next_page(self, total: int | None) -> VendorPage:
        if total is not None and self._totals_tried < _MAX_TOTALS_TRIED and self._is_possible(total):
            self._totals_tried += 1
            return self._page_past(total)
        self._targets_rows = False
        return VendorPage(self._probe_page_number(), MAX_PAGE_SIZE)

    def _probe_page_number(self) -> int:
        """Return the number of a page of maximum size that may contain the end.

        The number doubles until an upper bound is known. Then the search bisects between the bounds.
        """
        first = self._min_rows // MAX_PAGE_SIZE + 1
        if self._max_rows is None:
            self._last_probe = max(first, 2 * self._last_probe)
            return self._last_probe
        last = max(first, -(-self._max_rows // MAX_PAGE_SIZE))
        return max(first, isqrt(first * last))


class ListEndCache:
    """LRU cache of list ends that responses have proved. Later pages need not search for the end again."""

    def __init__(self) -> None:
        self._ends: OrderedDict[object, ListEnd] = OrderedDict()

    def get(self, list_key: object) -> ListEnd | None:
        """Return the cached end of the list, or None."""
        return self._ends.get(list_key)

    def put(self, list_key: object, end: ListEnd) -> None:
        """Cache the end of a list, and evict the oldest entry when the cache is full."""
        self._ends[list_key] = end
        self._ends.move_to_end(list_key)
        if len(self._ends) > _MAX_CACHED_ENDS:
            self._ends.popitem(last=False)
