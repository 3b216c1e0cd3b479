"""Three copies over one Redis that miss a cold key make one call. The claim of a lost copy costs no rows."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.gateway import Gateway, Vendors, in_process
from tests.redis_server import COMMAND, RedisServer, running_redis
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault

pytestmark = pytest.mark.skipif(COMMAND is None, reason="redis-server is not installed")
QUERY = b'{"query": "{ experiments { nodes { name } sources { status } } }"}'


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def three(vendors: Vendors, redis: RedisServer) -> AsyncIterator[list[Gateway]]:
    fill(vendors)
    cache = {"url": redis.url, "redis_timeout_ms": 3000, "ttl_s": 300}
    settings = vendors.settings(cache=cache, limits={"deadline_s": 4})
    async with in_process(settings) as one, in_process(settings) as two, in_process(settings) as three:
        yield [one, two, three]


async def ask_all(copies: list[Gateway]) -> list[list[str]]:
    """Ask every copy twice at once; the names of the experiments in each response."""
    answers = await asyncio.gather(*(copy.post(QUERY) for copy in copies * 2))
    return [[node["name"] for node in answer.data["experiments"]["nodes"]] for answer in answers]


async def test_copies_that_miss_a_cold_key_together_make_one_call(three: list[Gateway], vendors: Vendors) -> None:
    for vendor in vendors.all:
        vendor.fail(*[Fault("delay", seconds=0.3)] * 3)
    answers = await ask_all(three)
    assert answers == [answers[0]] * 6
    assert len(answers[0]) > 3
    made = Counter((call.path, str(call.query)) for vendor in vendors.all for call in vendor.calls)
    assert {of: count for of, count in made.items() if count > 1 and not of[0].endswith("/info")} == {}


async def test_when_the_call_fails_another_copy_makes_its_own(three: list[Gateway], vendors: Vendors) -> None:
    vendors.meibel.fail(Fault("status", status=403))
    answers = await ask_all(three)
    names = {len(answer) for answer in answers}
    assert max(names) > min(names)  # one copy has no rows of Meibel, the others have
    assert sum(call.path == "/v2/agents" for call in vendors.meibel.calls) == 2


async def test_the_claim_of_a_copy_that_is_gone_delays_a_response_and_costs_no_rows(
    three: list[Gateway], vendors: Vendors, redis: RedisServer
) -> None:
    await ask_all(three)
    keys = redis.keys()
    for key in keys:
        if b"claim" not in key:
            redis.command("DEL", key)
            redis.command("SET", key.replace(b"tracegraph:", b"tracegraph:claim:"), "gone", "PX", "600000")
    vendors.forget_calls()
    async with in_process(vendors.settings(cache={"url": redis.url}, limits={"deadline_s": 4})) as fourth:
        (answer,) = (await ask_all([fourth]))[:1]
    assert len(answer) > 3
    assert min(vendors.call_counts) >= 1
