"""The calls and rows of computed figures, from the arguments of their fields.

Figures of one experiment share the lists of its sessions: one list without a filter serves all of them, else each
filter may take a list of its own. A filter by text, score or model may also look sessions up, and so may groups by
model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from graphql import FieldNode, GraphQLField, Undefined, value_from_ast

from tracegraph.domain.models import AggregateBasis, MetricKind
from tracegraph.federation.analytics.dimensions import SessionDimension
from tracegraph.federation.analytics.histogram import MAX_BINS
from tracegraph.federation.analytics.intervals import MAX_INTERVALS, TimeInterval
from tracegraph.graphql.literals import has_variable

Variables = Mapping[str, Any]
Arguments = Callable[[Variables], Mapping[str, Any]]

_SECONDS: Mapping[TimeInterval | None, int] = {
    TimeInterval.MINUTE: 60,
    TimeInterval.HOUR: 3600,
    TimeInterval.DAY: 86_400,
    TimeInterval.WEEK: 7 * 86_400,
    TimeInterval.MONTH: 28 * 86_400,
}
"""The shortest interval of each kind, but for changes of the clock."""

_ALL_METRICS = len(MetricKind)

_LOOKED_UP = ("text", "score", "model")
"""The conditions that read what a list may leave out."""


def arguments_of(field: FieldNode, definition: GraphQLField) -> Arguments:
    """Return a function from variables to the coerced arguments of a field, without those that are absent."""
    nodes = {node.name.value: node.value for node in field.arguments or ()}
    types = {name: argument.type for name, argument in definition.args.items()}

    @cache
    def constant() -> Mapping[str, Any]:
        return coerced({})

    def coerced(variables: Variables) -> Mapping[str, Any]:
        values = {name: value_from_ast(node, types[name], dict(variables)) for name, node in nodes.items()}
        return {name: value for name, value in values.items() if value is not None and value is not Undefined}

    return coerced if any(map(has_variable, nodes.values())) else lambda _: constant()


@dataclass(frozen=True, slots=True)
class FigureRead:
    """What one figure reads: calls for reported figures, or the sessions that match a filter.

    `filter` is None where no session is read. An empty filter selects all sessions. `looks_up`: whether the filter
    or the groups may read what a list leaves out.
    """

    reported_calls: int = 0
    filter: Mapping[str, Any] | None = None
    looks_up: bool = False


def figure_read(arguments: Mapping[str, Any], deferred_metrics: frozenset[str]) -> FigureRead:
    """Return what an aggregate, a time series or a group reads.

    Args:
        arguments: The coerced arguments of the field.
        deferred_metrics: The kinds of metrics whose reported figures take a call.
    """
    conditions = {name: value for name, value in _object(arguments.get("filter")).items() if value is not None}
    if "range" in arguments:
        conditions.setdefault("startedAt", arguments["range"])
    is_part = "range" in arguments or "by" in arguments
    if is_part or arguments.get("basis", AggregateBasis.REPORTED) is not AggregateBasis.REPORTED:
        looks_up = arguments.get("by") is SessionDimension.MODEL or any(name in conditions for name in _LOOKED_UP)
        return FigureRead(filter=conditions, looks_up=looks_up)
    kinds = _kinds(arguments)
    takes_call = bool(deferred_metrics) and (not kinds or not kinds.isdisjoint(deferred_metrics))
    return FigureRead(int(takes_call and not conditions))


def figure_calls(reads: Sequence[FigureRead], list_calls: int) -> int:
    """Return the calls of all figures of one experiment.

    Args:
        reads: What each figure reads.
        list_calls: The calls of one list of the experiment's sessions.
    """
    filters = {repr(one.filter): one.filter for one in reads if one.filter is not None}
    lists = 1 if repr({}) in filters else len(filters)
    looked_up = len({repr(one.filter) for one in reads if one.looks_up})
    reported = max((one.reported_calls for one in reads), default=0)
    return max(reported, (lists + looked_up) * list_calls)


def metric_count(arguments: Mapping[str, Any]) -> int:
    """Return the number of metrics that a field has figures of, one for each kind where it names none."""
    metrics = arguments.get("metrics")
    return len(metrics) if isinstance(metrics, list) else _ALL_METRICS


def interval_rows(arguments: Mapping[str, Any]) -> int:
    """Return the intervals of a time series, times the metrics of each."""
    span, seconds = _object(arguments.get("range")), _SECONDS.get(arguments.get("interval"))
    first, last = span.get("gte"), span.get("lt")
    if seconds is None or not isinstance(first, datetime) or not isinstance(last, datetime) or first >= last:
        return 0  # the field itself rejects such arguments
    count = (last - first) // timedelta(seconds=seconds) + 2
    return min(count, MAX_INTERVALS) * max(1, metric_count(arguments))


def group_rows(arguments: Mapping[str, Any]) -> int:
    """Return the groups of sessions, times the metrics of each."""
    first = arguments.get("first", 20)
    return max(0, first) * max(1, metric_count(arguments)) if isinstance(first, int) else 0


def bin_rows(arguments: Mapping[str, Any]) -> int:
    """Return the bins of a histogram."""
    bins = arguments.get("bins", 20)
    return bins if isinstance(bins, int) and 1 <= bins <= MAX_BINS else 0


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _kinds(arguments: Mapping[str, Any]) -> frozenset[str]:
    """Return the kinds of the requested metrics, none for all."""
    metric, metrics = arguments.get("metric"), arguments.get("metrics")
    named = [metric] if metric is not None else metrics if isinstance(metrics, list) else []
    return frozenset(one["kind"].name for one in named)
