"""The shared store: entries in Redis through aiocache. A failing Redis costs speed only.

A read waits for at most `timeout_s`. After several failures in a row, Redis is not called for a few seconds.
Writes wait in a bounded queue, so that no response waits for a write; a write that does not fit is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import redis.asyncio
import redis.asyncio.connection
import structlog
from aiocache import RedisCache  # type: ignore[import-untyped]
from aiocache.serializers import NullSerializer  # type: ignore[import-untyped]
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tracegraph.upstream.counters import SharedStoreCounters
from tracegraph.upstream.tls import unreachable_reason

_MAX_CONNECTIONS = 16


_MAX_CONSECUTIVE_FAILURES = 3


_PAUSE_S = 5.0


_MAX_QUEUED_WRITES = 256


_MAX_QUEUED_BYTES = 16 * 1024 * 1024


MAX_VALUE_BYTES = 4 * 1024 * 1024
"""The size limit of a value: a larger one would not arrive within the timeout."""


_RELEASE_SCRIPT = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


_log = structlog.get_logger("tracegraph.upstream")


class RedisStore:
    """Bytes by key, with an expiry. No method raises when Redis fails."""

    def __init__(self, cache: RedisCache, timeout_s: float) -> None:
        self.counters = SharedStoreCounters()
        self._cache = cache
        self._timeout_s = timeout_s
        self._failures = 0
        self._paused_until = 0.0
        self._writes: asyncio.Queue[Callable[[], Awaitable[Any]]] = asyncio.Queue(_MAX_QUEUED_WRITES)
        self._queued_bytes = 0

    @property
    def queued(self) -> int:
        """The number of queued writes."""
        return self._writes.qsize()

    async def get(self, key: bytes) -> bytes | None:
        """Return the value, None when it is missing or Redis does not reply in time."""
        succeeded = self.counters.calls["OK"]
        value = await self._execute(self._cache.get, key.hex())
        found = value if isinstance(value, bytes) else None
        if self.counters.calls["OK"] > succeeded:
            self.counters.reads["MISS" if found is None else "HIT"] += 1
        return found

    def put(self, key: bytes, value: bytes, keep_s: float) -> None:
        """Queue the value to be written; drop it when it is too large or the queue is full.

        Args:
            key: The key.
            value: The value.
            keep_s: Its expiry in seconds.
        """
        size = len(value)
        if size > MAX_VALUE_BYTES or self._queued_bytes + size > _MAX_QUEUED_BYTES or self._writes.full():
            return
        self._queued_bytes += size
        self._writes.put_nowait(partial(self._write_value, key.hex(), value, keep_s))

    def release(self, key: bytes, token: str) -> None:
        """Queue the end of a claim; a claim that does not fit into the queue ends by itself."""
        if not self._writes.full():
            self._writes.put_nowait(partial(self.run, _RELEASE_SCRIPT, f"claim:{key.hex()}", token))

    async def run(self, script: str, key: str, *arguments: str) -> Any:
        """Return the result of a Lua script for the key, None when Redis does not reply in time."""
        return await self._execute(self._cache.client.eval, script, 1, f"tracegraph:{key}", *arguments)

    async def write(self) -> None:
        """Write the queued values until cancelled."""
        while True:
            write = await self._writes.get()
            await write()

    async def _write_value(self, key: str, value: bytes, keep_s: float) -> None:
        self._queued_bytes -= len(value)
        await self._execute(self._cache.set, key, value, ttl=float(max(keep_s, 0.001)))

    async def _execute(self, command: Any, *arguments: Any, **options: Any) -> Any:
        """Return Redis's reply, None when it fails or when calls are paused after failures."""
        now = time.monotonic()
        if self._failures >= _MAX_CONSECUTIVE_FAILURES:
            if now < self._paused_until:
                self.counters.calls["SKIPPED"] += 1
                return None
            self._paused_until = now + _PAUSE_S  # this call probes Redis; the others skip it meanwhile
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await command(*arguments, **options)
        except redis.ResponseError:
            reply = None  # Redis works, this command does not: a key of another type, no memory left
        except Exception as error:
            self._record_failure(error, now)
            return None
        if self._failures >= _MAX_CONSECUTIVE_FAILURES:
            _log.info("cache.redis_recovered")
        self._failures = 0
        self.counters.calls["OK"] += 1
        self.counters.is_up = True
        return reply

    def _record_failure(self, error: Exception, now: float) -> None:
        self._failures += 1
        self.counters.calls["FAILED"] += 1
        self.counters.is_up = False
        if self._failures == _MAX_CONSECUTIVE_FAILURES:
            self._paused_until = now + _PAUSE_S
            _log.warning("cache.redis_paused", seconds=_PAUSE_S, cause=type(error).__name__)


def read_redis_url(url: str) -> dict[str, Any]:
    """Return the host, port, database and options of a `redis://` or `rediss://` URL.

    Raises:
        ValueError: For another URL.
    """
    return dict(redis.asyncio.connection.parse_url(url))


async def redis_problem(url: str, password: str | None, timeout_s: float) -> str | None:
    """Return why that Redis cannot be used, in our own words, or None when it replies.

    Args:
        url: The URL of Redis.
        password: Its password, None without one.
        timeout_s: How long to wait.
    """
    connection = redis.asyncio.from_url(
        url, password=password, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0), max_connections=1
    )
    try:
        async with asyncio.timeout(timeout_s), connection:
            await connection.ping()
    except (TimeoutError, redis.TimeoutError):
        return f"it did not reply within {timeout_s:g} s"
    except (redis.AuthenticationError, redis.ResponseError):  # NOAUTH is either of them, depending on the version
        return "it rejected the password, or requires one"
    except (redis.RedisError, OSError, ValueError) as error:
        return unreachable_reason(error) or "it cannot be reached"
    return None


@asynccontextmanager
async def open_redis(url: str, password: str | None, timeout_s: float) -> AsyncIterator[RedisStore]:
    """Yield a store. Opening does not call Redis: it may start later, or never.

    Args:
        url: The URL of Redis.
        password: Its password, None without one.
        timeout_s: How long one call may take.
    """
    parts = read_redis_url(url)
    cache = RedisCache(
        serializer=NullSerializer(encoding=None),
        namespace="tracegraph",
        timeout=None,
        endpoint=parts.pop("host", "127.0.0.1"),
        port=parts.pop("port", 6379),
        db=parts.pop("db", 0),
        password=password,
        pool_max_size=_MAX_CONNECTIONS,
        create_connection_timeout=timeout_s,
        connection_pool_class=redis.asyncio.BlockingConnectionPool,
        connection_pool_kwargs={
            "timeout": timeout_s,
            "socket_timeout": timeout_s,
            "retry": Retry(NoBackoff(), 1),  # a pooled connection may be closed already
            **parts,
        },
    )
    store = RedisStore(cache, timeout_s)
    writer = asyncio.create_task(store.write())
    try:
        yield store
    finally:
        while not writer.done():  # the libraries may lose a cancellation while they connect
            writer.cancel()
            await asyncio.wait([writer], timeout=timeout_s)
        with suppress(Exception):
            await _within(cache.client.aclose(), timeout_s)


async def _within(work: Awaitable[Any], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await work
