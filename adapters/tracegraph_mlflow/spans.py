"""Mapping of MLflow's spans to the domain model (docs/vendors/mlflow.md#spans); pure functions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from tracegraph.adapter import latency_ms, readable_rows, span_kind, text_of
from tracegraph.domain.models import RawObject, Session, SessionStatus, Span, SpanKind
from tracegraph.domain.sort_values import from_microseconds
from tracegraph.upstream.lenient_values import scalar_text
from tracegraph.upstream.raw import RawRow
from tracegraph_mlflow.mapping import json_in, newest_scores, token_usage
from tracegraph_mlflow.wire import COST, USAGE, Assessment, Attribute, CompleteTrace, Cost, SpanRow

_KINDS = {"CHAT_MODEL": SpanKind.LLM, "WORKFLOW": SpanKind.CHAIN}
_STATUSES = {"STATUS_CODE_OK": SessionStatus.SUCCESS, "STATUS_CODE_ERROR": SessionStatus.ERROR}


def to_span(row: SpanRow, raw: RawObject, assessments: Iterable[Assessment | None]) -> Span:
    """Return the span of a row.

    Args:
        row: The decoded row.
        raw: The undecoded row.
        assessments: The assessments of its trace.
    """
    attributes = attributes_of(row.attributes)
    span_id, word = hex_id(row.span_id), scalar_text(attributes.get("mlflow.spanType"))
    kind = _KINDS.get((word or "").upper()) or span_kind(word)
    code = row.status.code if row.status else None
    start, end = _time(row.start_time_unix_nano), _time(row.end_time_unix_nano)
    cost = json_in(attributes.get("mlflow.llm.cost"), COST) or Cost()
    return Span(
        vendor_id=span_id,
        kind=kind,
        status=_STATUSES.get(code or "", SessionStatus.UNKNOWN if end else SessionStatus.RUNNING),
        parent_id=hex_id(row.parent_span_id) if row.parent_span_id else None,
        vendor_kind=word,
        name=row.name,
        vendor_status=code,
        started_at=start,
        ended_at=end,
        latency_ms=latency_ms(start, end),
        model=scalar_text(attributes.get("mlflow.llm.model")),
        provider=scalar_text(attributes.get("mlflow.llm.provider")),
        tool_name=row.name if kind is SpanKind.TOOL else None,
        input=text_of(attributes.get("mlflow.spanInputs")),
        output=text_of(attributes.get("mlflow.spanOutputs")),
        error=error_of(row),
        tokens=token_usage(json_in(attributes.get("mlflow.chat.tokenUsage"), USAGE)),
        cost_usd=cost.total_cost,
        scores=tuple(newest_scores([one for one in assessments if one is not None and one.span_id == span_id])),
        metadata={key: value for key, value in attributes.items() if not key.startswith("mlflow.")} or None,
        raw=raw,
    )


def spans_of(trace: CompleteTrace, raw: RawRow) -> Sequence[Span]:
    """Return the spans of a trace.

    Args:
        trace: The trace.
        raw: The undecoded list of its spans.
    """
    assessments = trace.trace_info.assessments or ()
    return [
        to_span(row, RawRow(raw.document, (*raw.path, place)), assessments)
        for place, row in readable_rows(trace.spans or ())
    ]


def completed(session: Session, trace: CompleteTrace) -> Session:
    """Return the session with the texts of its root span in place of those that its list defers."""
    spans = [span for span in trace.spans or () if span is not None]
    root = next((span for span in spans if not span.parent_span_id), None)
    if root is None:
        return replace(session, deferred=frozenset())
    attributes = attributes_of(root.attributes)
    errors = [error for span in (root, *spans) if (error := error_of(span)) is not None]
    found = {
        "input": text_of(attributes.get("mlflow.spanInputs")),
        "output": text_of(attributes.get("mlflow.spanOutputs")),
        "error": errors[0] if errors else None,
    }
    known = {name: text for name, text in found.items() if name in session.deferred and text is not None}
    return replace(session, deferred=frozenset(), **known)


def error_of(row: SpanRow) -> str | None:
    """Return the message of a failed span: that of its status, else that of its exception."""
    if row.status is None or row.status.code != "STATUS_CODE_ERROR":
        return None
    exceptions = [
        attributes_of(event.attributes) for event in row.events or () if event and event.name == "exception"
    ]
    messages = [row.status.message, *(scalar_text(one.get("exception.message")) for one in exceptions)]
    return next(filter(None, messages), None)


def attributes_of(rows: Sequence[Attribute | None] | None) -> Mapping[str, Any]:
    """Return the values of attributes by key."""
    return {row.key: value_of(row.value) for row in rows or () if row is not None}


def value_of(value: Any) -> Any:
    """Return the value of an object that names its type, such as `{"int_value": 4}`."""
    if not isinstance(value, dict):
        return value
    for kind, content in value.items():
        members = content.get("values") or [] if isinstance(content, dict) else []
        if kind == "kvlist_value":
            return {
                str(pair.get("key")): value_of(pair.get("value")) for pair in members if isinstance(pair, dict)
            }
        return [value_of(member) for member in members] if kind == "array_value" else content
    return None


def hex_id(text: str) -> str:
    """Return an id in base64 as hexadecimal digits, as assessments and user interfaces write it."""
    try:
        return base64.b64decode(text, validate=True).hex() or text
    except (binascii.Error, ValueError):
        return text


def _time(nanoseconds: int | None) -> Any:
    return None if nanoseconds is None else from_microseconds(nanoseconds // 1000)
