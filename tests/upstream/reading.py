"""Upstream clients with a cache, and a clock that the test controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.upstream.conftest import SECRET
from tracegraph.upstream.cache.entries import CacheEntries, CachePolicy, CacheStores, SharedStore
from tracegraph.upstream.cache.memory import MemoryStore
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.counters import SharedStoreCounters, SourceCounters

POLICY = CachePolicy(ttl_s=10.0, stale_s=100.0, limit_s=20.0)


@dataclass
class Clock:
    """Seconds that the test sets."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class SharedMemory:
    """A store that several processes share, without Redis."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    reads: int = 0
    counters: SharedStoreCounters = field(default_factory=SharedStoreCounters)

    async def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return self.values.get(key)

    async def run(self, script: str, key: str, *arguments: str) -> object:  # noqa: ARG002 - the store's form
        return None

    def put(self, key: bytes, value: bytes, keep_s: float) -> None:  # noqa: ARG002 - the store's form
        self.values[key] = value

    def release(self, key: bytes, token: str) -> None:
        """Forget no claim, since `run` claims none."""


def reading(
    upstream: Upstream,
    clock: Callable[[], float],
    policy: CachePolicy = POLICY,
    shared: SharedStore | None = None,
    *,
    cached: bool = True,
    wall_clock: Callable[[], float] | None = None,
) -> Upstream:
    """Return the client with a cache of its own, as one process of the gateway has it.

    Without `wall_clock` both clocks agree.
    """
    stores = CacheStores(MemoryStore() if cached else None, shared, clock=clock, wall_clock=wall_clock or clock)
    cache = CacheEntries.for_source(upstream.source, "http://vendor", policy, stores, SourceCounters())
    return replace(upstream, cache=cache).with_credential({"authorization": SECRET})
