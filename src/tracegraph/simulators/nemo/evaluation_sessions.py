"""The sessions of an evaluation, as 0.3.0 and later serve them (docs/vendors/nemo.md#sessions)."""

from collections.abc import Sequence
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.responses import ApiError, Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo import filters
from tracegraph.simulators.nemo.evaluations import find_evaluation
from tracegraph.simulators.nemo.filters import Tree
from tracegraph.simulators.nemo.releases import Release
from tracegraph.simulators.nemo.requests import (
    STATUSES,
    Page,
    authorize,
    error_body,
    one_of,
    refusal,
    reject_unknown_parameters,
    require_telemetry,
)
from tracegraph.simulators.nemo.rollup import total_tokens
from tracegraph.simulators.nemo.sorting import SortKey, parse_sort, sort_rows
from tracegraph.simulators.nemo.texts import MODES, text_in_mode
from tracegraph.simulators.nemo.world import NemoWorld

_BASE_FIELDS = frozenset({"id", "name", "workspace", "created_at", "updated_at", "entity_type", "project"})


_SORTS = frozenset({"test_case_id", "started_at", "ended_at", "latency_ms", "status", "cost_total_usd", "tokens"})


_METRIC_SORTS = frozenset({"cost_total_usd", "tokens"})


MAX_METRIC_SORT = 10_000


class EvaluationSessions:
    """The list of an evaluation's sessions."""

    def __init__(self, world: NemoWorld, release: Release) -> None:
        self._world = world
        self._release = release
        self._case_fields = ("test_case_name", "test_case_id") if release.is_current else ("test_case_id",)

    async def list_sessions(self, request: Request) -> Response:
        """List sessions, oldest first by default. Filters other than equality are echoed and not applied."""
        authorize(self._world, request)
        query = request.query_params
        page, mode = Page(query), one_of(query, "mode", MODES, "detailed", "literal_error")
        reject_unknown_parameters(query, ("page", "page_size", "sort", "mode"))
        keys = self._sort_keys(query)
        tree = filters.parse_filter(query)
        wanted = self._wanted(tree or {})
        evaluation = find_evaluation(self._world, request)
        _check_status(wanted)
        require_telemetry(self._world, 503)
        sessions = self._world.sessions.get(evaluation["name"], [])
        rows = [row for row in sessions if wanted.items() <= _comparable(row).items()]
        _check_metric_sort(keys, len(rows))
        found = sort_rows(rows, keys, _sort_value, lambda row: row["root_span_id"])
        data = [self._session(row, evaluation, mode) for row in page.cut(found)]
        return Json(
            {"data": data, "pagination": page.metadata(len(data), len(rows)), "sort": None, "filter": tree}
        )

    def _sort_keys(self, query: QueryParams) -> list[SortKey]:
        known = {*_SORTS, *self._case_fields}
        return parse_sort(query.get("sort", "started_at"), lambda name: name in known)

    def _wanted(self, tree: Tree) -> Row:
        """Return the values that a session must have, by field."""
        filters.check(tree, _BASE_FIELDS | {"status", *self._case_fields}, ApiError(503, error_body(503)))
        wanted = filters.equalities(tree, ("status", *self._case_fields))
        cases = [wanted.pop(name) for name in self._case_fields if name in wanted]
        if len(set(cases)) > 1:
            raise refusal(400, "Conflicting session filters for test_case_name")
        return wanted | ({"test_case_id": cases[0]} if cases else {})

    def _session(self, row: Row, evaluation: Row, mode: str) -> Row:
        is_current, case, latency = self._release.is_current, row.get("test_case_id"), row.get("latency_ms")
        served = {"workspace": self._world.workspace, "evaluation_name": evaluation["name"]}
        served |= {} if is_current else {"experiment_name": evaluation["name"]}
        served |= {"session_id": row["session_id"]}
        served |= dict.fromkeys(self._case_fields, case)
        served |= {key: row.get(key) for key in ("trace_id", "root_span_id", "started_at", "ended_at")}
        served |= {"latency_ms": float(latency) if isinstance(latency, int) else latency, "status": row["status"]}
        served |= {key: text_in_mode(row.get(key), mode) for key in ("input", "output")}
        served |= {
            key: row.get(key) for key in ("input_tokens", "output_tokens", "cached_tokens", "cost_total_usd")
        }
        served |= {"evaluator_scores": row.get("evaluator_scores") or {}}
        return served | ({"failed_evaluators": row.get("failed_evaluators") or []} if is_current else {})


def _check_status(wanted: Row) -> None:
    if wanted.get("status", "success") not in STATUSES:
        raise refusal(400, f"Invalid status '{wanted['status']}'. Valid values: {list(STATUSES)}")


def _check_metric_sort(keys: Sequence[SortKey], count: int) -> None:
    if count > MAX_METRIC_SORT and any(name in _METRIC_SORTS for name, _ in keys):
        detail = (
            f"This query selects {count} sessions, exceeding the maximum of {MAX_METRIC_SORT} that can be sorted "
            "by cost or tokens in one request. Narrow the result with a filter or sort by a different field."
        )
        raise refusal(413, detail)


def _comparable(row: Row) -> Row:
    """Return the filterable fields of a session. A missing test case is an empty one, as observed."""
    return {"status": row["status"], "test_case_id": row.get("test_case_id") or ""}


def _sort_value(row: Row, name: str) -> Any:
    if name == "tokens":
        return total_tokens(row)
    value = row.get("test_case_id" if name == "test_case_name" else name)
    return parse(value) if value is not None and name in {"started_at", "ended_at"} else value
