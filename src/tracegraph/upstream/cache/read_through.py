"""Reads of one source and credential: from the cache while fresh, shared while under way, stale when it fails.

    fetch      fresh in memory? -> that                                  (hot and soon too old: refresh beside it)
               else share one load with every equal read under way
               it failed, and an older answer is kept -> that, with the reason; where it ran out of its time, the
               request's next reads of the source are of older answers without another wait
    load       fresh in the store that copies share? -> that
               else the vendor; keep what it answers

Whoever asks past the cache gets the vendor's present answer or its failure, never an older answer.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from pydantic import SecretStr

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.clocks import elapsed_s
from tracegraph.domain.value_objects import record
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceTimeout,
    SourceUnauthorized,
)
from tracegraph.upstream.cache.dependencies import current_dependencies
from tracegraph.upstream.cache.keys import CacheKeys
from tracegraph.upstream.cache.memory import CacheEntry, MemoryStore
from tracegraph.upstream.counters import SourceCounters
from tracegraph.upstream.errors import report_failure
from tracegraph.upstream.messages import AttemptState, UpstreamRequest, UpstreamResponse, response_to
from tracegraph.upstream.request_scope import _stale, bypasses_cache, is_fair_time, remaining_s
from tracegraph.upstream.resilience.timeouts import earlier_timeout, remember_timeout
from tracegraph.upstream.single_flight import SingleFlight

Attempts = Callable[[UpstreamRequest, AttemptState], Awaitable[UpstreamResponse]]
"""The vendor's own answer; raises SourceError."""


class SharedStore(Protocol):
    """Sealed entries and figures that copies of the gateway share. No method raises for what happens to it."""

    async def get(self, key: bytes) -> bytes | None:
        """The value, None when there is none or none can be had."""
        ...

    def put(self, key: bytes, value: bytes, keep_s: float) -> None:
        """Have it written soon."""
        ...

    async def run(self, script: str, key: str, *arguments: str) -> Any:
        """What a Lua script answers for the key, None when none can be had."""
        ...


_ANSWERS = (SourceUnauthorized, SourceNotFound, SourceBadRequest)
"""What the vendor means as it says it: an older answer must not stand in for these."""


_EARLIEST_REFRESH = 0.5


_LATEST_REFRESH = 0.2


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How old answers may be, and whether equal reads share a call.

    `ttl_by_kind` overrides `ttl_s` for kinds of calls; for `stale_s` more an answer may stand in for a failure.
    `limit_s` bounds a shared call, whose askers each have a deadline of their own; `timeout_s` bounds one try.
    """

    ttl_s: float = 5.0
    stale_s: float = 300.0
    share: bool = True
    limit_s: float = 10.0
    timeout_s: float = 4.0
    ttl_by_kind: Mapping[str, float] = field(default_factory=dict)

    def ttl_of(self, kind: str) -> float:
        """Seconds for which an answer to such a call is fresh."""
        return self.ttl_by_kind.get(kind, self.ttl_s)


@dataclass(frozen=True, slots=True)
class CacheStores:
    """What every source's reads have in common; without `memory` nothing is kept. `secret` goes into the keys.

    `clock` gives ages; `wall_clock` is what copies of the gateway have in common, for entries that they share.
    """

    memory: MemoryStore | None = None
    shared: SharedStore | None = None
    flights: SingleFlight = field(default_factory=SingleFlight)
    secret: SecretStr | None = None
    clock: Callable[[], float] = elapsed_s
    wall_clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class ReadThroughCache:
    """The reads of one source with one credential."""

    source: str
    base_url: str
    policy: CachePolicy
    stores: CacheStores
    keys: CacheKeys
    counters: SourceCounters

    @classmethod
    def of(
        cls, source: str, base_url: str, policy: CachePolicy, stores: CacheStores, counters: SourceCounters
    ) -> ReadThroughCache | None:
        """The reads without a credential; None where nothing is kept and nothing shared."""
        if stores.memory is None and not policy.share:
            return None
        return cls(source, base_url, policy, stores, _keyring(source, base_url, {}, stores), counters)

    def with_credential(self, headers: Mapping[str, str]) -> ReadThroughCache:
        """The same reads with these headers: what one credential sees is no answer for another."""
        return replace(self, keys=_keyring(self.source, self.base_url, headers, self.stores))

    async def fetch(self, call: UpstreamRequest, attempts: Attempts) -> UpstreamResponse:
        """The answer, fresh, just made or, when that fails, an older one. Raises SourceError."""
        ask = _CacheRequest(self.keys.key(call), call, attempts, bypasses_cache())
        entry = None if ask.past else self._kept(ask)
        if entry is not None and self._is_fresh(entry, call.kind):
            self._refresh_early(ask, entry)
            self.counters[call.kind].cache_hits += 1
            self._tell_origin(ask, entry.body)
            return response_to(call, self.source, entry.body, FetchInfo())
        older = None if entry is None else await self._without_waiting(ask)
        if older is not None:
            return older
        is_fair = is_fair_time(remaining_s(self.policy.timeout_s), self.policy.timeout_s)
        try:
            reply = await (self._shared(ask) if self.policy.share else self._load(ask, AttemptState()))
        except SourceError as error:
            self._tell_origin(ask, None)
            if is_fair:
                remember_timeout(self.source, error)
            older = None if ask.past else self._older(ask, error)
            if older is None:
                raise
            return older
        self._tell_origin(ask, reply.body)
        return reply

    # -- sharing ---------------------------------------------------------------------------------------

    async def _shared(self, ask: _CacheRequest) -> UpstreamResponse:
        flights, allowed_s = self.stores.flights, remaining_s(self.policy.limit_s)
        flight = flights.get(ask.shared_by)
        first = flight is None
        if flight is None:
            if allowed_s <= 0:
                message = f"Source {self.source!r} was not asked: the request's time was over."
                raise SourceTimeout(self.source, message)
            flight = flights.begin(ask.shared_by, partial(self._load, ask), self.policy.limit_s)
        else:
            self.counters[ask.call.kind].shared += 1
        try:
            reply = await flights.wait(flight, allowed_s)
        except TimeoutError:
            raise self._given_up(ask, allowed_s, flight.tries, first=first) from None
        except SourceError as error:
            raise error.charged(error.upstream_requests if first else 0) from error.__cause__
        return reply if first else replace(reply, provenance=FetchInfo())

    def _given_up(self, ask: _CacheRequest, waited_s: float, tries: AttemptState, *, first: bool) -> SourceError:
        """The deadline of this caller passed, maybe between retries; others may still wait for the call."""
        message = f"Source {self.source!r} did not answer within {waited_s:.1f} s."
        error = (tries.failure or SourceTimeout(self.source, message)).charged(tries.made if first else 0)
        report_failure(self.source, ask.call, error)
        return error

    # -- keeping ---------------------------------------------------------------------------------------

    async def _load(self, ask: _CacheRequest, tries: AttemptState) -> UpstreamResponse:
        """A fresh answer of the shared store, else the vendor's own."""
        found = None if ask.past else await self._from_shared_store(ask)
        if found is not None:
            return found
        if self.stores.memory is not None and not ask.past:
            self.counters[ask.call.kind].cache_misses += 1
        began = self.stores.clock()
        reply = await ask.attempts(ask.call, tries)
        now = self.stores.clock()
        self._keep(ask, CacheEntry(reply.body, now, took_s=now - began))
        return reply

    async def _from_shared_store(self, ask: _CacheRequest) -> UpstreamResponse | None:
        """A fresh answer, if it is younger than ours. One that is not fresh is kept, should the vendor fail."""
        memory, shared = self.stores.memory, self.stores.shared
        if memory is None or shared is None:
            return None
        sealed = await shared.get(ask.key)
        entry = None if sealed is None else self._opened(ask, sealed)
        ours = memory.get(ask.key)
        if entry is None or (ours is not None and not _is_younger(entry, ours)):
            return None
        reply = self._revived(ask.call, entry, FetchInfo())
        if reply is None:
            return None
        memory.put(ask.key, entry)
        if not self._is_fresh(entry, ask.call.kind):
            return None
        self.counters[ask.call.kind].cache_hits += 1
        return reply

    def _opened(self, ask: _CacheRequest, sealed: bytes) -> CacheEntry | None:
        """A shared entry that is good for anything yet."""
        now, wall_now = self.stores.clock(), self.stores.wall_clock()
        entry = self.keys.opened(ask.key, sealed, now=now, wall_now=wall_now)
        return None if entry is None or self._age_s(entry) >= self._good_for_s(ask.call.kind) else entry

    def _keep(self, ask: _CacheRequest, entry: CacheEntry) -> None:
        if self.stores.memory is not None:
            self.stores.memory.put(ask.key, entry)
        if self.stores.shared is not None:
            entry.shared_at = self.stores.wall_clock()
            sealed = self.keys.sealed(ask.key, entry)
            self.stores.shared.put(ask.key, sealed, self._good_for_s(ask.call.kind))

    def _kept(self, ask: _CacheRequest) -> CacheEntry | None:
        """The entry in memory, if it is good for anything yet."""
        memory = self.stores.memory
        entry = None if memory is None else memory.get(ask.key)
        if memory is None or entry is None:
            return None
        if self._age_s(entry) < self._good_for_s(ask.call.kind):
            return entry
        memory.remove(ask.key)
        return None

    def _good_for_s(self, kind: str) -> float:
        return self.policy.ttl_of(kind) + self.policy.stale_s

    def _is_fresh(self, entry: CacheEntry, kind: str) -> bool:
        return self._age_s(entry) < self.policy.ttl_of(kind)

    def _age_s(self, entry: CacheEntry) -> float:
        return self.stores.clock() - entry.stored_at

    def _tell_origin(self, ask: _CacheRequest, body: bytes | None) -> None:
        """Record the cache entry of this body as a dependency of the response, if it has one."""
        gathered = current_dependencies()
        if gathered is None:
            return
        entry = self._kept(ask)
        if entry is None or entry.body is not body:
            gathered.spoil()
        else:
            ttl_s = self.policy.ttl_of(ask.call.kind)
            lead_s = 0.0 if entry.refreshing else _lead_s(ttl_s, entry)
            gathered.add(ask.key, entry, entry.stored_at + ttl_s - lead_s)

    # -- standing in, and refreshing -------------------------------------------------------------------

    async def _without_waiting(self, ask: _CacheRequest) -> UpstreamResponse | None:
        """What is kept, where the request waited for this source in vain before; None where it did not."""
        error = earlier_timeout(self.source)
        if error is None:
            return None
        self._tell_origin(ask, None)
        return await self._from_shared_store(ask) or self._older(ask, error.charged(0))

    def _older(self, ask: _CacheRequest, error: SourceError) -> UpstreamResponse | None:
        """What is kept of earlier, in the place of a failure."""
        entry = None if isinstance(error, _ANSWERS) else self._kept(ask)
        if entry is None:
            return None
        reply = self._revived(ask.call, entry, FetchInfo(error.upstream_requests, error))
        if reply is not None:
            self.counters[ask.call.kind].cache_stale += 1
            gathered = _stale.get()
            if gathered is not None:
                gathered.append(error)
        return reply

    def _revived(self, call: UpstreamRequest, entry: CacheEntry, provenance: FetchInfo) -> UpstreamResponse | None:
        """The entry as a reply; None when it cannot be read, as one that another version of the gateway kept."""
        try:
            return response_to(call, self.source, entry.body, provenance)
        except SourceBadResponse:
            return None

    def _refresh_early(self, ask: _CacheRequest, entry: CacheEntry) -> None:
        """Begin to ask again before a hot entry is too old, beside its readers, once."""
        if not entry.read_again:
            entry.read_again = True
            return
        ttl_s = self.policy.ttl_of(ask.call.kind)
        is_early = self._age_s(entry) < ttl_s - _lead_s(ttl_s, entry)
        if entry.refreshing or is_early or self.stores.flights.get(ask.key):
            return
        entry.refreshing = True
        self.stores.flights.begin(ask.key, partial(self._load, ask), self.policy.limit_s, unasked=True)


@record(frozen=True, slots=True)
class _CacheRequest:
    """One fetch."""

    key: bytes
    call: UpstreamRequest
    attempts: Attempts
    past: bool

    @property
    def shared_by(self) -> bytes:
        """The key of single flight: a fetch that bypasses the cache joins only others that do."""
        return self.key + b"past" if self.past else self.key


def _is_younger(entry: CacheEntry, ours: CacheEntry) -> bool:
    """Whether another copy made a shared entry after ours, which may itself be what is shared.

    Ours comes back with an age that the wall clock may have changed, so it is known by its time there.
    """
    return entry.shared_at != ours.shared_at and entry.stored_at > ours.stored_at


def _lead_s(ttl_s: float, entry: CacheEntry) -> float:
    """How long before its end a hot entry is refreshed.

    Early enough for what the vendor took last time, twice over; not before half the entry's life.
    """
    return min(_EARLIEST_REFRESH * ttl_s, max(_LATEST_REFRESH * ttl_s, 2 * entry.took_s))


def _keyring(source: str, base_url: str, headers: Mapping[str, str], stores: CacheStores) -> CacheKeys:
    secret = None if stores.secret is None else stores.secret.get_secret_value()
    return CacheKeys(source, base_url, headers, secret)
