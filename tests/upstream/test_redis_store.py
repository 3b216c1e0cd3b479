"""The shared store in Redis: a failing Redis costs speed, never a response."""

import asyncio
import pickle
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.gateway import eventually
from tests.redis_server import COMMAND, RedisServer, free_port, running_redis
from tests.upstream.conftest import READ
from tests.upstream.reading import Clock, reading
from tests.upstream.test_cache_keys import Bomb
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.upstream.cache.redis import MAX_VALUE_BYTES, RedisStore, open_redis
from tracegraph.upstream.client import Upstream

pytestmark = pytest.mark.skipif(COMMAND is None, reason="redis-server is not installed")

KEY = b"\x01" * 24


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def opened(stack: AsyncExitStack, url: str, timeout_s: float = 3.0) -> RedisStore:
    return await stack.enter_async_context(open_redis(url, None, timeout_s))


async def holds(store: RedisStore, key: bytes = KEY) -> bytes | None:
    """Return the value as soon as the store has one."""
    for _ in range(200):
        value = await store.get(key)
        if value is not None:
            return value
        await asyncio.sleep(0.01)
    return None


async def test_another_process_reads_the_same_bytes(redis: RedisServer, stack: AsyncExitStack) -> None:
    first, second = await opened(stack, redis.url), await opened(stack, redis.url)
    value = bytes(range(256)) * 100
    first.put(KEY, value, 60.0)
    assert await holds(second) == value
    assert redis.keys() == [f"tracegraph:{KEY.hex()}".encode()]


async def test_values_expire(redis: RedisServer, stack: AsyncExitStack) -> None:
    store = await opened(stack, redis.url)
    store.put(KEY, b"value", 60.0)
    assert await holds(store)
    left_ms = int(redis.command("PTTL", redis.keys()[0])[1:].split()[0])
    assert 30_000 < left_ms <= 60_000


async def test_an_unreachable_redis_is_called_a_few_times_and_then_paused(stack: AsyncExitStack) -> None:
    connections = 0

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        store = await opened(stack, f"redis://127.0.0.1:{port}/0")
        for _ in range(20):
            assert await store.get(KEY) is None
            store.put(KEY, b"value", 1.0)
    assert 1 <= connections <= 12  # each of the few attempts reconnects once


async def test_a_redis_that_hangs_delays_a_few_reads_by_the_timeout(
    redis: RedisServer, stack: AsyncExitStack
) -> None:
    store = await opened(stack, redis.url, 0.1)
    store.put(KEY, b"value", 60.0)
    assert await holds(store)
    redis.hang()
    async with asyncio.timeout(10):  # 200 reads of 0.1 s each would take twice that
        assert [await store.get(KEY) for _ in range(200)] == [None] * 200


async def test_a_restarted_redis_is_used_again(redis: RedisServer, stack: AsyncExitStack) -> None:
    store = await opened(stack, redis.url)
    store.put(KEY, b"value", 60.0)
    assert await holds(store)
    redis.kill()
    assert await store.get(KEY) is None
    redis.start()
    store.put(KEY, b"again", 60.0)
    assert await holds(store) == b"again"


@pytest.mark.parametrize(
    "command",
    [("SET", "?", "\x00garbage"), ("SET", "?", ""), ("RPUSH", "?", "a"), ("SET", "?", pickle.dumps(Bomb()))],
    ids=["garbage", "nothing", "another type", "a pickle"],
)
async def test_a_foreign_value_under_a_key_is_ignored(
    redis: RedisServer,
    stack: AsyncExitStack,
    upstream: Upstream,
    vendor: Simulator,
    command: tuple[str | bytes, ...],
) -> None:
    store = await opened(stack, redis.url)
    await reading(upstream, Clock(), shared=store).fetch(READ)
    assert await eventually(lambda: len(redis.keys()) == 1)
    (key,) = redis.keys()
    redis.command("DEL", key)
    redis.command(command[0], key, *command[2:])
    reply = await reading(upstream, Clock(), shared=store).fetch(READ)
    assert (reply.body, len(vendor.calls)) == (b'{"things":[]}', 2)


async def test_a_server_that_is_not_redis_costs_no_response(
    stack: AsyncExitStack, vendor: Simulator, upstream: Upstream
) -> None:
    async def shout(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with server:
        store = await opened(stack, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        reply = await reading(upstream, Clock(), shared=store).fetch(READ)
    assert (reply.body, len(vendor.calls)) == (b'{"things":[]}', 1)


async def test_writes_wait_in_a_bounded_queue_without_blocking_callers(stack: AsyncExitStack) -> None:
    store = await opened(stack, f"redis://127.0.0.1:{free_port()}/0")
    for number in range(10_000):
        store.put(number.to_bytes(24), bytes(1_000), 60.0)
    assert store.queued == 256
    for number in range(100):
        store.put(number.to_bytes(24), bytes(MAX_VALUE_BYTES), 60.0)
    assert store.queued == 256


async def test_a_value_that_is_too_large_is_not_written(redis: RedisServer, stack: AsyncExitStack) -> None:
    store = await opened(stack, redis.url, 2.0)
    store.put(KEY, bytes(MAX_VALUE_BYTES + 1), 60.0)
    store.put(b"\x02" * 24, bytes(MAX_VALUE_BYTES), 60.0)
    assert await holds(store, b"\x02" * 24) is not None
    assert await store.get(KEY) is None


async def test_closing_leaves_no_connection(redis: RedisServer) -> None:
    before = asyncio.all_tasks()
    async with open_redis(redis.url, None, 0.3) as store:
        store.put(KEY, b"value", 60.0)
        await holds(store)
    assert asyncio.all_tasks() == before
    assert await eventually(lambda: b"connected_clients:1\r\n" in redis.command("INFO", "clients"))
