"""Each GraphQL request as those see it who run the gateway: counted, and a span when tracing is on."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from tracegraph.federation.report import SourceReportStatus
from tracegraph.graphql.runner import OperationResult
from tracegraph.http.negotiation import all_lines
from tracegraph.http.response_cache import OperationResponse
from tracegraph.metrics.operations import OperationOutcome, Operations, Reuse

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


_FAILURES = {OperationOutcome.ERRORS, OperationOutcome.LATE, OperationOutcome.CRASHED}


_TROUBLES = {SourceReportStatus.FAILED.value, SourceReportStatus.STALE.value}


class OperationObservation:
    """A request, watched from entering to leaving; until it is told otherwise it is one that crashed."""

    __slots__ = ("_began", "_operations", "_reuse", "_span", "ended", "name")

    def __init__(self, operations: Operations, tracing: Tracing | None, headers: Headers) -> None:
        self.name: str | None = None
        self.ended = OperationOutcome.CRASHED
        self._reuse: Reuse | None = None
        self._operations = operations
        self._span = None if tracing is None else tracing.operation(_trace(headers))

    def __enter__(self) -> OperationObservation:
        self._began = perf_counter()
        if self._span is not None:
            self._span.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is CancelledError:
            self.ended = OperationOutcome.GONE
        label = self._operations.label(self.name, self.ended)
        self._operations.count(label, self.ended, perf_counter() - self._began, self._reuse)
        if self._span is not None:
            self._span.end(label, self.ended.value, failed=self.ended in _FAILURES)

    def answered(self, answer: OperationResponse) -> None:
        """It has an answer."""
        self.name = answer.outcome.operation or self.name
        self.ended = _end_of(answer.outcome)
        self._reuse = answer.reuse


def _trace(headers: Headers) -> dict[str, str]:
    """The trace that the request names, in all lines: two names of one make it none (W3C Trace Context, 2.4)."""
    lines = {name: all_lines(headers, name) for name in ("traceparent", "tracestate")}
    return {name: value for name, value in lines.items() if value is not None}


def _end_of(outcome: OperationResult) -> OperationOutcome:
    if not outcome.executed:
        return OperationOutcome.REFUSED
    if outcome.data is None and any(_code(error) == "DEADLINE_EXCEEDED" for error in outcome.errors):
        return OperationOutcome.LATE
    if outcome.errors:
        return OperationOutcome.ERRORS
    if any(report["status"] in _TROUBLES for report in outcome.extensions.get("sources", ())):
        return OperationOutcome.PARTIAL
    return OperationOutcome.OK


def _code(error: Mapping[str, Any]) -> object:
    return error.get("extensions", {}).get("code")
