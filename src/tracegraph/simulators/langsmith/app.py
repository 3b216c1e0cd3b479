"""The LangSmith simulator: one workspace in the dialects of a deployment.

This module has the paths of v1. `v2` has those of v2.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracegraph.simulators.core.responses import (
    ApiError,
    Json,
    api_error_response,
    boolean,
    check_uuid,
    choice,
    integer,
    invalid,
    json_object,
)
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.sorting import ordered, tie_key
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.langsmith.datasets import list_v1
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.feedback import list_feedback
from tracegraph.simulators.langsmith.filters import Predicate
from tracegraph.simulators.langsmith.problems import ProblemError, problem_body, problem_response
from tracegraph.simulators.langsmith.run_fields import sortable
from tracegraph.simulators.langsmith.runs import Cursors, RunQuery, compiled
from tracegraph.simulators.langsmith.stats import STATS, last_run_start, session_stats
from tracegraph.simulators.langsmith.v2 import ServiceV2
from tracegraph.simulators.langsmith.world import LangSmithWorld

_SORTS = (
    "name",
    "start_time",
    "last_run_start_time",
    "latency_p50",
    "latency_p99",
    "error_rate",
    "feedback",
    "runs_count",
)


_STATED = (
    "id",
    "name",
    "start_time",
    "end_time",
    "extra",
    "description",
    "default_dataset_id",
    "reference_dataset_id",
    "trace_tier",
    "test_run_number",
    "experiment_progress",
)


def create_app(world: LangSmithWorld, deployment: Deployment | None = None) -> Simulator:
    """Create a LangSmith that reads `world` and `deployment` anew for every request. The default serves v1 only.

    The paths of v1 exist with and without `/api/v1`, as on the vendor's host, because its SDK omits the prefix.
    """
    deployment = deployment or Deployment()
    service = _Service(world, deployment)
    routes = [
        Route("/sessions", service.list_sessions),
        Route("/sessions/{id}", service.get_session),
        Route("/runs/query", service.query_runs, methods=["POST"]),
        Route("/runs/{id}", service.get_run),
        Route("/datasets", service.list_datasets),
        Route("/feedback", service.list_feedback),
        Route("/info", service.info),
    ]
    prefixed = [Route(f"/api/v1{route.path}", route.endpoint, methods=route.methods) for route in routes]
    handlers = {ApiError: api_error_response, ProblemError: problem_response, HTTPException: _no_route}
    v2 = ServiceV2(world, deployment).routes()
    return Simulator(Starlette(routes=[*prefixed, *v2, *routes], exception_handlers=handlers), error_body)


def error_body(status: int) -> Row:
    """Return an error in LangSmith's format (docs/vendors/langsmith.md#access, #runs)."""
    details = {401: "Invalid token", 429: "Rate limit exceeded", 500: "Internal server error"}
    return {"detail": details.get(status) or HTTPStatus(status).phrase}


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    is_v2 = request.url.path.startswith("/api/v2/")
    return Json(problem_body(status, "not found") if is_v2 else error_body(status), status)


class _Service:
    def __init__(self, world: LangSmithWorld, deployment: Deployment) -> None:
        self._world = world
        self._deployment = deployment
        self._seeds: Iterator[int] = itertools.count()

    async def info(self, _: Request) -> Response:
        """Report the query backends to the SDK (LS-0.15.0 get_query_backend)."""
        return Json(self._deployment.info())

    async def list_sessions(self, request: Request) -> Response:
        """List tracer sessions as a bare array (docs/vendors/langsmith.md#tracer-sessions).

        Accepted without effect: tag_value_id, stats_select, stats_filter, use_approx_stats.
        """
        self._authorize(request)
        query = request.query_params
        limit, offset = integer(query, "limit", 100, 1, 100), integer(query, "offset", 0, 0)
        reader = _Sessions(self._world, query)
        rows = reader.sorted(reader.matching(), self._seed())
        return Json([reader.served(row) for row in rows[offset : offset + limit]])

    async def get_session(self, request: Request) -> Response:
        """Return one tracer session by its id."""
        self._authorize(request)
        session_id = check_uuid(request.path_params["id"], ["path", "session_id"])
        reader = _Sessions(self._world, request.query_params)
        for row in self._world.sessions:
            if row["id"] == session_id:
                return Json(reader.served(row))
        raise ApiError(404, {"detail": "Session not found"})

    async def query_runs(self, request: Request) -> Response:
        """Return one page of runs, newest first by default."""
        self._check_v1_runs()
        self._authorize(request)
        cursors = Cursors(self._world.cursor_generation, bound=self._world.bound_cursors)
        query = RunQuery(json_object(await request.body(), ["body"]), cursors)
        return self._deprecated(query.execute(self._world.runs, self._seed()))

    async def get_run(self, request: Request) -> Response:
        """Return one run, root or child, by its id."""
        self._check_v1_runs()
        self._authorize(request)
        run_id = check_uuid(request.path_params["id"], ["path", "run_id"])
        for session_id, runs in self._world.runs.items():
            for run in runs:
                if run["id"] == run_id:
                    return self._deprecated({"session_id": session_id, **run})
        raise ApiError(404, {"detail": "Run not found"})

    async def list_datasets(self, request: Request) -> Response:
        """List datasets as a bare array."""
        self._authorize(request)
        return Json(list_v1(self._world, request.query_params))

    async def list_feedback(self, request: Request) -> Response:
        """List the feedback of runs as a bare array."""
        self._authorize(request)
        return Json(list_feedback(self._world, request.query_params))

    def _check_v1_runs(self) -> None:
        if not self._deployment.v1_runs:
            raise ApiError(404, {"detail": "Not Found"})

    def _deprecated(self, content: Row) -> Response:
        response = Json(content)
        response.headers.update(self._deployment.v1_headers())
        return response

    def _authorize(self, request: Request) -> None:
        if request.headers.get("x-api-key") != self._world.api_key:
            raise ApiError(401, {"detail": "Invalid token"})
        if self._world.org_scoped_key and request.headers.get("x-tenant-id") != self._world.tenant_id:
            raise ApiError(403, {"error": "org_scoped_key_requires_workspace"})

    def _seed(self) -> int | None:
        return next(self._seeds) if self._world.shuffle_ties else None


class _Sessions:
    """One query of the tracer sessions: filters, order and figures."""

    def __init__(self, world: LangSmithWorld, query: QueryParams) -> None:
        self._world = world
        self._query = query
        self._sort = choice(query, "sort_by", _SORTS, "start_time")
        self._descending = boolean(query, "sort_by_desc", default=True) is not False
        self._with_stats = boolean(query, "include_stats", default=False) is True
        self._with_facets = boolean(query, "facets", default=False) is True
        self._since = _time(query, "stats_start_time")
        self._tests = list(_tests(query))

    def matching(self) -> list[Row]:
        """Return the sessions that match every filter of the query."""
        return [row for row in self._world.sessions if all(test(row) for test in self._tests)]

    def sorted(self, rows: Sequence[Row], seed: int | None) -> list[Row]:
        """Sort sessions by the query's column; equal values by id, or at random with a seed."""
        tie = tie_key(seed)
        return ordered(
            rows,
            self._sort_value,
            lambda row: tie(row["id"]),
            descending=self._descending,
            nulls_first=self._world.nulls_first,
        )

    def served(self, row: Row) -> Row:
        """Return a session as the contract's TracerSession; without include_stats its figures are null."""
        stats = self._stats(row) if self._with_stats else dict.fromkeys(STATS)
        last = self._last_run_start(row)
        return {
            **{key: row.get(key) for key in _STATED},
            "tenant_id": self._world.tenant_id,
            "last_run_start_time": last,
            "last_run_start_time_live": last,
            "run_facets": [] if self._with_facets else None,
            **stats,
        }

    def _runs(self, row: Row) -> list[Row]:
        return self._world.runs.get(row["id"], [])

    def _last_run_start(self, row: Row) -> str | None:
        if "last_run_start_time" in row:
            stated: str | None = row["last_run_start_time"]
            return stated
        return last_run_start(self._runs(row))

    def _stats(self, row: Row) -> Row:
        as_numbers = self._world.costs_as_numbers
        stats = session_stats(self._runs(row), self._since, costs_as_numbers=as_numbers)
        return {**stats, **{key: row[key] for key in STATS if key in row}}

    def _sort_value(self, row: Row) -> Any:
        if self._sort == "name":
            return row["name"]
        if self._sort == "start_time":
            return parse(row["start_time"]) if row["start_time"] is not None else None
        if self._sort == "last_run_start_time":
            last = self._last_run_start(row)
            return None if last is None else parse(last)
        stats = self._stats(row)
        if self._sort == "feedback":
            return (stats["feedback_stats"] or {}).get(self._query.get("sort_by_feedback_key"), {}).get("avg")
        return sortable(stats["run_count" if self._sort == "runs_count" else self._sort])


def _time(query: QueryParams, name: str) -> datetime | None:
    value = query.get(name)
    if value is None:
        return None
    try:
        return parse(value)
    except ValueError:
        invalid(["query", name], "datetime_from_date_parsing", "Input should be a valid datetime", value)


def _tests(query: QueryParams) -> Iterator[Predicate]:
    """Return the query's filters as predicates on a session row."""
    for name, column in (("id", "id"), ("reference_dataset", "reference_dataset_id")):
        if name in query:
            yield _one_of(column, [check_uuid(text, ["query", name]) for text in query.getlist(name)])
    if "name" in query:
        yield _one_of("name", [query["name"]])
    if "name_contains" in query:
        yield lambda row: query["name_contains"].lower() in row["name"].lower()
    reference_free = boolean(query, "reference_free")
    if reference_free is not None:
        yield lambda row: (row.get("reference_dataset_id") is None) == reference_free
    if "dataset_version" in query:
        yield lambda row: _metadata(row).get("dataset_version") == query["dataset_version"]
    if "metadata" in query:
        pairs = json_object(query["metadata"], ["query", "metadata"])
        yield lambda row: pairs.items() <= _metadata(row).items()
    if "filter" in query:
        yield compiled(query["filter"])


def _one_of(column: str, values: Sequence[str]) -> Callable[[Row], bool]:
    return lambda row: row.get(column) in values


def _metadata(row: Row) -> Row:
    metadata: Row = (row.get("extra") or {}).get("metadata") or {}
    return metadata
