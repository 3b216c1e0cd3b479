"""Page sizes of run queries after a response that was too large."""

from __future__ import annotations

from collections.abc import Iterator

from tracegraph.adapter import LRU
from tracegraph_langsmith.client import RunsQuery

_MAX_ENTRIES = 1000


class PageSizes:
    """Remembers page sizes for the latest experiments with large runs.

    A query over several experiments uses the smallest of their page sizes. `page_max` is the vendor's limit.
    """

    def __init__(self, page_max: int) -> None:
        self._page_max = page_max
        self._limits = LRU[object, int](_MAX_ENTRIES)
        self._largest = 0

    def limit_for(self, query: RunsQuery, limit: int) -> int:
        """Return the limit, reduced to the page size of the query's experiments."""
        if not self._limits:
            return limit
        return min([limit, *(self._limits.get(key) or self._page_max for key in _keys(query))])

    def shrink(self, query: RunsQuery, limit: int) -> None:
        """Set the page size for the query's experiments after a response that was too large."""
        for key in _keys(query):
            self._limits.put(key, limit)

    def record_size(self, query: RunsQuery, size: int) -> None:
        """Record the size of a response in bytes. After a small response the page size doubles."""
        self._largest = max(self._largest, size)
        if not self._limits or 4 * size > self._largest:
            return
        for key in _keys(query):
            limit = 2 * (self._limits.remove(key) or self._page_max)
            if limit < self._page_max:
                self._limits.put(key, limit)


def _keys(query: RunsQuery) -> Iterator[object]:
    """Return a key for each experiment with its omitted fields: runs without inputs have their own page size."""
    return ((experiment, query.deferred_fields) for experiment in query.experiments)
