"""OpenTelemetry spans: one for each GraphQL operation, one for each request to a vendor.

The libraries come with the extra `tracegraph[otel]`: import this module only where tracing is on. No span holds a
document, a variable, an address, a header or a body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracegraph.errors import SourceError

_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Makes spans. `pass_on`: vendors are told of the trace (`traceparent`, `tracestate`)."""

    def __init__(self, provider: TracerProvider, *, pass_on: bool = False) -> None:
        self._tracer = provider.get_tracer("tracegraph")
        self._pass_on = pass_on

    def operation(self, headers: Mapping[str, str]) -> OperationSpan:
        """The span of one operation, in the trace that the request's headers name if they do."""
        return OperationSpan(self._tracer.start_span("graphql", _W3C.extract(headers), SpanKind.SERVER))

    @contextmanager
    def request(
        self, source: str, kind: str, method: str, attempt: int, headers: dict[str, str]
    ) -> Iterator[dict[str, str]]:
        """The span of one request to a vendor, and the headers to send with it."""
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
                yield self._told(headers)
            except SourceError as error:
                _failed(span, error)
                raise

    def _told(self, headers: dict[str, str]) -> dict[str, str]:
        if not self._pass_on:
            return headers
        told = dict(headers)
        _W3C.inject(told)
        return told


class OperationSpan:
    """The span of an operation; what happens between `begin` and `end` is within it."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def begin(self) -> None:
        """Be the span that others are made below."""
        self._token = attach(set_span_in_context(self._span))

    def end(self, name: str, outcome: str, *, failed: bool) -> None:
        """Its name and how it ended, as /metrics has both."""
        detach(self._token)
        self._span.update_name(f"query {name}")
        self._span.set_attributes({"graphql.operation.name": name, "tracegraph.outcome": outcome})
        if failed:
            self._span.set_status(Status(StatusCode.ERROR, outcome))
        self._span.end()


def _failed(span: Span, error: SourceError) -> None:
    span.set_attribute("error.type", error.code.value)
    if error.http_status is not None:
        span.set_attribute("http.response.status_code", error.http_status)
    span.set_status(Status(StatusCode.ERROR, error.message))
