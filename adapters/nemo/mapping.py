"""From NeMo's rows to the unified vocabulary (VENDORS.md D1 to D3); pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import UNSET

from adapters.nemo.wire import ExperimentRow, Figures, SessionRow
from tracegraph.model import (
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Experiment,
    ExperimentKind,
    Metric,
    MetricKind,
    RawObject,
    Score,
    Session,
    SessionStatus,
    TokenUsage,
)

STATUSES: Mapping[str, SessionStatus] = {
    "success": SessionStatus.SUCCESS,
    "error": SessionStatus.ERROR,
    "cancelled": SessionStatus.CANCELLED,
    "unknown": SessionStatus.UNKNOWN,
}
"""The contract's SpanStatus: every word that is known."""

_STATISTICS = ("sum", "mean", "median", "p90", "p95", "p99")
_MILLISECOND = timedelta(milliseconds=1)


def to_experiment(row: ExperimentRow, source: str, raw: RawObject | None = None) -> Experiment:
    """An experiment; its `ref` is the name, since the vendor looks it up by that."""
    return Experiment(
        source=source,
        ref=row.name,
        vendor_id=row.id,
        kind=ExperimentKind.EVALUATION,
        name=row.name,
        description=row.description,
        group_id=row.experiment_group_id,
        agent_name=_one(row.agent_name, row.agent_names),
        agent_version=_one(row.agent_version, row.agent_versions),
        dataset_name=None if row.dataset_name is UNSET else row.dataset_name,
        dataset_version=row.dataset_version,
        models=tuple(row.model_names or ()),
        evaluators=tuple(row.evaluator_names or ()),
        created_at=row.created_at,
        updated_at=row.updated_at,
        session_count=row.run_count,
        url=row.source_link,
        metadata=row.metadata,
        aggregates=aggregates(row),
        raw=raw,
    )


def _one(stated: str | None, seen: Sequence[str] | None) -> str | None:
    """The contract states one agent; 0.2.0 lists those that it saw."""
    if stated is not None:
        return stated
    return seen[0] if seen else None


def aggregates(row: ExperimentRow) -> tuple[Aggregate, ...]:
    """What the vendor reports: latency, cost, then the scores by evaluator; without those that say nothing."""
    population = AggregatePopulation.TEST_CASES if row.averages_test_cases else AggregatePopulation.SESSIONS
    figures = [
        (Metric(MetricKind.LATENCY), row.latency_ms),
        (Metric(MetricKind.COST), row.cost_usd),
        *((Metric(MetricKind.SCORE, name), one) for name, one in sorted((row.aggregate_scores or {}).items())),
    ]
    found = (_aggregate(metric, one, population) for metric, one in figures)
    return tuple(one for one in found if one is not None)


def _aggregate(metric: Metric, figures: Figures | None, population: AggregatePopulation) -> Aggregate | None:
    if figures is None or figures.count == 0:
        return None
    statistics = {name: getattr(figures, name) for name in _STATISTICS}
    if all(value is None for value in statistics.values()):
        return None
    return Aggregate(metric, AggregateBasis.REPORTED, population, count=figures.count, **statistics)


def to_session(row: SessionRow, source: str, experiment_ref: str, raw: RawObject | None = None) -> Session:
    """A session of the experiment that was asked for."""
    return Session(
        source=source,
        experiment_ref=experiment_ref,
        vendor_id=row.session_id,
        status=STATUSES.get(row.status or "", SessionStatus.UNKNOWN),
        started_at=row.started_at,
        vendor_status=row.status,
        ended_at=row.ended_at,
        latency_ms=_latency_ms(row),
        trace_id=row.trace_id,
        root_span_id=row.root_span_id,
        test_case_id=row.test_case_id,
        input=as_text(row.input),
        output=as_text(row.output),
        tokens=_tokens(row),
        cost_usd=row.cost_total_usd,
        scores=_scores(row),
        raw=raw,
    )


def _latency_ms(row: SessionRow) -> float | None:
    if row.latency_ms is not None:
        return row.latency_ms
    if row.ended_at is None or row.ended_at < row.started_at:
        return None
    return (row.ended_at - row.started_at) / _MILLISECOND


def _tokens(row: SessionRow) -> TokenUsage | None:
    """The sum counts what is known of input and output; cached tokens are a part of input (VENDORS.md A6)."""
    known = [count for count in (row.input_tokens, row.output_tokens) if count is not None]
    if not known and row.cached_tokens is None:
        return None
    return TokenUsage(row.input_tokens, row.output_tokens, row.cached_tokens, sum(known) if known else None)


def _scores(row: SessionRow) -> tuple[Score, ...]:
    given = row.evaluator_scores or {}
    return tuple(Score(name, value) for name, value in sorted(given.items()) if value is not None)


def as_text(value: Any) -> str | None:
    """Text as it is, the one string of an object that holds nothing else, anything else as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        (only,) = value.values()
        if isinstance(only, str):
            return only
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
