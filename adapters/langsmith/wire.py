"""LangSmith's JSON in LangSmith's names: the fields that are mapped, and nothing else.

TracerSession is the contract's (langsmith-tracer-sessions.json); a run and the answer to a run query are those of
VENDORS.md B4. What identifies a row must be there, and so must a run's start, by which runs are listed. Any other
value may be null or missing, and one that cannot be read is taken for null: `read` says so in the log.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import from_json

from tracegraph.upstream.call import Reply
from tracegraph.upstream.decode import decode

T = TypeVar("T")
_log = structlog.get_logger("tracegraph.adapter")


def _iso_text(value: Any) -> Any:
    # pydantic would take "5" and 5 for seconds since 1970.
    if not isinstance(value, str) or value[4:5] != "-":
        raise ValueError("a time is written as ISO 8601 text")
    return value


def _utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


Id = Annotated[str, StringConstraints(min_length=1, to_lower=True)]
Time = Annotated[datetime, BeforeValidator(_iso_text), AfterValidator(_utc)]
"""Naive (then UTC), with `Z` or with an offset, mixed within one object (VENDORS.md trap 3)."""
Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, le=1)]
"""0..1 (VENDORS.md B3); a percentage, should one ever come, is unreadable rather than a hundredfold rate."""
Seconds = Annotated[Decimal, Field(ge=0, le=10**9)]
Dollars = Annotated[Decimal, Field(ge=0, le=10**12)]
"""A string, as the contract has it, or a number (VENDORS.md trap 7)."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class FeedbackStats(_Wire):
    """The statistics of one feedback key; `avg` is null for categories."""

    n: Count | None = None
    avg: Number | None = None
    stdev: Number | None = None
    min: Number | None = None
    max: Number | None = None
    median: Number | None = None


Feedback = dict[str, FeedbackStats | None]


class Extra(_Wire):
    """What the people who trace put beside a tracer session or a run."""

    metadata: dict[str, Any] | None = None


class TracerSession(_Wire):
    """A tracing project, or an experiment on a dataset. Figures are null without `include_stats`."""

    id: Id
    name: str | None = None
    description: str | None = None
    reference_dataset_id: Id | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    last_run_start_time: Time | None = None
    extra: Extra | None = None
    run_count: Count | None = None
    latency_p50: Seconds | None = None
    latency_p99: Seconds | None = None
    first_token_p50: Seconds | None = None
    first_token_p99: Seconds | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    total_cost: Dollars | None = None
    error_rate: Ratio | None = None
    feedback_stats: Feedback | None = None
    session_feedback_stats: Feedback | None = None


class PromptTokenDetails(_Wire):
    """What the prompt's tokens are made of."""

    cache_read: Count | None = None


class Run(_Wire):
    """A run; a root run is one execution."""

    id: Id
    start_time: Time
    session_id: Id | None = None
    parent_run_id: Id | None = None
    trace_id: Id | None = None
    name: str | None = None
    status: str | None = None
    error: str | None = None
    end_time: Time | None = None
    first_token_time: Time | None = None
    latency_seconds: Seconds | None = None
    reference_example_id: Id | None = None
    inputs: Any = None
    inputs_preview: str | None = None
    outputs: Any = None
    outputs_preview: str | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_token_details: PromptTokenDetails | None = None
    total_cost: Dollars | None = None
    feedback_stats: Feedback | None = None
    extra: Extra | None = None
    app_path: str | None = None

    @property
    def is_root(self) -> bool:
        """Whether the run is a whole trace: the trace has its id, and nothing is above it."""
        return self.parent_run_id is None and self.trace_id in {None, self.id}


class Cursors(_Wire):
    """Where a run query goes on; without `next` it has ended."""

    next: str | None = None


class RunsAnswer(_Wire):
    """The answer to a run query."""

    runs: list[Run]
    cursors: Cursors | None = None


SESSIONS = TypeAdapter(list[TracerSession])
RUNS = TypeAdapter(RunsAnswer)


def read(reply: Reply, wire: TypeAdapter[T]) -> T:
    """The body, unreadable values in its rows taken for null and told once in the log.

    Raises SourceBadResponse when the body is not of the wire's shape, or a row lacks what it cannot do without.
    """
    try:
        return wire.validate_json(reply.body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    try:
        body = from_json(reply.body)
        fields = [_forget(body, problem["loc"]) for problem in problems]
        found = wire.validate_python(body)
    except (ValueError, LookupError, TypeError):
        return decode(reply, wire)  # fails again, and reports it as every adapter does
    _log.warning(
        "wire.unparsable",
        source=reply.source,
        kind=reply.kind,
        count=len(fields),
        fields=sorted(set(fields)),
    )
    return found


def _forget(body: Any, loc: tuple[int | str, ...]) -> str:
    """Set the value at that place of a row to null and give the name of the row's field; else LookupError."""
    row = next((index for index, step in enumerate(loc) if isinstance(step, int)), len(loc))
    within = loc[row + 1 :]
    if not within:
        raise LookupError
    holder = body
    for step in loc[:-1]:
        holder = holder[step]
    holder[loc[-1]] = None
    return str(within[0])
