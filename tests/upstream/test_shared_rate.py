"""A vendor's rate over several processes: exact through Redis, divided among them without Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.redis_server import COMMAND, RedisServer, running_redis
from tracegraph.domain.calls import RateLimit
from tracegraph.upstream.cache.redis import open_redis
from tracegraph.upstream.resilience.shared_rate import SharedRates, share_of

needs_redis = pytest.mark.skipif(COMMAND is None, reason="redis-server is not installed")
LIMIT = RateLimit(15, 600.0)
URL = "https://vendor.example"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def three(redis: RedisServer) -> AsyncIterator[list[SharedRates]]:
    """The rates of three processes over one Redis."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_redis(redis.url, None, 3.0)) for _ in range(3)]
        yield [SharedRates("source", URL, store, copies=3) for store in stores]


async def taken(rates: list[SharedRates], attempts: int, kind: str = "kind") -> list[float]:
    """The replies to so many attempts of each process in turn."""
    return [await each.take(kind, LIMIT) for _ in range(attempts) for each in rates]


@needs_redis
async def test_three_processes_together_take_exactly_the_limit(three: list[SharedRates]) -> None:
    waits = await taken(three, 16)
    assert waits.count(0) == LIMIT.calls
    assert all(0 < wait_s <= LIMIT.per_s for wait_s in waits[LIMIT.calls :])


@needs_redis
async def test_each_kind_and_each_source_has_a_limit_of_its_own(
    three: list[SharedRates], redis: RedisServer
) -> None:
    await taken(three, 16)
    assert (await taken(three, 5, "other")).count(0) == 15
    keys = redis.keys()
    assert len(keys) == 2
    assert b"vendor.example" not in b"".join(keys)


@needs_redis
async def test_a_pause_of_one_process_holds_for_all_also_without_a_rate(
    three: list[SharedRates],
) -> None:
    for limit in (LIMIT, None):
        kind = f"kind of {limit}"
        await three[0].pause(kind, 100)
        await three[1].pause(kind, 5)
        assert [95 < await each.take(kind, limit) <= 100 for each in three] == [True] * 3


@needs_redis
async def test_a_call_dated_after_a_clock_that_was_set_back_does_not_block_forever(
    three: list[SharedRates], redis: RedisServer
) -> None:
    await three[0].take("kind", LIMIT)
    (key,) = redis.keys()
    redis.command("DEL", key)
    for _ in range(15):
        redis.command("RPUSH", key, "9999999999.0")
    assert await three[1].take("kind", LIMIT) == 0


class Store:
    """A shared store with one reply."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    async def run(self, *_: str) -> Any:
        return self.reply


@pytest.mark.parametrize("reply", [None, b"", b"garbled", b"-1", b"nan", b"inf", 5, []], ids=repr)
async def test_without_a_valid_reply_each_of_three_processes_keeps_a_third(reply: Any) -> None:
    three = [SharedRates("source", URL, Store(reply), copies=3) for _ in range(3)]
    assert (await taken(three, 16)).count(0) == LIMIT.calls


async def test_calls_that_redis_granted_count_when_redis_goes_away() -> None:
    store = Store(b"0")
    rates = SharedRates("source", URL, store, copies=3)
    assert (await taken([rates], 3)).count(0) == 3
    store.reply = None
    assert (await taken([rates], 5)).count(0) == 2


def test_a_single_process_without_a_store_needs_no_shared_rate() -> None:
    assert not SharedRates("source", URL, None).is_needed
    assert SharedRates("source", URL, None, copies=2).is_needed


@given(st.integers(1, 1000), st.floats(0.1, 600), st.integers(1, 200))
def test_the_shares_of_all_processes_never_exceed_the_limit_in_its_window(
    calls: int, per_s: float, copies: int
) -> None:
    share = share_of(RateLimit(calls, per_s), copies)
    windows = share.per_s / per_s
    assert share.calls >= 1
    assert copies * share.calls / windows <= calls * (1 + 1e-9)
