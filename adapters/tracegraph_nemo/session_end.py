"""Where a list of sessions ends, found by its rows: the service's total is a hint, and may be wrong.

A page with fewer rows than it may hold shows the end. So the page asked for first holds one place more than the
wanted rows: with a total that is right, one call gives the newest rows and shows that none is newer.
"""

from __future__ import annotations

from collections import OrderedDict
from math import isqrt
from typing import NamedTuple

from tracegraph_nemo.client import ListResponse
from tracegraph_nemo.paging import LARGEST_PAGE, VendorPage, page_up_to
from tracegraph_nemo.wire import SessionRow

CALLS_MAX = 16
"""Calls for one stretch: enough to find the end of 100,000 sessions without any help of the total."""


_FIRST_LOOK = 100  # rows asked for where their number is unknown: enough for most experiments


_TOTALS_TRIED = 4


_LARGEST_TOTAL = 2**31


_REMEMBERED = 1000


class KnownEnd(NamedTuple):
    """The total that the service stated, None without one, and how many rows there were."""

    stated: int | None
    end: int


class EndSearch:
    """Finds `limit` rows that end `skip` rows before the newest. Each answer says which page to ask for next.

    At least `_least` rows exist, and at most `_most` where that is known. `known` is where the list ended
    earlier: a page that does not reach the newest rows relies on it while the service states the same total.
    """

    def __init__(self, limit: int, skip: int, expected: int | None, known: KnownEnd | None) -> None:
        self.end: int | None = None
        """How many rows there are, once rows have shown it."""
        self._limit = max(1, min(limit, LARGEST_PAGE))
        self._skip = skip
        self._known = known if skip else None
        self._least = 0
        self._most: int | None = None
        self._totals_tried = 0
        self._last_probe = 0
        self._aimed = False
        self.page = self._first_page(expected)

    @property
    def target(self) -> int:
        """The offset right behind the wanted rows; 0 or less when there are none."""
        return (self.end or 0) - self._skip

    def take(self, answer: ListResponse[SessionRow]) -> bool:
        """Learn from the answer to `page`; whether it is the last one needed. If not, `page` is the next one."""
        self._learn(answer)
        if self.end is None:
            self.page = self._next_page(answer.stated_total)
            return False
        if self.target <= 0 or self._covers(answer):
            return True
        self.page = self._page_of(self.target)
        return False

    def _first_page(self, expected: int | None) -> VendorPage:
        if expected is not None and self._skip < expected <= _LARGEST_TOTAL:
            if self._known is not None and self._known.end == expected:
                return self._page_of(expected - self._skip)
            return self._page_beyond(expected)
        return VendorPage(1, min(max(self._limit, _FIRST_LOOK), LARGEST_PAGE))

    def _page_beyond(self, total: int) -> VendorPage:
        """The newest rows of so many, and one place more."""
        self._aimed = self._skip == 0
        wanted = self._limit if self._aimed else 1
        return page_up_to(total + 1, min(wanted + 1, LARGEST_PAGE), LARGEST_PAGE)

    def _page_of(self, target: int) -> VendorPage:
        self._aimed = True
        return page_up_to(target, self._limit, LARGEST_PAGE)

    def _learn(self, answer: ListResponse[SessionRow]) -> None:
        if answer.shows_end:
            self.end = answer.end
        elif not answer.sent:
            self._most, self.end = answer.start, None  # sessions were deleted, or the total is too high
            self._least = min(self._least, answer.start)
        else:
            self._least = max(self._least, answer.end)
            if self._most is not None and self._most < self._least:
                self._most = None  # sessions were added meanwhile
        if self.end is None and self._least == self._most:
            self.end = self._least
        known = self._known
        if self.end is None and known is not None and known.stated == answer.stated_total:
            self.end = known.end if self._is_possible(known.end) else None

    def _is_possible(self, total: int) -> bool:
        return self._least <= total <= (_LARGEST_TOTAL if self._most is None else self._most)

    def _covers(self, answer: ListResponse[SessionRow]) -> bool:
        # A page that holds the asked row and none behind it would not lead on: two rows, where there are two.
        least = min(self.target, self._limit, 2 if self._aimed else self._limit)
        return answer.start <= self.target - least and answer.end >= self.target

    def _next_page(self, total: int | None) -> VendorPage:
        if total is not None and self._totals_tried < _TOTALS_TRIED and self._is_possible(total):
            self._totals_tried += 1
            return self._page_beyond(total)
        self._aimed = False
        return VendorPage(self._probe(), LARGEST_PAGE)

    def _probe(self) -> int:
        """The number of a largest page that may hold the end: on by doubling, then between what is known."""
        first = self._least // LARGEST_PAGE + 1
        if self._most is None:
            self._last_probe = max(first, 2 * self._last_probe)
            return self._last_probe
        last = max(first, -(-self._most // LARGEST_PAGE))
        return max(first, isqrt(first * last))


class KnownEnds:
    """Where lists ended when rows showed it last: a later page need not find that out again."""

    def __init__(self) -> None:
        self._known: OrderedDict[object, KnownEnd] = OrderedDict()

    def of(self, listed: object) -> KnownEnd | None:
        """What is known of that list."""
        return self._known.get(listed)

    def add(self, listed: object, known: KnownEnd) -> None:
        """Remember it, and forget the list that was added first when there are too many."""
        self._known[listed] = known
        self._known.move_to_end(listed)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
