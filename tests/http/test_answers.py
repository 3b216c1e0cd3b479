"""Equal queries: one answer for all who ask at one moment, kept while each of its pages is the cache's latest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from tests.conftest import OpenGateway
from tests.gateway import NEMO, Answer, Gateway, Vendors, eventually, in_process, over_http
from tests.http.metering import scraped
from tests.worlds import fill, hours
from tracegraph.app import executor_over
from tracegraph.domain.clocks import elapsed_s
from tracegraph.graphql.runner import Operation
from tracegraph.http.auth.api_keys import hash_of, new_key
from tracegraph.http.json import to_json
from tracegraph.http.response_cache import ExecutionRequest, ResponseCache
from tracegraph.metrics.operations import Reuse
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.world import nemo_experiment
from tracegraph.sources import Sources, open_sources

QUERY = "query Q { experiments(first: 9) { nodes { name sessions(first: 2) { nodes { id } } } } }"
BODY = orjson.dumps({"query": QUERY})
KEPT = {"url": "memory://", "ttl_s": 60}
DOWN = Fault("status", status=503, times=None)


async def reused(gateway: Gateway) -> dict[str, float]:
    """How many answers were had without making them, by how."""
    return (await scraped(gateway)).by("how", "graphql_answers_reused_total")


def names(answer: Answer) -> set[str]:
    return {node["name"] for node in answer.data["experiments"]["nodes"]}


# -- kept: the same as made anew -----------------------------------------------------------------------


@dataclass
class Door:
    """Answers over the vendors, without HTTP in front."""

    sources: Sources
    answers: ResponseCache
    made: Callable[[Operation], object]
    charged: list[int] = field(default_factory=list)

    async def ask(self, query: str, *, bypass_cache: bool = False) -> tuple[bytes, Reuse | None]:
        question = ExecutionRequest(Operation(query), None, {}, bypass_cache=bypass_cache, charge=None)
        answer = await self.answers.to(question)
        return answer.body, answer.reuse

    async def charge(self, cost: int) -> None:
        self.charged.append(cost)


@dataclass
class Clock:
    """Seconds, as the test sets them."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def door(vendors: Vendors, clock: Callable[[], float] = elapsed_s) -> AsyncIterator[Door]:
    settings = vendors.settings(cache=KEPT)
    async with open_sources(settings, clock=clock) as sources:
        executor = executor_over(sources, settings)
        yield Door(sources, ResponseCache(executor, sources.memory, share=True, clock=clock), executor.run)


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
async def test_an_answer_is_always_what_running_the_query_would_give(vendors: Vendors, seed: int) -> None:
    """Whatever was asked before, past the cache or not, whatever was evicted, added, or failed for a while."""
    fill(vendors)
    chance, kept = random.Random(seed), 0
    async with door(vendors) as opened:
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
                made = await opened.made(Operation(query))  # type: ignore[misc]
                assert body == to_json(made.response())
            kept += reuse is Reuse.KEPT
    assert kept > 5


async def test_a_kept_answer_has_the_headers_and_the_status_of_one_that_was_made(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=KEPT)
    for media in ("application/json", "application/graphql-response+json"):
        made, kept = await gateway.post(BODY, accept=media, cache_control="no-cache"), await gateway.post(BODY)
        assert (made.status, made.content) == (kept.status, kept.content)
        again = await gateway.post(BODY, accept=media)
        assert {**made.headers} == {**again.headers}
    assert await reused(gateway) == {"KEPT": 4}


async def test_when_its_time_is_over_the_vendors_are_asked_again(vendors: Vendors) -> None:
    fill(vendors)
    clock = Clock()
    async with door(vendors, clock) as opened:
        await opened.ask(QUERY)
        calls = vendors.call_counts
        vendors.forget_calls()
        assert (await opened.ask(QUERY))[1] is Reuse.KEPT
        vendors.nemo.world.add(nemo_experiment("later", created_at=hours(99)))
        clock.now += 60
        body, reuse = await opened.ask(QUERY)
        assert (b'"later"' in body, reuse) == (True, None)
        assert vendors.call_counts[1:] == calls[1:]


async def test_a_page_that_another_query_renewed_renews_every_answer_that_was_made_of_it(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=KEPT)
    await gateway.ask(QUERY)
    vendors.nemo.world.add(nemo_experiment("later", created_at=hours(99)))
    assert "later" not in names(await gateway.ask(QUERY))
    await gateway.post(
        orjson.dumps({"query": "{ experiments(first: 9) { nodes { id } } }"}), cache_control="no-cache"
    )
    assert "later" in names(await gateway.ask(QUERY))


async def test_a_hot_answers_pages_are_refreshed_before_they_are_too_old(vendors: Vendors) -> None:
    fill(vendors)
    clock = Clock()
    async with door(vendors, clock) as opened:
        await opened.ask(QUERY)
        vendors.forget_calls()
        how = []
        for _ in range(19):  # up to 57 s of 60
            clock.now += 3
            how.append((await opened.ask(QUERY))[1])
            if vendors.call_counts[0]:
                break
        assert how.count(Reuse.KEPT) > 5
        assert await eventually(lambda: vendors.call_counts[0] > 0)


# -- what is never kept --------------------------------------------------------------------------------


async def test_a_failed_answer_is_not_kept(open_gateway: OpenGateway, vendors: Vendors) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=KEPT)
    vendors.nemo.fail(Fault("status", status=404, times=None))
    assert NEMO in (await gateway.ask(QUERY)).troubles
    vendors.nemo.recover()
    assert (await gateway.ask(QUERY)).troubles == {}
    assert await reused(gateway) == {}


async def test_an_older_answer_is_not_kept(open_gateway: OpenGateway, vendors: Vendors) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 0, "stale_s": 300})
    await gateway.ask(QUERY)
    vendors.nemo.fail(DOWN)
    for _ in range(2):
        assert (await gateway.ask(QUERY)).troubles == {NEMO: "UNAVAILABLE"}
    assert await reused(gateway) == {}


TOO_DEAR = "{ experiments(first: 1000) { nodes { sessions(first: 1000) { nodes { id } } } } }"


@pytest.mark.parametrize("query", ["{ sources", "{ nothing }", TOO_DEAR])
async def test_what_is_refused_for_good_is_refused_again_from_what_is_kept_and_costs_nobody(
    vendors: Vendors, query: str
) -> None:
    async with door(vendors) as opened:
        question = ExecutionRequest(Operation(query), None, {}, bypass_cache=True, charge=opened.charge)
        first = await opened.answers.to(question)
        again = await opened.answers.to(question)
    assert (first.reuse, again.reuse) == (None, Reuse.KEPT)
    assert first.body == again.body
    assert (first.outcome.executed, again.outcome.executed) == (False, False)
    assert opened.charged == []


async def test_refusals_take_no_room_from_what_vendors_answered(vendors: Vendors) -> None:
    async with door(vendors) as opened:
        for number in range(100):
            await opened.ask(f"{{ nothing{number} }}")
        assert opened.sources.memory is not None
        assert len(opened.sources.memory) == 0
        opened.answers._refusals._max_bytes = 10_000
        for number in range(100):
            await opened.ask(f"{{ no{number} }}")
            assert opened.answers._refusals.size_bytes <= 10_000 or number == 0


@pytest.mark.parametrize("cache", [{"url": "off"}, {"url": "memory://", "ttl_s": 0}], ids=["off", "ttl 0"])
async def test_without_a_cache_nothing_is_kept(
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
async def test_figures_of_one_request_are_no_others(
    open_gateway: OpenGateway, vendors: Vendors, query: str
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache=KEPT)
    await asyncio.gather(*(gateway.ask(query) for _ in range(3)))
    await gateway.ask(query)
    assert await reused(gateway) == {}


async def test_answers_and_pages_together_keep_within_the_bounds(vendors: Vendors) -> None:
    fill(vendors, sessions=30)
    async with in_process(vendors.settings(cache={**KEPT, "max_mb": 1})) as gateway:
        for first in range(1, 60):
            await gateway.ask(f"{{ sessions(first: {first}) {{ nodes {{ id metadata vendorFields }} }} }}")
    async with door(vendors) as opened:
        memory = opened.sources.memory
        assert memory is not None
        memory._max_bytes = 200_000
        for first in range(1, 60):
            await opened.ask(f"{{ sessions(first: {first}) {{ nodes {{ id metadata vendorFields }} }} }}")
            assert memory.size_bytes <= 200_000
            assert memory.size_bytes == sum(entry.size_bytes for entry in memory._entries.values())


async def test_a_query_that_is_answered_from_what_is_kept_is_still_known_when_it_has_to_be_made_anew(
    vendors: Vendors,
) -> None:
    """Else a flood of new documents would have it wait in line with them, as soon as its pages are too old."""
    async with door(vendors) as opened:
        for _ in range(2):
            await opened.ask("{ experiments { totalCount } }")
        for number in range(40):
            await opened.ask(f"{{ a{number}: __typename }} # {'long ' * 400}")
        documents = opened.answers._executor.schema._documents
        read = documents.parsed_count
        assert (await opened.ask("{ experiments { totalCount } }", bypass_cache=True))[1] is None
        assert documents.parsed_count == read


async def test_an_operations_name_counts_for_what_a_kept_answer_takes(vendors: Vendors) -> None:
    async with door(vendors) as opened:
        memory = opened.sources.memory
        assert memory is not None
        for number in range(3):
            await opened.ask(f"query {'long' * 10_000}{number} {{ __typename }}")
        assert len(memory) == 3
        assert memory.size_bytes > 3 * 40_000


def test_an_answer_is_json_whatever_numbers_a_vendor_writes() -> None:
    body = {"large": 10**30, "nan": float("nan"), "all": [10**400, float("inf"), -1.5, "NaN"]}
    assert orjson.loads(to_json(body)) == {"large": 1e30, "nan": None, "all": [None, None, -1.5, "NaN"]}


# -- who may have whose --------------------------------------------------------------------------------


async def test_those_who_see_different_sources_share_no_answer(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    one, other = new_key(), new_key()
    keys = {"one": {"sha256": hash_of(one), "sources": [NEMO]}, "other": {"sha256": hash_of(other)}}
    gateway = await open_gateway(cache=KEPT, auth={"keys": keys})
    for _ in range(2):
        few, all_of_them = await asyncio.gather(
            gateway.post(BODY, authorization=f"Bearer {one}"), gateway.post(BODY, authorization=f"Bearer {other}")
        )
        assert all(name.startswith("n") for name in names(few))
        assert len(names(all_of_them)) == 9


async def test_those_with_different_keys_of_a_vendor_share_no_answer(vendors: Vendors) -> None:
    fill(vendors)
    sources = vendors.sources()
    sources[NEMO]["pass_through"] = "x-nemo-key"
    async with in_process(vendors.settings(cache=KEPT, sources=sources)) as gateway:
        for _ in range(2):
            await asyncio.gather(*(gateway.post(BODY, x_nemo_key=key) for key in ("ada", "bob")))
    seen = [call.headers["authorization"] for call in vendors.nemo.calls]
    assert seen.count("Bearer ada") == seen.count("Bearer bob") > 0


def question(**more: object) -> ExecutionRequest:
    asked: dict[str, Any] = {
        "operation": Operation(QUERY),
        "sources": None,
        "keys": {},
        "bypass_cache": False,
        "charge": None,
    }
    return ExecutionRequest(**asked | more)


async def test_a_key_tells_every_two_questions_apart_that_may_have_different_answers(vendors: Vendors) -> None:
    async with door(vendors) as opened:
        asked = [
            question(),
            question(operation=Operation(QUERY, name="Q")),
            question(operation=Operation(QUERY, {"a": 1})),
            question(operation=Operation(QUERY, {"a": 1.0})),
            question(operation=Operation(QUERY, {"a": "1"})),
            question(operation=Operation(QUERY, wants_cost=True)),
            question(operation=Operation(QUERY + " ")),
            question(sources=frozenset()),
            question(sources=frozenset({"nemo"})),
            question(sources=frozenset({"nemo", "meibel"})),
            question(keys={"nemo": SecretStr("a")}),
            question(keys={"nemo": SecretStr("b")}),
            question(keys={"meibel": SecretStr("a")}),
        ]
        digests = [opened.answers._key(one) for one in asked]
        assert len(set(digests)) == len(asked)
        assert digests == [opened.answers._key(one) for one in asked]


async def test_every_asker_is_charged_and_who_may_not_spend_it_gets_none(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    body = orjson.dumps({"query": QUERY, "extensions": {"cost": True}})
    cost = (await (await open_gateway()).post(body)).body["extensions"]["cost"]
    gateway = await open_gateway(cache=KEPT, auth={"cost_per_minute": int(3.5 * cost)})
    together = await asyncio.gather(gateway.post(body), gateway.post(body))
    answers = [*together, await gateway.post(body), await gateway.post(body)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].codes == ["RATE_LIMITED"]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert await reused(gateway) == {"SHARED": 1, "KEPT": 1}


# -- under way -----------------------------------------------------------------------------------------


async def test_queries_that_arrive_together_share_one_answer_though_it_waits_for_nothing(vendors: Vendors) -> None:
    fill(vendors)
    async with door(vendors) as opened:
        await opened.made(Operation(QUERY))  # type: ignore[misc]
        vendors.forget_calls()
        answers = await asyncio.gather(*(opened.ask(QUERY) for _ in range(10)))
    assert vendors.call_counts == (0, 0, 0)
    assert len({body for body, _ in answers}) == 1
    assert [reuse for _, reuse in answers] == [None] + [Reuse.SHARED] * 9


async def test_one_who_leaves_takes_the_answer_from_nobody_and_the_last_ends_the_work(vendors: Vendors) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("delay", times=None, seconds=1.0))
    async with door(vendors) as opened:
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


async def test_who_has_less_time_is_answered_within_it(vendors: Vendors) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("delay", times=1, seconds=3.0))
    async with over_http(vendors.settings()) as gateway:
        patient = asyncio.create_task(gateway.post(BODY))
        await asyncio.sleep(0.05)
        hasty = await gateway.post(BODY, x_deadline_ms="1500")
        assert not patient.done()
        assert hasty.troubles[NEMO] == "TIMEOUT"
        assert (await patient).troubles == {}


async def test_who_asks_past_the_cache_waits_for_none_who_does_not(vendors: Vendors) -> None:
    fill(vendors)
    async with in_process(vendors.settings(cache=KEPT)) as gateway:
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
