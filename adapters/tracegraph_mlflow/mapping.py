"""Mapping of MLflow's rows to the domain model (docs/vendors/mlflow.md#mapping); pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from tracegraph.adapter import LenientDecoder, commit_url, distinct, json_object, text_of, total_or_sum
from tracegraph.domain.models import (
    Experiment,
    ExperimentKind,
    RawObject,
    Score,
    Session,
    SessionStatus,
    TokenUsage,
    is_number,
    score_fields,
)
from tracegraph.domain.sort_values import from_microseconds
from tracegraph_mlflow.links import Links
from tracegraph_mlflow.wire import COST, USAGE, Assessment, Cost, Dataset, ExperimentRow, RunRow, TraceRow, Usage

STATES: Mapping[str, SessionStatus] = {
    "OK": SessionStatus.SUCCESS,
    "ERROR": SessionStatus.ERROR,
    "IN_PROGRESS": SessionStatus.RUNNING,
}
"""MLflow's words for the state of a trace. Any other word is UNKNOWN."""

PREVIEW_LENGTH = 1000
"""The length at which MLflow cuts the preview of an input or an output."""

_REF = re.compile(r"(?P<experiment>[0-9]{1,18})(?:/(?P<run>[0-9a-f]{32}))?")
_SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?(?=s$)")
_UNCOUNTED = frozenset({"session_count"})
_YES_OR_NO = {"yes": 1.0, "no": 0.0}
_MEAN = "/mean"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ref:
    """What a ref names: an MLflow experiment, or an evaluation run in one."""

    experiment_id: str
    run_id: str | None = None

    @property
    def text(self) -> str:
        """The ref itself."""
        return self.experiment_id if self.run_id is None else f"{self.experiment_id}/{self.run_id}"

    @classmethod
    def parse(cls, text: str) -> Ref | None:
        """Return what the text names, None for a text that names nothing."""
        found = _REF.fullmatch(text)
        return None if found is None else cls(found["experiment"], found["run"])


def to_project(source: str, row: ExperimentRow, raw: RawObject, links: Links) -> Experiment:
    """Return the experiment of kind PROJECT of an MLflow experiment: all its traces.

    Args:
        source: The name of the source.
        row: The decoded row.
        raw: The undecoded row.
        links: The addresses of pages.
    """
    tags = {tag.key: tag.value for tag in row.tags or () if tag is not None}
    return Experiment(
        source=source,
        ref=row.experiment_id,
        vendor_id=row.experiment_id,
        kind=ExperimentKind.PROJECT,
        name=row.name or row.experiment_id,
        description=tags.get("mlflow.note.content"),
        created_at=time_of_ms(row.creation_time),
        updated_at=time_of_ms(row.last_update_time),
        url=links.project(row.experiment_id),
        metadata=_own(tags),
        raw=raw,
        deferred=_UNCOUNTED,
        vendor_status=row.lifecycle_stage,
    )


def to_evaluation(source: str, row: RunRow, raw: RawObject, links: Links) -> Experiment:
    """Return the experiment of kind EVALUATION of an evaluation run. Arguments as for `to_project`."""
    info, tags, params = row.info, row.tags, row.params
    used = [one.dataset for one in (row.inputs and row.inputs.dataset_inputs) or () if one and one.dataset]
    dataset = used[0] if used else Dataset()
    metrics = [metric.key for metric in (row.data and row.data.metrics) or () if metric is not None]
    return Experiment(
        source=source,
        ref=Ref(info.experiment_id, info.run_id).text,
        vendor_id=info.run_id,
        kind=ExperimentKind.EVALUATION,
        name=info.run_name or info.run_id,
        description=tags.get("mlflow.note.content"),
        group_id=info.experiment_id,
        dataset_id=_dataset_id(dataset),
        dataset_name=dataset.name,
        dataset_version=dataset.digest,
        models=distinct([params.get("model"), params.get("model_name"), tags.get("model")]),
        evaluators=tuple(sorted({key.removesuffix(_MEAN) for key in metrics if key.endswith(_MEAN)})),
        created_at=time_of_ms(info.start_time),
        updated_at=time_of_ms(info.end_time or info.start_time),
        ended_at=time_of_ms(info.end_time),
        url=links.evaluation(info.experiment_id, info.run_id),
        metadata=_own({**tags, **params}),
        raw=raw,
        deferred=_UNCOUNTED,
        vendor_status=info.status,
        source_url=commit_url(tags.get("mlflow.source.git.repoURL"), tags.get("mlflow.source.git.commit")),
    )


def to_session(source: str, experiment_ref: str, row: TraceRow, raw: RawObject, url: str | None) -> Session:
    """Return the session of a trace. It defers what only the spans have: a cut text, and the text of an error.

    Args:
        source: The name of the source.
        experiment_ref: The experiment whose list has the trace.
        row: The decoded trace.
        raw: The undecoded trace.
        url: The address of its page.
    """
    status = STATES.get(row.state or "", SessionStatus.UNKNOWN)
    latency_ms = _duration_ms(row.execution_duration)
    cost = json_in(row.metadata_text("mlflow.trace.cost"), COST) or Cost()
    return Session(
        source=source,
        experiment_ref=experiment_ref,
        vendor_id=row.trace_id,
        status=status,
        started_at=row.request_time,
        vendor_status=row.state,
        name=_text((row.tags or {}).get("mlflow.traceName")),
        ended_at=_end(row.request_time, latency_ms),
        latency_ms=latency_ms,
        trace_id=row.trace_id,
        input=_preview(row.request_preview),
        output=_preview(row.response_preview),
        tokens=token_usage(json_in(row.metadata_text("mlflow.trace.tokenUsage"), USAGE)),
        cost_usd=cost.total_cost,
        url=url,
        metadata=_own({**(row.trace_metadata or {}), **(row.tags or {})}),
        raw=raw,
        deferred=_deferred(row, status),
        conversation_id=row.metadata_text("mlflow.trace.session"),
        input_cost_usd=cost.input_cost,
        output_cost_usd=cost.output_cost,
        **score_fields(newest_scores(row.assessments or ())),
    )


def newest_scores(assessments: Iterable[Assessment | None]) -> Sequence[Score]:
    """Return the newest valid verdict of each evaluator, by its name. An expected output is no verdict.

    A verdict on the trace itself comes before those on its spans. MLflow's evaluation writes its verdicts on the
    root span, so a trace without its own verdict has that of a span.
    """
    verdicts = [
        one for one in assessments if one is not None and one.feedback is not None and one.valid is not False
    ]
    verdicts.sort(key=lambda one: (not one.span_id, one.create_time or datetime.min.replace(tzinfo=UTC)))
    by_name = {one.assessment_name: _score(one) for one in verdicts}
    return [by_name[name] for name in sorted(by_name)]


def token_usage(usage: Usage | None) -> TokenUsage | None:
    """Return the tokens of a trace or a span. Without a stated total, it adds the known counts."""
    if usage is None:
        return None
    tokens = TokenUsage(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cached=usage.cache_read_input_tokens,
        total=total_or_sum(usage.total_tokens, usage.input_tokens, usage.output_tokens),
        cache_write=usage.cache_creation_input_tokens,
    )
    return None if tokens == TokenUsage() else tokens


def json_in(value: Any, decoder: LenientDecoder[T]) -> T | None:
    """Return an object, or JSON in a text, as its struct; None for any other value."""
    try:
        return decoder.read(value.encode() if isinstance(value, str) else orjson.dumps(value))[0]
    except (TypeError, ValueError):
        return None


def time_of_ms(count: int | None) -> datetime | None:
    """Return the time of milliseconds since 1970, None beyond the calendar."""
    with suppress(OverflowError):
        return None if count is None else from_microseconds(count * 1000)
    return None


def _deferred(row: TraceRow, status: SessionStatus) -> frozenset[str]:
    cut = {"input": row.request_preview, "output": row.response_preview}
    names = {name for name, text in cut.items() if isinstance(text, str) and len(text) >= PREVIEW_LENGTH}
    return frozenset(names | {"error"} if status is SessionStatus.ERROR else names)


def _preview(value: Any) -> str | None:
    """Return the text of a preview, which is JSON in a text unless MLflow has cut it."""
    if not isinstance(value, str):
        return text_of(value)
    try:
        return text_of(orjson.loads(value)) if len(value) < PREVIEW_LENGTH else value
    except orjson.JSONDecodeError:
        return value


def _duration_ms(text: str | None) -> float | None:
    found = _SECONDS.match(text or "")
    return None if found is None else float(Decimal(found[0]) * 1000)


def _end(start: datetime, latency_ms: float | None) -> datetime | None:
    with suppress(OverflowError):
        return None if latency_ms is None else start + timedelta(milliseconds=latency_ms)
    return None


def _score(assessment: Assessment) -> Score:
    """Return a verdict, with a number where the server counts one: a truth is 1, and so is the word `yes`."""
    feedback = assessment.feedback
    value = None if feedback is None else feedback.value
    name, rationale = assessment.assessment_name, assessment.rationale or None
    if isinstance(value, bool):
        return Score(name, float(value), json.dumps(value), rationale)
    if is_number(value):
        return Score(name, float(value), None, rationale)
    if isinstance(value, int | float):  # a number that is not finite, whose JSON is the text `null`
        return Score(name, None, None, rationale)
    if isinstance(value, str):
        return Score(name, _YES_OR_NO.get(value.strip().lower()), value or None, rationale)
    failed = value is None and feedback is not None and feedback.error is not None
    return Score(name, None, text_of(value), rationale, failed)


def _own(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the values that a user set: MLflow's own have its prefix. The user of a trace is among the former."""
    kept = {
        key: value for key, value in values.items() if not key.startswith("mlflow.") or key == "mlflow.trace.user"
    }
    return kept or None


def _dataset_id(dataset: Dataset) -> str | None:
    """Return the id of a dataset that the server manages, from the JSON in its source."""
    return _text((json_object(dataset.source) or {}).get("dataset_id"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
