"""The cached replies of one source and credential, in memory and in the store that several processes share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pydantic import SecretStr

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.clocks import elapsed_s
from tracegraph.errors import SourceBadResponse
from tracegraph.upstream.cache.keys import CacheKeys
from tracegraph.upstream.cache.memory import CacheEntry, MemoryStore
from tracegraph.upstream.counters import SharedStoreCounters, SourceCounters
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse, response_to
from tracegraph.upstream.shared_calls import Flights
from tracegraph.upstream.single_flight import SingleFlight


class SharedStore(Protocol):
    """Signed entries and counters that several processes share. No method raises when the store fails."""

    @property
    def counters(self) -> SharedStoreCounters:
        """The counts of calls."""
        ...

    async def get(self, key: bytes) -> bytes | None:
        """Return the value, None when it is missing or the store fails."""
        ...

    def put(self, key: bytes, value: bytes, keep_s: float) -> None:
        """Queue the value to be written.

        Args:
            key: The key.
            value: The value.
            keep_s: Its expiry in seconds.
        """
        ...

    def release(self, key: bytes, token: str) -> None:
        """Queue the end of this process's claim on a key, behind the values that are queued.

        Args:
            key: The key.
            token: The token of the claim.
        """
        ...

    async def run(self, script: str, key: str, *arguments: str) -> Any:
        """Return the result of a Lua script for the key, None when the store fails."""
        ...


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """The lifetime of entries, and whether equal reads share a call.

    `ttl_by_kind` overrides `ttl_s` by kind of call. For `stale_s` after its `ttl_s`, an entry may replace a
    failure. `limit_s` is the deadline of a shared call, whose waiters have deadlines of their own. `timeout_s`
    limits one attempt.
    """

    ttl_s: float = 5.0
    stale_s: float = 300.0
    share: bool = True
    limit_s: float = 10.0
    timeout_s: float = 4.0
    ttl_by_kind: Mapping[str, float] = field(default_factory=dict)

    def ttl_of(self, kind: str) -> float:
        """Return the seconds for which a reply to such a call is fresh."""
        return self.ttl_by_kind.get(kind, self.ttl_s)


@dataclass(frozen=True, slots=True)
class CacheStores:
    """The stores that all sources use. Without `memory` nothing is cached. `secret` goes into the keys.

    `clock` measures ages. `wall_clock` is common to all processes; it dates the entries that they share.
    """

    memory: MemoryStore | None = None
    shared: SharedStore | None = None
    flights: Flights = field(default_factory=SingleFlight)
    secret: SecretStr | None = None
    clock: Callable[[], float] = elapsed_s
    wall_clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class CacheEntries:
    """The entries of one source and credential. The layers of the cache use them together."""

    source: str
    base_url: str
    policy: CachePolicy
    stores: CacheStores
    keys: CacheKeys
    counters: SourceCounters

    @classmethod
    def for_source(
        cls, source: str, base_url: str, policy: CachePolicy, stores: CacheStores, counters: SourceCounters
    ) -> CacheEntries | None:
        """Return the entries without a credential, None where nothing is cached or shared.

        Args:
            source: The configured name of the source.
            base_url: Its base URL.
            policy: Its policy.
            stores: The stores of all sources.
            counters: The counters of the source.
        """
        if stores.memory is None and not policy.share:
            return None
        return cls(source, base_url, policy, stores, _cache_keys(source, base_url, {}, stores), counters)

    def with_credential(self, headers: Mapping[str, str]) -> CacheEntries:
        """Return the entries for these headers: one credential must not see the replies to another."""
        return replace(self, keys=_cache_keys(self.source, self.base_url, headers, self.stores))

    def lookup(self, key: bytes, kind: str) -> CacheEntry | None:
        """Return the entry in memory, unless it is too old even to be stale."""
        memory = self.stores.memory
        entry = None if memory is None else memory.get(key)
        if memory is None or entry is None:
            return None
        if self.age_s(entry) < self._usable_for_s(kind):
            return entry
        memory.remove(key)
        return None

    def is_fresh(self, entry: CacheEntry, kind: str) -> bool:
        """Return whether the entry may be returned without a call."""
        return self.age_s(entry) < self.policy.ttl_of(kind)

    def age_s(self, entry: CacheEntry) -> float:
        """Return the age of the entry in seconds."""
        return self.stores.clock() - entry.stored_at

    def store(self, key: bytes, kind: str, entry: CacheEntry) -> None:
        """Store the entry in memory and in the shared store."""
        if self.stores.memory is not None:
            self.stores.memory.put(key, entry)
        if self.stores.shared is not None:
            entry.shared_at = self.stores.wall_clock()
            self.stores.shared.put(key, self.keys.sign(key, entry), self._usable_for_s(kind))

    async def fetch_shared(self, key: bytes, call: UpstreamRequest) -> UpstreamResponse | None:
        """Return a fresh entry of the shared store that is newer than ours, as a reply.

        A stale one only replaces ours, for a later failure.
        """
        memory, shared = self.stores.memory, self.stores.shared
        if memory is None or shared is None:
            return None
        signed = await shared.get(key)
        entry = None if signed is None else self._verify(key, call.kind, signed)
        ours = memory.get(key)
        if entry is None or (ours is not None and not _is_newer(entry, ours)):
            return None
        reply = self.decode(call, entry, FetchInfo())
        if reply is None:
            return None
        memory.put(key, entry)
        if not self.is_fresh(entry, call.kind):
            return None
        self.counters[call.kind].cache_hits += 1
        return reply

    def decode(self, call: UpstreamRequest, entry: CacheEntry, provenance: FetchInfo) -> UpstreamResponse | None:
        """Return the entry as a reply, None when it is unreadable, for example written by another version."""
        try:
            return response_to(call, self.source, entry.body, provenance)
        except SourceBadResponse:
            return None

    def _verify(self, key: bytes, kind: str, signed: bytes) -> CacheEntry | None:
        """Return the shared entry when its signature is valid and it is not too old to be stale."""
        now, wall_now = self.stores.clock(), self.stores.wall_clock()
        entry = self.keys.verify(key, signed, now=now, wall_now=wall_now)
        return None if entry is None or self.age_s(entry) >= self._usable_for_s(kind) else entry

    def _usable_for_s(self, kind: str) -> float:
        return self.policy.ttl_of(kind) + self.policy.stale_s


def _is_newer(entry: CacheEntry, ours: CacheEntry) -> bool:
    """Return whether another process stored the shared entry after ours; the two may be the same entry.

    A changed wall clock may change the age of a shared entry. So `shared_at` identifies an entry.
    """
    return entry.shared_at != ours.shared_at and entry.stored_at > ours.stored_at


def _cache_keys(source: str, base_url: str, headers: Mapping[str, str], stores: CacheStores) -> CacheKeys:
    secret = None if stores.secret is None else stores.secret.get_secret_value()
    return CacheKeys(source, base_url, headers, secret)
