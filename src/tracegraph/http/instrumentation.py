"""Metrics and tracing of GraphQL requests: counts each request, and records a span when tracing is on."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from tracegraph.federation.report import SourceReportStatus
from tracegraph.graphql.incremental import LaterPart, Part
from tracegraph.graphql.runner import OperationResult
from tracegraph.http.negotiation import combined_header
from tracegraph.http.response_cache import OperationResponse
from tracegraph.metrics.operations import FragmentOutcome, OperationOutcome, Operations, PartCounts, Reuse

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


_FAILED_OUTCOMES = {OperationOutcome.ERRORS, OperationOutcome.LATE, OperationOutcome.CRASHED}


_DEGRADED_STATUSES = {SourceReportStatus.FAILED.value, SourceReportStatus.STALE.value}


class OperationObservation:
    """Records the outcome and the duration of the request in its block.

    The outcome is CRASHED until `record_response` or the endpoint sets another outcome. `parts` are the parts of
    the response so far, None without parts.
    """

    __slots__ = ("_began", "_operations", "_reuse", "_span", "name", "outcome", "parts")

    def __init__(self, operations: Operations, tracing: Tracing | None, headers: Headers) -> None:
        self.name: str | None = None
        self.outcome = OperationOutcome.CRASHED
        self.parts: PartCounts | None = None
        self._reuse: Reuse | None = None
        self._operations = operations
        self._span = None if tracing is None else tracing.operation(_trace_headers(headers))

    def __enter__(self) -> OperationObservation:
        self._began = perf_counter()
        if self._span is not None:
            self._span.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is CancelledError:
            self.outcome = OperationOutcome.GONE
        label = self._operations.label(self.name, self.outcome)
        self._operations.count(label, self.outcome, perf_counter() - self._began, self._reuse, self.parts)
        if self._span is not None:
            self._span.end(label, self.outcome.value, failed=self.outcome in _FAILED_OUTCOMES)

    @property
    def elapsed_ms(self) -> float:
        """The duration so far in milliseconds."""
        return round((perf_counter() - self._began) * 1000, 1)

    def count_part(self, part: Part) -> None:
        """Count a part of the response, and record the time of the first one."""
        if self.parts is None:
            self.parts = PartCounts(first_part_s=perf_counter() - self._began)
        if isinstance(part, LaterPart):
            failed = sum(bool(completed.errors) for completed in part.completed)
            self.parts.fragments[FragmentOutcome.FAILED] += failed
            self.parts.fragments[FragmentOutcome.DELIVERED] += len(part.completed) - failed

    def record_response(self, response: OperationResponse) -> None:
        """Record the operation's name and outcome, and whether its response is reused."""
        self.name = response.result.operation or self.name
        self.outcome = _outcome_of(response.result)
        self._reuse = response.reuse


def _trace_headers(headers: Headers) -> dict[str, str]:
    """Return the request's trace context. Two `traceparent` lines are invalid (W3C Trace Context, 2.4)."""
    lines = {name: combined_header(headers, name) for name in ("traceparent", "tracestate")}
    return {name: value for name, value in lines.items() if value is not None}


def _outcome_of(result: OperationResult) -> OperationOutcome:
    if not result.executed:
        return OperationOutcome.REFUSED
    if result.data is None and any(_code(error) == "DEADLINE_EXCEEDED" for error in result.errors):
        return OperationOutcome.LATE
    if result.errors:
        return OperationOutcome.ERRORS
    if any(report["status"] in _DEGRADED_STATUSES for report in result.extensions.get("sources", ())):
        return OperationOutcome.PARTIAL
    return OperationOutcome.OK


def _code(error: Mapping[str, Any]) -> object:
    return error.get("extensions", {}).get("code")
