"""Statistics that MLflow computes over the traces of an experiment (docs/vendors/mlflow.md#figures)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tracegraph.domain.models import (
    CACHED_TOKENS,
    ERROR_RATE,
    INPUT_TOKENS,
    LATENCY,
    OUTPUT_TOKENS,
    TOTAL_TOKENS,
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Metric,
    MetricKind,
)
from tracegraph_mlflow.mapping import Ref
from tracegraph_mlflow.wire import DataPoint, DataPoints

_PERCENTILES = {25: "p25", 50: "median", 75: "p75", 90: "p90", 95: "p95", 99: "p99"}
_STATISTICS = {"SUM": "sum", "AVG": "mean", "MIN": "min", "MAX": "max"} | {
    f"P{float(percent)}": name for percent, name in _PERCENTILES.items()
}

_TRACE_METRICS = {
    LATENCY: "latency",
    INPUT_TOKENS: "input_tokens",
    OUTPUT_TOKENS: "output_tokens",
    CACHED_TOKENS: "cache_read_input_tokens",
    TOTAL_TOKENS: "total_tokens",
}

METRICS = frozenset(
    {*(one.kind for one in _TRACE_METRICS), MetricKind.COST, MetricKind.ERROR_RATE, MetricKind.SCORE}
)
"""The metrics that MLflow reports, each in a call of its own."""


def request_of(ref: Ref, kind: MetricKind) -> Mapping[str, Any]:
    """Return the body of the call for a metric of an experiment."""
    body: dict[str, Any] = {"experiment_ids": [ref.experiment_id], **_measured(kind)}
    if ref.run_id is not None:
        body["filters"] = [f"trace.metadata.`mlflow.sourceRun` = '{ref.run_id}'"]
    return body


def _measured(kind: MetricKind) -> Mapping[str, Any]:
    """Return what the call measures. COST is summed over spans: their other statistics are not those of traces."""
    if kind is MetricKind.ERROR_RATE:
        return _body("TRACES", "trace_count", ["COUNT"], "trace_status")
    if kind is MetricKind.COST:
        return _body("SPANS", "total_cost", ["SUM"])
    if kind is MetricKind.SCORE:
        return _body("ASSESSMENTS", "assessment_value", ["AVG", "MIN", "MAX"], "assessment_name", percentiles=True)
    sums = [] if kind is MetricKind.LATENCY else ["SUM"]
    return _body("TRACES", _TRACE_METRICS[Metric(kind)], [*sums, "AVG", "MIN", "MAX"], percentiles=True)


def _body(
    view: str, name: str, types: Sequence[str], dimension: str | None = None, *, percentiles: bool = False
) -> Mapping[str, Any]:
    aggregations: list[dict[str, Any]] = [{"aggregation_type": one} for one in types]
    if percentiles:
        aggregations += [{"aggregation_type": "PERCENTILE", "percentile_value": one} for one in _PERCENTILES]
    body = {"view_type": view, "metric_name": name, "aggregations": aggregations}
    return body if dimension is None else {**body, "dimensions": [dimension]}


def aggregates(kind: MetricKind, found: DataPoints) -> Iterator[Aggregate]:
    """Yield the aggregates of a reply: one for each evaluator, else one. A negative figure is left out."""
    points = [point for point in found.data_points if point is not None]
    if kind is MetricKind.ERROR_RATE:
        yield from _error_rate(points)
        return
    for point in points:
        evaluator = (point.dimensions or {}).get("assessment_name") if kind is MetricKind.SCORE else None
        statistics = {
            _STATISTICS[name]: value
            for name, value in (point.values or {}).items()
            if name in _STATISTICS and value is not None and (kind is MetricKind.SCORE or value >= 0)
        }
        if statistics and (evaluator or kind is not MetricKind.SCORE):
            yield _aggregate(Metric(kind, evaluator), **statistics)


def trace_counts(points: Sequence[DataPoint | None]) -> Mapping[str, int]:
    """Return the number of traces by state."""
    return {
        (point.dimensions or {}).get("trace_status") or "": int(count)
        for point in points
        if point is not None and (count := (point.values or {}).get("COUNT")) is not None and count >= 0
    }


def _error_rate(points: Sequence[DataPoint]) -> Iterator[Aggregate]:
    """Yield the share of failed traces among those that ended, as the gateway computes it."""
    counts = trace_counts(points)
    failed, succeeded = counts.get("ERROR", 0), counts.get("OK", 0)
    if failed + succeeded:
        ended = failed + succeeded
        yield _aggregate(ERROR_RATE, count=ended, sum=float(failed), mean=failed / ended)


def _aggregate(metric: Metric, **statistics: Any) -> Aggregate:
    return Aggregate(metric, AggregateBasis.REPORTED, AggregatePopulation.SESSIONS, **statistics)
