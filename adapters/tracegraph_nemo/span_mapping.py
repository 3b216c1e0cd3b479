"""Mapping of NeMo's spans to the domain model (docs/vendors/nemo.md#spans); pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tracegraph.adapter import distinct, json_object, latency_ms, span_kind, text_of, total_or_sum
from tracegraph.domain.models import RawObject, Score, ScoreText, SessionStatus, Span, TokenUsage
from tracegraph.errors import SourceError
from tracegraph_nemo.mapping import STATUSES
from tracegraph_nemo.wire import ResultRow, SpanRow


def to_span(
    row: SpanRow,
    raw: RawObject | None = None,
    scores: Sequence[Score] = (),
    scores_error: SourceError | None = None,
) -> Span:
    """Return the span of a row.

    Args:
        row: The decoded row.
        raw: The undecoded row.
        scores: The scores of the span, ordered by evaluator.
        scores_error: The reason why the scores could not be read.
    """
    return Span(
        vendor_id=row.span_id,
        kind=span_kind(row.kind),
        status=STATUSES.get(row.status or "", SessionStatus.UNKNOWN),
        parent_id=row.parent_span_id,
        vendor_kind=row.kind,
        name=row.name,
        vendor_status=row.status,
        started_at=row.started_at,
        ended_at=row.ended_at,
        latency_ms=latency_ms(row.started_at, row.ended_at),
        model=row.model,
        provider=row.provider,
        tool_name=row.tool_name,
        agent_name=row.agent_name,
        input=text_of(row.input),
        output=text_of(row.output),
        error=": ".join(filter(None, [row.error_type, row.error_message])) or None,
        tokens=_tokens(row),
        cost_usd=row.cost_total_usd,
        scores=tuple(scores),
        metadata=json_object(row.raw_attributes),
        raw=raw,
        scores_error=scores_error,
    )


def newest_by_span(rows: Iterable[ResultRow]) -> Mapping[str, Mapping[str, ResultRow]]:
    """Return the verdicts by span and evaluator. The newest of several by one evaluator counts.

    Args:
        rows: The verdicts, the oldest first.
    """
    newest: dict[str, dict[str, ResultRow]] = {}
    for row in rows:
        newest.setdefault(row.span_id, {})[row.name] = row
    return newest


def scores_by_span(rows: Iterable[ResultRow]) -> Mapping[str, Sequence[Score]]:
    """Return the scores of spans, ordered by evaluator.

    Args:
        rows: The verdicts, the oldest first.
    """
    return {
        span_id: [_score(row) for _, row in sorted(of_span.items())]
        for span_id, of_span in newest_by_span(rows).items()
    }


def _score(row: ResultRow) -> Score:
    failed = row.status == "FAILED"
    value, label = (None, None) if failed else (row.value, row.string_value or None)
    return Score(row.name, value, label, row.comment or None, failed)


def score_texts(rows: Iterable[ResultRow]) -> Mapping[str, ScoreText] | None:
    """Return the words of each evaluator's verdicts about the spans of a session, None without any.

    Several explanations are the lines of one text. Several labels are those of several spans, and none is the
    session's.

    Args:
        rows: The verdicts, the oldest first.
    """
    scores: dict[str, list[Score]] = {}
    for of_span in scores_by_span(rows).values():
        for score in of_span:
            scores.setdefault(score.evaluator, []).append(score)
    texts = {}
    for name, of_evaluator in scores.items():
        labels = distinct([score.label for score in of_evaluator])
        explanation = "\n".join(distinct([score.explanation for score in of_evaluator])) or None
        if labels or explanation:
            texts[name] = ScoreText(labels[0] if len(labels) == 1 else None, explanation)
    return {name: text for name, text in texts.items() if text != ScoreText()} or None


def failed_evaluators(rows: Iterable[ResultRow]) -> frozenset[str]:
    """Return the evaluators of which all verdicts about the spans of a session failed.

    Args:
        rows: The verdicts, the oldest first.
    """
    scores = [score for of_span in scores_by_span(rows).values() for score in of_span]
    judged = {score.evaluator for score in scores if not score.failed}
    return frozenset(score.evaluator for score in scores if score.failed and score.evaluator not in judged)


def _tokens(row: SpanRow) -> TokenUsage | None:
    """Return token counts. Without a stated total, it adds the known input and output counts."""
    details = row.usage_details or {}
    cache_write, reasoning = details.get("prompt_details.cache_write"), details.get("completion_details.reasoning")
    total = total_or_sum(row.total_tokens, row.input_tokens, row.output_tokens)
    usage = TokenUsage(row.input_tokens, row.output_tokens, row.cached_tokens, total, cache_write, reasoning)
    return None if usage == TokenUsage() else usage
