"""`/metrics`: exact counts after known traffic, a bounded number of labels, and no secrets."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from starlette.datastructures import Headers

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors, eventually
from tests.http.metering import scraped
from tests.worlds import fill
from tracegraph.graphql.runner import OperationResult
from tracegraph.http.instrumentation import OperationObservation
from tracegraph.http.response_cache import OperationResponse
from tracegraph.metrics.definitions import FAMILIES
from tracegraph.metrics.operations import OperationOutcome, Operations
from tracegraph.simulators.core.faults import Fault

LIST = "query List { experiments { nodes { name } } }"
FIRST = {NEMO: "experiments", LANGSMITH: "sessions", MEIBEL: "agents"}
"""The kind of the only call of the list to each source."""


async def open_with(vendors: Vendors, open_gateway: OpenGateway, source: str, **tables: Any) -> Gateway:
    """Open the gateway with these tables for one source."""
    sources = vendors.sources()
    sources[source] = {**sources[source], **tables}
    return await open_gateway(sources=sources)


# -- calls to vendors ----------------------------------------------------------------------------------------


async def test_every_request_to_a_vendor_is_counted_once_with_its_duration(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors)
    for _ in range(3):
        await gateway.ask(LIST)
    scrape = await scraped(gateway)
    for source, kind in FIRST.items():
        sent = scrape.by("kind", "upstream_requests_total", source=source, outcome="OK")
        assert sent[kind] == 3
        assert sum(sent.values()) == len(vendors.named(source).calls)
        assert scrape.by("outcome", "upstream_requests_total", source=source).keys() == {"OK"}
        assert scrape.by("kind", "upstream_request_duration_seconds_count", source=source) == sent
        assert scrape.by("kind", "upstream_request_duration_seconds_bucket", source=source, le="+Inf") == sent
        assert scrape.by("kind", "upstream_request_duration_seconds_sum", source=source).keys() == sent.keys()


@pytest.mark.parametrize("source", NAMES)
async def test_failures_are_counted_by_code_and_retries_beside_them(
    vendors: Vendors, open_gateway: OpenGateway, source: str
) -> None:
    fill(vendors)
    gateway = await open_with(vendors, open_gateway, source, retry={"base_s": 0})
    vendors.named(source).fail(Fault("status", status=503), Fault("status", status=401))
    await gateway.ask(LIST)
    at = {"source": source, "kind": FIRST[source]}
    scrape = await scraped(gateway)
    assert scrape.by("outcome", "upstream_requests_total", **at) == {"UNAVAILABLE": 1, "UNAUTHORIZED": 1}
    assert scrape.value("upstream_retries_total", **at) == 1
    assert scrape.value("upstream_request_duration_seconds_count", **at) == 2


async def test_a_retry_that_the_budget_forbids_is_counted_as_such(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    none_left = {"base_s": 0, "budget_floor": 0, "budget_ratio": 0}
    gateway = await open_with(vendors, open_gateway, NEMO, retry=none_left)
    vendors.nemo.fail(Fault("status", status=503))
    await gateway.ask(LIST)
    scrape = await scraped(gateway)
    at = {"source": NEMO, "kind": "experiments"}
    assert scrape.value("upstream_retries_over_budget_total", **at) == 1
    assert scrape.value("upstream_retries_total", **at) == 0


async def test_health_and_metrics_show_the_same_circuit(vendors: Vendors, open_gateway: OpenGateway) -> None:
    tables = {"retry": {"attempts": 1}, "breaker": {"min_calls": 2, "pause_s": 3}}
    gateway = await open_with(vendors, open_gateway, NEMO, **tables)
    vendors.nemo.fail(Fault("status", status=503, times=2))
    seen = []

    async def look() -> None:
        answer = await gateway.ask("{ sources { name health { circuit } } }")
        (source,) = [one for one in answer.data["sources"] if one["name"] == NEMO]
        states = (await scraped(gateway)).by("state", "circuits", source=NEMO, kind="experiments")
        seen.append((source["health"]["circuit"], *states))

    await gateway.ask(LIST)
    for _ in range(2):
        await look()
    scrape = await scraped(gateway)
    assert scrape.by("reason", "upstream_not_sent_total", source=NEMO) == {"CIRCUIT_OPEN": 1}
    async with asyncio.timeout(30):
        while "OPEN" in (  # noqa: ASYNC110 - the end of the pause has no event
            await scraped(gateway)
        ).by("state", "circuits", source=NEMO, kind="experiments"):
            await asyncio.sleep(0.05)
    assert (await scraped(gateway)).by("state", "circuits", source=NEMO, kind="experiments") == {"HALF_OPEN": 1}
    await look()
    assert seen == [("OPEN", "OPEN"), ("OPEN", "OPEN"), ("CLOSED", "CLOSED")]


async def test_calls_that_wait_for_a_permit_are_counted_with_their_wait_time(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    limits = {"rates": {"agents": {"calls": 1, "per_s": 0.2}}}
    gateway = await open_with(vendors, open_gateway, MEIBEL, limits=limits)
    await gateway.ask(LIST)
    await gateway.ask(LIST)
    scrape = await scraped(gateway)
    at = {"source": MEIBEL, "kind": "agents"}
    assert scrape.value("upstream_waits_total", **at) == 1
    assert scrape.value("upstream_wait_seconds_total", **at) > 0


async def test_cache_hits_and_shared_calls_are_counted(vendors: Vendors, open_gateway: OpenGateway) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 60})
    vendors.nemo.fail(Fault("delay", seconds=0.3))
    await asyncio.gather(*(gateway.ask(LIST, unused=number) for number in range(5)))
    await gateway.ask(LIST, unused=5)
    scrape = await scraped(gateway)
    at = {"source": NEMO, "kind": "experiments"}
    assert len(vendors.nemo.calls) == 1
    assert scrape.value("upstream_shared_total", **at) == 4
    assert scrape.by("result", "cache_reads_total", **at) == {"MISS": 1, "HIT": 1}
    assert scrape.by("how", "graphql_answers_reused_total") == {}


async def test_reused_responses_are_counted(vendors: Vendors, open_gateway: OpenGateway) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 60})
    await asyncio.gather(*(gateway.ask(LIST) for _ in range(5)))
    await gateway.ask(LIST)
    scrape = await scraped(gateway)
    assert scrape.by("how", "graphql_answers_reused_total", operation="List") == {"SHARED": 4, "KEPT": 1}
    assert scrape.by("outcome", "graphql_requests_total", operation="List") == {"OK": 6}


async def test_a_stale_reply_is_counted_and_makes_the_request_partial(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 0})
    await gateway.ask(LIST)
    vendors.nemo.fail(Fault("status", status=500, times=None))
    await gateway.ask(LIST)
    scrape = await scraped(gateway)
    assert scrape.by("result", "cache_reads_total", source=NEMO) == {"MISS": 2, "STALE": 1}
    assert scrape.by("outcome", "graphql_requests_total", operation="List") == {"OK": 1, "PARTIAL": 1}


async def test_a_call_without_waiters_is_abandoned(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.fail(Fault("hang", seconds=30))
    request = asyncio.create_task(gateway.ask(LIST))
    assert await eventually(lambda: len(vendors.nemo.calls) == 1)
    request.cancel()
    await asyncio.wait([request])
    scrape = await scraped(gateway)
    assert scrape.by("outcome", "upstream_requests_total", source=NEMO) == {"ABANDONED": 1}
    assert scrape.by("outcome", "graphql_requests_total") == {"GONE": 1}


# -- GraphQL requests ----------------------------------------------------------------------------------------


async def test_requests_are_counted_by_operation_name_and_outcome(vendors: Vendors, gateway: Gateway) -> None:
    await gateway.ask(LIST)
    await gateway.ask("{ __typename }")
    await gateway.ask('query Node { node(id: "x") { id } }')
    await gateway.ask("query List { nothing }")
    await gateway.post(b"[]")
    vendors.meibel.fail(Fault("status", status=401))
    await gateway.ask(LIST)
    vendors.meibel.fail(Fault("hang", seconds=30))
    await gateway.post(orjson.dumps({"query": LIST}), x_deadline_ms="3000")
    scrape = await scraped(gateway)
    assert scrape.by("outcome", "graphql_requests_total", operation="List") == {
        "OK": 1,
        "REFUSED": 1,
        "PARTIAL": 2,
    }
    assert scrape.by("outcome", "graphql_requests_total", operation="unnamed") == {"OK": 1, "REFUSED": 1}
    assert scrape.by("outcome", "graphql_requests_total", operation="Node") == {"ERRORS": 1}
    assert scrape.value("graphql_request_duration_seconds_count", operation="List") == 4
    assert scrape.value("graphql_request_duration_seconds_bucket", operation="List", le="10.0") == 4


async def test_the_request_of_a_client_that_disconnects_is_gone_and_adds_no_operation_name(
    vendors: Vendors, served: Gateway
) -> None:
    vendors.nemo.fail(Fault("hang", seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        await served.http.post("/graphql", json={"query": LIST, "operationName": "List"}, timeout=0.3)
    ended = dict[str, float]()
    async with asyncio.timeout(10):
        while not ended:
            ended = (await scraped(served)).by("outcome", "graphql_requests_total", operation="other")
    assert ended == {"GONE": 1}


def test_late_and_crashed_requests_have_outcomes_of_their_own() -> None:
    operations = Operations(max_names=1)
    with OperationObservation(operations, None, Headers()) as late:
        errors = [{"extensions": {"code": "DEADLINE_EXCEEDED"}}]
        late.record_response(
            OperationResponse.from_result(OperationResult(None, errors, {}, executed=True, operation="Q"))
        )
    with pytest.raises(RuntimeError), OperationObservation(operations, None, Headers()):
        raise RuntimeError
    assert operations["Q"].outcomes == {OperationOutcome.LATE: 1}
    assert operations["unnamed"].outcomes == {OperationOutcome.CRASHED: 1}


async def test_of_several_operations_in_a_document_the_one_that_ran_is_counted(gateway: Gateway) -> None:
    document = "query One { __typename } query Two { __typename }"
    await gateway.post(orjson.dumps({"query": document, "operationName": "Two"}))
    scrape = await scraped(gateway)
    assert scrape.by("operation", "graphql_requests_total") == {"Two": 1}


async def test_clients_cannot_make_more_names_than_the_setting_allows(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(metrics={"operation_names": 3})
    for number in range(10):
        await gateway.ask(f"query Q{number} {{ __typename }}")
    await gateway.ask("query Q1 { __typename }")
    scrape = await scraped(gateway)
    counts = scrape.by("operation", "graphql_requests_total")
    assert counts == {"Q0": 1, "Q1": 2, "Q2": 1, "other": 7}


async def test_long_names_and_names_of_rejected_operations_add_no_label(gateway: Gateway) -> None:
    await gateway.ask(f"query {'a' * 65} {{ __typename }}")
    await gateway.ask("query Wrong { nothing }")
    for name in ('"} 1\n', "\N{SNOWMAN}", "Missing"):
        await gateway.post(orjson.dumps({"query": "query A { __typename }", "operationName": name}))
    scrape = await scraped(gateway)
    assert scrape.by("outcome", "graphql_requests_total", operation="other") == {"OK": 1, "REFUSED": 4}
    assert scrape.labels("operation") == {"other", "unnamed"}


# -- the text ------------------------------------------------------------------------------------------------


async def test_the_metrics_have_every_family_and_every_kind_of_call_from_the_start(
    gateway: Gateway,
) -> None:
    response = await gateway.http.get("/metrics", headers={"accept": "application/openmetrics-text; version=x"})
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    scrape = await scraped(gateway)
    names = {family.name.removesuffix("_total") for family in FAMILIES}
    assert {family.name for family in scrape.families} == names
    assert scrape.labels("source") == set(NAMES)
    nemo, langsmith = (
        {"service", "experiments", "sessions", "spans", "metrics"},
        {"info", "sessions", "runs/query", "traces", "datasets"},
    )
    assert scrape.labels("kind") == nemo | langsmith | {"agents", "agent", "session", "messages", "scores"}
    assert scrape.value("processes") == 1


async def test_the_metrics_contain_no_url_no_credential_and_no_text_of_a_vendor_or_client(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("status", status=500, body={"detail": "vendors-own-words"}))
    await gateway.ask(
        "query Q($id: ID!) { node(id: $id) { id } experiments { nodes { name } } }", id="clients-own"
    )
    text = (await scraped(gateway)).text
    keys = vendors.langsmith.world.api_key, vendors.meibel.world.api_key
    hosts = [vendor.url.removeprefix("http://") for vendor in vendors.all]
    for never in (*keys, *hosts, "http", "vendors-own-words", "clients-own"):
        assert never not in text


async def test_metrics_can_be_disabled(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(metrics={"enabled": False})
    assert (await gateway.http.get("/metrics")).status_code == 404
    assert (await gateway.ask("{ __typename }")).data == {"__typename": "Query"}
