"""Cursors of the adapter's own, for a full page of v1 runs without a cursor.

Such a page is the end of a list of exactly that length, or the vendor omits cursors. One run that follows by time
decides. The cursor holds the start of the last run, inclusive, and the ids of the runs of that start so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.sort_values import from_microseconds, microseconds
from tracegraph_langsmith import wire
from tracegraph_langsmith.client import MAX_PAGE_SIZE, RunsQuery

_PREFIX = "@"
_MIN_VERIFIED = 20


def is_verified(query: RunsQuery, limit: int) -> bool:
    """Return whether the end of a list is worth a call.

    Short lists often fit their page exactly, and the vendor allows few calls: only long pages are verified. Pooled
    queries save calls, and are not.
    """
    return limit >= _MIN_VERIFIED and not query.is_pooled


@dataclass(frozen=True, slots=True)
class RunsRange:
    """The runs from a start on, without those that earlier pages had."""

    start: int
    """Microseconds since 1970 UTC."""
    seen: frozenset[str]

    @classmethod
    def from_cursor(cls, cursor: str | None) -> RunsRange | None:
        """Return the range of a cursor of the adapter's own, None for a cursor of the vendor."""
        if cursor is None or not cursor.startswith(_PREFIX):
            return None
        start, *seen = cursor.removeprefix(_PREFIX).split(",")
        try:
            from_microseconds(int(start))
        except (ValueError, OverflowError):
            return None
        return cls(int(start), frozenset(seen))

    @classmethod
    def after(cls, runs: Sequence[wire.Run | None], before: RunsRange | None) -> RunsRange | None:
        """Return the range after a page; None if one call cannot show what follows.

        Args:
            runs: The rows of the page. Unreadable ones are None.
            before: The range that the page was read from.
        """
        last = runs[-1]
        if last is None:
            return None
        start = microseconds(last.start_time)
        seen = {run.id for run in runs if run is not None and run.start_time == last.start_time}
        if before is not None and before.start == start:
            seen |= before.seen
        return cls(start, frozenset(seen)) if len(seen) < MAX_PAGE_SIZE else None

    @property
    def probe_size(self) -> int:
        """Return how many runs show whether one follows."""
        return len(self.seen) + 1

    def to_cursor(self) -> str:
        """Return the cursor."""
        return _PREFIX + ",".join([str(self.start), *sorted(self.seen)])

    def applied_to(self, query: RunsQuery) -> RunsQuery:
        """Return the query for the runs of the range."""
        return replace(query, range_start=self.start)

    def is_followed(self, runs: Sequence[wire.Run | None], order: OrderDirection) -> bool:
        """Return whether the first runs of the range show a new one, and the vendor applied the range."""
        starts = [microseconds(run.start_time) for run in runs if run is not None]
        descends = order is OrderDirection.DESC
        in_range = all(start <= self.start if descends else start >= self.start for start in starts)
        return in_range and any(run is not None and run.id not in self.seen for run in runs)
