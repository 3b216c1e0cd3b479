"""Queries for root runs in v2: `POST /api/v2/runs/query` (docs/vendors/langsmith.md#v2).

The order is by start, newest first, and cannot be chosen. A cursor is valid only with the other parameters of the
request that returned it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from tracegraph.adapter import FetchInfo, Reply, add_cost_on_error, readable_rows, unreadable_places
from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.models import Session
from tracegraph.domain.sort_values import from_microseconds, microseconds
from tracegraph.domain.texts import rfc3339
from tracegraph.errors import SourceError
from tracegraph_langsmith import v2_wire
from tracegraph_langsmith.client import (
    LARGE_FIELDS,
    MAX_PAGE_SIZE,
    LangSmithClient,
    RunsQuery,
)
from tracegraph_langsmith.failing_projects import may_concern_one_experiment
from tracegraph_langsmith.filters import all_of, run_conditions, uuids
from tracegraph_langsmith.links import Links
from tracegraph_langsmith.mapping import to_session
from tracegraph_langsmith.progress import MAX_IDLE_PAGES, RunsPage, no_progress_error

SELECTS = (
    *("ID", "PROJECT_ID", "TRACE_ID", "THREAD_ID", "NAME", "STATUS", "ERROR", "METADATA"),
    *("START_TIME", "END_TIME", "LATENCY_SECONDS", "FIRST_TOKEN_TIME", "REFERENCE_EXAMPLE_ID", "FEEDBACK_STATS"),
    *("INPUTS", "OUTPUTS", "PROMPT_TOKENS", "COMPLETION_TOKENS", "TOTAL_TOKENS"),
    *("PROMPT_TOKEN_DETAILS", "COMPLETION_TOKEN_DETAILS", "TOTAL_COST", "PROMPT_COST", "COMPLETION_COST"),
)
"""What the adapter maps: whole values, never the previews, which the vendor cuts."""


EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""The beginning of all time windows. Without one the vendor searches the last day only."""


_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""From this time on, a window has no end."""


_MARGIN = timedelta(milliseconds=1)
"""The widening of a window on both sides.

Whether its bounds are inclusive, and their resolution, are unknown. So the adapter drops the rows beyond the
range.
"""


@dataclass(frozen=True, slots=True)
class RunsV2:
    """Implements `runs.RunsApi`."""

    source: str
    client: LangSmithClient
    links: Links

    path: ClassVar = "/api/v2/runs/query"
    page_max: ClassVar = 1000
    binds_cursors: ClassVar = True
    directions: ClassVar = frozenset({OrderDirection.DESC})

    async def page(self, query: RunsQuery, limit: int, cursor: str | None) -> RunsPage:
        """Return one page. It omits rows outside of the query's range and of other experiments.

        Raises:
            SourceError: The call failed.
        """
        reply = await self.client.runs_v2(body_of(query, limit, cursor))
        runs = reply.value.items
        sessions = self._sessions(reply, query.deferred_fields)
        of_query = [session for session in sessions if session.experiment_ref in query.experiments]
        return RunsPage(
            [session for session in of_query if _is_within(query, session)],
            reply.value.next_cursor or None,
            reply.provenance,
            next((run.id for run in reversed(runs) if run is not None), None),
            len(unreadable_places(runs)),
            reply.response,
            query,
            page_size=limit,
            foreign=len(sessions) - len(of_query),
        )

    async def by_id(self, runs: Sequence[tuple[str, str]]) -> Mapping[str, Session | SourceError]:
        """Return root runs by id, for pairs of a project and a run.

        One call reads all of them. If it fails because of one project, each project has its own call.

        Raises:
            SourceError: The call for all, or for the only project, failed.
        """
        projects = list(dict.fromkeys(project for project, _ in runs))
        try:
            return await self._by_id(projects, list(dict.fromkeys(run for _, run in runs)))
        except SourceError as error:
            if len(projects) == 1 or not may_concern_one_experiment(error):
                raise
        of_each = [[run for of_project, run in runs if of_project == project] for project in projects]
        outcomes = await asyncio.gather(
            *(self._outcome(project, ids) for project, ids in zip(projects, of_each, strict=True))
        )
        return {run: session for outcome in outcomes for run, session in outcome.items()}

    async def _outcome(self, project: str, ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        try:
            return await self._by_id([project], ids)
        except SourceError as error:
            return dict.fromkeys(ids, error)

    async def _by_id(self, projects: Sequence[str], ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        body = {**_common(projects), "ids": list(ids), "selects": list(SELECTS), "page_size": MAX_PAGE_SIZE}
        found: dict[str, Session | SourceError] = {}
        cost = FetchInfo()
        for _ in range(MAX_IDLE_PAGES):
            with add_cost_on_error(cost):
                reply = await self.client.runs_v2(body)
            cost += reply.provenance
            found = {**reply.unreadable(ids, reply.value.items), **found}
            found |= {session.vendor_id: session for session in self._sessions(reply, frozenset())}
            if not reply.value.next_cursor:
                return found
            body["cursor"] = reply.value.next_cursor
        raise no_progress_error(reply.response)

    def _sessions(self, reply: Reply[v2_wire.RunsPage], deferred: frozenset[str]) -> list[Session]:
        return [
            to_session(
                self.source, run, reply.raw("items", index), self.links.run(run.project_id, run.id), deferred
            )
            for index, run in readable_rows(reply.value.items)
        ]


def body_of(query: RunsQuery, limit: int, cursor: str | None) -> dict[str, Any]:
    """Return the JSON body of a query.

    Args:
        query: The query. Its order is the vendor's only one.
        limit: The page size.
        cursor: The cursor of the page before, which had the same other parameters.
    """
    omitted = {LARGE_FIELDS.get(name, "").upper() for name in query.deferred_fields}
    body = {
        **_common(query.experiments),
        **_window(query),
        "selects": [name for name in SELECTS if name not in omitted],
        "page_size": limit,
    }
    conditions = list(run_conditions(query.filter))
    if conditions:
        body["filter"] = all_of(conditions)
    test_cases = uuids(query.filter.test_case_id)
    if test_cases is not None:
        body["reference_examples"] = test_cases
    if cursor is not None:
        body["cursor"] = cursor
    return body


def _common(projects: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of every query. Without subtree usage, a root has only its own tokens and costs."""
    return {
        "project_ids": list(projects),
        "is_root": True,
        "min_start_time": rfc3339(EARLIEST),
        "include_subtree_usage": True,
    }


def _window(query: RunsQuery) -> dict[str, str]:
    """Return the time window of the query, from its filter and its range."""
    started = query.filter.started_at
    lower = [] if started is None or started.gte is None else [started.gte]
    upper = [] if started is None or started.lt is None else [started.lt]
    if query.range_end is not None:
        lower.append(from_microseconds(query.range_end))
    if query.range_start is not None:
        upper.append(from_microseconds(query.range_start))
    window = {}
    if lower and max(lower) > EARLIEST:
        window["min_start_time"] = rfc3339(max(lower) - _MARGIN)
    if upper and min(upper) < _LATEST:
        window["max_start_time"] = rfc3339(min(upper) + _MARGIN)
    return window


def _is_within(query: RunsQuery, session: Session) -> bool:
    start = microseconds(session.started_at)
    return (query.range_start is None or start <= query.range_start) and (
        query.range_end is None or start >= query.range_end
    )
