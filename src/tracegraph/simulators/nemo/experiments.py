"""Experiments and sessions as release 0.2.0 serves them."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.responses import ApiError, Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.sorting import ordered
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo import filters as nemo_filter
from tracegraph.simulators.nemo.filters import Tree
from tracegraph.simulators.nemo.requests import (
    MAX_LIST_LENGTH,
    STATUSES,
    Page,
    authorize,
    error_body,
    reject_unknown_parameters,
)
from tracegraph.simulators.nemo.rollup import rollup
from tracegraph.simulators.nemo.world import NemoWorld

_SORTS = frozenset({"created_at", "updated_at", "name"})


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


class Experiments:
    """Runs over a dataset, and their sessions."""

    def __init__(self, world: NemoWorld) -> None:
        self._world = world

    async def list_experiments(self, request: Request) -> Response:
        """List experiments: filtered, sorted and cut in memory, 413 beyond 1000 (docs/vendors/nemo.md#paging)."""
        self._authorize(request)
        page = Page(request.query_params)
        reject_unknown_parameters(request.query_params)
        sort = request.query_params.get("sort", "-created_at")
        if sort.removeprefix("-") not in _SORTS:
            raise ApiError(400, {"detail": f"Unsupported sort field: {sort.removeprefix('-')}"})
        tree = nemo_filter.parse_filter(request.query_params)
        nemo_filter.check(tree or {}, self._filter_fields(), ApiError(500, error_body(500)))
        rows = [row for row in self._world.live() if nemo_filter.matches(tree or {}, self._entity(row))]
        if len(rows) > MAX_LIST_LENGTH:
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
        page = Page(request.query_params)
        reject_unknown_parameters(request.query_params)
        experiment = self._find(request)
        tree = nemo_filter.parse_filter(request.query_params)
        nemo_filter.check(tree or {}, _SESSION_FIELDS, ApiError(503, error_body(503)))
        equalities = nemo_filter.equalities(tree or {}, ("status", "test_case_id"))
        if equalities.get("status", "success") not in STATUSES:
            detail = f"Invalid status '{equalities['status']}'. Valid values: {', '.join(STATUSES)}"
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
        authorize(self._world, request)
        if self._world.shape == "evaluations":
            raise ApiError(404, error_body(404))

    def _find(self, request: Request) -> Row:
        name = request.path_params["name"]
        for row in self._world.live():
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


def _no_telemetry() -> Row:
    return {**rollup([]), "model_names": []}


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
        f"This query selects {count} experiments, exceeding the maximum of {MAX_LIST_LENGTH} that can be sorted "
        "in one request. Narrow the result with a filter (e.g. experiment_group_id)."
    )
