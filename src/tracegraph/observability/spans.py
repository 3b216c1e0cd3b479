"""OpenTelemetry spans: one for each GraphQL operation, one for each request to a vendor.

The extra `tracegraph[otel]` installs the libraries: import this module only where tracing is on. No span contains
a document, a variable, a URL, a header or a body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracegraph.errors import SourceError

_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Creates spans. With `pass_on`, requests to vendors carry the trace context (`traceparent`, `tracestate`)."""

    def __init__(self, provider: TracerProvider, *, pass_on: bool = False) -> None:
        self._tracer = provider.get_tracer("tracegraph")
        self._pass_on = pass_on

    def operation(self, headers: Mapping[str, str]) -> OperationSpan:
        """Return the span of one operation, in the trace of the request's headers if they name one."""
        return OperationSpan(self._tracer.start_span("graphql", _W3C.extract(headers), SpanKind.SERVER))

    @contextmanager
    def request(
        self, source: str, kind: str, method: str, attempt: int, headers: dict[str, str]
    ) -> Iterator[dict[str, str]]:
        """Open the span of one request to a vendor, and yield the headers for the request.

        Args:
            source: The name of the source.
            kind: The kind of call.
            method: The HTTP method.
            attempt: The number of the attempt, from 1.
            headers: The headers of the request.
        """
        attributes: dict[str, str | int] = {
            "tracegraph.source": source,
            "tracegraph.kind": kind,
            "http.request.method": method,
        }
        if attempt > 1:
            attributes["http.request.resend_count"] = attempt - 1
        with self._tracer.start_as_current_span(
            f"{source} {kind}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield self._with_trace_context(headers)
            except SourceError as error:
                _record_failure(span, error)
                raise

    def _with_trace_context(self, headers: dict[str, str]) -> dict[str, str]:
        if not self._pass_on:
            return headers
        propagated = dict(headers)
        _W3C.inject(propagated)
        return propagated


class OperationSpan:
    """The span of an operation. It is the current span between `begin` and `end`."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        """The ID of the trace, as 32 hexadecimal digits."""
        return format_trace_id(self._span.get_span_context().trace_id)

    def begin(self) -> None:
        """Make the span current, so that new spans become its children."""
        self._token = attach(set_span_in_context(self._span))

    def end(self, name: str, outcome: str, *, failed: bool) -> None:
        """End the span, with the operation's label and outcome as in `/metrics`.

        Args:
            name: The label of the operation.
            outcome: The outcome of the request.
            failed: Whether the span has the status ERROR.
        """
        detach(self._token)
        self._span.update_name(f"query {name}")
        self._span.set_attributes({"graphql.operation.name": name, "tracegraph.outcome": outcome})
        if failed:
            self._span.set_status(Status(StatusCode.ERROR, outcome))
        self._span.end()


def _record_failure(span: Span, error: SourceError) -> None:
    span.set_attribute("error.type", error.code.value)
    if error.http_status is not None:
        span.set_attribute("http.response.status_code", error.http_status)
    span.set_status(Status(StatusCode.ERROR, error.message))
