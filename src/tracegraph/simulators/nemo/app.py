"""NVIDIA NeMo Intake, simulated: the experiments and sessions of one workspace, as 0.2.0 answers them."""

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

from tracegraph.simulators.core.responses import Json, Refused, integer, refusal
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


_LARGEST_LIST = 1000


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
    """Make a NeMo that answers from `world`, read anew for every request."""
    service = _Service(world)
    routes = [
        Route(PREFIX, service.list_experiments),
        Route(PREFIX + "/{name}", service.get_experiment),
        Route(PREFIX + "/{name}/sessions", service.list_sessions),
    ]
    handlers = {Refused: refusal, HTTPException: _no_route}
    return Simulator(Starlette(routes=routes, exception_handlers=handlers), error_body)


def error_body(status: int) -> Row:
    """Word an error as NeMo does (docs/vendors/nemo.md#errors)."""
    known = {500: "An unexpected error occurred.", 503: "Telemetry store unavailable."}
    return {"detail": known.get(status) or HTTPStatus(status).phrase}


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Json(error_body(status), status)


class _Service:
    def __init__(self, world: NemoWorld) -> None:
        self._world = world

    async def list_experiments(self, request: Request) -> Response:
        """List experiments: filtered, sorted and cut in memory, 413 beyond 1000 (docs/vendors/nemo.md#paging)."""
        self._enter(request)
        page = _Page(request.query_params)
        _refuse_unknown(request.query_params)
        sort = request.query_params.get("sort", "-created_at")
        if sort.removeprefix("-") not in _SORTS:
            raise Refused(400, {"detail": f"Unsupported sort field: {sort.removeprefix('-')}"})
        tree = nemo_filter.parse_filter(request.query_params)
        nemo_filter.check(tree or {}, self._filter_fields(), Refused(500, error_body(500)))
        rows = [row for row in self._world.experiments if nemo_filter.matches(tree or {}, self._entity(row))]
        if len(rows) > _LARGEST_LIST:
            raise Refused(413, {"detail": _too_many(len(rows))})
        data = [self._experiment(row) for row in page.of(_sorted(rows, sort))]
        not_deleted: Tree = {"is_deleted": {"$eq": False}}
        echo = {"$and": [tree, not_deleted]} if tree else not_deleted
        return Json({"data": data, "pagination": page.told(len(data), len(rows)), "sort": sort, "filter": echo})

    async def get_experiment(self, request: Request) -> Response:
        """Give one experiment by its name."""
        self._enter(request)
        return Json(self._experiment(self._find(request)))

    async def list_sessions(self, request: Request) -> Response:
        """List an experiment's sessions, oldest first; `sort` is accepted and not heeded.

        See docs/vendors/nemo.md#filters.
        """
        self._enter(request)
        if self._world.shape == "groups":
            raise Refused(404, error_body(404))
        page = _Page(request.query_params)
        _refuse_unknown(request.query_params)
        experiment = self._find(request)
        tree = nemo_filter.parse_filter(request.query_params)
        nemo_filter.check(tree or {}, _SESSION_FIELDS, Refused(503, error_body(503)))
        wanted = nemo_filter.equalities(tree or {}, ("status", "test_case_id"))
        if wanted.get("status", "success") not in _STATUSES:
            detail = f"Invalid status '{wanted['status']}'. Valid values: {', '.join(_STATUSES)}"
            raise Refused(400, {"detail": detail})
        if self._world.telemetry_down:
            raise Refused(503, error_body(503))
        rows = [row for row in self._sessions(experiment) if wanted.items() <= _comparable(row).items()]
        rows.sort(key=lambda row: (parse(row["started_at"]), row["root_span_id"]))
        data = [self._session(row, experiment) for row in page.of(rows)]
        body = {"data": data, "pagination": page.told(len(data), len(rows)), "sort": None, "filter": tree}
        return Json(self._without_absent(body))

    def _enter(self, request: Request) -> None:
        """Check who asks, which workspace is meant, and that this release has the path."""
        token = self._world.token
        if token is not None and request.headers.get("authorization") != f"Bearer {token}":
            raise Refused(401, {"detail": "Not authenticated"})
        workspace = request.path_params["workspace"]
        if workspace != self._world.workspace:
            raise Refused(404, {"detail": f"Workspace '{workspace}' not found"})
        if self._world.shape == "evaluations":
            raise Refused(404, error_body(404))

    def _find(self, request: Request) -> Row:
        name = request.path_params["name"]
        for row in self._world.experiments:
            if row["name"] == name:
                return row
        raise Refused(404, {"detail": f"Experiment '{self._world.workspace}/{name}' not found."})

    def _sessions(self, experiment: Row) -> list[Row]:
        return self._world.sessions.get(experiment["name"], [])

    def _filter_fields(self) -> frozenset[str]:
        """Tell what can be filtered by; agents cannot where they come as lists (docs/vendors/nemo.md#filters)."""
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
        """Show a row as the group that newer releases list under this path (docs/vendors/nemo.md#releases)."""
        kept = {key: row.get(key) for key in ("name", "description", "created_at", "updated_at")}
        group = {"id": f"experiment-group-{row['name']}", "workspace": self._world.workspace, **kept}
        return self._without_absent({**group, "default_sort": "-created_at", "insight_id": None, "pareto": None})

    def _session(self, row: Row, experiment: Row) -> Row:
        owner = {"workspace": self._world.workspace, "experiment_name": experiment["name"]}
        return self._without_absent({**owner, **{key: row.get(key) for key in _SESSION_KEYS}})

    def _without_absent(self, row: Row) -> Row:
        """Leave absent values out, as the contract's types demand, or in, as the real service does."""
        return row if self._world.send_nulls else {key: value for key, value in row.items() if value is not None}


class _Page:
    """The page that a query asks for: `page` from 1, `page_size` 1..1000 (docs/vendors/nemo.md#paging)."""

    def __init__(self, query: QueryParams) -> None:
        self._number = integer(query, "page", 1, 1)
        self._size = integer(query, "page_size", 100, 1, 1000)

    def of(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Cut the page out of all rows; empty past the end."""
        return rows[(self._number - 1) * self._size : self._number * self._size]

    def told(self, given: int, total: int) -> Row:
        """Describe the page in the answer."""
        return {
            "page": self._number,
            "page_size": self._size,
            "current_page_size": given,
            "total_pages": math.ceil(total / self._size),
            "total_results": total,
        }


def rollup(sessions: Sequence[Row]) -> Row:
    """Compute an experiment's figures over its sessions; the unscored stay out (0.2.0).

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
        "cost_usd": aggregate(_known(sessions, "cost_total_usd")),
        "latency_ms": aggregate(_known(sessions, "latency_ms")),
    }


def _no_telemetry() -> Row:
    return {**rollup([]), "model_names": []}


def _known(sessions: Sequence[Row], key: str) -> list[float]:
    return [session[key] for session in sessions if session.get(key) is not None]


def _sorted(rows: Sequence[Row], sort: str) -> list[Row]:
    field = sort.removeprefix("-")

    def value(row: Row) -> Any:
        stated = row.get(field)
        return stated if stated is None or field == "name" else parse(stated)

    return ordered(rows, value, lambda row: row["name"], descending=sort.startswith("-"))


def _comparable(row: Row) -> Row:
    """Give what sessions can be filtered by; one without a test case has an empty one there, as observed."""
    return {"status": row["status"], "test_case_id": row.get("test_case_id") or ""}


def _too_many(count: int) -> str:
    return (
        f"This query selects {count} experiments, exceeding the maximum of {_LARGEST_LIST} that can be sorted "
        "in one request. Narrow the result with a filter (e.g. experiment_group_id)."
    )


def _refuse_unknown(query: QueryParams) -> None:
    """Refuse parameters that the service does not know (docs/vendors/nemo.md#filters)."""
    known = {"page", "page_size", "sort"}
    unknown = sorted({name for name in query if name not in known and not nemo_filter.is_filter(name)})
    if unknown:
        raise Refused(400, {"detail": f"Unsupported query parameter(s): {', '.join(unknown)}"})
