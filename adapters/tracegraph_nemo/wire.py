"""Structs of NeMo's JSON with NeMo's field names. They contain only the fields that the adapter maps.

One struct serves all releases (docs/vendors/nemo.md#releases): a field that a release lacks is None. The service
sends null for absent values and times without a zone, and it omits required fields. So a row requires only its
identity, and a session also its start. A row without them is None in its list.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

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


class Figures(Struct, gc=False):
    """The contract's EvaluatorAggregate: statistics of a score, of cost or of latency."""

    sum: Number | None = None
    mean: Number | None = None
    median: Number | None = None
    p90: Number | None = None
    p95: Number | None = None
    p99: Number | None = None
    count: Count | None = None


class Amounts(Figures):
    """Statistics of cost or latency, which cannot be negative."""

    sum: Amount | None = None
    mean: Amount | None = None
    median: Amount | None = None
    p90: Amount | None = None
    p95: Amount | None = None
    p99: Amount | None = None


class ExperimentRow(LenientStruct):
    """An experiment of 0.2.0, an evaluation of 0.3.0 and later, with fields that identify other objects."""

    id: Name
    name: Name
    experiment_group_id: str | None = None
    agent_name: str | None = None
    agent_names: list[str] | None = None
    agent_version: str | None = None
    agent_versions: list[str] | None = None
    dataset_name: str | UnsetType | None = UNSET
    dataset_version: str | None = None
    source_link: str | None = None
    metadata: dict[str, Any] | None = None
    description: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    evaluator_names: list[str] | None = None
    model_names: list[str] | None = None
    aggregate_scores: dict[str, Figures | None] | None = None
    run_count: Count | None = None
    cost_usd: Amounts | None = None
    latency_ms: Amounts | None = None
    default_sort: Any = UNSET
    test_case_count: Any = None
    experiment_ids: list[str] | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        self.created_at = utc(self.created_at)
        self.updated_at = utc(self.updated_at)

    @property
    def is_group(self) -> bool:
        """Return whether this is an experiment group, which releases from 0.4.0 on list here.

        See docs/vendors/nemo.md#releases.
        """
        return self.default_sort is not UNSET and self.dataset_name is UNSET

    @property
    def averages_test_cases(self) -> bool:
        """Return whether the figures are over test cases, as from 0.3.0 on (docs/vendors/nemo.md#numbers)."""
        return self.test_case_count is not None or self.experiment_ids is not None


class SessionRow(LenientStruct):
    """A session of an experiment.

    0.3.0 adds `output`, 0.4.0 `test_case_name`, 0.8.0 `failed_evaluators` (docs/vendors/nemo.md#sessions).
    """

    session_id: Name
    started_at: datetime
    ended_at: datetime | None = None
    latency_ms: Amount | None = None
    status: str | None = None
    test_case_id: str | None = None
    test_case_name: str | None = None
    trace_id: str | None = None
    root_span_id: str | None = None
    input: Any = None
    output: Any = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_tokens: Count | None = None
    cost_total_usd: Amount | None = None
    evaluator_scores: dict[str, Number | None] | None = None
    failed_evaluators: list[str] | None = None

    def __post_init__(self) -> None:
        self.started_at = utc(self.started_at)
        self.ended_at = utc(self.ended_at)
        if self.ended_at is not None and self.ended_at < self.started_at:
            self.ended_at = None


class EvaluationContext(LenientStruct):
    """The run that a span names; mostly only root spans name one (docs/vendors/nemo.md#spans)."""

    evaluation_name: str | None = None
    evaluation_id: str | None = None


class SpanRow(LenientStruct):
    """A span (docs/vendors/nemo.md#spans). An absent value has no key."""

    span_id: Name
    trace_id: str | None = None
    parent_span_id: str | None = None
    evaluation_context: EvaluationContext | None = None
    kind: str | None = None
    name: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    status: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    provider: str | None = None
    model: str | None = None
    agent_name: str | None = None
    tool_name: str | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_tokens: Count | None = None
    total_tokens: Count | None = None
    usage_details: dict[str, Count | None] | None = None
    cost_total_usd: Amount | None = None
    input: Any = None
    output: Any = None
    raw_attributes: str | None = None

    def __post_init__(self) -> None:
        self.started_at = utc(self.started_at)
        self.ended_at = utc(self.ended_at)

    @property
    def run(self) -> str | None:
        """Return the name of the run that the span states."""
        context = self.evaluation_context
        return None if context is None else context.evaluation_name or context.evaluation_id


class TraceRow(LenientStruct):
    """A trace (docs/vendors/nemo.md#traces). An absent value has no key."""

    id: Name
    session_id: Name
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_tokens: Count | None = None
    cost_usd: Amount | None = None
    cost_input_usd: Amount | None = None
    cost_output_usd: Amount | None = None
    models: list[str] | None = None
    providers: list[str] | None = None


class ResultRow(LenientStruct):
    """A verdict of an evaluator about a span: a number, or a word. FAILED occurs from 0.8.0 on."""

    span_id: Name
    name: Name
    value: Number | None = None
    string_value: str | None = None
    status: str | None = None
    comment: str | None = None


class Totals(LenientStruct):
    """Statistics of tokens or cost over traces."""

    sum: Amount | None = None
    mean: Amount | None = None
    p90: Amount | None = None
    p99: Amount | None = None


class TraceTotals(LenientStruct):
    """A point of `traces/metrics`: statistics over traces (docs/vendors/nemo.md#totals)."""

    run_count: Count
    failed_run_count: Count | None = None
    input_tokens: Totals | None = None
    output_tokens: Totals | None = None
    cached_tokens: Totals | None = None
    cost_usd: Totals | None = None


class MetricsBody(LenientStruct):
    """The reply of `traces/metrics`."""

    data: list[TraceTotals | None]

    def __post_init__(self) -> None:
        refuse_without_rows(self.data)


class ClusterInfo(LenientStruct):
    """The reply of `/cluster-info`."""

    platform_version: str | None = None


class Nothing(LenientStruct):
    """A reply whose status alone counts."""


R = TypeVar("R", bound=LenientStruct)


class Pagination(LenientStruct):
    """The contract's PaginationData."""

    total_results: Count | None = None


class ListBody(LenientStruct, Generic[R]):
    """A page of a list."""

    data: list[R | None]
    pagination: Pagination | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.data)

    @property
    def total(self) -> int | None:
        """Return the number of all rows of the list, if the vendor states it."""
        return None if self.pagination is None else self.pagination.total_results


EXPERIMENTS: LenientDecoder[ListBody[ExperimentRow]] = LenientDecoder(ListBody[ExperimentRow])


SESSIONS: LenientDecoder[ListBody[SessionRow]] = LenientDecoder(ListBody[SessionRow])


SPANS: LenientDecoder[ListBody[SpanRow]] = LenientDecoder(ListBody[SpanRow])


TRACES: LenientDecoder[ListBody[TraceRow]] = LenientDecoder(ListBody[TraceRow])


RESULTS: LenientDecoder[ListBody[ResultRow]] = LenientDecoder(ListBody[ResultRow])


METRICS: LenientDecoder[MetricsBody] = LenientDecoder(MetricsBody)


CLUSTER_INFO: LenientDecoder[ClusterInfo] = LenientDecoder(ClusterInfo)


NOTHING: LenientDecoder[Nothing] = LenientDecoder(Nothing)
