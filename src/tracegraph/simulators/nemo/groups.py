"""Groups of evaluations: `experiment-groups` in 0.3.0, `experiments` from 0.4.0 on."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.responses import ApiError, Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo import filters
from tracegraph.simulators.nemo.evaluation_filters import completed
from tracegraph.simulators.nemo.releases import Release
from tracegraph.simulators.nemo.requests import (
    Page,
    authorize,
    error_body,
    one_of,
    refusal,
    reject_unknown_parameters,
)
from tracegraph.simulators.nemo.sorting import sort_rows
from tracegraph.simulators.nemo.world import NemoWorld, group_ids

_FIELDS = frozenset({"id", "name", "workspace", "created_at", "updated_at", "entity_type", "project"}) | {
    "insight_id",
    "is_deleted",
    "metadata",
}


_CURRENT_FIELDS = _FIELDS | {"is_favorite", "show_evaluations_over_time", "baseline_evaluation_name"}


_SORTS = ("-created_at", "created_at", "-updated_at", "updated_at", "-name", "name")


class Groups:
    """The list of groups, and one by its name."""

    def __init__(self, world: NemoWorld, release: Release) -> None:
        self._world = world
        self._release = release

    async def list_groups(self, request: Request) -> Response:
        """List groups, newest first by default."""
        authorize(self._world, request)
        query = request.query_params
        page, sort = Page(query), one_of(query, "sort", _SORTS, "-created_at", "literal_error")
        reject_unknown_parameters(query)
        tree = filters.parse_filter(query) or {}
        fields = _CURRENT_FIELDS if self._release.is_current else _FIELDS
        filters.check(tree, fields, ApiError(500, error_body(500)))
        applied = completed(tree)
        rows = [row for row in self._groups() if filters.matches(applied, _entity(row))]
        found = sort_rows(
            rows, [(sort.removeprefix("-"), sort.startswith("-"))], _sort_value, lambda row: row["name"]
        )
        data = list(page.cut(found))
        body = {"data": data, "pagination": page.metadata(len(data), len(rows)), "sort": sort, "filter": applied}
        return Json(body)

    async def get_group(self, request: Request) -> Response:
        """Return one group by its name."""
        authorize(self._world, request)
        name = request.path_params["name"]
        for row in self._groups():
            if row["name"] == name:
                return Json(row)
        label = "Experiment" if self._release.is_current else "Experiment group"
        raise refusal(404, f"{label} '{self._world.workspace}/{name}' not found.")

    def _groups(self) -> list[Row]:
        stated = {row["id"]: row for row in self._world.groups}
        members: dict[str, list[Row]] = {group_id: [] for group_id in stated}
        for experiment in self._world.live():
            for group_id in group_ids(experiment):
                members.setdefault(group_id, []).append(experiment)
        return [self._group(group_id, stated.get(group_id, {}), members[group_id]) for group_id in members]

    def _group(self, group_id: str, stated: Row, members: list[Row]) -> Row:
        created = min((row["created_at"] for row in members if row.get("created_at")), default=None)
        defaults: Row = {
            "id": group_id,
            "name": group_id.removeprefix("experiment-group-"),
            "workspace": self._world.workspace,
            "description": None,
            "insight_id": None,
            "summary": None,
            "metadata": {},
            "default_sort": "-created_at",
            "pareto": {"x_metric": "cost_usd", "y_metric": "latency_ms"},
        }
        if self._release.is_current:
            defaults |= {"column_layout": None, "is_favorite": False, "show_evaluations_over_time": False}
            defaults |= {"baseline_evaluation_name": None}
        defaults |= {"created_at": created, "updated_at": created, "evaluation_count": len(members)}
        group = {key: stated.get(key, value) for key, value in defaults.items()}
        return group if self._release.is_current else {**group, "experiment_count": group["evaluation_count"]}


def _entity(row: Row) -> Row:
    metadata = {f"metadata.{key}": value for key, value in row["metadata"].items()}
    flags = {key: [value, str(value).lower()] for key, value in row.items() if isinstance(value, bool)}
    return {**row, **metadata, **flags}


def _sort_value(row: Row, name: str) -> Any:
    value = row[name]
    return value if value is None or name == "name" else parse(value)
