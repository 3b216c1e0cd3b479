"""Mapping of LangSmith's rows to the domain model (docs/vendors/langsmith.md#mapping); pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tracegraph.adapter import distinct, latency_ms, span_kind, total_or_sum
from tracegraph.domain.models import (
    COST,
    ERROR_RATE,
    FIRST_TOKEN_LATENCY,
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
    ScoreText,
    Session,
    SessionStatus,
    Span,
    SpanKind,
    TokenUsage,
)
from tracegraph.upstream.lenient_values import scalar_text, text_of
from tracegraph_langsmith import v2_wire, wire
from tracegraph_langsmith.links import source_url
from tracegraph_langsmith.wire import Feedback, FeedbackStats, TracerSession

Run = wire.Run | v2_wire.Run

STATUS_WORDS: Mapping[SessionStatus, str] = {
    SessionStatus.SUCCESS: "success",
    SessionStatus.ERROR: "error",
    SessionStatus.RUNNING: "pending",
}
"""LangSmith's words for the status of a run (docs/vendors/langsmith.md#runs). It has no word for cancelled."""


_STATUSES = {word: status for status, word in STATUS_WORDS.items()}


_KINDS = {
    "PROJECT": ExperimentKind.PROJECT,
    "AGENT": ExperimentKind.AGENT,
    "EXPERIMENT": ExperimentKind.EVALUATION,
}
"""The kinds of experiments by the types of tracer sessions in v2."""


"""The types of runs are among our kinds."""


# Python 3.11 takes 0.2 us to look up a member of an Enum.
_UNKNOWN, _RUNNING = SessionStatus.UNKNOWN, SessionStatus.RUNNING
_REPORTED, _SCORE = AggregateBasis.REPORTED, MetricKind.SCORE
_RUNS, _EVALUATIONS = AggregatePopulation.RUNS, AggregatePopulation.EVALUATIONS


def to_experiment(source: str, row: TracerSession, raw: RawObject, url: str | None = None) -> Experiment:
    """Return the experiment of a tracer session.

    Newer services allow a tracer session without a name; its id then serves as its name.

    Args:
        source: The name of the source.
        row: The decoded tracer session.
        raw: The undecoded tracer session.
        url: The address of its page.
    """
    metadata = row.extra.metadata if row.extra else None
    fields = metadata or {}
    by_dataset = ExperimentKind.PROJECT if row.reference_dataset_id is None else ExperimentKind.EVALUATION
    return Experiment(
        source=source,
        ref=row.id,
        vendor_id=row.id,
        kind=_KINDS.get(row.type or "", by_dataset),
        name=row.name or row.id,
        description=row.description,
        agent_name=scalar_text(fields.get("agent_name")),
        agent_version=scalar_text(fields.get("agent_version")),
        dataset_id=row.reference_dataset_id,
        dataset_version=scalar_text(fields.get("dataset_version")),
        models=_models(fields),
        evaluators=tuple(sorted({*(row.feedback_stats or {}), *(row.session_feedback_stats or {})})),
        created_at=row.start_time,
        updated_at=row.last_run_start_time,
        ended_at=row.end_time,
        session_count=row.run_count,
        error_rate=row.error_rate,
        url=url,
        metadata=metadata,
        aggregates=_aggregates(row),
        raw=raw,
        source_url=source_url(fields),
        progress=row.experiment_progress.run_progress if row.experiment_progress else None,
    )


def to_session(
    source: str, run: Run, raw: RawObject, url: str | None = None, deferred: frozenset[str] = frozenset()
) -> Session:
    """Return the session of a root run. An unfinished run has no end and no latency.

    Args:
        source: The name of the source.
        run: The decoded run.
        raw: The undecoded run.
        url: The address of its page.
        deferred: The fields that the query did not select.
    """
    status = _STATUSES.get((run.status or "").lower(), _UNKNOWN)
    running = status is _RUNNING
    fields = run.metadata or {}
    return Session(
        source=source,
        experiment_ref=run.session_id,
        vendor_id=run.id,
        status=status,
        started_at=run.start_time,
        vendor_status=run.status,
        name=run.name,
        ended_at=None if running else run.end_time,
        latency_ms=None if running else _latency_ms(run),
        first_token_ms=latency_ms(run.start_time, run.first_token_time),
        trace_id=run.trace_id,
        root_span_id=run.id,
        test_case_id=run.reference_example_id,
        agent_name=scalar_text(fields.get("agent_name")),
        agent_version=scalar_text(fields.get("agent_version")),
        input=_text(run.inputs),
        output=_text(run.outputs),
        error=run.error,
        tokens=_tokens(run),
        cost_usd=_usd(run.total_cost),
        scores_by_evaluator=_scores(run.feedback_stats),
        url=url,
        metadata=run.metadata,
        raw=raw,
        deferred=deferred,
        conversation_id=run.thread_id,
        failed_evaluators=_failed_evaluators(run.feedback_stats or {}),
        score_texts=_score_texts(run.feedback_stats or {}),
        input_cost_usd=_usd(run.prompt_cost),
        output_cost_usd=_usd(run.completion_cost),
        models=_models(fields),
        providers=distinct([scalar_text(fields.get("ls_provider"))]),
    )


def to_span(run: wire.TraceRun | v2_wire.TraceRun, raw: RawObject, deferred: frozenset[str] = frozenset()) -> Span:
    """Return the span of a run of a trace. An unfinished run has no end and no latency.

    Args:
        run: The decoded run.
        raw: The undecoded run.
        deferred: The fields that the query did not select.
    """
    status = _STATUSES.get((run.status or "").lower(), _UNKNOWN)
    running = status is _RUNNING
    kind = span_kind(run.run_type)
    fields = run.metadata or {}
    models = _models({"models": fields.get("ls_model_name")} if fields.get("ls_model_name") else fields)
    return Span(
        vendor_id=run.id,
        kind=kind,
        status=status,
        parent_id=run.parent_run_id,
        vendor_kind=run.run_type,
        name=run.name,
        vendor_status=run.status,
        started_at=run.start_time,
        ended_at=None if running else run.end_time,
        latency_ms=None if running else _latency_ms(run),
        first_token_ms=latency_ms(run.start_time, run.first_token_time),
        model=models[0] if models else None,
        provider=scalar_text(fields.get("ls_provider")),
        tool_name=run.name if kind is SpanKind.TOOL else None,
        agent_name=scalar_text(fields.get("agent_name")),
        input=_text(run.inputs),
        output=_text(run.outputs),
        error=run.error,
        tokens=_tokens(run),
        cost_usd=_usd(run.total_cost),
        scores=_span_scores(run.feedback_stats or {}),
        metadata=run.metadata,
        raw=raw,
        deferred=deferred,
    )


def _text(value: Any) -> str | None:
    """Return inputs or outputs as text. An empty object is LangSmith's notation for none."""
    return None if value == {} else text_of(value)


def _ms(seconds: Decimal | None) -> float | None:
    """Return milliseconds. Scaling the decimal keeps 0.3 s at 300.0 ms, not 299.99 or 300.01."""
    return None if seconds is None else float(seconds * 1000)


def _models(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names under `models`, a list or one name, else under `model` or `ls_model_name`."""
    listed = metadata.get("models") or metadata.get("model") or metadata.get("ls_model_name")
    if listed is None:
        return ()
    names = listed if isinstance(listed, list) else [listed]
    return tuple(distinct([name for name in names if isinstance(name, str)]))


# -- aggregates -----------------------------------------------------------------------------------------


def _aggregates(row: TracerSession) -> tuple[Aggregate, ...]:
    """Return the figures that LangSmith reports. A missing figure is omitted, never zero.

    See docs/vendors/langsmith.md#figures.
    """
    reported = (
        _percentiles(LATENCY, row.latency_p50, row.latency_p99),
        _percentiles(FIRST_TOKEN_LATENCY, row.first_token_p50, row.first_token_p99),
        _total(COST, row.total_cost),
        _total(INPUT_TOKENS, row.prompt_tokens),
        _total(OUTPUT_TOKENS, row.completion_tokens),
        _total(TOTAL_TOKENS, row.total_tokens),
        None if row.error_rate is None else Aggregate(ERROR_RATE, _REPORTED, _RUNS, None, None, row.error_rate),
    )
    return tuple([aggregate for aggregate in (*reported, *_scores_over_all(row)) if aggregate is not None])


def _percentiles(metric: Metric, median_s: Decimal | None, p99_s: Decimal | None) -> Aggregate | None:
    if median_s is None and p99_s is None:
        return None
    # A row has eight aggregates; keyword arguments would double the time to construct them.
    median, p99 = _ms(median_s), _ms(p99_s)
    return Aggregate(metric, _REPORTED, _RUNS, None, None, None, None, None, median, None, None, p99)


def _total(metric: Metric, total: Decimal | int | None) -> Aggregate | None:
    return None if total is None else Aggregate(metric, _REPORTED, _RUNS, None, float(total))


def _scores_over_all(row: TracerSession) -> list[Aggregate | None]:
    """Return an aggregate for each numeric feedback key.

    A summary evaluator takes precedence over a run evaluator with the same key, as in the vendor's own client. See
    docs/vendors/langsmith.md#figures.
    """
    run_feedback, summary_feedback = row.feedback_stats or {}, row.session_feedback_stats or {}
    return [
        _score(key, summary_feedback[key], _EVALUATIONS)
        if key in summary_feedback
        else _score(key, run_feedback[key], _RUNS)
        for key in sorted({**run_feedback, **summary_feedback})
    ]


def _score(key: str, stats: FeedbackStats | None, population: AggregatePopulation) -> Aggregate | None:
    if stats is None or stats.avg is None:
        return None
    metric = Metric(_SCORE, key)
    statistics = stats.n, None, stats.avg, stats.stdev, stats.min, stats.median, None, None, None, stats.max
    return Aggregate(metric, _REPORTED, population, *statistics)


# -- sessions -------------------------------------------------------------------------------------------


def _latency_ms(run: Run) -> float | None:
    if run.latency_seconds is not None:
        return _ms(run.latency_seconds)
    return latency_ms(run.start_time, run.end_time)


def _tokens(run: Run) -> TokenUsage | None:
    input_tokens, output_tokens = run.prompt_tokens, run.completion_tokens
    total_tokens = total_or_sum(run.total_tokens, input_tokens, output_tokens)
    prompt, completion = run.prompt_token_details, run.completion_token_details
    cached_tokens = prompt.cache_read if prompt else None
    if total_tokens is None and cached_tokens is None:
        return None
    return TokenUsage(
        input=input_tokens,
        output=output_tokens,
        cached=cached_tokens,
        total=total_tokens,
        cache_write=prompt.written if prompt else None,
        reasoning=completion.reasoning if completion else None,
    )


def _usd(cost: Decimal | None) -> float | None:
    return None if cost is None else float(cost)


def _score_texts(feedback: Feedback) -> Mapping[str, ScoreText] | None:
    """Return the label and the comments of each feedback key that has some.

    Feedback with several labels has none: they are those of several evaluators
    (docs/vendors/langsmith.md#feedback).
    """
    texts = {}
    for key, stats in feedback.items():
        if stats is None or not (stats.values or stats.comments):
            continue
        labels = tuple(stats.values or ())
        comments = [comment for comment in stats.comments or () if isinstance(comment, str) and comment]
        label, explanation = labels[0] if len(labels) == 1 else None, "\n".join(comments) or None
        if label is not None or explanation is not None:
            texts[key] = ScoreText(label, explanation)
    return texts or None


def _failed_evaluators(feedback: Feedback) -> tuple[str, ...]:
    """Return the keys with an error and without a judgement."""
    return tuple(
        [
            key
            for key, stats in feedback.items()
            if stats is not None and stats.errors and stats.avg is None and not stats.values
        ]
    )


def _scores(feedback: Feedback | None) -> Mapping[str, float | None] | None:
    if feedback is None:
        return None
    return {key: stats.avg for key, stats in feedback.items() if stats is not None}


def _span_scores(feedback: Feedback) -> tuple[Score, ...]:
    """Return the verdicts about a run, ordered by evaluator: numbers, words and failures."""
    values, texts = _scores(feedback) or {}, _score_texts(feedback) or {}
    failed = frozenset(_failed_evaluators(feedback))
    known = {key for key, value in values.items() if value is not None}
    words = {key: texts.get(key, ScoreText()) for key in sorted({*known, *texts, *failed})}
    return tuple(
        [Score(key, values.get(key), text.label, text.explanation, key in failed) for key, text in words.items()]
    )
