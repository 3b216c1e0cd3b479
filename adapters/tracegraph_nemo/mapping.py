"""Mapping of NeMo's rows to the domain model (docs/vendors/nemo.md#mapping); pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET

from tracegraph.adapter import distinct, latency_ms, text_of
from tracegraph.domain.models import (
    COST,
    LATENCY,
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Experiment,
    ExperimentKind,
    Metric,
    MetricKind,
    RawObject,
    Session,
    SessionStatus,
    TokenUsage,
)
from tracegraph.domain.urls import http_url
from tracegraph_nemo.releases import NEWEST, Release
from tracegraph_nemo.studio import Studio
from tracegraph_nemo.wire import ExperimentRow, Figures, SessionRow

STATUSES: Mapping[str, SessionStatus] = {
    "success": SessionStatus.SUCCESS,
    "error": SessionStatus.ERROR,
    "cancelled": SessionStatus.CANCELLED,
    "unknown": SessionStatus.UNKNOWN,
}
"""All words of the contract's SpanStatus."""


# Python 3.11 takes 0.2 us to look up a member of an Enum.
_UNKNOWN = SessionStatus.UNKNOWN


_REPORTED = AggregateBasis.REPORTED


_SCORE = MetricKind.SCORE


_TEST_CASES = AggregatePopulation.TEST_CASES


_SESSIONS = AggregatePopulation.SESSIONS


_NO_STATISTICS = (None,) * 8


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from: the source, and what their meaning depends on.

    Attributes:
        source: The name of the source.
        release: The release of the service.
        studio: The links to the vendor's user interface, None without.
    """

    source: str
    release: Release = NEWEST
    studio: Studio | None = None


def to_experiment(row: ExperimentRow, origin: Origin, raw: RawObject | None = None) -> Experiment:
    """Return the experiment of a row. Its `ref` is the name, because the vendor looks experiments up by name.

    Args:
        row: The decoded row.
        origin: Where the row comes from.
        raw: The undecoded row.
    """
    group_ids = distinct([row.experiment_group_id, *(row.experiment_ids or ())])
    agent_names = distinct([row.agent_name, *(row.agent_names or ())])
    agent_versions = distinct([row.agent_version, *(row.agent_versions or ())])
    studio = origin.studio
    return Experiment(
        source=origin.source,
        ref=row.name,
        vendor_id=row.id,
        kind=ExperimentKind.EVALUATION,
        name=row.name,
        description=row.description,
        group_id=group_ids[0] if group_ids else None,
        agent_name=agent_names[0] if agent_names else None,
        agent_version=agent_versions[0] if agent_versions else None,
        dataset_name=None if row.dataset_name is UNSET else row.dataset_name,
        dataset_version=row.dataset_version,
        models=tuple(row.model_names or ()),
        evaluators=tuple(row.evaluator_names or ()),
        created_at=row.created_at,
        updated_at=row.updated_at,
        session_count=row.run_count,
        url=None if studio is None or not group_ids else studio.experiment(group_ids[0], row.name),
        metadata=row.metadata,
        aggregates=aggregates(row, origin.release),
        raw=raw,
        group_ids=group_ids,
        agent_names=agent_names,
        agent_versions=agent_versions,
        vendor_status=row.status,
        source_url=http_url(row.source_link),
    )


def aggregates(row: ExperimentRow, release: Release) -> tuple[Aggregate, ...]:
    """Return the reported aggregates: latency, cost, then scores by evaluator. Empty aggregates are omitted.

    Where the service has the totals of traces, these report the cost: a sum over test cases is not what was spent.
    """
    population = _TEST_CASES if row.averages_test_cases else _SESSIONS
    reported = [_aggregate(LATENCY, row.latency_ms, population)]
    if not release.has_trace_metrics:
        reported.append(_aggregate(COST, row.cost_usd, population))
    for name, figures in sorted((row.aggregate_scores or {}).items()):
        reported.append(_aggregate(Metric(_SCORE, name), figures, population))
    return tuple([aggregate for aggregate in reported if aggregate is not None])


def _aggregate(metric: Metric, figures: Figures | None, population: AggregatePopulation) -> Aggregate | None:
    if figures is None or figures.count == 0:
        return None
    statistics = figures.sum, figures.mean, None, None, figures.median, figures.p90, figures.p95, figures.p99
    if statistics == _NO_STATISTICS:
        return None
    return Aggregate(metric, _REPORTED, population, figures.count, *statistics)


def to_session(
    row: SessionRow,
    origin: Origin,
    experiment_ref: str,
    raw: RawObject | None = None,
    deferred: frozenset[str] = frozenset(),
) -> Session:
    """Return the session of a row.

    A response has hundreds of rows. Positional construction takes 0.2 us a session; keyword arguments take 1.4 us.

    Args:
        row: The decoded row.
        origin: Where the row comes from.
        experiment_ref: The name of the requested experiment.
        raw: The undecoded row.
        deferred: The details that the caller may ask for.
    """
    status, input_value, output_value = row.status, row.input, row.output
    session_id, studio = row.session_id, origin.studio
    return Session(
        origin.source,
        experiment_ref,
        session_id,
        _UNKNOWN if status is None else STATUSES.get(status, _UNKNOWN),
        row.started_at,
        status,
        None,  # name
        row.ended_at,
        _latency_ms(row),
        None,  # first_token_ms
        row.trace_id,
        row.root_span_id,
        row.test_case_name or row.test_case_id,
        None,  # agent_name
        None,  # agent_version
        input_value if input_value is None or input_value.__class__ is str else text_of(input_value),
        output_value if output_value is None or output_value.__class__ is str else text_of(output_value),
        None,  # error
        _tokens(row),
        row.cost_total_usd,
        None,  # message_count
        row.evaluator_scores,
        None if studio is None else studio.session(session_id, row.trace_id, row.root_span_id),
        raw=raw,
        deferred=deferred,
        conversation_id=session_id,
        failed_evaluators=tuple(row.failed_evaluators) if row.failed_evaluators else (),
    )


def _latency_ms(row: SessionRow) -> float | None:
    return latency_ms(row.started_at, row.ended_at) if row.latency_ms is None else row.latency_ms


def _tokens(row: SessionRow) -> TokenUsage | None:
    """Return token counts. The total adds the known input and output counts; cached tokens are a part of input.

    See docs/vendors/nemo.md#numbers.
    """
    input_tokens, output_tokens, cached_tokens = row.input_tokens, row.output_tokens, row.cached_tokens
    if input_tokens is None and output_tokens is None:
        return None if cached_tokens is None else TokenUsage(None, None, cached_tokens)
    return TokenUsage(input_tokens, output_tokens, cached_tokens, (input_tokens or 0) + (output_tokens or 0))
