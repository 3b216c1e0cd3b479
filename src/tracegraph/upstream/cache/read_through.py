"""Read-through cache of one source and credential: fresh, coalesced, or stale after a failure.

    fetch      a fresh entry in memory: return it, and refresh a hot one in the background before it expires
               else join or start one load, shared by all equal reads in flight
               after a failed load: return the stale entry with the reason; after a timeout, the next reads of the
               request from this source use stale entries without another wait
    load       a fresh entry in the shared store: return it
               else call the vendor and cache the reply

A read that bypasses the cache returns the vendor's current reply or its failure, never a stale entry.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from pydantic import SecretStr

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.clocks import elapsed_s
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceTimeout,
    SourceUnauthorized,
)
from tracegraph.upstream.cache.keys import CacheKeys
from tracegraph.upstream.cache.memory import CacheEntry, MemoryStore
from tracegraph.upstream.counters import SourceCounters
from tracegraph.upstream.errors import report_failure
from tracegraph.upstream.messages import AttemptState, UpstreamRequest, UpstreamResponse, response_to
from tracegraph.upstream.request_scope import (
    bypasses_cache,
    current_dependencies,
    detached_context,
    earlier_timeout,
    is_fair_time,
    record_stale_reply,
    remaining_s,
    remember_timeout,
)
from tracegraph.upstream.single_flight import Flight, SingleFlight

Flights = SingleFlight[bytes, UpstreamResponse, AttemptState]
"""The loads in flight by key."""


CallVendor = Callable[[UpstreamRequest, AttemptState], Awaitable[UpstreamResponse]]
"""Calls the vendor, with retries; raises SourceError."""


class SharedStore(Protocol):
    """Signed entries and counters that several processes share. No method raises when the store fails."""

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

    async def run(self, script: str, key: str, *arguments: str) -> Any:
        """Return the result of a Lua script for the key, None when the store fails."""
        ...


_DEFINITIVE_ERRORS = (SourceUnauthorized, SourceNotFound, SourceBadRequest)
"""Deliberate responses of the vendor: a stale entry must not replace them."""


_MAX_LEAD = 0.5


_MIN_LEAD = 0.2


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
class ReadThroughCache:
    """The cache of one source with one credential."""

    source: str
    base_url: str
    policy: CachePolicy
    stores: CacheStores
    keys: CacheKeys
    counters: SourceCounters

    @classmethod
    def for_source(
        cls, source: str, base_url: str, policy: CachePolicy, stores: CacheStores, counters: SourceCounters
    ) -> ReadThroughCache | None:
        """Return the cache without a credential, None where nothing is cached or shared.

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

    def with_credential(self, headers: Mapping[str, str]) -> ReadThroughCache:
        """Return the cache for these headers: one credential must not see the replies to another."""
        return replace(self, keys=_cache_keys(self.source, self.base_url, headers, self.stores))

    async def fetch(self, call: UpstreamRequest, call_vendor: CallVendor) -> UpstreamResponse:
        """Return a fresh reply, or a stale one when the call fails.

        Args:
            call: The call.
            call_vendor: Calls the vendor, with retries.

        Raises:
            SourceError: For a failure that no stale entry replaces.
        """
        request = _CacheRequest(self.keys.key(call), call, call_vendor, bypasses_cache())
        entry = None if request.bypass_cache else self._lookup(request)
        if entry is not None and self._is_fresh(entry, call.kind):
            self._refresh_early(request, entry)
            self.counters[call.kind].cache_hits += 1
            self._record_dependency(request, entry.body)
            return response_to(call, self.source, entry.body, FetchInfo())
        stale = None if entry is None else await self._cached_without_waiting(request)
        if stale is not None:
            return stale
        is_fair = is_fair_time(remaining_s(self.policy.timeout_s), self.policy.timeout_s)
        try:
            reply = await (
                self._join_or_start(request) if self.policy.share else self._load(request, AttemptState())
            )
        except SourceError as error:
            self._record_dependency(request, None)
            if is_fair:
                remember_timeout(self.source, error)
            stale = None if request.bypass_cache else self._stale_reply(request, error)
            if stale is None:
                raise
            return stale
        self._record_dependency(request, reply.body)
        return reply

    # -- sharing ---------------------------------------------------------------------------------------

    async def _join_or_start(self, request: _CacheRequest) -> UpstreamResponse:
        flights, allowed_s = self.stores.flights, remaining_s(self.policy.limit_s)
        flight = flights.get(request.flight_key)
        first = flight is None
        if flight is None:
            if allowed_s <= 0:
                message = f"Source {self.source!r} was not called: the deadline of the request has passed."
                raise SourceTimeout(self.source, message)
            flight = self._start_load(request, AttemptState(waiters_deadline=0.0))
        else:
            self.counters[request.call.kind].shared += 1
        flight.state.add_waiter(allowed_s)
        try:
            reply = await flights.wait(flight, allowed_s)
        except TimeoutError:
            flight.state.timed_out = not flight.waiters
            raise self._wait_expired(request, allowed_s, flight.state, first=first) from None
        except SourceError as error:
            raise error.with_cost(error.upstream_requests if first else 0) from error.__cause__
        return reply if first else msgspec.structs.replace(reply, provenance=FetchInfo())

    def _start_load(
        self, request: _CacheRequest, state: AttemptState, *, background: bool = False
    ) -> Flight[bytes, UpstreamResponse, AttemptState]:
        """Start a load under a deadline of its own."""
        return self.stores.flights.start(
            request.flight_key,
            self._load(request, state),
            state,
            context=detached_context(self.policy.limit_s, inherit=not background),
            background=background,
        )

    def _wait_expired(
        self, request: _CacheRequest, waited_s: float, state: AttemptState, *, first: bool
    ) -> SourceError:
        """Return the error for a waiter whose deadline passed; others may still wait for the call."""
        message = f"Source {self.source!r} did not respond within {waited_s:.1f} s."
        error = (state.failure or SourceTimeout(self.source, message)).with_cost(state.sent if first else 0)
        report_failure(self.source, request.call, error)
        return error

    # -- storing ---------------------------------------------------------------------------------------

    async def _load(self, request: _CacheRequest, state: AttemptState) -> UpstreamResponse:
        """Return a fresh entry of the shared store, else call the vendor."""
        cached = None if request.bypass_cache else await self._from_shared_store(request)
        if cached is not None:
            return cached
        if self.stores.memory is not None and not request.bypass_cache:
            self.counters[request.call.kind].cache_misses += 1
        began = self.stores.clock()
        reply = await request.call_vendor(request.call, state)
        now = self.stores.clock()
        self._store(request, CacheEntry(reply.body, now, duration_s=now - began))
        return reply

    async def _from_shared_store(self, request: _CacheRequest) -> UpstreamResponse | None:
        """Return a fresh entry that is newer than ours. A stale one only replaces ours, for a later failure."""
        memory, shared = self.stores.memory, self.stores.shared
        if memory is None or shared is None:
            return None
        signed = await shared.get(request.key)
        entry = None if signed is None else self._verify(request, signed)
        ours = memory.get(request.key)
        if entry is None or (ours is not None and not _is_newer(entry, ours)):
            return None
        reply = self._decode_cached(request.call, entry, FetchInfo())
        if reply is None:
            return None
        memory.put(request.key, entry)
        if not self._is_fresh(entry, request.call.kind):
            return None
        self.counters[request.call.kind].cache_hits += 1
        return reply

    def _verify(self, request: _CacheRequest, signed: bytes) -> CacheEntry | None:
        """Return the shared entry when its signature is valid and it is not too old to be stale."""
        now, wall_now = self.stores.clock(), self.stores.wall_clock()
        entry = self.keys.verify(request.key, signed, now=now, wall_now=wall_now)
        return None if entry is None or self._age_s(entry) >= self._usable_for_s(request.call.kind) else entry

    def _store(self, request: _CacheRequest, entry: CacheEntry) -> None:
        if self.stores.memory is not None:
            self.stores.memory.put(request.key, entry)
        if self.stores.shared is not None:
            entry.shared_at = self.stores.wall_clock()
            signed = self.keys.sign(request.key, entry)
            self.stores.shared.put(request.key, signed, self._usable_for_s(request.call.kind))

    def _lookup(self, request: _CacheRequest) -> CacheEntry | None:
        """Return the entry in memory, unless it is too old even to be stale."""
        memory = self.stores.memory
        entry = None if memory is None else memory.get(request.key)
        if memory is None or entry is None:
            return None
        if self._age_s(entry) < self._usable_for_s(request.call.kind):
            return entry
        memory.remove(request.key)
        return None

    def _usable_for_s(self, kind: str) -> float:
        return self.policy.ttl_of(kind) + self.policy.stale_s

    def _is_fresh(self, entry: CacheEntry, kind: str) -> bool:
        return self._age_s(entry) < self.policy.ttl_of(kind)

    def _age_s(self, entry: CacheEntry) -> float:
        return self.stores.clock() - entry.stored_at

    def _record_dependency(self, request: _CacheRequest, body: bytes | None) -> None:
        """Record the entry with this body as a dependency of the response; without one, mark it uncacheable."""
        dependencies = current_dependencies()
        if dependencies is None:
            return
        entry = self._lookup(request)
        if entry is None or entry.body is not body:
            dependencies.mark_uncacheable()
        else:
            ttl_s = self.policy.ttl_of(request.call.kind)
            lead_s = 0.0 if entry.refreshing else _refresh_lead_s(ttl_s, entry)
            dependencies.add(request.key, entry, entry.stored_at + ttl_s - lead_s)

    # -- stale replies and refreshing ------------------------------------------------------------------

    async def _cached_without_waiting(self, request: _CacheRequest) -> UpstreamResponse | None:
        """Return a cached reply when this source already timed out within the request, else None."""
        error = earlier_timeout(self.source)
        if error is None:
            return None
        self._record_dependency(request, None)
        return await self._from_shared_store(request) or self._stale_reply(request, error.with_cost(0))

    def _stale_reply(self, request: _CacheRequest, error: SourceError) -> UpstreamResponse | None:
        """Return the stale entry in place of a failure, None without one."""
        entry = None if isinstance(error, _DEFINITIVE_ERRORS) else self._lookup(request)
        if entry is None:
            return None
        reply = self._decode_cached(request.call, entry, FetchInfo(error.upstream_requests, error))
        if reply is not None:
            self.counters[request.call.kind].cache_stale += 1
            record_stale_reply(error)
        return reply

    def _decode_cached(
        self, call: UpstreamRequest, entry: CacheEntry, provenance: FetchInfo
    ) -> UpstreamResponse | None:
        """Return the entry as a reply, None when it is unreadable, for example written by another version."""
        try:
            return response_to(call, self.source, entry.body, provenance)
        except SourceBadResponse:
            return None

    def _refresh_early(self, request: _CacheRequest, entry: CacheEntry) -> None:
        """Refresh a hot entry once in the background before it expires."""
        if not entry.read_again:
            entry.read_again = True
            return
        ttl_s = self.policy.ttl_of(request.call.kind)
        is_early = self._age_s(entry) < ttl_s - _refresh_lead_s(ttl_s, entry)
        if entry.refreshing or is_early or self.stores.flights.get(request.key):
            return
        entry.refreshing = True
        self._start_load(request, AttemptState(), background=True)


class _CacheRequest(msgspec.Struct, frozen=True):
    """One read of the cache: the call, its key, the function that calls the vendor, and the cache bypass."""

    key: bytes
    call: UpstreamRequest
    call_vendor: CallVendor
    bypass_cache: bool

    @property
    def flight_key(self) -> bytes:
        """The key of single flight: a read that bypasses the cache joins only others that do."""
        return self.key + b"bypass" if self.bypass_cache else self.key


def _is_newer(entry: CacheEntry, ours: CacheEntry) -> bool:
    """Return whether another process stored the shared entry after ours; the two may be the same entry.

    A changed wall clock may change the age of a shared entry. So `shared_at` identifies an entry.
    """
    return entry.shared_at != ours.shared_at and entry.stored_at > ours.stored_at


def _refresh_lead_s(ttl_s: float, entry: CacheEntry) -> float:
    """Return how long before its expiry a hot entry is refreshed.

    That is twice the duration of the vendor's last call, but at most half of the entry's lifetime.
    """
    return min(_MAX_LEAD * ttl_s, max(_MIN_LEAD * ttl_s, 2 * entry.duration_s))


def _cache_keys(source: str, base_url: str, headers: Mapping[str, str], stores: CacheStores) -> CacheKeys:
    secret = None if stores.secret is None else stores.secret.get_secret_value()
    return CacheKeys(source, base_url, headers, secret)
