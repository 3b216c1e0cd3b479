"""Structs of MLflow's JSON with MLflow's field names. They contain only the fields that the adapter maps.

MLflow omits fields without a value, and lists without a row (docs/vendors/mlflow.md#paging). A row requires its
identity and its place in the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import orjson
from msgspec import field

from tracegraph.adapter import (
    Amount,
    Count,
    LenientDecoder,
    LenientStruct,
    Name,
    Number,
    refuse_without_rows,
    utc,
)

T = TypeVar("T")


class Pair(LenientStruct):
    """A tag or a parameter."""

    key: Name
    value: str | None = None


class ExperimentRow(LenientStruct):
    """An MLflow experiment. Times are milliseconds since 1970."""

    experiment_id: Name
    name: str | None = None
    creation_time: Count | None = None
    last_update_time: Count | None = None
    lifecycle_stage: str | None = None
    tags: list[Pair | None] | None = None


class RunInfo(LenientStruct):
    """The identity and the times of a run."""

    run_id: Name
    experiment_id: Name
    start_time: Count
    run_name: str | None = None
    status: str | None = None
    end_time: Count | None = None
    lifecycle_stage: str | None = None


class RunMetric(LenientStruct):
    """The latest value of a metric of a run."""

    key: Name
    value: Number | None = None


class RunData(LenientStruct):
    """What was logged to a run."""

    metrics: list[RunMetric | None] | None = None
    params: list[Pair | None] | None = None
    tags: list[Pair | None] | None = None


class Dataset(LenientStruct):
    """A dataset as a run used it. `source` is JSON in a text."""

    name: str | None = None
    digest: str | None = None
    source: str | None = None


class DatasetInput(LenientStruct):
    """A dataset among the inputs of a run."""

    dataset: Dataset | None = None


class RunInputs(LenientStruct):
    """The inputs of a run."""

    dataset_inputs: list[DatasetInput | None] | None = None


class RunRow(LenientStruct):
    """A run of an MLflow experiment."""

    info: RunInfo
    data: RunData | None = None
    inputs: RunInputs | None = None

    @property
    def ref(self) -> str:
        """Return the ref of the run."""
        return f"{self.info.experiment_id}/{self.info.run_id}"

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Return the tags by key."""
        return pairs(self.data.tags if self.data else None)

    @property
    def params(self) -> Mapping[str, str | None]:
        """Return the parameters by key."""
        return pairs(self.data.params if self.data else None)


class ExperimentLocation(LenientStruct):
    """The MLflow experiment of a trace."""

    experiment_id: str | None = None


class TraceLocation(LenientStruct):
    """Where a trace is stored."""

    mlflow_experiment: ExperimentLocation | None = None


class Feedback(LenientStruct):
    """A verdict. `error` states why the evaluator failed."""

    value: Any = None
    error: Any = None


class Assessment(LenientStruct):
    """A verdict about a trace or a span, or what its output should be. The latter has no `feedback`."""

    assessment_name: Name
    span_id: str | None = None
    feedback: Feedback | None = None
    rationale: str | None = None
    create_time: datetime | None = None
    valid: bool | None = None

    def __post_init__(self) -> None:
        self.create_time = utc(self.create_time)


class TraceRow(LenientStruct):
    """The summary of a trace. `execution_duration` is a text such as `0.116s`."""

    trace_id: Name
    request_time: datetime
    trace_location: TraceLocation | None = None
    execution_duration: str | None = None
    state: str | None = None
    request_preview: Any = None
    response_preview: Any = None
    trace_metadata: dict[str, Any] | None = None
    tags: dict[str, Any] | None = None
    assessments: list[Assessment | None] | None = None

    def __post_init__(self) -> None:
        self.request_time = utc(self.request_time)

    @property
    def experiment_id(self) -> str | None:
        """Return the id of the MLflow experiment of the trace."""
        location = self.trace_location and self.trace_location.mlflow_experiment
        return location.experiment_id if location else None

    def metadata_text(self, key: str) -> str | None:
        """Return a value of the metadata, which are texts; None for an empty one."""
        value = (self.trace_metadata or {}).get(key)
        return value if isinstance(value, str) and value else None


class Usage(LenientStruct):
    """Tokens. Of a trace they are JSON in a text, of a span an attribute."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None


class Cost(LenientStruct):
    """US dollars. Of a trace they are JSON in a text, of a span an attribute."""

    input_cost: Amount | None = None
    output_cost: Amount | None = None
    total_cost: Amount | None = None


class Attribute(LenientStruct):
    """An attribute of a span: its value is an object with one member, which names the type."""

    key: Name
    value: Any = None


class SpanStatus(LenientStruct):
    """The status of a span."""

    code: str | None = None
    message: str | None = None


class SpanEvent(LenientStruct):
    """An event within a span, such as an exception."""

    name: str | None = None
    attributes: list[Attribute | None] | None = None


class SpanRow(LenientStruct):
    """A span in OTLP's JSON. Ids are bytes in base64, times are nanoseconds since 1970."""

    span_id: Name
    parent_span_id: str | None = None
    name: str | None = None
    start_time_unix_nano: Count | None = None
    end_time_unix_nano: Count | None = None
    attributes: list[Attribute | None] | None = None
    status: SpanStatus | None = None
    events: list[SpanEvent | None] | None = None


class CompleteTrace(LenientStruct):
    """A trace with its spans."""

    trace_info: TraceRow
    spans: list[SpanRow | None] | None = None


class DataPoint(LenientStruct):
    """Statistics of one metric, such as `AVG` and `P95.0`."""

    values: dict[str, Number | None] | None = None
    dimensions: dict[str, str | None] | None = None


class ExperimentList(LenientStruct):
    """The reply of `experiments/search`."""

    experiments: list[ExperimentRow | None] = field(default_factory=list)
    next_page_token: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.experiments)


class RunList(LenientStruct):
    """The reply of `runs/search`."""

    runs: list[RunRow | None] = field(default_factory=list)
    next_page_token: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.runs)


class TraceList(LenientStruct):
    """The reply of `traces/search`."""

    traces: list[TraceRow | None] = field(default_factory=list)
    next_page_token: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.traces)


class CompleteTraces(LenientStruct):
    """The reply of `traces/batchGet`."""

    traces: list[CompleteTrace | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        refuse_without_rows(self.traces)


class OneExperiment(LenientStruct):
    """The reply of `experiments/get`."""

    experiment: ExperimentRow


class OneRun(LenientStruct):
    """The reply of `runs/get`."""

    run: RunRow


class DataPoints(LenientStruct):
    """The reply of `traces/metrics`."""

    data_points: list[DataPoint | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        refuse_without_rows(self.data_points)


def pairs(rows: Sequence[Pair | None] | None) -> Mapping[str, str | None]:
    """Return tags or parameters by key."""
    return {row.key: row.value for row in rows or () if row is not None}


class ListDecoder(LenientDecoder[T]):
    """Decodes a list. MLflow's list without a row is `{}`, so any other object without its rows is no list."""

    def __init__(self, type_: type[T], rows: str) -> None:
        super().__init__(type_)
        self._rows = rows

    def read(self, body: bytes) -> tuple[T, list[str]]:
        """See `LenientDecoder`."""
        decoded, dropped = super().read(body)
        if not getattr(decoded, self._rows):
            members = orjson.loads(body)
            if members and not members.keys() & {self._rows, "next_page_token"}:
                raise ValueError("the reply is no list")
        return decoded, dropped


EXPERIMENTS: LenientDecoder[ExperimentList] = ListDecoder(ExperimentList, "experiments")


EXPERIMENT: LenientDecoder[OneExperiment] = LenientDecoder(OneExperiment)


RUNS: LenientDecoder[RunList] = ListDecoder(RunList, "runs")


RUN: LenientDecoder[OneRun] = LenientDecoder(OneRun)


TRACES: LenientDecoder[TraceList] = ListDecoder(TraceList, "traces")


COMPLETE_TRACES: LenientDecoder[CompleteTraces] = ListDecoder(CompleteTraces, "traces")


POINTS: LenientDecoder[DataPoints] = ListDecoder(DataPoints, "data_points")


USAGE: LenientDecoder[Usage] = LenientDecoder(Usage)


COST: LenientDecoder[Cost] = LenientDecoder(Cost)
