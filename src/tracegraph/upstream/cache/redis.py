"""Entries that copies of the gateway share, in Redis through aiocache; what goes wrong with it costs speed only.

A read waits for `timeout_s` at most, and a Redis that failed a few times in a row is left alone for a while.
Writes wait in a queue of bounded size, so that no answer waits for one; what does not fit is not written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

import redis.asyncio
import redis.asyncio.connection
import structlog
from aiocache import RedisCache  # type: ignore[import-untyped]
from aiocache.serializers import NullSerializer  # type: ignore[import-untyped]
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tracegraph.upstream.tls import unreachable_reason

_CONNECTIONS = 16


_FAILURES_IN_A_ROW = 3


_PAUSE_S = 5.0


_QUEUED_WRITES = 256


_QUEUED_BYTES = 16 * 1024 * 1024


LARGEST_VALUE = 4 * 1024 * 1024
"""Bytes of a value; what is larger would not come in time anyway."""


_log = structlog.get_logger("tracegraph.upstream")


class RedisStore:
    """Bytes by key, for a time. No method raises for what Redis does."""

    def __init__(self, cache: RedisCache, timeout_s: float) -> None:
        self._cache = cache
        self._timeout_s = timeout_s
        self._failures = 0
        self._asleep_until = 0.0
        self._writes: asyncio.Queue[tuple[str, bytes, float]] = asyncio.Queue(_QUEUED_WRITES)
        self._queued_bytes = 0

    @property
    def queued(self) -> int:
        """How many writes wait."""
        return self._writes.qsize()

    async def get(self, key: bytes) -> bytes | None:
        """The value; None when there is none, and when Redis does not give one in time."""
        value = await self._asked(self._cache.get, key.hex())
        return value if isinstance(value, bytes) else None

    def put(self, key: bytes, value: bytes, keep_s: float) -> None:
        """Have the value written soon, to be kept for so long."""
        size = len(value)
        if size > LARGEST_VALUE or self._queued_bytes + size > _QUEUED_BYTES or self._writes.full():
            return
        self._queued_bytes += size
        self._writes.put_nowait((key.hex(), value, keep_s))

    async def run(self, script: str, key: str, *arguments: str) -> Any:
        """What a Lua script answers for the key; None when Redis does not answer in time."""
        return await self._asked(self._cache.client.eval, script, 1, f"tracegraph:{key}", *arguments)

    async def write(self) -> None:
        """Write what is queued, for ever."""
        while True:
            key, value, keep_s = await self._writes.get()
            self._queued_bytes -= len(value)
            await self._asked(self._cache.set, key, value, ttl=float(max(keep_s, 0.001)))

    async def _asked(self, command: Any, *arguments: Any, **named: Any) -> Any:
        """What Redis answers; None when it fails, or failed so often that it is not asked now."""
        now = time.monotonic()
        if self._failures >= _FAILURES_IN_A_ROW:
            if now < self._asleep_until:
                return None
            self._asleep_until = now + _PAUSE_S  # this call tries; others go on without until it knows
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await command(*arguments, **named)
        except redis.ResponseError:
            answer = None  # it answers, only not this: a key of another type, no memory left
        except Exception as error:
            self._failed(error, now)
            return None
        if self._failures >= _FAILURES_IN_A_ROW:
            _log.info("cache.redis_is_back")
        self._failures = 0
        return answer

    def _failed(self, error: Exception, now: float) -> None:
        self._failures += 1
        if self._failures == _FAILURES_IN_A_ROW:
            self._asleep_until = now + _PAUSE_S
            _log.warning("cache.redis_left_alone", seconds=_PAUSE_S, cause=type(error).__name__)


def read_redis_url(url: str) -> dict[str, Any]:
    """Host, port, database and so on of a `redis://` or `rediss://` URL. Raises ValueError."""
    return dict(redis.asyncio.connection.parse_url(url))


async def trouble_of_redis(url: str, password: str | None, timeout_s: float) -> str | None:
    """Why that Redis cannot be used, in words of ours; None when it answers."""
    connection = redis.asyncio.from_url(
        url, password=password, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0), max_connections=1
    )
    try:
        async with asyncio.timeout(timeout_s), connection:
            await connection.ping()
    except (TimeoutError, redis.TimeoutError):
        return f"it did not answer within {timeout_s:g} s"
    except (redis.AuthenticationError, redis.ResponseError):  # NOAUTH is one of either by version
        return "it refused the password, or needs one"
    except (redis.RedisError, OSError, ValueError) as error:
        return unreachable_reason(error) or "it cannot be reached"
    return None


@asynccontextmanager
async def open_redis(url: str, password: str | None, timeout_s: float) -> AsyncIterator[RedisStore]:
    """A store for the time of the context. Opening does not ask Redis: it may come later, or never."""
    parts = read_redis_url(url)
    cache = RedisCache(
        serializer=NullSerializer(encoding=None),
        namespace="tracegraph",
        timeout=None,
        endpoint=parts.pop("host", "127.0.0.1"),
        port=parts.pop("port", 6379),
        db=parts.pop("db", 0),
        password=password,
        pool_max_size=_CONNECTIONS,
        create_connection_timeout=timeout_s,
        connection_pool_class=redis.asyncio.BlockingConnectionPool,
        connection_pool_kwargs={
            "timeout": timeout_s,
            "socket_timeout": timeout_s,
            "retry": Retry(NoBackoff(), 1),  # a connection of the pool may have died unseen
            **parts,
        },
    )
    store = RedisStore(cache, timeout_s)
    writer = asyncio.create_task(store.write())
    try:
        yield store
    finally:
        while not writer.done():  # the libraries may lose one cancellation while they connect
            writer.cancel()
            await asyncio.wait([writer], timeout=timeout_s)
        with suppress(Exception):
            await _within(cache.client.aclose(), timeout_s)


async def _within(work: Awaitable[Any], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await work
