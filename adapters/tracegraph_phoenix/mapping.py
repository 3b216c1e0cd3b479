"""Mapping of Phoenix's objects to the domain model (docs/vendors/phoenix.md#mapping): pure functions.

Phoenix has 0 for costs and tokens that it does not know: such a value is None here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tracegraph.adapter import json_object, latency_ms, span_kind, text_of, total_or_sum
from tracegraph.domain.models import (
    COST,
    ERROR_RATE,
    INPUT_TOKENS,
    LATENCY,
    OUTPUT_TOKENS,
    TOTAL_TOKENS,
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
    Span,
    SpanKind,
    TokenUsage,
    score_fields,
)
from tracegraph_phoenix import wire
from tracegraph_phoenix.address import Links

STATUSES: Mapping[str | None, SessionStatus] = {
    "OK": SessionStatus.SUCCESS,
    "UNSET": SessionStatus.SUCCESS,
    "ERROR": SessionStatus.ERROR,
}
"""Phoenix's words for the status of a span. It receives spans when they end, so none is running."""

_REPORTED = AggregateBasis.REPORTED
_RUNS, _TEST_CASES = AggregatePopulation.RUNS, AggregatePopulation.TEST_CASES


class Origin(NamedTuple):
    """The source of rows, and the addresses of their pages."""

    source: str
    links: Links


# -- experiments ----------------------------------------------------------------------------------------


def project(origin: Origin, row: wire.ProjectRow, raw: RawObject) -> Experiment:
    """Return the experiment of a project. It was last active when its newest trace started, to the minute."""
    count, errors = row.root_count, row.error_count
    rate = errors / count if count and errors is not None else None
    return Experiment(
        source=origin.source,
        ref=row.id,
        vendor_id=row.id,
        kind=ExperimentKind.PROJECT,
        name=row.name or row.id,
        description=row.description or None,
        created_at=row.created_at,
        updated_at=row.end_time or row.updated_at,
        session_count=count,
        error_rate=rate,
        url=origin.links.project(row.id),
        aggregates=_present([_mean(ERROR_RATE, rate, _RUNS, count)]),
        raw=raw,
    )


def figures(row: wire.FiguresRow) -> Sequence[Aggregate]:
    """Return the figures of a project: latencies over its root spans, sums over all spans."""
    latency = Aggregate(
        LATENCY,
        _REPORTED,
        _RUNS,
        count=row.root_count,
        min=row.min,
        median=row.median,
        p90=row.p90,
        p95=row.p95,
        p99=row.p99,
        max=row.max,
    )
    return _present(
        [
            None if row.median is None else latency,
            _sum(COST, _known(_total(row.cost_summary).cost)),
            _sum(INPUT_TOKENS, _known(row.token_count_prompt)),
            _sum(OUTPUT_TOKENS, _known(row.token_count_completion)),
            _sum(TOTAL_TOKENS, _known(row.token_count_total)),
        ]
    )


def experiment(origin: Origin, row: wire.ExperimentRow, raw: RawObject) -> Experiment:
    """Return the experiment of an experiment over a dataset."""
    dataset, version = row.dataset or wire.Identity(), row.dataset_version or wire.Identity()
    summaries = [summary for summary in row.annotation_summaries or [] if summary is not None]
    expected, count = row.expected_run_count, row.run_count
    return Experiment(
        source=origin.source,
        ref=row.id,
        vendor_id=row.id,
        kind=ExperimentKind.EVALUATION,
        name=row.name or row.id,
        description=row.description or None,
        dataset_id=dataset.id,
        dataset_name=dataset.name,
        dataset_version=version.id,
        evaluators=tuple(sorted(summary.annotation_name for summary in summaries)),
        created_at=row.created_at,
        updated_at=row.updated_at,
        session_count=count,
        error_rate=row.error_rate,
        url=origin.links.experiment(dataset.id, row.id),
        metadata=row.metadata,
        aggregates=_experiment_aggregates(row),
        raw=raw,
        progress=min(1.0, count / expected) if expected and count is not None else None,
    )


def _experiment_aggregates(row: wire.ExperimentRow) -> tuple[Aggregate, ...]:
    """Return the figures. Phoenix averages the repetitions of an example first, then the examples."""
    cost = row.cost_summary or wire.CostSummary()
    prompt, completion = cost.prompt or wire.Breakdown(), cost.completion or wire.Breakdown()
    return _present(
        [
            _mean(LATENCY, row.average_run_latency_ms, _TEST_CASES),
            _sum(COST, _known(_total(cost).cost)),
            _sum(INPUT_TOKENS, _known(prompt.tokens)),
            _sum(OUTPUT_TOKENS, _known(completion.tokens)),
            _sum(TOTAL_TOKENS, _known(_total(cost).tokens)),
            _mean(ERROR_RATE, row.error_rate, _TEST_CASES),
            *(
                Aggregate(
                    Metric(MetricKind.SCORE, summary.annotation_name),
                    _REPORTED,
                    _TEST_CASES,
                    count=summary.score_count,
                    mean=summary.mean_score,
                    min=summary.min_score,
                    max=summary.max_score,
                )
                for summary in row.annotation_summaries or []
                if summary is not None and summary.mean_score is not None
            ),
        ]
    )


def _present(aggregates: Iterable[Aggregate | None]) -> tuple[Aggregate, ...]:
    return tuple([aggregate for aggregate in aggregates if aggregate is not None])


def _mean(
    metric: Metric, mean: float | None, population: AggregatePopulation, count: int | None = None
) -> Aggregate | None:
    return None if mean is None else Aggregate(metric, _REPORTED, population, count=count, mean=mean)


def _sum(metric: Metric, total: float | None) -> Aggregate | None:
    return None if total is None else Aggregate(metric, _REPORTED, _RUNS, sum=total)


# -- sessions -------------------------------------------------------------------------------------------


def run(
    origin: Origin, experiment_ref: str, row: wire.RunRow, raw: RawObject, deferred: frozenset[str]
) -> Session:
    """Return the session of a run of an experiment.

    Args:
        origin: The source.
        experiment_ref: The experiment.
        row: The decoded row.
        raw: The undecoded row.
        deferred: The fields that the query did not select.
    """
    cost = row.cost_summary or wire.CostSummary()
    example = row.example or wire.Example()
    revision = example.revision or wire.Revision()
    edges = (row.annotations.edges if row.annotations else None) or []
    return Session(
        source=origin.source,
        experiment_ref=experiment_ref,
        vendor_id=row.id,
        status=SessionStatus.ERROR if row.error else SessionStatus.SUCCESS,
        started_at=row.start_time,
        ended_at=row.end_time,
        latency_ms=row.latency_ms,
        trace_id=row.trace_id,
        test_case_id=example.id,
        input=text_of(revision.input),
        output=text_of(row.output),
        error=row.error or None,
        tokens=_tokens_of_costs(cost),
        url=origin.links.trace(row.trace_id),
        metadata=revision.metadata,
        raw=raw,
        deferred=deferred,
        **_costs(cost),
        **score_fields(scores([edge.node for edge in edges if edge is not None])),
    )


def root_span(
    origin: Origin, project_ref: str, row: wire.RootSpanRow, raw: RawObject, deferred: frozenset[str]
) -> Session:
    """Return the session of a root span.

    Args:
        origin: The source.
        project_ref: The project.
        row: The decoded row.
        raw: The undecoded row.
        deferred: The fields that the query did not select.
    """
    trace = row.trace or wire.TraceOfRoot()
    status = STATUSES.get(row.status_code, SessionStatus.UNKNOWN)
    return Session(
        source=origin.source,
        experiment_ref=project_ref,
        vendor_id=row.span_id,
        status=status,
        started_at=row.start_time,
        vendor_status=row.status_code,
        name=row.name or None,
        ended_at=row.end_time,
        latency_ms=latency_ms(row.start_time, row.end_time) if row.latency_ms is None else row.latency_ms,
        trace_id=trace.trace_id,
        root_span_id=row.span_id,
        input=row.input.value if row.input else None,
        output=row.output.value if row.output else None,
        error=(row.status_message or None) if status is SessionStatus.ERROR else None,
        tokens=_tokens(
            row.cumulative_token_count_prompt,
            row.cumulative_token_count_completion,
            row.cumulative_token_count_total,
        ),
        url=origin.links.span(row.span_id),
        metadata=json_object(row.metadata),
        raw=raw,
        deferred=deferred,
        conversation_id=trace.session.session_id if trace.session else None,
        **_costs(trace.cost_summary or wire.CostSummary()),
        **score_fields(scores([*(row.span_annotations or []), *(trace.trace_annotations or [])])),
    )


def _costs(cost: wire.CostSummary) -> dict[str, Any]:
    """Return the fields of a session, None for 0: Phoenix sums costs of models without a price as 0."""
    total = _known(_total(cost).cost)
    return {
        "cost_usd": total,
        "input_cost_usd": cost.prompt.cost if total is not None and cost.prompt else None,
        "output_cost_usd": cost.completion.cost if total is not None and cost.completion else None,
    }


def _tokens_of_costs(cost: wire.CostSummary) -> TokenUsage | None:
    prompt, completion = cost.prompt or wire.Breakdown(), cost.completion or wire.Breakdown()
    return _tokens(prompt.tokens, completion.tokens, _total(cost).tokens)


def _tokens(prompt: float | None, completion: float | None, total: float | None) -> TokenUsage | None:
    """Return token counts. Phoenix counts 0 for spans that tell none."""
    if not total:
        return None
    return TokenUsage(input=_whole(prompt), output=_whole(completion), total=_whole(total))


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)


def _total(cost: wire.CostSummary | None) -> wire.Breakdown:
    return (cost.total if cost else None) or wire.Breakdown()


def _known(amount: float | None) -> float | None:
    return amount or None


# -- verdicts -------------------------------------------------------------------------------------------


def scores(annotations: Iterable[wire.Annotation | None]) -> list[Score]:
    """Return a score for each name. An unreadable annotation is left out.

    Several annotators may use one name: the value is their mean, the label is one that all have, and the
    explanations become lines. An evaluator failed if all it has is an error.
    """
    by_name: dict[str, list[wire.Annotation]] = {}
    for annotation in filter(None, annotations):
        by_name.setdefault(annotation.name, []).append(annotation)
    return [_score(name, by_name[name]) for name in sorted(by_name)]


def _score(name: str, annotations: Sequence[wire.Annotation]) -> Score:
    values = [one.score for one in annotations if one.score is not None]
    labels = {one.label for one in annotations if one.label}
    explanations = [one.explanation for one in annotations if one.explanation]
    failed = not values and not labels and any(one.error for one in annotations)
    return Score(
        name,
        sum(values) / len(values) if values else None,
        labels.pop() if len(labels) == 1 else None,
        "\n".join(explanations) or None,
        failed,
    )


# -- spans ----------------------------------------------------------------------------------------------


def span(row: wire.SpanRow, raw: RawObject) -> Span:
    """Return the span of a row: the model, the tool, texts and tokens are in its attributes."""
    attributes = _attributes(row.attributes)
    llm = attributes.llm or attributes.embedding or wire.Llm()
    word = (row.span_kind or "").upper()
    status = STATUSES.get(row.status_code, SessionStatus.UNKNOWN)
    kind = span_kind(word)
    tool, metadata = attributes.tool.name if attributes.tool else None, attributes.metadata
    return Span(
        vendor_id=row.span_id,
        kind=kind,
        status=status,
        parent_id=row.parent_id,
        vendor_kind=word or None,
        name=row.name or None,
        vendor_status=row.status_code,
        started_at=row.start_time,
        ended_at=row.end_time,
        latency_ms=latency_ms(row.start_time, row.end_time) if row.latency_ms is None else row.latency_ms,
        model=llm.model_name,
        provider=llm.provider,
        tool_name=tool or (row.name or None if kind is SpanKind.TOOL else None),
        agent_name=attributes.agent.name if attributes.agent else None,
        input=text_of(attributes.input.value) if attributes.input else None,
        output=text_of(attributes.output.value) if attributes.output else None,
        error=(row.status_message or None) if status is SessionStatus.ERROR else None,
        tokens=_tokens_of(llm.token_count),
        cost_usd=_known(_total(row.cost_summary).cost),
        scores=tuple(scores(row.span_annotations or [])),
        metadata=metadata if isinstance(metadata, dict) else json_object(metadata),
        raw=raw,
    )


def _attributes(text: str | None) -> wire.Attributes:
    if not text:
        return wire.Attributes()
    try:
        attributes, _ = wire.ATTRIBUTES.read(text.encode())
    except ValueError:  # no JSON object
        return wire.Attributes()
    return attributes


def _tokens_of(count: wire.TokenCount | None) -> TokenUsage | None:
    if count is None:
        return None
    prompt, completion = count.prompt_details, count.completion_details
    total = total_or_sum(count.total, count.prompt, count.completion)
    if total is None:
        return None
    return TokenUsage(
        input=count.prompt,
        output=count.completion,
        cached=prompt.cache_read if prompt else None,
        total=total,
        cache_write=prompt.cache_write if prompt else None,
        reasoning=completion.reasoning if completion else None,
    )
