"""Filters of the list of evaluations: stored columns, membership of lists, and figures (0.3.0 and later)."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tracegraph.simulators.core.responses import ApiError
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.nemo import filters as nemo_filter
from tracegraph.simulators.nemo.filters import LOGICAL, Tree
from tracegraph.simulators.nemo.requests import error_body, refusal

Condition: TypeAlias = tuple[str, str, float]
"""The path of a figure, an operator, and a limit."""

_BASE_FIELDS = frozenset({"id", "name", "workspace", "created_at", "updated_at", "entity_type", "project"})


_FIELDS = _BASE_FIELDS | {
    "cost_usd",
    "created_by",
    "dataset_name",
    "dataset_version",
    "evaluators",
    "experiment_group_id",
    "is_deleted",
    "is_pinned",
    "latency_ms",
    "metadata",
    "run_count",
    "tokens",
}


_CURRENT_FIELDS = _FIELDS | {"agent_name", "agent_version", "experiment_id", "model_name"}


_STATISTICS = frozenset({"sum", "mean", "median", "p90", "p95", "p99", "count"})


_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "$gte": operator.ge,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$lt": operator.lt,
    "$eq": operator.eq,
}


def checked(tree: Tree, *, is_current: bool) -> Tree:
    """Return the filter if its fields and values are valid, else raise the service's error."""
    nemo_filter.check(tree, _CURRENT_FIELDS if is_current else _FIELDS, ApiError(500, error_body(500)))
    return tree


def completed(tree: Tree) -> Tree:
    """Return the filter that the service applies and echoes: deleted rows are hidden by default."""
    stated = dict(tree)
    deleted, pinned = (_flag(stated.pop(name, None)) for name in ("is_deleted", "is_pinned"))
    is_deleted: Tree = {"is_deleted": {"$eq": True}}
    clauses: list[Tree] = [is_deleted if deleted else {"$not": is_deleted}]
    if pinned is not None:
        unpinned: Tree = {"pinned_at": {"$eq": None}}
        clauses.append({"$not": unpinned} if pinned else unpinned)
    parts = [stated, *clauses] if stated else clauses
    return parts[0] if len(parts) == 1 else {"$and": parts}


def split(tree: Tree) -> tuple[Tree, list[Condition]]:
    """Separate the conditions on figures, which are computed, from those on stored columns."""
    stored: Tree = {}
    figures: list[Condition] = []
    for name, condition in tree.items():
        if name == "$and":
            parts = [split(branch) for branch in condition]
            stored[name] = [part for part, _ in parts]
            figures += [found for _, part in parts for found in part]
        elif name in LOGICAL:
            if any(_is_figure(field) for field, _, _ in nemo_filter.conditions({name: condition})):
                raise refusal(400, "Metric filters can only be combined with AND, not OR/NOT.")
            stored[name] = condition
        elif _is_figure(name):
            figures += [_figure_condition(name, sign, value) for sign, value in condition.items()]
        else:
            stored[name] = condition
    return stored, figures


def entity(row: Row, experiment_ids: list[str], agents: Row) -> Row:
    """Return an experiment's filterable columns. `agents` has the lists of agents and models that filters find."""
    metadata = {f"metadata.{key}": str(value) for key, value in (row.get("metadata") or {}).items()}
    memberships = {"experiment_id": experiment_ids, "experiment_group_id": experiment_ids}
    stored = {"is_deleted": bool(row.get("is_deleted")), "pinned_at": row.get("pinned_at")}
    return {**row, **metadata, **memberships, **stored, **agents}


def figure(row: Row, path: str) -> float | None:
    """Return the figure of an evaluation at a path such as `cost_usd.mean`; None when it has none."""
    head, _, rest = path.partition(".")
    if not rest:
        value: float | None = row.get(head)
        return value
    name, _, statistic = rest.rpartition(".")
    found = (row.get("aggregate_scores") or {}).get(name) if head == "evaluators" else row.get(head)
    return (found or {}).get(statistic)


def is_figure_path(path: str) -> bool:
    """Return whether the path leads to a figure. The name of an evaluator may contain dots."""
    head, _, rest = path.partition(".")
    if head == "evaluators":
        name, _, statistic = rest.rpartition(".")
        return bool(name) and statistic in _STATISTICS
    return path in {"run_count", "test_case_count"} or (head in _FIGURES and rest in _STATISTICS)


def meets(row: Row, conditions: list[Condition]) -> bool:
    """Return whether an evaluation's figures meet all conditions. A missing figure meets none."""
    found = [(figure(row, path), sign, limit) for path, sign, limit in conditions]
    return all(value is not None and _COMPARE[sign](value, limit) for value, sign, limit in found)


_FIGURES = frozenset({"cost_usd", "latency_ms", "tokens"})


def _is_figure(name: str) -> bool:
    return name in {"run_count", "test_case_count"} or name.partition(".")[0] in _FIGURES | {"evaluators"}


def _figure_condition(name: str, sign: str, value: Any) -> Condition:
    if not is_figure_path(name):
        raise refusal(400, f"Unsupported metric filter field: {name}")
    if sign not in _COMPARE:
        raise refusal(400, f"Metric filter '{name}' supports only numeric operators ($gte/$lte/$gt/$lt/$eq).")
    try:
        return name, sign, float(value)
    except (TypeError, ValueError):
        raise refusal(400, f"Metric filter '{name}' requires a numeric value, got {value!r}.") from None


def _flag(condition: Any) -> bool | None:
    value = None if condition is None else condition.get("$eq")
    return value.strip().lower() in {"true", "1", "yes"} if isinstance(value, str) else value
