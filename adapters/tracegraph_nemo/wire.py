"""NeMo's JSON in NeMo's names: what the adapter maps, and nothing else.

The contracts are nemo-experiments.json and nemo-experiment-sessions.json. The real service departs from them
(docs/vendors/nemo.md#releases, #filters): it sends null for what is absent, lists of agents for one agent, times
without a zone, and leaves out what the contract requires. So a row needs its identity, a session its start, and
nothing else. A row without is None in its list.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

from tracegraph.upstream.lenient_decoder import (
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
    """Statistics of something that cannot be negative: cost, latency."""

    sum: Amount | None = None
    mean: Amount | None = None
    median: Amount | None = None
    p90: Amount | None = None
    p95: Amount | None = None
    p99: Amount | None = None


class ExperimentRow(LenientStruct):
    """The contract's ExperimentResponse, and what tells other releases' objects from it."""

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
    experiment_ids: Any = None

    def __post_init__(self) -> None:
        self.created_at = utc(self.created_at)
        self.updated_at = utc(self.updated_at)

    @property
    def is_group(self) -> bool:
        """Whether this is an experiment group, which releases from helix 0.5 list here.

        See docs/vendors/nemo.md#releases.
        """
        return self.default_sort is not UNSET and self.dataset_name is UNSET

    @property
    def averages_test_cases(self) -> bool:
        """Whether the figures are over test cases, as from 0.3.0 on (docs/vendors/nemo.md#numbers)."""
        return self.test_case_count is not None or self.experiment_ids is not None


class SessionRow(LenientStruct):
    """The contract's ExperimentSessionResponse; `output` comes from 0.3.0 on (docs/vendors/nemo.md#releases)."""

    session_id: Name
    started_at: datetime
    ended_at: datetime | None = None
    latency_ms: Amount | None = None
    status: str | None = None
    test_case_id: str | None = None
    trace_id: str | None = None
    root_span_id: str | None = None
    input: Any = None
    output: Any = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_tokens: Count | None = None
    cost_total_usd: Amount | None = None
    evaluator_scores: dict[str, Number | None] | None = None

    def __post_init__(self) -> None:
        self.started_at = utc(self.started_at)
        self.ended_at = utc(self.ended_at)
        if self.ended_at is not None and self.ended_at < self.started_at:
            self.ended_at = None


R = TypeVar("R", bound=LenientStruct)


class Pagination(LenientStruct):
    """The contract's PaginationData."""

    total_results: Count | None = None


class Listed(LenientStruct, Generic[R]):
    """A page of a list."""

    data: list[R | None]
    pagination: Pagination | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.data)

    @property
    def total(self) -> int | None:
        """How many rows the whole list has, where the vendor tells."""
        return None if self.pagination is None else self.pagination.total_results


EXPERIMENTS: LenientDecoder[Listed[ExperimentRow]] = LenientDecoder(Listed[ExperimentRow])


SESSIONS: LenientDecoder[Listed[SessionRow]] = LenientDecoder(Listed[SessionRow])
