"""Structs of LangSmith's v2 JSON: the envelope of every list, and a run in v2's field names.

docs/vendors/langsmith.md#v2 describes them. Tracer sessions and datasets have the same fields as in v1. Every
field of a run is optional, and a query selects each by name. A row requires its id, and a run also its
project and its start.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from tracegraph.adapter import Count, LenientDecoder, LenientStruct, Name, refuse_without_rows, utc
from tracegraph_langsmith.wire import (
    Dataset,
    Feedback,
    TokenDetails,
    TracerSession,
    end_after,
    lower,
    require_costs,
    require_durations,
)


class RawTokenDetails(Struct, gc=False):
    """The parts of a token count, within an object."""

    raw: TokenDetails | None = None

    @property
    def cache_read(self) -> int | None:
        """Return the tokens read from the model's cache."""
        return self.raw.cache_read if self.raw else None

    @property
    def written(self) -> int | None:
        """Return the tokens written to the model's cache."""
        return self.raw.written if self.raw else None

    @property
    def reasoning(self) -> int | None:
        """Return the tokens spent on reasoning."""
        return self.raw.reasoning if self.raw else None


class Run(LenientStruct):
    """A root run."""

    id: Name
    start_time: datetime
    project_id: Name
    trace_id: Name | None = None
    thread_id: str | None = None
    name: str | None = None
    status: str | None = None
    error: str | None = None
    error_preview: str | None = None
    end_time: datetime | None = None
    first_token_time: datetime | None = None
    latency_seconds: Decimal | None = None
    reference_example_id: Name | None = None
    inputs: Any = None
    outputs: Any = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_token_details: RawTokenDetails | None = None
    completion_token_details: RawTokenDetails | None = None
    total_cost: Decimal | None = None
    prompt_cost: Decimal | None = None
    completion_cost: Decimal | None = None
    feedback_stats: Feedback | None = None
    metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.id = self.id.lower()
        self.project_id = self.project_id.lower()
        self.trace_id = lower(self.trace_id)
        self.reference_example_id = lower(self.reference_example_id)
        self.start_time = utc(self.start_time)
        self.end_time = end_after(self.start_time, utc(self.end_time))
        self.first_token_time = utc(self.first_token_time)
        self.error = self.error or self.error_preview
        require_durations(self.latency_seconds)
        require_costs(self.total_cost, self.prompt_cost, self.completion_cost)

    @property
    def session_id(self) -> str:
        """Return the id of the tracer session, by v1's name."""
        return self.project_id


class TraceRun(Run):
    """Any run of a trace. The project follows from the request."""

    project_id: Name = ""
    start_time: datetime | None = None  # type: ignore[assignment]  # a span may lack it, a session may not
    parent_run_ids: list[str] | None = None
    run_type: str | None = None

    @property
    def parent_run_id(self) -> str | None:
        """Return the direct parent, which is the last of the ancestors; None for a root."""
        return self.parent_run_ids[-1].lower() if self.parent_run_ids else None


class RunsPage(Struct):
    """A page of runs. Without `next_cursor` it is the last page, however few rows it has."""

    items: list[Run | None]
    next_cursor: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.items)


class TraceRuns(Struct):
    """Runs of traces. Without `next_cursor` there are no more."""

    items: list[TraceRun | None]
    next_cursor: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.items)


class SessionsPage(Struct):
    """A page of tracer sessions."""

    items: list[TracerSession | None]
    next_cursor: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.items)


class DatasetsPage(Struct):
    """A page of datasets."""

    items: list[Dataset | None]
    next_cursor: str | None = None


RUNS: LenientDecoder[RunsPage] = LenientDecoder(RunsPage)


TRACE_RUNS: LenientDecoder[TraceRuns] = LenientDecoder(TraceRuns)


SESSIONS: LenientDecoder[SessionsPage] = LenientDecoder(SessionsPage)


DATASETS: LenientDecoder[DatasetsPage] = LenientDecoder(DatasetsPage)
