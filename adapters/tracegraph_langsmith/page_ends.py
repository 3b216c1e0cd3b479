"""Where the latest pages of runs ended, to go on by time where a cursor is useless.

A cursor of v2 is valid only with the page size of its page. If the next page of that size is too large a response,
the list goes on with smaller pages, from the start of the last run.
"""

from __future__ import annotations

from dataclasses import replace

from tracegraph.adapter import LRU
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import SourceError
from tracegraph_langsmith.client import RunsQuery
from tracegraph_langsmith.progress import RunsPage

_MAX_ENTRIES = 1000

_End = tuple[int, frozenset[str]]
"""The start of the last run of a page, and the ids of the runs with that start up to the end of the page."""


class PageEnds:
    """Remembers the ends of the latest pages, by the cursor of the page that follows."""

    def __init__(self) -> None:
        self._ends = LRU[str, _End](_MAX_ENTRIES)

    def record(self, page: RunsPage, cursor: str | None, seen: frozenset[str]) -> None:
        """Remember the end of a page.

        Args:
            page: The page.
            cursor: The cursor that the page was requested with.
            seen: The ids of earlier runs that the page would have repeated.
        """
        end = self._end_of(page, self._ends.get(cursor or ""), seen)
        if page.cursor is None or end is None:
            return
        self._ends.put(page.cursor, end)

    def range_after(self, query: RunsQuery, cursor: str, error: SourceError) -> tuple[RunsQuery, frozenset[str]]:
        """Return the query for the runs from the end of a page on, and the ids of those of that start before it.

        Args:
            query: The query of the page.
            cursor: The cursor of the page that follows it.
            error: The error to raise if the page is forgotten.
        """
        end = self._ends.get(cursor)
        if end is None:
            raise error
        return replace(query, range_start=end[0]), end[1]

    def _end_of(self, page: RunsPage, before: _End | None, seen: frozenset[str]) -> _End | None:
        if not page.rows:
            return before
        last = microseconds(page.rows[-1].started_at)
        ids = frozenset(row.vendor_id for row in page.rows if microseconds(row.started_at) == last)
        if before is not None and before[0] == last:
            return last, ids | before[1]
        return last, ids | seen if last == page.query.range_start else ids
