"""OpenTelemetry: a span for each GraphQL operation and for each request to a vendor, in the client's trace."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.gateway import NAMES, Gateway, Vendors, in_process, living
from tests.worlds import fill
from tracegraph.app import create_app
from tracegraph.observability.spans import Tracing
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.servers import running

LIST = "query List { experiments { nodes { name } } }"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OpenTraced = Callable[..., Awaitable[Gateway]]


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Provide an exporter that stores finished spans."""
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


@pytest.fixture
async def open_traced(vendors: Vendors, exporter: InMemorySpanExporter) -> AsyncIterator[OpenTraced]:
    """Open a gateway whose spans go to the exporter: `await open_traced(pass_on=True, cache={...})`."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with AsyncExitStack() as stack:

        async def opened(*, pass_on: bool = False, **tables: Any) -> Gateway:
            app = create_app(vendors.settings(**tables), tracing=Tracing(provider, pass_on=pass_on))
            served = await stack.enter_async_context(living(app))
            transport = httpx.ASGITransport(served)
            client = httpx.AsyncClient(transport=transport, base_url="http://localhost", trust_env=False)
            return Gateway(await stack.enter_async_context(client))

        yield opened


def of_kind(exporter: InMemorySpanExporter, kind: SpanKind) -> Sequence[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.kind is kind]


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_an_operation_is_a_span_and_so_is_each_request_to_a_vendor_below_it(
    vendors: Vendors, open_traced: OpenTraced, exporter: InMemorySpanExporter
) -> None:
    await (await open_traced()).ask(LIST)
    (operation,) = of_kind(exporter, SpanKind.SERVER)
    assert operation.name == "query List"
    assert attributes_of(operation) == {"graphql.operation.name": "List", "tracegraph.outcome": "OK"}
    requests = of_kind(exporter, SpanKind.CLIENT)
    assert len(requests) == sum(vendors.call_counts) == 3
    assert {attributes_of(span)["tracegraph.source"] for span in requests} == set(NAMES)
    assert {span.parent.span_id for span in requests if span.parent} == {operation.context.span_id}
    assert "nemo experiments" in {span.name for span in requests}


async def test_spans_join_the_clients_trace_and_vendors_get_no_trace_context(
    vendors: Vendors, open_traced: OpenTraced, exporter: InMemorySpanExporter
) -> None:
    gateway = await open_traced()
    await gateway.post(_LIST, traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="a=b", baggage="user=ada")
    (operation,) = of_kind(exporter, SpanKind.SERVER)
    assert operation.parent is not None
    assert format_span_id(operation.parent.span_id) == PARENT
    assert {format_trace_id(span.context.trace_id) for span in exporter.get_finished_spans()} == {TRACE}
    headers = [call.headers for vendor in vendors.all for call in vendor.calls]
    assert not any(header.startswith("trace") for found in headers for header in found)


async def test_with_pass_on_each_vendor_gets_the_context_of_its_own_span(
    vendors: Vendors, open_traced: OpenTraced, exporter: InMemorySpanExporter
) -> None:
    gateway = await open_traced(pass_on=True)
    await gateway.post(_LIST, traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="a=b")
    spans = {attributes_of(span)["tracegraph.source"]: span for span in of_kind(exporter, SpanKind.CLIENT)}
    for name in NAMES:
        (call,) = vendors.named(name).calls
        span_id = format_span_id(spans[name].context.span_id)
        assert call.headers["traceparent"] == f"00-{TRACE}-{span_id}-01"
        assert call.headers["tracestate"] == "a=b"


async def test_all_lines_of_tracestate_are_propagated_and_two_traceparents_are_ignored(
    vendors: Vendors, open_traced: OpenTraced, exporter: InMemorySpanExporter
) -> None:
    """W3C Trace Context, 2.4 and 3.3."""
    gateway = await open_traced(pass_on=True)
    line = ("traceparent", f"00-{TRACE}-{PARENT}-01")
    for more in ([("tracestate", "a=b"), ("tracestate", "c=d")], [line]):
        headers = [("content-type", "application/json"), line, *more]
        await gateway.http.post("/graphql", content=_LIST, headers=headers)
    first, second = of_kind(exporter, SpanKind.SERVER)
    assert first.context.trace_id == int(TRACE, 16)
    assert vendors.nemo.calls[0].headers["tracestate"] == "a=b,c=d"
    assert second.parent is None


async def test_a_trace_that_the_client_does_not_sample_records_no_span(
    open_traced: OpenTraced, exporter: InMemorySpanExporter
) -> None:
    await (await open_traced()).post(_LIST, traceparent=f"00-{TRACE}-{PARENT}-00")
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize("header", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", "ff-" + "a" * 500])
async def test_a_header_that_names_no_trace_begins_a_new_one(
    open_traced: OpenTraced, exporter: InMemorySpanExporter, header: str
) -> None:
    answer = await (await open_traced()).post(_LIST, traceparent=header)
    assert answer.data == {"experiments": {"nodes": []}}
    (operation,) = of_kind(exporter, SpanKind.SERVER)
    assert operation.parent is None


async def test_a_failed_attempt_and_its_retry_are_spans_of_their_own(
    vendors: Vendors, open_traced: OpenTraced, exporter: InMemorySpanExporter
) -> None:
    sources = vendors.sources()
    sources["nemo"]["retry"] = {"base_s": 0}
    vendors.nemo.fail(Fault("status", status=503, body={"detail": "vendors-own-words"}))
    await (await open_traced(sources=sources)).ask(LIST)
    first, second = [
        span for span in of_kind(exporter, SpanKind.CLIENT) if attributes_of(span)["tracegraph.source"] == "nemo"
    ]
    assert first.status.status_code is StatusCode.ERROR
    assert attributes_of(first)["error.type"] == "UNAVAILABLE"
    assert attributes_of(first)["http.response.status_code"] == 503
    assert second.status.status_code is StatusCode.UNSET
    assert attributes_of(second)["http.request.resend_count"] == 1
    written = "".join(span.to_json() for span in exporter.get_finished_spans())
    for never in (vendors.nemo.url, "vendors-own-words", vendors.meibel.world.api_key, "experiments {"):
        assert never not in written


async def test_an_operation_with_errors_is_a_failed_span(
    open_traced: OpenTraced, exporter: InMemorySpanExporter
) -> None:
    await (await open_traced()).ask('query Node { node(id: "x") { id } }')
    (operation,) = of_kind(exporter, SpanKind.SERVER)
    assert operation.status.status_code is StatusCode.ERROR
    assert attributes_of(operation)["tracegraph.outcome"] == "ERRORS"


async def test_a_call_that_two_requests_share_is_one_span_of_the_first(
    vendors: Vendors, open_traced: OpenTraced, exporter: InMemorySpanExporter
) -> None:
    gateway = await open_traced()
    vendors.nemo.fail(Fault("delay", seconds=0.3))
    await asyncio.gather(*(gateway.ask(LIST) for _ in range(2)))
    spans = [
        span for span in of_kind(exporter, SpanKind.CLIENT) if attributes_of(span)["tracegraph.source"] == "nemo"
    ]
    assert len(spans) == len(vendors.nemo.calls) == 1
    assert len(of_kind(exporter, SpanKind.SERVER)) == 2


async def test_switched_on_by_the_configuration_every_span_reaches_the_collector(vendors: Vendors) -> None:
    fill(vendors)
    received: list[ExportTraceServiceRequest] = []

    async def collect(request: Request) -> Response:
        received.append(ExportTraceServiceRequest.FromString(await request.body()))
        return Response(b"", media_type="application/x-protobuf")

    async with running(Starlette(routes=[Route("/v1/traces", collect, methods=["POST"])])) as url:
        tracing = {"enabled": True, "endpoint": f"{url}/v1/traces"}
        async with in_process(vendors.settings(tracing=tracing)) as gateway:
            await gateway.ask(LIST)
    resources = [spans for export in received for spans in export.resource_spans]
    names = [span.name for spans in resources for scope in spans.scope_spans for span in scope.spans]
    assert len(names) == 1 + sum(vendors.call_counts)
    assert "query List" in names
    services = {
        one.value.string_value
        for spans in resources
        for one in spans.resource.attributes
        if one.key == "service.name"
    }
    assert services == {"tracegraph"}


async def test_a_collector_that_is_down_fails_no_request(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    tracing = {"enabled": True, "endpoint": "http://127.0.0.1:9/v1/traces"}
    async with in_process(vendors.settings(tracing=tracing)) as gateway:
        assert (await gateway.ask(LIST)).data == {"experiments": {"nodes": []}}


_LIST = b'{"query": "query List { experiments { nodes { name } } }"}'
