"""What the log says about one HTTP request, from its head to the end of its response."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from structlog.contextvars import bind_contextvars

from tracegraph.http.errors import HTTPRequestError
from tracegraph.http.response_cache import OperationResponse
from tracegraph.metrics.operations import PartCounts

RECORD = "tracegraph.request_record"
"""The key of the record in the ASGI scope."""

REQUEST_ID_HEADER = b"x-request-id"


_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")


_TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


@dataclass(slots=True)
class RequestRecord:
    """One HTTP request. The endpoint completes what the head does not say.

    Attributes:
        request_id: The id of the request: the client's own, or a new one.
        trace_id: The id of its trace, or None without one.
        ran: Whether its operation ran.
        is_gone: Whether the client disconnected before the response.
        fields: The fields of the line.
        code: The error code of a refusal.
        reason: Why a credential was refused. For the log only.
    """

    request_id: str
    trace_id: str | None
    ran: bool = False
    is_gone: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    code: str | None = None
    reason: str | None = None

    @classmethod
    def from_headers(cls, headers: Sequence[tuple[bytes, bytes]]) -> RequestRecord:
        """Return the record of a request with these headers, whose names are in lower case."""
        own = [value for name, value in headers if name == REQUEST_ID_HEADER]
        parents = [value for name, value in headers if name == b"traceparent"]
        is_valid = len(own) == 1 and _REQUEST_ID.fullmatch(own[0])
        parent = _TRACE_PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
        return cls(own[0].decode() if is_valid else uuid4().hex, parent[1].decode() if parent else None)

    def complete(self, operation: str | None, principal: str, duration_ms: float) -> None:
        """Record the end of an operation.

        Args:
            operation: The name of the operation.
            principal: The caller.
            duration_ms: The duration of the request.
        """
        self.ran = True
        self.fields = {"operation": operation, "principal": principal, "duration_ms": duration_ms}

    def add_result(self, response: OperationResponse, *, bypass_cache: bool) -> None:
        """Record the result of an operation. An operation that did not run is a refusal."""
        result = response.result
        codes = sorted({str(error["extensions"]["code"]) for error in result.errors})
        if not result.executed:
            self.ran, self.code = False, codes[0] if codes else None
            return
        unused = "BYPASS" if bypass_cache else "MISS"
        self.fields |= {
            "errors": len(result.errors),
            "codes": codes,
            "cost": result.cost,
            "cache": unused if response.reuse is None else response.reuse.value,
            "sources": [report["source"] for report in result.extensions.get("sources", ())],
        }

    def add_parts(self, parts: PartCounts) -> None:
        """Record the time of the first part, and the number of deferred fragments."""
        self.fields |= {"first_part_ms": parts.first_part_ms, "fragments": parts.fragments.total()}

    def refuse(self, error: HTTPRequestError) -> None:
        """Record the code of a refusal, and its reason for the log."""
        self.code, self.reason = error.code, error.reason


def record_trace(request: Request, trace_id: str) -> None:
    """Record the trace of the request, also for the events within."""
    record_of(request).trace_id = trace_id
    bind_contextvars(trace_id=trace_id)


def record_of(request: Request) -> RequestRecord:
    """Return the record that `RequestLogMiddleware` made for the request."""
    record: RequestRecord = request.scope[RECORD]
    return record
