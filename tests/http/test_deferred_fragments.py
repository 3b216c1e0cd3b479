"""Deferred fragments over slow, hanging and failing vendors, and for several principals at once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import pytest
from structlog.testing import capture_logs
from tracegraph_nemo.adapter import CAPABILITIES
from tracegraph_nemo.releases import NEWEST

from tests.conftest import OpenGateway
from tests.examples import slow_but
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors, eventually, in_process, over_http
from tests.http.metering import scraped
from tests.http.parts import EVENTS, IDS, PATHS, Part, all_parts, in_parts, merged
from tests.worlds import fill
from tracegraph.adapter.protocol import Adapter, SourceHealth
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.context import PageLimits
from tracegraph.graphql.incremental import FirstPart, LaterPart
from tracegraph.graphql.incremental import Part as GraphQLPart
from tracegraph.graphql.runner import Operation, OperationRunner
from tracegraph.graphql.schema import build_schema
from tracegraph.http.auth.api_keys import hash_key, new_key
from tracegraph.simulators.core.faults import Fault

BY_SOURCE = """
query BySource {
  gateway { version }
  ... @defer { nemo: experiments(first: 3, filter: {sources: ["nemo"]}) { ...Rows } }
  ... @defer { langsmith: experiments(first: 3, filter: {sources: ["langsmith"]}) { ...Rows } }
  ... @defer { meibel: experiments(first: 3, filter: {sources: ["meibel"]}) { ...Rows } }
}
fragment Rows on ExperimentConnection { nodes { name } sources { status error { code } } }
"""
SESSIONS = "{ experiments(first: 50) { nodes { name ... @defer { sessions { nodes { vendorId } } } } } }"
CACHE = {"url": "memory://", "ttl_s": 60}
HANG = Fault("hang", times=None)


def fields(part: Part) -> set[str]:
    """The response keys of every fragment in a part."""
    return {key for entry in part.get("incremental", ()) for key in entry["data"] or {}}


# -- slow vendors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [PATHS, IDS, EVENTS])
@pytest.mark.parametrize("slow", NAMES)
async def test_the_rows_of_fast_vendors_leave_before_those_of_a_slow_one(
    vendors: Vendors, served: Gateway, slow: str, accept: str
) -> None:
    """The slow vendor responds only after the client has read the rows of the others."""
    fill(vendors)
    expected = (await served.ask(BY_SOURCE)).body
    vendors.named(slow).fail(HANG)
    async with in_parts(served, BY_SOURCE, accept) as parts:
        read = [await parts.next()]
        assert read[0]["data"].keys() == {"gateway"}
        while {key for part in read for key in fields(part)} != set(NAMES) - {slow}:
            read.append(await parts.next())
        assert vendors.named(slow).simulator.in_flight > 0
        assert read[-1]["hasNext"] is True
    whole = merged(read)["data"]
    assert whole == {name: value for name, value in expected["data"].items() if name != slow}


async def test_a_late_vendors_rows_come_in_a_later_part(vendors: Vendors, served: Gateway) -> None:
    fill(vendors)
    expected = (await served.ask(BY_SOURCE)).body
    vendors.nemo.fail(Fault("delay", times=None, seconds=2.0))
    parts = await all_parts(served, BY_SOURCE)
    assert fields(parts[-1]) == {NEMO}
    assert merged(parts) == expected


@pytest.mark.parametrize("accept", slow_but([IDS], [PATHS, IDS]))
async def test_the_fragment_of_a_hanging_vendor_is_null_with_an_error_within_the_deadline(
    vendors: Vendors, accept: str
) -> None:
    fill(vendors)
    vendors.nemo.fail(HANG)
    settings = vendors.settings(limits={"deadline_s": 5}, sources=vendors.patient_sources(4.9))
    async with over_http(settings) as gateway:
        parts = await all_parts(gateway, BY_SOURCE, accept)
    whole = merged(parts)
    assert whole["data"]["nemo"] is None
    assert [node["name"] for node in whole["data"]["meibel"]["nodes"]] == ["m3", "m2", "m1"]
    (error,) = whole["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["nemo"], "ALL_SOURCES_FAILED")
    assert fields(parts[-1]) == {NEMO}
    assert [(one["source"], one["code"]) for one in whole["extensions"]["sources"]] == [(NEMO, "TIMEOUT")]


async def test_fragments_on_rows_fail_alone(vendors: Vendors, served: Gateway) -> None:
    """Each row's fragment holds its own null and error."""
    fill(vendors)
    expected = (await served.ask(SESSIONS)).data["experiments"]["nodes"]
    vendors.langsmith.fail(Fault("status", status=400, times=None, path="/api/v1/runs"))
    whole = merged(await all_parts(served, SESSIONS))
    found = whole["data"]["experiments"]["nodes"]
    assert len(found) == 12
    for row, healthy in zip(found, expected, strict=True):
        assert row == (healthy | {"sessions": None} if row["name"].startswith("l") else healthy)
    assert len(whole["errors"]) == 4
    assert {error["extensions"]["source"] for error in whole["errors"]} == {LANGSMITH}


@pytest.mark.parametrize("hanging", slow_but([NEMO], NAMES))
async def test_a_hanging_vendor_costs_no_fragment_of_the_others(vendors: Vendors, hanging: str) -> None:
    """The first part reserves time for its fragments, as a list does for the lists below it."""
    fill(vendors)
    sources = {name: table for name, table in vendors.sources().items() if name != hanging}
    async with over_http(vendors.settings(sources=sources)) as healthy:
        expected = merged(await all_parts(healthy, SESSIONS))
    vendors.named(hanging).fail(HANG)
    async with over_http(vendors.settings(limits={"deadline_s": 8})) as gateway:
        parts = await all_parts(gateway, SESSIONS)
    assert merged(parts)["data"] == expected["data"]
    assert "errors" not in merged(parts)


async def test_extensions_come_with_the_part_that_changes_them(vendors: Vendors, served: Gateway) -> None:
    fill(vendors)
    vendors.meibel.fail(Fault("status", status=500, times=None))
    query = BY_SOURCE.replace("gateway { version }", "experiments(first: 1) { nodes { name } }")
    parts = await all_parts(served, query)
    assert [one["source"] for one in parts[0]["extensions"]["sources"]] == [MEIBEL]
    assert not any("extensions" in part or "extensions" in str(part.get("incremental")) for part in parts[1:-1])


class UnresponsiveSource:
    """A source that ignores every deadline."""

    name, vendor, capabilities = "unresponsive", "unresponsive", CAPABILITIES[NEWEST.name]

    def __init__(self, error: Exception | None = None) -> None:
        self.cancelled = False
        self._error = error

    async def check(self) -> SourceHealth:
        """Never return, or raise."""
        if self._error is not None:
            raise self._error
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True
        raise AssertionError


def runner_over(source: UnresponsiveSource) -> OperationRunner:
    return OperationRunner(build_schema(), [cast("Adapter", source)], ScanBudget(), PageLimits(), deadline_s=60.0)


HEALTH = '{ sources { name ... @defer(label: "health") { health { status } } } }'


async def test_at_the_deadline_the_last_part_fails_every_pending_fragment() -> None:
    """The final time-out applies when a source ignores the deadline. Nothing runs on."""
    source, received = UnresponsiveSource(), list[GraphQLPart]()
    outcome = await runner_over(source).run(Operation(HEALTH, deadline_s=0.3), receive=received.append)
    first, last = received
    assert isinstance(first, FirstPart)
    assert isinstance(last, LaterPart)
    assert not last.has_next
    ((failed,), (error,)) = last.completed, last.completed[0].errors
    assert (failed.fragment.path, failed.fragment.label) == (["sources", 0], "health")
    assert (error["path"], error["extensions"]["code"]) == (["sources", 0], "DEADLINE_EXCEEDED")
    assert outcome.data == {"sources": [{"name": "unresponsive"}]}
    assert [one["extensions"]["code"] for one in outcome.errors] == ["DEADLINE_EXCEEDED"]
    assert await eventually(lambda: source.cancelled)


async def test_unexpected_errors_of_a_fragment_are_masked() -> None:
    """The cause is in the log under the reference."""
    source, received = UnresponsiveSource(KeyError("a secret of the inside")), list[GraphQLPart]()
    with capture_logs() as logs:
        outcome = await runner_over(source).run(Operation(HEALTH), receive=received.append)
    assert "secret" not in str(received)
    (error,) = outcome.errors
    assert (error["message"], error["path"][0]) == ("Internal error.", "sources")
    assert [one["reference"] for one in logs if one["event"] == "graphql.unexpected_error"] == [
        error["extensions"]["reference"]
    ]


@pytest.mark.parametrize("accept", [PATHS, IDS, None])
async def test_a_fragment_with_a_false_condition_has_its_fields_in_place(
    vendors: Vendors, served: Gateway, accept: str | None
) -> None:
    """The look-ahead selects its costly fields, as without the directive."""
    fill(vendors)
    query = """query($no: Boolean! = false) { sessions(first: 20) { nodes { vendorId
      %s { vendorFields metadata } ...S %s } } } fragment S on Session { input models }"""
    deferred = query % ("... @defer(if: false)", "@defer(if: $no)")
    found = (
        (await served.ask(deferred)).data
        if accept is None
        else merged(await all_parts(served, deferred, accept))["data"]
    )
    expected = await served.ask(query % ("... @include(if: true)", "@skip(if: $no)"))
    assert any(node["input"] for node in expected.data["sessions"]["nodes"])
    assert found == expected.data


# -- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["{ ... @defer { %s } }", "{ a: __typename %s ... @defer { b: __typename } }"])
async def test_introspection_comes_in_one_response(served: Gateway, place: str) -> None:
    """It costs nothing, and a small document could defer every field of the schema."""
    query = place % "__schema { types { name ... @defer { kind } fields { ... @defer { name } } } }"
    response = await served.http.post("/graphql", json={"query": query}, headers={"accept": IDS})
    assert not response.headers["content-type"].startswith("multipart")
    assert all(one["kind"] for one in response.json()["data"]["__schema"]["types"])


async def test_deferred_fragments_count_in_the_limits(vendors: Vendors, open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(limits={"max_cost": 500, "max_depth": 5})
    deferred = [
        "{ __typename ... @defer { experiments(first: 1000) { nodes { name } } } }",
        "{ ... @defer { experiments { nodes { ... @defer { sessions { nodes { source { name } } } } } } } }",
        "{ experiments(first: 20) { nodes { ... @defer { name } ... @defer { id } } } }",
    ]
    for query in deferred:
        response = await gateway.http.post("/graphql", json={"query": query}, headers={"accept": IDS})
        (error,) = response.json()["errors"]
        assert (response.status_code, error["extensions"]["code"]) == (400, "QUERY_TOO_COMPLEX")
    assert vendors.call_counts == (0, 0, 0)


async def test_a_principal_is_charged_before_the_first_part(vendors: Vendors, open_gateway: OpenGateway) -> None:
    fill(vendors)
    gateway = await open_gateway(auth={"cost_per_minute": 200}, cache=CACHE)
    body = {"query": BY_SOURCE}
    responses = [
        await gateway.http.post("/graphql", json=body, headers={"accept": accept})
        for accept in (PATHS, PATHS, PATHS, IDS)
    ]
    refused = [one for one in responses if one.status_code == 429]
    assert responses[0].status_code == 200
    assert refused
    assert refused[0].json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert "retry-after" in refused[0].headers


# -- clients that disconnect ---------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [PATHS, IDS, EVENTS])
async def test_a_client_that_disconnects_cancels_every_call_of_its_fragments(
    vendors: Vendors, served: Gateway, accept: str
) -> None:
    fill(vendors)
    vendors.nemo.fail(HANG)
    with capture_logs() as logs:
        async with in_parts(served, BY_SOURCE, accept) as parts:
            await parts.next()
            assert await eventually(lambda: vendors.nemo.simulator.in_flight > 0)
        assert await eventually(lambda: vendors.nemo.simulator.in_flight == 0, within_s=5)
        assert await eventually(lambda: any(entry["event"] == "graphql.client_gone" for entry in logs))
    assert [one["event"] for one in logs if one["event"].startswith("graphql.")] == ["graphql.client_gone"]
    outcomes = (await scraped(served)).by("outcome", "graphql_requests_total")
    assert outcomes == {"GONE": 1}


async def test_a_client_that_disconnects_does_not_affect_one_that_shares_its_execution(
    vendors: Vendors, served: Gateway
) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("delay", times=None, seconds=2.0))
    async with in_parts(served, BY_SOURCE) as leaving:
        staying = asyncio.create_task(all_parts(served, BY_SOURCE, PATHS))
        await leaving.next()
        assert await eventually(lambda: vendors.nemo.simulator.in_flight > 0)
    assert len(merged(await staying)["data"]["nemo"]["nodes"]) == 3


# -- shared and cached responses -----------------------------------------------------------------------------


async def test_equal_requests_share_one_execution_and_each_gets_every_part_in_its_form(
    vendors: Vendors, served: Gateway
) -> None:
    fill(vendors)
    expected = (await served.ask(BY_SOURCE)).body
    calls = vendors.call_counts
    vendors.forget_calls()
    forms = (PATHS, IDS, EVENTS, IDS)
    found = await asyncio.gather(*(all_parts(served, BY_SOURCE, accept) for accept in forms))
    assert [merged(parts) for parts in found] == [expected] * 4
    assert vendors.call_counts == calls
    assert (await scraped(served)).by("how", "graphql_answers_reused_total") == {"SHARED": 3}


async def test_fields_about_their_own_execution_are_executed_for_each_client(
    vendors: Vendors, gateway: Gateway
) -> None:
    """Clients that wait for an equal query leave it, and get no part of its response."""
    fill(vendors)
    query = "{ sources { name } ... @defer { sources { health { status circuit } } } }"
    found = await asyncio.gather(*(all_parts(gateway, query) for _ in range(3)))
    expected = (await gateway.ask(query)).body
    assert [merged(parts) for parts in found] == [expected] * 3
    assert [len(parts) for parts in found] == [2] * 3
    assert (await scraped(gateway)).by("how", "graphql_answers_reused_total") == {}


@pytest.mark.parametrize("accept", [PATHS, IDS, EVENTS])
async def test_a_cached_response_is_sent_at_once_as_the_only_part(
    vendors: Vendors, open_gateway: OpenGateway, accept: str
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    expected = merged(await all_parts(gateway, BY_SOURCE, PATHS))
    vendors.forget_calls()
    (part,) = await all_parts(gateway, BY_SOURCE, accept)
    assert part == expected | {"hasNext": False}
    assert (await gateway.ask(BY_SOURCE)).body == expected, "a client of one response gets the same"
    assert vendors.call_counts == (0, 0, 0)
    assert (await scraped(gateway)).by("how", "graphql_answers_reused_total") == {"KEPT": 2}


async def test_a_response_in_place_is_cached_for_clients_of_parts(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    expected = (await gateway.ask(BY_SOURCE)).body
    (part,) = await all_parts(gateway, BY_SOURCE)
    assert part == expected | {"hasNext": False}


async def test_a_response_with_a_failed_fragment_is_not_cached(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    vendors.nemo.fail(Fault("status", status=400, times=None))
    assert "errors" in merged(await all_parts(gateway, BY_SOURCE))
    vendors.nemo.recover()
    assert "errors" not in merged(await all_parts(gateway, BY_SOURCE))


async def test_the_first_part_and_its_fragments_share_the_calls_of_a_request(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """A fragment that selects what the first part has read causes no further call."""
    fill(vendors)
    gateway = await open_gateway(cache={"url": "off", "share_in_flight": False})
    first = "{ experiments(first: 3) { nodes { metadata } } }"
    await gateway.ask(first)
    calls = vendors.call_counts
    vendors.forget_calls()
    await all_parts(gateway, first.replace("metadata", "metadata ... @defer { createdAt again: metadata }"))
    assert vendors.call_counts == calls


# -- principals ----------------------------------------------------------------------------------------------


async def test_each_principal_gets_the_parts_of_its_own_sources(vendors: Vendors) -> None:
    fill(vendors)
    everything, some = new_key(), new_key()
    keys = {"all": {"sha256": hash_key(everything)}, "some": {"sha256": hash_key(some), "sources": [MEIBEL]}}
    query = "{ ... @defer { experiments(first: 50) { nodes { name } sources { source { name } } } } }"

    async def parts(gateway: Gateway, key: str) -> Any:
        async with in_parts(gateway, query, headers={"authorization": f"Bearer {key}"}) as read:
            return merged(await read.rest())["data"]["experiments"]

    async with in_process(vendors.settings(auth={"keys": keys}, cache=CACHE)) as gateway:
        for _ in range(2):
            whole, limited = await asyncio.gather(parts(gateway, everything), parts(gateway, some))
            assert len(whole["nodes"]) == 12
            assert [node["name"] for node in limited["nodes"]] == ["m3", "m2", "m1", "m0"]
            assert limited["sources"] == [{"source": {"name": MEIBEL}}]
        body = {"query": query}
        refused = await gateway.http.post("/graphql", json=body, headers={"accept": IDS})
        assert refused.status_code == 401


# -- metrics and logs ----------------------------------------------------------------------------------------


async def test_fragments_and_the_time_to_the_first_part_are_counted_and_logged(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors)
    await gateway.ask(BY_SOURCE)
    with capture_logs() as logs:
        await all_parts(gateway, BY_SOURCE)
    (entry,) = [entry for entry in logs if entry["event"] == "graphql.request"]
    assert (entry["fragments"], entry["errors"]) == (3, 0)
    assert 0 < entry["first_part_ms"] <= entry["duration_ms"]
    scrape = await scraped(gateway)
    at = {"operation": "BySource"}
    assert scrape.by("outcome", "graphql_deferred_fragments_total", **at) == {"DELIVERED": 3}
    assert scrape.value("graphql_first_part_duration_seconds_count", **at) == 1
    assert scrape.value("graphql_request_duration_seconds_count", **at) == 2


async def test_the_response_stays_open_while_a_fragment_is_pending(vendors: Vendors, served: Gateway) -> None:
    """A client that reads the first part sees no end of the response before the last one."""
    fill(vendors)
    vendors.nemo.fail(HANG)
    async with in_parts(served, BY_SOURCE) as parts:
        await parts.next()
        reading = asyncio.create_task(parts.rest())
        assert await eventually(lambda: vendors.nemo.simulator.in_flight > 0)
        assert not reading.done()
        reading.cancel()
        with pytest.raises((asyncio.CancelledError, httpx.HTTPError)):
            await reading
