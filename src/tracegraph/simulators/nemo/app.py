"""The NVIDIA NeMo Intake simulator: experiments and sessions of one workspace, as release 0.2.0 serves them."""

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracegraph.simulators.core.responses import ApiError, Json, api_error_response, integer
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.sorting import ordered
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo import filters as nemo_filter
from tracegraph.simulators.nemo.filters import Tree
from tracegraph.simulators.nemo.rollup import aggregate
from tracegraph.simulators.nemo.world import NemoWorld

PREFIX = "/apis/intake/v2/workspaces/{workspace}/experiments"


_SORTS = frozenset({"created_at", "updated_at", "name"})


_STATUSES = ("success", "error", "cancelled", "unknown")


_MAX_LIST_LENGTH = 1000


_BASE_FIELDS = frozenset({"id", "name", "workspace", "created_at", "updated_at", "entity_type", "project"})


_EXPERIMENT_FIELDS = _BASE_FIELDS | {
    "experiment_group_id",
    "agent_name",
    "agent_version",
    "dataset_name",
    "dataset_version",
    "created_by",
}


_SESSION_FIELDS = _BASE_FIELDS | {"test_case_id", "status"}


_STATED = (
    "id",
    "name",
    "experiment_group_id",
    "agent_name",
    "agent_version",
    "dataset_name",
    "dataset_version",
    "source_link",
    "metadata",
    "description",
    "summary",
    "created_at",
    "updated_at",
)


_TELEMETRY = ("evaluator_names", "model_names", "aggregate_scores", "run_count", "cost_usd", "latency_ms")


_SESSION_KEYS = (
    "session_id",
    "test_case_id",
    "trace_id",
    "root_span_id",
    "started_at",
    "ended_at",
    "latency_ms",
    "status",
    "input",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_total_usd",
    "evaluator_scores",
)


def create_app(world: NemoWorld) -> Simulator:
    """Create a NeMo that reads `world` anew for every request."""
    service = _Service(world)
    routes = [
        Route(PREFIX, service.list_experiments),
        Route(PREFIX + "/{name}", service.get_experiment),
        Route(PREFIX + "/{name}/sessions", service.list_sessions),
    ]
    handlers = {ApiError: api_error_response, HTTPException: _no_route}
    return Simulator(Starlette(routes=routes, exception_handlers=handlers), error_body)


def error_body(status: int) -> Row:
    """Return an error in NeMo's format (docs/vendors/nemo.md#errors)."""
    details = {500: "An unexpected error occurred.", 503: "Telemetry store unavailable."}
    return {"detail": details.get(status) or HTTPStatus(status).phrase}


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Json(error_body(status), status)


class _Service:
    def __init__(self, world: NemoWorld) -> None:
        self._world = world

    async def list_experiments(self, request: Request) -> Response:
        """List experiments: filtered, sorted and cut in memory, 413 beyond 1000 (docs/vendors/nemo.md#paging)."""
        self._authorize(request)
        page = _Page(request.query_params)
        _reject_unknown_parameters(request.query_params)
        sort = request.query_params.get("sort", "-created_at")
        if sort.removeprefix("-") not in _SORTS:
            raise ApiError(400, {"detail": f"Unsupported sort field: {sort.removeprefix('-')}"})
        tree = nemo_filter.parse_filter(request.query_params)
        nemo_filter.check(tree or {}, self._filter_fields(), ApiError(500, error_body(500)))
        rows = [row for row in self._world.experiments if nemo_filter.matches(tree or {}, self._entity(row))]
        if len(rows) > _MAX_LIST_LENGTH:
            raise ApiError(413, {"detail": _too_many(len(rows))})
        data = [self._experiment(row) for row in page.cut(_sorted(rows, sort))]
        not_deleted: Tree = {"is_deleted": {"$eq": False}}
        echo = {"$and": [tree, not_deleted]} if tree else not_deleted
        return Json(
            {"data": data, "pagination": page.metadata(len(data), len(rows)), "sort": sort, "filter": echo}
        )

    async def get_experiment(self, request: Request) -> Response:
        """Return one experiment by its name."""
        self._authorize(request)
        return Json(self._experiment(self._find(request)))

    async def list_sessions(self, request: Request) -> Response:
        """List an experiment's sessions, oldest first; `sort` is accepted and ignored.

        See docs/vendors/nemo.md#filters.
        """
        self._authorize(request)
        if self._world.shape == "groups":
            raise ApiError(404, error_body(404))
        page = _Page(request.query_params)
        _reject_unknown_parameters(request.query_params)
        experiment = self._find(request)
        tree = nemo_filter.parse_filter(request.query_params)
        nemo_filter.check(tree or {}, _SESSION_FIELDS, ApiError(503, error_body(503)))
        equalities = nemo_filter.equalities(tree or {}, ("status", "test_case_id"))
        if equalities.get("status", "success") not in _STATUSES:
            detail = f"Invalid status '{equalities['status']}'. Valid values: {', '.join(_STATUSES)}"
            raise ApiError(400, {"detail": detail})
        if self._world.telemetry_down:
            raise ApiError(503, error_body(503))
        rows = [row for row in self._sessions(experiment) if equalities.items() <= _comparable(row).items()]
        rows.sort(key=lambda row: (parse(row["started_at"]), row["root_span_id"]))
        data = [self._session(row, experiment) for row in page.cut(rows)]
        body = {"data": data, "pagination": page.metadata(len(data), len(rows)), "sort": None, "filter": tree}
        return Json(self._without_absent(body))

    def _authorize(self, request: Request) -> None:
        """Check the token, the workspace, and that this release has the path."""
        token = self._world.token
        if token is not None and request.headers.get("authorization") != f"Bearer {token}":
            raise ApiError(401, {"detail": "Not authenticated"})
        workspace = request.path_params["workspace"]
        if workspace != self._world.workspace:
            raise ApiError(404, {"detail": f"Workspace '{workspace}' not found"})
        if self._world.shape == "evaluations":
            raise ApiError(404, error_body(404))

    def _find(self, request: Request) -> Row:
        name = request.path_params["name"]
        for row in self._world.experiments:
            if row["name"] == name:
                return row
        raise ApiError(404, {"detail": f"Experiment '{self._world.workspace}/{name}' not found."})

    def _sessions(self, experiment: Row) -> list[Row]:
        return self._world.sessions.get(experiment["name"], [])

    def _filter_fields(self) -> frozenset[str]:
        """Return the filterable fields; agents are not where they are lists (docs/vendors/nemo.md#filters)."""
        if self._world.shape == "agent_lists":
            return _EXPERIMENT_FIELDS - {"agent_name", "agent_version"}
        return _EXPERIMENT_FIELDS

    def _entity(self, row: Row) -> Row:
        return {"workspace": self._world.workspace, **row}

    def _experiment(self, row: Row) -> Row:
        if self._world.shape == "groups":
            return self._group(row)
        figures = _no_telemetry() if self._world.telemetry_down else self._figures(row)
        served = {"workspace": self._world.workspace, **{key: row.get(key) for key in _STATED}, **figures}
        if self._world.shape == "agent_lists":
            name, version = served.pop("agent_name"), served.pop("agent_version")
            served["agent_names"] = [] if name is None else [name]
            served["agent_versions"] = [] if version is None else [version]
        return self._without_absent(served)

    def _figures(self, row: Row) -> Row:
        stated = {key: row[key] for key in _TELEMETRY if key in row}
        return {**rollup(self._sessions(row)), "model_names": [], **stated}

    def _group(self, row: Row) -> Row:
        """Return a row as the group that newer releases list under this path (docs/vendors/nemo.md#releases)."""
        common = {key: row.get(key) for key in ("name", "description", "created_at", "updated_at")}
        group = {"id": f"experiment-group-{row['name']}", "workspace": self._world.workspace, **common}
        return self._without_absent({**group, "default_sort": "-created_at", "insight_id": None, "pareto": None})

    def _session(self, row: Row, experiment: Row) -> Row:
        owner = {"workspace": self._world.workspace, "experiment_name": experiment["name"]}
        return self._without_absent({**owner, **{key: row.get(key) for key in _SESSION_KEYS}})

    def _without_absent(self, row: Row) -> Row:
        """Omit absent values, as the contract's types require, or keep them, as the real service does."""
        return row if self._world.send_nulls else {key: value for key, value in row.items() if value is not None}


class _Page:
    """The page of a query: `page` from 1, `page_size` 1..1000 (docs/vendors/nemo.md#paging)."""

    def __init__(self, query: QueryParams) -> None:
        self._number = integer(query, "page", 1, 1)
        self._size = integer(query, "page_size", 100, 1, 1000)

    def cut(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the page of all rows; empty past the end."""
        return rows[(self._number - 1) * self._size : self._number * self._size]

    def metadata(self, count: int, total: int) -> Row:
        """Return the page's description in the response."""
        return {
            "page": self._number,
            "page_size": self._size,
            "current_page_size": count,
            "total_pages": math.ceil(total / self._size),
            "total_results": total,
        }


def rollup(sessions: Sequence[Row]) -> Row:
    """Compute an experiment's figures over its sessions; sessions without a score are excluded (0.2.0).

    See docs/vendors/nemo.md#numbers.
    """
    scores: dict[str, list[float]] = {}
    for session in sessions:
        for name, score in (session.get("evaluator_scores") or {}).items():
            scores.setdefault(name, []).append(score)
    return {
        "evaluator_names": sorted(scores),
        "aggregate_scores": {name: aggregate(scores[name]) for name in sorted(scores)} or None,
        "run_count": len(sessions),
        "cost_usd": aggregate(_present_values(sessions, "cost_total_usd")),
        "latency_ms": aggregate(_present_values(sessions, "latency_ms")),
    }


def _no_telemetry() -> Row:
    return {**rollup([]), "model_names": []}


def _present_values(sessions: Sequence[Row], key: str) -> list[float]:
    return [session[key] for session in sessions if session.get(key) is not None]


def _sorted(rows: Sequence[Row], sort: str) -> list[Row]:
    field = sort.removeprefix("-")

    def value(row: Row) -> Any:
        stated = row.get(field)
        return stated if stated is None or field == "name" else parse(stated)

    return ordered(rows, value, lambda row: row["name"], descending=sort.startswith("-"))


def _comparable(row: Row) -> Row:
    """Return the filterable fields of a session. A missing test case is an empty one, as observed."""
    return {"status": row["status"], "test_case_id": row.get("test_case_id") or ""}


def _too_many(count: int) -> str:
    return (
        f"This query selects {count} experiments, exceeding the maximum of {_MAX_LIST_LENGTH} that can be sorted "
        "in one request. Narrow the result with a filter (e.g. experiment_group_id)."
    )


def _reject_unknown_parameters(query: QueryParams) -> None:
    """Reject parameters that the service does not know (docs/vendors/nemo.md#filters)."""
    allowed = {"page", "page_size", "sort"}
    unknown = sorted({name for name in query if name not in allowed and not nemo_filter.is_filter(name)})
    if unknown:
        raise ApiError(400, {"detail": f"Unsupported query parameter(s): {', '.join(unknown)}"})
