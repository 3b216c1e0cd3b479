"""The response cache: single flight for equal queries, and reuse while each page is the cache's latest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from graphql import GraphQLObjectType
from pydantic import SecretStr

from tests.conftest import OpenGateway
from tests.gateway import NEMO, Answer, Gateway, Vendors, eventually, in_process, over_http
from tests.http.metering import scraped
from tests.worlds import fill, hours
from tracegraph.app import build_runner
from tracegraph.domain.clocks import elapsed_s
from tracegraph.graphql.compiler.executor import core_schema
from tracegraph.graphql.compiler.field_access import is_cacheable_field
from tracegraph.graphql.relay.ids import source_id
from tracegraph.graphql.runner import Operation
from tracegraph.graphql.schema import library_schema
from tracegraph.http.auth.api_keys import hash_key, new_key
from tracegraph.http.json import to_json
from tracegraph.http.response_cache import ExecutionRequest, ResponseCache
from tracegraph.metrics.operations import Reuse
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.world import nemo_experiment
from tracegraph.sources import Sources, open_sources

QUERY = "query Q { experiments(first: 9) { nodes { name sessions(first: 2) { nodes { id } } } } }"
BODY = orjson.dumps({"query": QUERY})
CACHE = {"url": "memory://", "ttl_s": 60}
DOWN = Fault("status", status=503, times=None)


async def reused(gateway: Gateway) -> dict[str, float]:
    """Return the number of reused responses by the kind of reuse."""
    return (await scraped(gateway)).by("how", "graphql_answers_reused_total")


def names(answer: Answer) -> set[str]:
    return {node["name"] for node in answer.data["experiments"]["nodes"]}


# -- cached responses equal new ones -------------------------------------------------------------------


@dataclass
class CacheUnderTest:
    """A response cache over the vendors, without HTTP."""

    sources: Sources
    cache: ResponseCache
    execute: Callable[[Operation], object]
    charged: list[int] = field(default_factory=list)

    async def ask(self, query: str, *, bypass_cache: bool = False) -> tuple[bytes, Reuse | None]:
        request = ExecutionRequest(Operation(query), None, {}, bypass_cache=bypass_cache, charge=None)
        response = await self.cache.get_or_execute(request)
        return response.body, response.reuse

    async def charge(self, cost: int) -> None:
        self.charged.append(cost)


@dataclass
class Clock:
    """A clock that the test sets, in seconds."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def open_cache(vendors: Vendors, clock: Callable[[], float] = elapsed_s) -> AsyncIterator[CacheUnderTest]:
    settings = vendors.settings(cache=CACHE)
    async with open_sources(settings, clock=clock) as sources:
        runner = build_runner(sources, settings)
        cache = ResponseCache(runner, sources.memory, share=True, clock=clock)
        yield CacheUnderTest(sources, cache, runner.run)


QUERIES = (
    QUERY,
    "{ experiments(first: 4, orderBy: {field: NAME}) { edges { cursor node { id } } pageInfo { endCursor } } }",
    "{ sessions(first: 5) { nodes { vendorId experiment { name } } totalCount sources { status fetched } } }",
    "{ sources { name experiments(first: 1) { totalCount } } }",
    '{ experiments(filter: {sources: ["nemo"]}) { nodes { aggregate(metric: {kind: LATENCY}) { mean } } } }',
    '{ node(id: "RXhwZXJpbWVudDpuZW1vOm5vbmU=") { id } }',
    "{ experiments(first: 0) { nodes { id } } }",
)


@pytest.mark.parametrize("seed", range(4))
async def test_a_response_always_equals_a_new_execution_of_the_query(vendors: Vendors, seed: int) -> None:
    """The law holds after any requests, with or without the cache, and any evictions, new rows and failures."""
    fill(vendors)
    chance, cached = random.Random(seed), 0
    async with open_cache(vendors) as opened:
        memory = opened.sources.memory
        assert memory is not None
        for step in range(60):
            match chance.randrange(10):
                case 0:
                    vendors.nemo.world.add(nemo_experiment(f"new-{step}", created_at=hours(step)))
                case 1:
                    memory.remove(chance.choice([*memory._entries, b""]))
                case 2:
                    chance.choice(vendors.all).fail(Fault("status", status=500, times=2))
                case 3:
                    await opened.ask(chance.choice(QUERIES), bypass_cache=True)
                case _:
                    pass
            query = chance.choice(QUERIES)
            body, reuse = await opened.ask(query)
            if reuse is not None or (b'"errors"' not in body and b'"extensions"' not in body):
                outcome = await opened.execute(Operation(query))  # type: ignore[misc]
                assert body == to_json(outcome.response())
            cached += reuse is Reuse.CACHED
    assert cached > 5


async def test_a_cached_response_has_the_headers_and_the_status_of_a_new_one(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    for media in ("application/json", "application/graphql-response+json"):
        new, cached = await gateway.post(BODY, accept=media, cache_control="no-cache"), await gateway.post(BODY)
        assert (new.status, new.content) == (cached.status, cached.content)
        again = await gateway.post(BODY, accept=media)
        assert {**new.headers} == {**again.headers}
    assert await reused(gateway) == {"KEPT": 4}


async def test_an_expired_response_calls_the_vendors_again(vendors: Vendors) -> None:
    fill(vendors)
    clock = Clock()
    async with open_cache(vendors, clock) as opened:
        await opened.ask(QUERY)
        calls = vendors.call_counts
        vendors.forget_calls()
        assert (await opened.ask(QUERY))[1] is Reuse.CACHED
        vendors.nemo.world.add(nemo_experiment("later", created_at=hours(99)))
        clock.now += 60
        body, reuse = await opened.ask(QUERY)
        assert (b'"later"' in body, reuse) == (True, None)
        assert vendors.call_counts[1:] == calls[1:]


async def test_a_page_that_another_query_refreshes_invalidates_every_response_with_this_page(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    await gateway.ask(QUERY)
    vendors.nemo.world.add(nemo_experiment("later", created_at=hours(99)))
    assert "later" not in names(await gateway.ask(QUERY))
    await gateway.post(
        orjson.dumps({"query": "{ experiments(first: 9) { nodes { id } } }"}), cache_control="no-cache"
    )
    assert "later" in names(await gateway.ask(QUERY))


async def test_pages_of_a_frequent_response_are_refreshed_before_they_expire(vendors: Vendors) -> None:
    fill(vendors)
    clock = Clock()
    async with open_cache(vendors, clock) as opened:
        await opened.ask(QUERY)
        vendors.forget_calls()
        reuses = []
        for _ in range(19):  # up to 57 s of 60
            clock.now += 3
            reuses.append((await opened.ask(QUERY))[1])
            if vendors.call_counts[0]:
                break
        assert reuses.count(Reuse.CACHED) > 5
        assert await eventually(lambda: vendors.call_counts[0] > 0)


# -- responses that are never cached -------------------------------------------------------------------


async def test_a_failed_response_is_not_cached(open_gateway: OpenGateway, vendors: Vendors) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    vendors.nemo.fail(Fault("status", status=404, times=None))
    assert NEMO in (await gateway.ask(QUERY)).troubles
    vendors.nemo.recover()
    assert (await gateway.ask(QUERY)).troubles == {}
    assert await reused(gateway) == {}


async def test_a_stale_response_is_not_cached(open_gateway: OpenGateway, vendors: Vendors) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 0, "stale_s": 300})
    await gateway.ask(QUERY)
    vendors.nemo.fail(DOWN)
    for _ in range(2):
        assert (await gateway.ask(QUERY)).troubles == {NEMO: "UNAVAILABLE"}
    assert await reused(gateway) == {}


TOO_EXPENSIVE = "{ experiments(first: 1000) { nodes { sessions(first: 1000) { nodes { id } } } } }"


@pytest.mark.parametrize("query", ["{ sources", "{ nothing }", TOO_EXPENSIVE])
async def test_a_permanent_rejection_is_cached_and_charged_to_no_caller(vendors: Vendors, query: str) -> None:
    async with open_cache(vendors) as opened:
        request = ExecutionRequest(Operation(query), None, {}, bypass_cache=True, charge=opened.charge)
        first = await opened.cache.get_or_execute(request)
        again = await opened.cache.get_or_execute(request)
    assert (first.reuse, again.reuse) == (None, Reuse.CACHED)
    assert first.body == again.body
    assert (first.result.executed, again.result.executed) == (False, False)
    assert opened.charged == []


async def test_rejections_evict_no_pages_of_vendors(vendors: Vendors) -> None:
    async with open_cache(vendors) as opened:
        for number in range(100):
            await opened.ask(f"{{ nothing{number} }}")
        assert opened.sources.memory is not None
        assert len(opened.sources.memory) == 0
        opened.cache._rejections._max_weight = 10_000
        for number in range(100):
            await opened.ask(f"{{ no{number} }}")
            assert opened.cache._rejections.size_bytes <= 10_000 or number == 0


@pytest.mark.parametrize("cache", [{"url": "off"}, {"url": "memory://", "ttl_s": 0}], ids=["off", "ttl 0"])
async def test_without_a_cache_no_response_is_reused(
    open_gateway: OpenGateway, vendors: Vendors, cache: dict[str, object]
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=cache)
    await gateway.ask(QUERY)
    calls = vendors.call_counts
    vendors.forget_calls()
    await gateway.ask(QUERY)
    assert vendors.call_counts == calls
    assert await reused(gateway) == {}


@pytest.mark.parametrize(
    "query",
    [
        "{ experiments { sources { upstreamRequests } } }",
        "{ experiments { sources { durationMs } } }",
        "{ sources { health { status } } }",
    ],
)
async def test_responses_with_fields_about_their_own_execution_are_not_reused(
    open_gateway: OpenGateway, vendors: Vendors, query: str
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    await asyncio.gather(*(gateway.ask(query) for _ in range(3)))
    await gateway.ask(query)
    assert await reused(gateway) == {}


@pytest.mark.parametrize(
    "query",
    [
        '{ experiments(filter: {name: {contains: "health"}}) { nodes { name } } }',
        "{ experiments { nodes { name } } } # durationMs",
        "query health { experiments { upstreamRequests: totalCount } }",
    ],
)
async def test_the_names_of_those_fields_elsewhere_in_the_text_have_no_effect(
    open_gateway: OpenGateway, vendors: Vendors, query: str
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    for _ in range(2):
        assert (await gateway.ask(query)).errors == []
    assert sum((await reused(gateway)).values()) == 1


@pytest.mark.parametrize(
    "query",
    [
        "{ experiments { sources { ...F } } } fragment F on SourceReport { ms: durationMs }",
        "{ experiments { sources { ... { ... on SourceReport { ms: durationMs } } } } }",
        f'{{ node(id: "{source_id(NEMO)}") {{ ... on Source {{ name health {{ status }} }} }} }}',
    ],
)
async def test_a_field_about_its_own_execution_is_found_in_fragments_and_under_an_alias(
    open_gateway: OpenGateway, vendors: Vendors, query: str
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=CACHE)
    for _ in range(2):
        assert (await gateway.ask(query)).errors == []
    assert await reused(gateway) == {}


def test_the_fields_about_their_own_execution_are_marked_in_the_schema() -> None:
    types = core_schema(library_schema()).type_map.values()
    objects = [one for one in types if isinstance(one, GraphQLObjectType)]
    marked = {
        f"{one.name}.{name}"
        for one in objects
        for name, definition in one.fields.items()
        if not is_cacheable_field(definition)
    }
    assert marked == {
        "Source.apiVersion",
        "Source.health",
        "SourceReport.upstreamRequests",
        "SourceReport.durationMs",
    }


async def test_responses_and_pages_share_the_bounds_of_the_cache(vendors: Vendors) -> None:
    fill(vendors, sessions=30)
    async with in_process(vendors.settings(cache={**CACHE, "max_mb": 1})) as gateway:
        for first in range(1, 60):
            await gateway.ask(f"{{ sessions(first: {first}) {{ nodes {{ id metadata vendorFields }} }} }}")
    async with open_cache(vendors) as opened:
        memory = opened.sources.memory
        assert memory is not None
        memory._max_weight = 200_000
        for first in range(1, 60):
            await opened.ask(f"{{ sessions(first: {first}) {{ nodes {{ id metadata vendorFields }} }} }}")
            assert memory.size_bytes <= 200_000
            assert memory.size_bytes == sum(entry.size_bytes for entry in memory._entries.values())


async def test_a_query_with_a_cached_response_keeps_its_parsed_document(
    vendors: Vendors,
) -> None:
    """Otherwise a flood of new documents would delay its parsing, once its pages have expired."""
    async with open_cache(vendors) as opened:
        for _ in range(2):
            await opened.ask("{ experiments { totalCount } }")
        for number in range(40):
            await opened.ask(f"{{ a{number}: __typename }} # {'long ' * 400}")
        documents = opened.cache._runner.schema._documents
        read = documents.parsed_count
        assert (await opened.ask("{ experiments { totalCount } }", bypass_cache=True))[1] is None
        assert documents.parsed_count == read


async def test_the_size_of_a_cached_response_includes_the_operation_name(vendors: Vendors) -> None:
    async with open_cache(vendors) as opened:
        memory = opened.sources.memory
        assert memory is not None
        for number in range(3):
            await opened.ask(f"query {'long' * 10_000}{number} {{ __typename }}")
        assert len(memory) == 3
        assert memory.size_bytes > 3 * 40_000


def test_a_response_is_json_for_all_numbers_of_a_vendor() -> None:
    body = {"large": 10**30, "nan": float("nan"), "all": [10**400, float("inf"), -1.5, "NaN"]}
    assert orjson.loads(to_json(body)) == {"large": 1e30, "nan": None, "all": [None, None, -1.5, "NaN"]}


# -- separation of callers -----------------------------------------------------------------------------


async def test_principals_with_different_sources_share_no_response(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    one, other = new_key(), new_key()
    keys = {"one": {"sha256": hash_key(one), "sources": [NEMO]}, "other": {"sha256": hash_key(other)}}
    gateway = await open_gateway(cache=CACHE, auth={"keys": keys})
    for _ in range(2):
        few, all_of_them = await asyncio.gather(
            gateway.post(BODY, authorization=f"Bearer {one}"), gateway.post(BODY, authorization=f"Bearer {other}")
        )
        assert all(name.startswith("n") for name in names(few))
        assert len(names(all_of_them)) == 9


async def test_callers_with_different_vendor_credentials_share_no_response(vendors: Vendors) -> None:
    fill(vendors)
    sources = vendors.sources()
    sources[NEMO]["pass_through"] = "x-nemo-key"
    async with in_process(vendors.settings(cache=CACHE, sources=sources)) as gateway:
        for _ in range(2):
            await asyncio.gather(*(gateway.post(BODY, x_nemo_key=key) for key in ("ada", "bob")))
    seen = [call.headers["authorization"] for call in vendors.nemo.calls]
    assert seen.count("Bearer ada") == seen.count("Bearer bob") > 0


def execution_request(**more: object) -> ExecutionRequest:
    members: dict[str, Any] = {
        "operation": Operation(QUERY),
        "sources": None,
        "credentials": {},
        "bypass_cache": False,
        "charge": None,
    }
    return ExecutionRequest(**members | more)


async def test_execution_requests_with_different_responses_have_different_keys(vendors: Vendors) -> None:
    async with open_cache(vendors) as opened:
        requests = [
            execution_request(),
            execution_request(operation=Operation(QUERY, name="Q")),
            execution_request(operation=Operation(QUERY, {"a": 1})),
            execution_request(operation=Operation(QUERY, {"a": 1.0})),
            execution_request(operation=Operation(QUERY, {"a": "1"})),
            execution_request(operation=Operation(QUERY, wants_cost=True)),
            execution_request(operation=Operation(QUERY + " ")),
            execution_request(sources=frozenset()),
            execution_request(sources=frozenset({"nemo"})),
            execution_request(sources=frozenset({"nemo", "meibel"})),
            execution_request(credentials={"nemo": SecretStr("a")}),
            execution_request(credentials={"nemo": SecretStr("b")}),
            execution_request(credentials={"meibel": SecretStr("a")}),
        ]
        digests = [opened.cache._key(request) for request in requests]
        assert len(set(digests)) == len(requests)
        assert digests == [opened.cache._key(request) for request in requests]


async def test_every_waiter_is_charged_and_a_waiter_beyond_its_limit_is_rejected(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    body = orjson.dumps({"query": QUERY, "extensions": {"cost": True}})
    cost = (await (await open_gateway()).post(body)).body["extensions"]["cost"]
    gateway = await open_gateway(cache=CACHE, auth={"cost_per_minute": int(3.5 * cost)})
    together = await asyncio.gather(gateway.post(body), gateway.post(body))
    answers = [*together, await gateway.post(body), await gateway.post(body)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].codes == ["RATE_LIMITED"]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert await reused(gateway) == {"SHARED": 1, "KEPT": 1}


# -- single flight -------------------------------------------------------------------------------------


async def test_queries_that_arrive_together_share_one_response_even_without_vendor_calls(vendors: Vendors) -> None:
    fill(vendors)
    async with open_cache(vendors) as opened:
        await opened.execute(Operation(QUERY))  # type: ignore[misc]
        vendors.forget_calls()
        answers = await asyncio.gather(*(opened.ask(QUERY) for _ in range(10)))
    assert vendors.call_counts == (0, 0, 0)
    assert len({body for body, _ in answers}) == 1
    assert [reuse for _, reuse in answers] == [None] + [Reuse.SHARED] * 9


async def test_only_the_last_waiter_that_leaves_cancels_the_execution(vendors: Vendors) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("delay", times=None, seconds=1.0))
    async with open_cache(vendors) as opened:
        first, second = (asyncio.create_task(opened.ask(QUERY)) for _ in range(2))
        assert await eventually(lambda: vendors.nemo.simulator.in_flight == 1)
        first.cancel()
        body, reuse = await second
        assert (b'"n3"' in body, reuse) == (True, Reuse.SHARED)
        alone = asyncio.create_task(opened.ask(QUERIES[1], bypass_cache=True))
        assert await eventually(lambda: vendors.nemo.simulator.in_flight == 1)
        alone.cancel()
        joining = asyncio.create_task(opened.ask(QUERIES[1], bypass_cache=True))
        body, reuse = await joining
        assert (b'"edges"' in body, reuse) == (True, None)


async def test_a_caller_with_a_shorter_deadline_gets_its_response_within_it(vendors: Vendors) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("delay", times=1, seconds=6.0))
    settings = vendors.settings(limits={"deadline_s": 60}, sources=vendors.patient_sources(50))
    async with over_http(settings) as gateway:
        patient = asyncio.create_task(gateway.post(BODY))
        assert await eventually(lambda: vendors.nemo.simulator.in_flight == 1)
        hasty = await gateway.post(BODY, x_deadline_ms="3000")
        assert not patient.done()
        assert hasty.troubles == {NEMO: "TIMEOUT"}
        assert (await patient).troubles == {}


async def test_a_request_that_bypasses_the_cache_joins_no_other_request(vendors: Vendors) -> None:
    fill(vendors)
    async with in_process(vendors.settings(cache=CACHE)) as gateway:
        await gateway.post(BODY)
        calls = vendors.call_counts
        vendors.forget_calls()
        await asyncio.gather(gateway.post(BODY), gateway.post(BODY, cache_control="no-cache"))
        assert vendors.call_counts == calls


async def test_sharing_can_be_switched_off(vendors: Vendors) -> None:
    fill(vendors)
    settings = vendors.settings(cache={"url": "off", "share_in_flight": False})
    async with in_process(settings) as gateway:
        await asyncio.gather(*(gateway.post(BODY) for _ in range(3)))
        assert await reused(gateway) == {}
