"""Queries for root runs in v1: `POST /api/v1/runs/query` (docs/vendors/langsmith.md#runs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from tracegraph.adapter import FetchInfo, Reply, readable_rows, unreadable_places
from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.models import Session
from tracegraph.errors import SourceError
from tracegraph.upstream.raw import bad_response
from tracegraph_langsmith import wire
from tracegraph_langsmith.client import MAX_PAGE_SIZE, RUN_FIELDS, LangSmithClient, RunsQuery
from tracegraph_langsmith.links import Links
from tracegraph_langsmith.mapping import to_session
from tracegraph_langsmith.progress import RunsPage
from tracegraph_langsmith.v1_ranges import RunsRange, is_verified


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
        resumed = RunsRange.from_cursor(cursor)
        if resumed is not None:
            query, cursor, limit = resumed.applied_to(query), None, min(limit + len(resumed.seen), MAX_PAGE_SIZE)
        reply = await self.client.runs(query.body(limit, cursor))
        runs, cursors = reply.value.runs, reply.value.cursors
        rows = self._sessions(reply, lambda run: run.session_id in query.experiments, query.deferred_fields)
        skipped = len(unreadable_places(runs))
        foreign = len(runs) - skipped - len(rows)
        if resumed is not None:
            rows = [row for row in rows if row.vendor_id not in resumed.seen]
        cost, response = reply.provenance, reply.response
        # A response without rows is the end of the list, even with a cursor.
        next_cursor = (cursors.next if runs and cursors else None) or None
        if next_cursor is None and cursor is None and len(runs) >= limit and is_verified(query, limit):
            next_cursor, further = await self._range_cursor(query, runs, resumed)
            cost += further
        last = next((run.id for run in reversed(runs) if run is not None), None)
        return RunsPage(rows, next_cursor, cost, last, skipped, response, query, foreign=foreign)

    async def _range_cursor(
        self, query: RunsQuery, runs: Sequence[wire.Run | None], resumed: RunsRange | None
    ) -> tuple[str | None, FetchInfo]:
        """Return the cursor after a full page without one, if a run follows, and the cost of that question."""
        following = RunsRange.after(runs, resumed)
        if following is None:
            return None, FetchInfo(0)
        probe = replace(following.applied_to(query), fields=frozenset())
        reply = await self.client.runs(probe.body(following.probe_size, None))
        is_followed = following.is_followed(reply.value.runs, query.order.direction)
        return following.to_cursor() if is_followed else None, reply.provenance

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
        if None in sent:  # the ids of unreadable rows are unknown
            read_ids = {run.id for run in sent if run is not None}
            unreadable = bad_response(reply.response, "of which a row cannot be read")
            return dict.fromkeys((run_id for run_id in ids if run_id not in read_ids), unreadable) | by_id
        return by_id

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
