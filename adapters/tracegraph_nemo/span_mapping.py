"""Mapping of NeMo's spans to the domain model (docs/vendors/nemo.md#spans); pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from tracegraph.adapter import latency_ms, text_of
from tracegraph.domain.models import RawObject, Score, SessionStatus, Span, SpanKind, TokenUsage
from tracegraph.errors import SourceError
from tracegraph_nemo.mapping import STATUSES
from tracegraph_nemo.wire import ResultRow, SpanRow

_KINDS = {kind.value: kind for kind in SpanKind}
"""NeMo's words are ours."""


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
        kind=_KINDS.get(row.kind or "", SpanKind.UNKNOWN),
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
        metadata=_attributes(row.raw_attributes),
        raw=raw,
        scores_error=scores_error,
    )


def scores_by_span(rows: Iterable[ResultRow]) -> Mapping[str, Sequence[Score]]:
    """Return the scores of spans, ordered by evaluator. The newest of several by one evaluator counts.

    Args:
        rows: The verdicts, the oldest first. One without a number gives no score.
    """
    values: dict[str, dict[str, float]] = {}
    for row in rows:
        of_span = values.setdefault(row.span_id, {})
        if row.value is None or row.status == "FAILED":
            of_span.pop(row.name, None)
        else:
            of_span[row.name] = row.value
    return {
        span_id: [Score(name, value) for name, value in sorted(of_span.items())]
        for span_id, of_span in values.items()
    }


def _tokens(row: SpanRow) -> TokenUsage | None:
    """Return token counts. Without a stated total, it adds the known input and output counts."""
    details = row.usage_details or {}
    cache_write, reasoning = details.get("prompt_details.cache_write"), details.get("completion_details.reasoning")
    total = row.total_tokens
    if total is None and (row.input_tokens is not None or row.output_tokens is not None):
        total = (row.input_tokens or 0) + (row.output_tokens or 0)
    usage = TokenUsage(row.input_tokens, row.output_tokens, row.cached_tokens, total, cache_write, reasoning)
    return None if usage == TokenUsage() else usage


def _attributes(text: str | None) -> Mapping[str, Any] | None:
    """Return the attributes that NeMo did not recognize, which it sends as JSON in a text."""
    try:
        attributes = orjson.loads(text or "null")
    except orjson.JSONDecodeError:
        return None
    return attributes if isinstance(attributes, dict) else None
