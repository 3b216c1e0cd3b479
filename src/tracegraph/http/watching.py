"""Each GraphQL request as those see it who run the gateway: counted, and a span when tracing is on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tracegraph.federation.report import SourceReportStatus
from tracegraph.graphql.execution import Outcome
from tracegraph.metrics.operations import OperationOutcome, Operations

if TYPE_CHECKING:
    from tracegraph.spans import Tracing

_FAILURES = {OperationOutcome.ERRORS, OperationOutcome.LATE, OperationOutcome.CRASHED}
_TROUBLES = {SourceReportStatus.FAILED.value, SourceReportStatus.STALE.value}


@dataclass(slots=True)
class Watched:
    """A request under way; until it is told otherwise it is one that crashed."""

    name: str | None = None
    ended: OperationOutcome = OperationOutcome.CRASHED

    def answered(self, outcome: Outcome) -> None:
        """It has an answer."""
        self.name = outcome.operation or self.name
        self.ended = _end_of(outcome)


@contextmanager
def watched(operations: Operations, tracing: Tracing | None, headers: Mapping[str, str]) -> Iterator[Watched]:
    """Watch what happens within."""
    began, request = perf_counter(), Watched()
    with nullcontext() if tracing is None else tracing.operation(headers) as span:
        try:
            yield request
        finally:
            label = operations.label(request.name, request.ended)
            operations.count(label, request.ended, perf_counter() - began)
            if span is not None:
                span.ended(label, request.ended.value, failed=request.ended in _FAILURES)


def _end_of(outcome: Outcome) -> OperationOutcome:
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
