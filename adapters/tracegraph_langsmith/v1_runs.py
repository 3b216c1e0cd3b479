"""Queries for root runs in v1: `POST /api/v1/runs/query` (docs/vendors/langsmith.md#runs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from tracegraph.adapter import FetchInfo, Reply, readable_rows, unreadable_places
from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.models import Session
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import SourceError
from tracegraph_langsmith import wire
from tracegraph_langsmith.client import MAX_PAGE_SIZE, RUN_FIELDS, LangSmithClient, RunsQuery
from tracegraph_langsmith.links import Links
from tracegraph_langsmith.mapping import to_session
from tracegraph_langsmith.progress import RunsPage

_MIN_VERIFIED = 20


@dataclass(frozen=True, slots=True)
class RunsV1:
    """Implements `runs.RunsApi`."""

    source: str
    client: LangSmithClient
    links: Links

    path: ClassVar = "/api/v1/runs/query"
    page_max: ClassVar = MAX_PAGE_SIZE
    binds_cursors: ClassVar = False
    directions: ClassVar = frozenset(OrderDirection)

    async def page(self, query: RunsQuery, limit: int, cursor: str | None) -> RunsPage:
        """Return one page. It omits rows of experiments that are not part of the query.

        Raises:
            SourceError: The call failed.
        """
        reply = await self.client.runs(query.body(limit, cursor))
        runs, cursors = reply.value.runs, reply.value.cursors
        rows = self._sessions(reply, lambda run: run.session_id in query.experiments, query.deferred_fields)
        skipped = len(unreadable_places(runs))
        foreign = len(runs) - skipped - len(rows)
        cost, response = reply.provenance, reply.response
        # A response without rows is the end of the list, even with a cursor.
        next_cursor = (cursors.next if runs and cursors else None) or None
        is_followed = False
        if next_cursor is None and cursor is None and len(runs) >= limit and _is_verified(query, limit):
            is_followed, further = await self._is_followed(query, runs)
            cost += further
        last = next((run.id for run in reversed(runs) if run is not None), None)
        return RunsPage(
            rows, next_cursor, cost, last, skipped, response, query, foreign=foreign, is_followed=is_followed
        )

    async def _is_followed(self, query: RunsQuery, runs: Sequence[wire.Run | None]) -> tuple[bool, FetchInfo]:
        """Return whether runs follow a full page without a cursor, and the cost of that question.

        Such a page is the end of a list of exactly that length, or the vendor omits cursors. One call for the runs
        from the last start on decides, if the vendor applies the range.
        """
        last = runs[-1]
        if last is None:
            return False, FetchInfo()
        before = {run.id for run in runs if run is not None}
        same_start = sum(run is not None and run.start_time == last.start_time for run in runs)
        probe = replace(query, range_start=microseconds(last.start_time), fields=frozenset())
        reply = await self.client.runs(probe.body(min(same_start + 1, MAX_PAGE_SIZE), None))
        found = [run for run in reply.value.runs if run is not None]
        descends = query.order.direction is OrderDirection.DESC
        in_range = all(
            (run.start_time <= last.start_time) if descends else (run.start_time >= last.start_time)
            for run in found
        )
        return in_range and any(run.id not in before for run in found), reply.provenance

    async def by_id(self, runs: Sequence[tuple[str, str]]) -> Mapping[str, Session | SourceError]:
        """Return root runs by id, for pairs of a project and a run.

        The vendor ignores other filters beside ids, so the adapter selects the roots. See
        docs/vendors/langsmith.md#runs.

        Raises:
            SourceError: The call failed.
        """
        ids = list(dict.fromkeys(run for _, run in runs))
        reply = await self.client.runs({"id": ids, "limit": MAX_PAGE_SIZE, "select": list(RUN_FIELDS)})
        sent = reply.value.runs
        by_id: dict[str, Session | SourceError] = {
            row.vendor_id: row for row in self._sessions(reply, lambda run: run.is_root)
        }
        read_ids = {run.id for run in sent if run is not None}
        return reply.unreadable([run_id for run_id in ids if run_id not in read_ids], sent) | by_id

    def _sessions(
        self,
        reply: Reply[wire.RunsResponse],
        is_wanted: Callable[[wire.Run], bool],
        deferred: frozenset[str] = frozenset(),
    ) -> list[Session]:
        """Return the wanted runs as sessions, each with its position in the reply."""
        return [
            to_session(self.source, run, reply.raw("runs", index), self.links.session(run), deferred)
            for index, run in readable_rows(reply.value.runs)
            if is_wanted(run)
        ]


def _is_verified(query: RunsQuery, limit: int) -> bool:
    """Return whether the end of a list is worth a call.

    Short lists often fit their page exactly, and the vendor allows few calls: only long pages are verified. Pooled
    queries save calls, and are not.
    """
    return limit >= _MIN_VERIFIED and not query.is_pooled
