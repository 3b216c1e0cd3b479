"""HTTP client of LangSmith: its read operations, its credential headers and its query syntax.

`GET /api/v1/sessions` is part of the contract. `POST /api/v1/runs/query` and the filter language are described in
docs/vendors/langsmith.md#runs. The vendor lets a run query select every name in RUN_FIELDS (RunQueryParams of its
own generated clients). It does not let a query select `latency_seconds` and `is_root`.
docs/vendors/langsmith.md#v2 describes the paths under `/api/v2`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import SecretStr

from tracegraph.adapter import LenientDecoder, Reply, VendorClient
from tracegraph.domain.figures import Statistic
from tracegraph.domain.filters import (
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
)
from tracegraph.domain.models import MetricKind
from tracegraph.domain.sort_values import from_microseconds
from tracegraph.domain.texts import rfc3339
from tracegraph.errors import SourceError, SourceUnauthorized
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph_langsmith import v2_wire, wire
from tracegraph_langsmith.deprecations import Deprecations
from tracegraph_langsmith.filters import Query, all_of, run_conditions, uuids

T = TypeVar("T")

MAX_PAGE_SIZE = 100
"""The largest number of rows in one response: the contract's maximum `limit`. A larger run query is a 400.

See docs/vendors/langsmith.md#runs.
"""


SESSIONS, RUNS, TRACES, DATASETS, INFO = "sessions", "runs/query", "traces", "datasets", "info"
"""The kinds of calls. The vendor limits the rate of each kind (docs/vendors/langsmith.md#rate-limits)."""


RUN_FIELDS = (
    *("id", "session_id", "trace_id", "parent_run_id", "name", "status", "error", "app_path", "extra"),
    *("start_time", "end_time", "first_token_time", "reference_example_id", "feedback_stats", "thread_id"),
    *("inputs", "outputs"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_token_details", "completion_token_details"),
    *("total_cost", "prompt_cost", "completion_cost"),
)


LARGE_FIELDS = {"input": "inputs", "output": "outputs"}
"""The fields of a run that may be large, by their name in `Session`.

A query omits them unless a client selects them.
"""


_SORT_COLUMNS = {
    ExperimentOrderField.CREATED_AT: "start_time",
    ExperimentOrderField.UPDATED_AT: "last_run_start_time",
}


_FIGURE_COLUMNS = {
    (MetricKind.LATENCY, Statistic.MEDIAN): "latency_p50",
    (MetricKind.LATENCY, Statistic.P99): "latency_p99",
    (MetricKind.ERROR_RATE, Statistic.MEAN): "error_rate",
}


SORTED_FIGURES = frozenset(_FIGURE_COLUMNS)
"""The figures that the vendor sorts by. It also sorts by feedback, of runs or of whole sessions.

A score is reported from either: from the session's feedback where there is some. So no sort by feedback is certain
to be the order of the scores.
"""


def sort_column(order: ExperimentOrder) -> str:
    """Return the column of an order, and the start for orders that the vendor does not have.

    The vendor also sorts by name, but its collation is unknown.
    """
    if order.figure is not None:
        return _FIGURE_COLUMNS.get((order.figure.metric.kind, order.figure.statistic), "start_time")
    return _SORT_COLUMNS.get(order.field, "start_time")


_LACKS_WORKSPACE = b"org_scoped_key_requires_workspace"
"""Text in the 403 for an organization's key without X-Tenant-Id (docs/vendors/langsmith.md#access)."""


def experiments_query(order: ExperimentOrder, limit: int, offset: int) -> Query:
    """Return the parameters for a page of tracer sessions.

    Without `include_stats` the rows would have no figures: see docs/vendors/langsmith.md#figures.

    Args:
        order: The sort order.
        limit: The number of rows.
        offset: The offset of the first row.
    """
    descending = order.direction is OrderDirection.DESC
    return [
        ("include_stats", "true"),
        ("limit", str(limit)),
        ("offset", str(offset)),
        ("sort_by", sort_column(order)),
        ("sort_by_desc", "true" if descending else "false"),
    ]


def id_parameters(ids: Sequence[str]) -> Query:
    """Return the parameters that select tracer sessions by id.

    The key repeats: see docs/vendors/langsmith.md#tracer-sessions.
    """
    return [("id", tracer_session_id) for tracer_session_id in ids]


def chunks(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split the ids into chunks of one call each.

    The length of the URL is the bound: see docs/vendors/langsmith.md#tracer-sessions.
    """
    for start in range(0, len(ids), MAX_PAGE_SIZE):
        yield ids[start : start + MAX_PAGE_SIZE]


@dataclass(frozen=True, slots=True)
class RunsQuery:
    """A query for the root runs of tracer sessions in the order of their start.

    If `range_start` (microseconds) is set, the list begins with the runs of that start; `range_end` ends it.
    `is_pooled`: the query answers several requests.
    """

    experiments: tuple[str, ...]
    filter: SessionFilter
    order: SessionOrder
    range_start: int | None = None
    fields: frozenset[str] | None = None
    range_end: int | None = None
    is_pooled: bool = False

    @property
    def deferred_fields(self) -> frozenset[str]:
        """Return the fields of `Session` that the query omits: see `SessionPageRequest.fields`."""
        if self.fields is None or "raw" in self.fields:
            return frozenset()
        omitted = LARGE_FIELDS.keys() - self.fields
        return frozenset({*omitted, "raw"}) if omitted else frozenset()

    @property
    def large_fields(self) -> int:
        """Return the large fields that the query selects, as a number."""
        return sum(1 << bit for bit, name in enumerate(LARGE_FIELDS) if name not in self.deferred_fields)

    def body(self, limit: int, cursor: str | None) -> dict[str, Any]:
        """Return the JSON body of the query.

        A cursor is valid only with the body of the query that returned it.
        """
        body: dict[str, Any] = {
            "session": list(self.experiments),
            "is_root": True,
            "order": self.order.direction.value.lower(),
            "limit": limit,
            "select": self._select(),
        }
        conditions = [*run_conditions(self.filter), *self._time_conditions()]
        if conditions:
            body["filter"] = all_of(conditions)
        test_cases = uuids(self.filter.test_case_id)
        if test_cases is not None:
            body["reference_example"] = test_cases
        if cursor is not None:
            body["cursor"] = cursor
        return body

    def _select(self) -> list[str]:
        deferred_fields = {LARGE_FIELDS.get(name) for name in self.deferred_fields}
        return [name for name in RUN_FIELDS if name not in deferred_fields]

    def _time_conditions(self) -> Iterator[str]:
        """Yield the conditions on the start in the vendor's filter language."""
        started = self.filter.started_at
        if started is not None and started.gte is not None:
            yield f"gte(start_time, {_time(started.gte)})"
        if started is not None and started.lt is not None:
            yield f"lt(start_time, {_time(started.lt)})"
        if self.range_start is not None:
            operator = "lte" if self.order.direction is OrderDirection.DESC else "gte"
            yield f"{operator}(start_time, {_time(from_microseconds(self.range_start))})"
        if self.range_end is not None:
            operator = "gte" if self.order.direction is OrderDirection.DESC else "lte"
            yield f"{operator}(start_time, {_time(from_microseconds(self.range_end))})"


def _time(moment: datetime) -> str:
    return _quoted(rfc3339(moment))


def _quoted(text: str) -> str:
    return json.dumps(text)


class LangSmithClient(VendorClient):
    """HTTP client of LangSmith. Its read operations raise SourceError."""

    def __init__(self, upstream: Upstream, api_key: SecretStr, tenant_id: str | None) -> None:
        """Send the key, and the id of the workspace if given, with every call (contract: security)."""
        workspace = None if tenant_id is None else SecretStr(tenant_id)
        super().__init__(upstream, {"X-API-Key": api_key, "X-Tenant-Id": workspace})
        self.deprecations = Deprecations(upstream.source)

    async def fetch(self, request: UpstreamRequest, wire: LenientDecoder[T]) -> Reply[T]:
        """Send a request, return its decoded reply, and note whether the vendor calls its path deprecated."""
        reply = await super().fetch(request, wire)
        self.deprecations.record(request.path, reply.response.headers)
        return reply

    async def info(self) -> Reply[wire.Info]:
        """Return the version and the backends of the deployment."""
        return await self.get(INFO, "/api/v1/info", wire.INFO, expected_statuses=frozenset({404}))

    async def tracer_sessions(self, query: Query) -> Reply[list[wire.TracerSession | None]]:
        """Return tracer sessions, with None for each unreadable row."""
        return await self.get(SESSIONS, "/api/v1/sessions", wire.SESSIONS, query)

    async def tracer_sessions_v2(self, query: Query) -> Reply[v2_wire.SessionsPage]:
        """Return a page of tracer sessions by v2."""
        return await self.get(SESSIONS, "/api/v2/sessions", v2_wire.SESSIONS, query)

    async def datasets(self, query: Query) -> Reply[list[wire.Dataset | None]]:
        """Return datasets."""
        return await self.get(DATASETS, "/api/v1/datasets", wire.DATASETS, query)

    async def datasets_v2(self, query: Query) -> Reply[v2_wire.DatasetsPage]:
        """Return a page of datasets by v2."""
        return await self.get(DATASETS, "/api/v2/datasets", v2_wire.DATASETS, query)

    async def runs(self, body: dict[str, Any]) -> Reply[wire.RunsResponse]:
        """Return runs and a cursor.

        The vendor allows 15 of these calls in 10 s: see docs/vendors/langsmith.md#rate-limits.
        """
        of_several = len(body.get("session", ())) > 1
        return await self.post(RUNS, "/api/v1/runs/query", wire.RUNS, body, is_batch=of_several)

    async def runs_v2(self, body: dict[str, Any]) -> Reply[v2_wire.RunsPage]:
        """Return a page of runs by v2. The rate limit is assumed to be that of v1."""
        of_several = len(body["project_ids"]) > 1
        return await self.post(RUNS, "/api/v2/runs/query", v2_wire.RUNS, body, is_batch=of_several)

    async def trace_runs(self, body: dict[str, Any]) -> Reply[wire.TraceRuns]:
        """Return runs of traces and a cursor."""
        of_several = len(body.get("session", ())) > 1
        return await self.post(RUNS, "/api/v1/runs/query", wire.TRACE_RUNS, body, is_batch=of_several)

    async def trace_query_v2(self, body: dict[str, Any]) -> Reply[v2_wire.TraceRuns]:
        """Return a page of runs of traces by v2."""
        of_several = len(body["project_ids"]) > 1
        return await self.post(RUNS, "/api/v2/runs/query", v2_wire.TRACE_RUNS, body, is_batch=of_several)

    async def trace_runs_v2(self, trace: str, project: str, selects: Sequence[str]) -> Reply[v2_wire.TraceRuns]:
        """Return all runs of one trace by v2. The rate limit is assumed to be that of a query.

        Args:
            trace: The id of the trace, a UUID.
            project: The id of its tracer session.
            selects: The selected fields.
        """
        query = [("project_id", project), *(("selects", name) for name in selects)]
        return await self.get(TRACES, f"/api/v2/traces/{trace}/runs", v2_wire.TRACE_RUNS, query)

    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:
        """Return the error for an organization's key without a workspace, or the same error."""
        if not isinstance(error, SourceUnauthorized) or _LACKS_WORKSPACE not in error.vendor_body:
            return super().explain_error(error, request)
        return error.restated(
            SourceUnauthorized,
            f"Source {self.source!r} uses the key of a whole organization: set tenant_id in its configuration "
            "to the id of the workspace to read.",
        )
