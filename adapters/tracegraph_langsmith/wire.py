"""Structs of LangSmith's JSON with LangSmith's field names: those of v1, and those that v1 and v2 share.

They contain only the fields that the adapter maps.

TracerSession is part of the contract (langsmith-tracer-sessions.json). docs/vendors/langsmith.md#runs describes a
run and the response to a run query. A row requires its identity, and a run also its tracer session and its
start, the sort key of the list. Any other value may be null or missing, and an unreadable value becomes null. A
row without a required value is None in its list. The vendor truncates the previews of inputs and outputs, so the
adapter does not read them.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct

from tracegraph.adapter import Count, LenientDecoder, LenientStruct, Name, Number, refuse_without_rows, utc

Ratio = Annotated[float, Meta(ge=0, le=1)]
"""A ratio from 0 to 1. A percentage is rejected as unreadable, rather than read as a hundredfold rate.

See docs/vendors/langsmith.md#figures.
"""


_MAX_DURATION_S = 10**9


_MAX_COST_USD = 10**12


def _require_amounts(maximum: int, *figures: Decimal | None) -> None:
    """Raise ValueError unless all figures are between zero and the maximum.

    Decimal accepts text, as in the contract, and numbers: see docs/vendors/langsmith.md#figures.
    """
    for figure in figures:
        if figure is not None and not (figure.is_finite() and 0 <= figure <= maximum):
            raise ValueError("the figure must be zero or more, and finite")


def require_durations(*seconds: Decimal | None) -> None:
    """Raise ValueError for an impossible duration."""
    _require_amounts(_MAX_DURATION_S, *seconds)


def require_costs(*costs: Decimal | None) -> None:
    """Raise ValueError for an impossible cost in US dollars."""
    _require_amounts(_MAX_COST_USD, *costs)


def lower(text: str | None) -> str | None:
    """Return an id in lower case."""
    return None if text is None else text.lower()


def end_after(start: datetime | None, end: datetime | None) -> datetime | None:
    """Return the end, or None for an end before the start."""
    return None if start is not None and end is not None and end < start else end


class FeedbackStats(Struct, gc=False):
    """The statistics of one feedback key. `avg` is null for categories.

    `values` has the count of each category, `comments` a sample of the comments. `errors` counts the evaluators
    that could not judge.
    """

    n: Count | None = None
    avg: Number | None = None
    stdev: Number | None = None
    min: Number | None = None
    max: Number | None = None
    median: Number | None = None
    errors: Count | None = None
    values: dict[str, Any] | None = None
    comments: list[Any] | None = None


Feedback = dict[str, FeedbackStats | None]


class Extra(Struct, gc=False):
    """User-defined data of a tracer session or a run."""

    metadata: dict[str, Any] | None = None


class ExperimentProgress(Struct, gc=False):
    """How much of an experiment on a dataset is done."""

    run_progress: Ratio | None = None


class TracerSession(LenientStruct):
    """A tracing project, or an experiment on a dataset. Figures are null without `include_stats`.

    Only v2 has `type`: PROJECT, AGENT or EXPERIMENT.
    """

    id: Name
    tenant_id: Name | None = None
    type: str | None = None
    name: str | None = None
    description: str | None = None
    reference_dataset_id: Name | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    last_run_start_time: datetime | None = None
    extra: Extra | None = None
    run_count: Count | None = None
    latency_p50: Decimal | None = None
    latency_p99: Decimal | None = None
    first_token_p50: Decimal | None = None
    first_token_p99: Decimal | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    total_cost: Decimal | None = None
    error_rate: Ratio | None = None
    feedback_stats: Feedback | None = None
    session_feedback_stats: Feedback | None = None
    experiment_progress: ExperimentProgress | None = None

    def __post_init__(self) -> None:
        self.id = self.id.lower()
        self.reference_dataset_id = lower(self.reference_dataset_id)
        self.start_time = utc(self.start_time)
        self.end_time = utc(self.end_time)
        self.last_run_start_time = utc(self.last_run_start_time)
        require_durations(self.latency_p50, self.latency_p99, self.first_token_p50, self.first_token_p99)
        require_costs(self.total_cost)


class TokenDetails(Struct, gc=False):
    """The parts of a token count: cache reads and writes of the prompt, reasoning of the completion.

    The names depend on the model. For writes, the vendor's clients name two.
    """

    cache_read: Count | None = None
    cache_creation: Count | None = None
    cache_write: Count | None = None
    reasoning: Count | None = None

    @property
    def written(self) -> int | None:
        """Return the tokens written to the model's cache."""
        return self.cache_creation if self.cache_write is None else self.cache_write


class Run(LenientStruct):
    """A run of v1. A root run is one execution."""

    id: Name
    start_time: datetime
    session_id: Name
    parent_run_id: Name | None = None
    trace_id: Name | None = None
    name: str | None = None
    status: str | None = None
    error: str | None = None
    end_time: datetime | None = None
    first_token_time: datetime | None = None
    latency_seconds: Decimal | None = None
    reference_example_id: Name | None = None
    inputs: Any = None
    outputs: Any = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_token_details: TokenDetails | None = None
    completion_token_details: TokenDetails | None = None
    total_cost: Decimal | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    thread_id: str | None = None
    feedback_stats: Feedback | None = None
    extra: Extra | None = None
    app_path: str | None = None

    def __post_init__(self) -> None:
        self.id = self.id.lower()
        self.session_id = self.session_id.lower()
        self.parent_run_id = lower(self.parent_run_id)
        self.trace_id = lower(self.trace_id)
        self.reference_example_id = lower(self.reference_example_id)
        self.start_time = utc(self.start_time)
        self.end_time = end_after(self.start_time, utc(self.end_time))
        self.first_token_time = utc(self.first_token_time)
        require_durations(self.latency_seconds)
        require_costs(self.total_cost, self.prompt_cost, self.completion_cost)

    @property
    def metadata(self) -> dict[str, Any] | None:
        """Return the user-defined data of the run."""
        return self.extra.metadata if self.extra else None

    @property
    def is_root(self) -> bool:
        """Return whether the run is a whole trace: the run has no parent, and the trace has the id of the run."""
        return self.parent_run_id is None and self.trace_id in {None, self.id}


class TraceRun(Run):
    """Any run of a trace."""

    run_type: str | None = None


class Cursors(Struct):
    """The continuation token of a run query.

    A response without `next` is the last page. So an unreadable `next` fails the page.
    """

    next: str | None = None


class RunsResponse(Struct):
    """The response to a run query."""

    runs: list[Run | None]
    cursors: Cursors | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.runs)


class TraceRuns(Struct):
    """The response to a query for the runs of traces."""

    runs: list[TraceRun | None]
    cursors: Cursors | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.runs)


class InstanceFlags(Struct):
    """The query backends of a deployment: ClickHouse answers v1, SmithDB answers v2."""

    ch_query_enabled: bool | None = None
    sdb_query_enabled: bool | None = None


class Info(Struct):
    """A deployment: its version and its backends."""

    version: str | None = None
    instance_flags: InstanceFlags | None = None


class Dataset(LenientStruct):
    """A dataset, for its name."""

    id: Name
    name: str | None = None

    def __post_init__(self) -> None:
        self.id = self.id.lower()


INFO: LenientDecoder[Info] = LenientDecoder(Info)


DATASETS: LenientDecoder[list[Dataset | None]] = LenientDecoder(list[Dataset | None])


SESSIONS: LenientDecoder[list[TracerSession | None]] = LenientDecoder(list[TracerSession | None])


RUNS: LenientDecoder[RunsResponse] = LenientDecoder(RunsResponse)


TRACE_RUNS: LenientDecoder[TraceRuns] = LenientDecoder(TraceRuns)
