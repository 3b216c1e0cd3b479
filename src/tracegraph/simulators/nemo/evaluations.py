"""Evaluations: runs over a dataset, as 0.3.0 and later serve them (docs/vendors/nemo.md#releases)."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.responses import Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo import evaluation_filters, filters
from tracegraph.simulators.nemo.releases import Release
from tracegraph.simulators.nemo.requests import (
    MAX_LIST_LENGTH,
    Page,
    authorize,
    refusal,
    reject_unknown_parameters,
)
from tracegraph.simulators.nemo.rollup import case_rollup
from tracegraph.simulators.nemo.sorting import SortKey, parse_sort, sort_rows
from tracegraph.simulators.nemo.world import NemoWorld, group_ids

_COLUMNS = frozenset({"name", "created_at", "updated_at", "pinned_at"})


_NEWEST_FIRST: Sequence[SortKey] = (("created_at", True),)


_FIGURES = (
    "evaluator_names",
    "model_names",
    "agent_names",
    "agent_versions",
    "aggregate_scores",
    "run_count",
    "test_case_count",
    "cost_usd",
    "latency_ms",
    "tokens",
)


class Evaluations:
    """The list of evaluations, and one by its name."""

    def __init__(self, world: NemoWorld, release: Release) -> None:
        self._world = world
        self._release = release

    async def list_evaluations(self, request: Request) -> Response:
        """List evaluations, filtered and sorted in memory: 413 beyond 1000. Pinned ones come first by default."""
        authorize(self._world, request)
        query = request.query_params
        page, sort = Page(query), query.get("sort")
        reject_unknown_parameters(query)
        keys = _NEWEST_FIRST if sort is None else parse_sort(sort, _is_sortable)
        tree = evaluation_filters.checked(filters.parse_filter(query) or {}, is_current=self._release.is_current)
        applied = evaluation_filters.completed(tree)
        stored, conditions = evaluation_filters.split(applied)
        rows = [row for row in self._world.experiments if filters.matches(stored, self._entity(row))]
        if len(rows) > MAX_LIST_LENGTH:
            raise refusal(413, _too_many(len(rows)))
        if conditions or any(name not in _COLUMNS for name, _ in keys):
            rows = self._with_figures(rows)
            rows = [row for row in rows if evaluation_filters.meets(row, conditions)]
        found = _sorted(rows, keys, pinned_first=sort is None)
        data = [self._evaluation(row) for row in page.cut(found)]
        body = {"data": data, "pagination": page.metadata(len(data), len(found)), "sort": sort, "filter": applied}
        return Json(body)

    async def get_evaluation(self, request: Request) -> Response:
        """Return one evaluation by its name."""
        authorize(self._world, request)
        return Json(self._evaluation(find_evaluation(self._world, request)))

    def _entity(self, row: Row) -> Row:
        is_late = row["name"] in self._world.undenormalized
        names, versions = _agents(row)
        lists = {"agent_name": names, "agent_version": versions, "model_name": row.get("model_names") or []}
        agents = {key: [] for key in lists} if is_late else lists
        return {"workspace": self._world.workspace, **evaluation_filters.entity(row, group_ids(row), agents)}

    def _with_figures(self, rows: Sequence[Row]) -> list[Row]:
        if self._world.telemetry_down:
            detail = "Cannot sort or filter evaluations by a rollup metric: the telemetry store is unavailable."
            raise refusal(503, detail)
        return [{**row, **self._figures(row)} for row in rows]

    def _evaluation(self, row: Row) -> Row:
        ids = group_ids(row)
        served = {
            "id": row["id"],
            "name": row["name"],
            "workspace": self._world.workspace,
            "experiment_ids": ids,
            "dataset_name": row.get("dataset_name"),
            "dataset_version": row.get("dataset_version"),
            "source_link": row.get("source_link"),
            "metadata": {key: str(value) for key, value in (row.get("metadata") or {}).items()},
            "description": row.get("description"),
            "parent_evaluation_id": row.get("parent_evaluation_id"),
            "status": row.get("status"),
            "root_cause": row.get("root_cause"),
            "created_at": row.get("created_at"),
            "updated_at": row.get("updated_at"),
            "pinned_at": row.get("pinned_at"),
            **self._figures(row),
            "experiment_group_id": ids[0] if ids else None,
        }
        return (
            served
            if self._release.is_current
            else {**served, "parent_experiment_id": row.get("parent_evaluation_id")}
        )

    def _figures(self, row: Row) -> Row:
        """Return the figures over the sessions, except for those that the row states."""
        is_down, with_failures = self._world.telemetry_down, self._release.is_current
        sessions = [] if is_down else self._world.sessions.get(row["name"], [])
        names, versions = ([], []) if is_down else _agents(row)
        computed = {"agent_names": names, "agent_versions": versions, "model_names": []}
        computed |= case_rollup(sessions, with_failures=with_failures)
        stated = {} if is_down else row
        return {key: stated.get(key, computed[key]) for key in _FIGURES}


def find_evaluation(world: NemoWorld, request: Request) -> Row:
    """Return the evaluation that the path names, else raise a 404."""
    name = request.path_params["name"]
    for row in world.live():
        if row["name"] == name:
            return row
    raise refusal(404, f"Evaluation '{world.workspace}/{name}' not found.")


def _agents(row: Row) -> tuple[list[str], list[str]]:
    """Return an experiment's agents and their versions, which 0.1.2 has as one of each."""
    lists = []
    for several, single in (("agent_names", "agent_name"), ("agent_versions", "agent_version")):
        value = row.get(single)
        lists.append(row.get(several) or ([] if value is None else [value]))
    return lists[0], lists[1]


def _is_sortable(name: str) -> bool:
    return name in _COLUMNS or evaluation_filters.is_figure_path(name)


def _sorted(rows: Sequence[Row], keys: Sequence[SortKey], *, pinned_first: bool) -> list[Row]:
    found = sort_rows(rows, keys, _sort_value, lambda row: row["name"])
    return sorted(found, key=lambda row: row.get("pinned_at") is None) if pinned_first else found


def _sort_value(row: Row, name: str) -> Any:
    if name not in _COLUMNS:
        return evaluation_filters.figure(row, name)
    value = row.get(name)
    return value if value is None or name == "name" else parse(value)


def _too_many(count: int) -> str:
    return (
        f"This query selects {count} evaluations, exceeding the maximum of {MAX_LIST_LENGTH} that can be sorted "
        "in one request. Narrow the result with a filter (e.g. experiment_group_id)."
    )
