"""The two layers of the cache: one above single flight, one below it.

    ReadThroughCache  a fresh entry in memory: return it, and refresh a hot one in the background before it expires
                      else fetch from the next layer
                      after a failure: return the stale entry with the reason; after a timeout, the next reads of
                      the request from this source use stale entries without another wait
    CacheFill         a fresh entry in the shared store: return it
                      else fetch from the next layer and cache the reply

Equal reads share one look-up in the shared store because `CacheFill` is below single flight. A read that bypasses
the cache returns the vendor's current reply or its failure, never a stale entry.
"""

from __future__ import annotations

from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound, SourceUnauthorized
from tracegraph.upstream.cache.entries import CacheEntries
from tracegraph.upstream.cache.memory import CacheEntry
from tracegraph.upstream.cache.shared_flight import claimed_or_found
from tracegraph.upstream.messages import CallState, Fetcher, UpstreamRequest, UpstreamResponse, response_to
from tracegraph.upstream.request_scope import (
    bypasses_cache,
    current_dependencies,
    earlier_timeout,
    is_fair_time,
    record_stale_reply,
    remaining_s,
    remember_timeout,
)
from tracegraph.upstream.shared_calls import SharedCalls

_DEFINITIVE_ERRORS = (SourceUnauthorized, SourceNotFound, SourceBadRequest)
"""Deliberate responses of the vendor: a stale entry must not replace them."""


_MAX_LEAD = 0.5


_MIN_LEAD = 0.2


class ReadThroughCache:
    """Returns a fresh entry, else the reply of the next layer, or a stale entry after a failure."""

    __slots__ = ("_entries", "_next")

    def __init__(self, next_layer: SharedCalls, entries: CacheEntries) -> None:
        self._next = next_layer
        self._entries = entries

    async def fetch(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        """Return a fresh reply, or a stale one when the call fails.

        Args:
            call: The call.
            state: Its state, which gets the key.

        Raises:
            SourceError: For a failure that no stale entry replaces.
        """
        entries, bypass = self._entries, bypasses_cache()
        key = state.key = entries.keys.key(call)
        entry = None if bypass else entries.lookup(key, call.kind)
        if entry is not None and entries.is_fresh(entry, call.kind):
            self._refresh_early(call, key, entry)
            entries.counters[call.kind].cache_hits += 1
            self._record_dependency(call, key, entry.body)
            return response_to(call, entries.source, entry.body, FetchInfo())
        stale = None if entry is None else await self._cached_without_waiting(call, key)
        if stale is not None:
            return stale
        timeout_s = entries.policy.timeout_s
        is_fair = is_fair_time(remaining_s(timeout_s), timeout_s)
        try:
            reply = await self._next.fetch(call, state)
        except SourceError as error:
            self._record_dependency(call, key, None)
            if is_fair:
                remember_timeout(entries.source, error)
            stale = None if bypass else self._stale_reply(call, key, error)
            if stale is None:
                raise
            return stale
        self._record_dependency(call, key, reply.body)
        return reply

    def _record_dependency(self, call: UpstreamRequest, key: bytes, body: bytes | None) -> None:
        """Record the entry with this body as a dependency of the response; without one, mark it uncacheable."""
        dependencies = current_dependencies()
        if dependencies is None:
            return
        entry = self._entries.lookup(key, call.kind)
        if entry is None or entry.body is not body:
            dependencies.mark_uncacheable()
        else:
            ttl_s = self._entries.policy.ttl_of(call.kind)
            lead_s = 0.0 if entry.refreshing else _refresh_lead_s(ttl_s, entry)
            dependencies.add(key, entry, entry.stored_at + ttl_s - lead_s)

    async def _cached_without_waiting(self, call: UpstreamRequest, key: bytes) -> UpstreamResponse | None:
        """Return a cached reply when this source already timed out within the request, else None."""
        error = earlier_timeout(self._entries.source)
        if error is None:
            return None
        self._record_dependency(call, key, None)
        return await self._entries.fetch_shared(key, call) or self._stale_reply(call, key, error.with_cost(0))

    def _stale_reply(self, call: UpstreamRequest, key: bytes, error: SourceError) -> UpstreamResponse | None:
        """Return the stale entry in place of a failure, None without one."""
        entry = None if isinstance(error, _DEFINITIVE_ERRORS) else self._entries.lookup(key, call.kind)
        if entry is None:
            return None
        reply = self._entries.decode(call, entry, FetchInfo(error.upstream_requests, error))
        if reply is not None:
            self._entries.counters[call.kind].cache_stale += 1
            record_stale_reply(error)
        return reply

    def _refresh_early(self, call: UpstreamRequest, key: bytes, entry: CacheEntry) -> None:
        """Refresh a hot entry once in the background before it expires."""
        if not entry.read_again:
            entry.read_again = True
            return
        ttl_s = self._entries.policy.ttl_of(call.kind)
        is_early = self._entries.age_s(entry) < ttl_s - _refresh_lead_s(ttl_s, entry)
        if not entry.refreshing and not is_early:
            entry.refreshing = self._next.refresh(call, key)


class CacheFill:
    """Returns a fresh entry of the shared store, else the reply of the next layer, which it stores."""

    __slots__ = ("_entries", "_next")

    def __init__(self, next_layer: Fetcher, entries: CacheEntries) -> None:
        self._next = next_layer
        self._entries = entries

    async def fetch(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        """Return a fresh entry of the shared store, else call the vendor and store the reply.

        Args:
            call: The call.
            state: Its state with the key.

        Raises:
            SourceError: For a failed call.
        """
        entries, bypass = self._entries, bypasses_cache()
        cached = None if bypass else await entries.fetch_shared(state.key, call)
        if cached is not None:
            return cached
        if entries.stores.memory is not None and not bypass:
            entries.counters[call.kind].cache_misses += 1
        shared = entries.stores.shared
        if bypass or shared is None or entries.stores.memory is None or not entries.policy.share:
            return await self._fetch_and_store(call, state)
        found, token = await claimed_or_found(
            shared, state.key, entries.policy.timeout_s, lambda: entries.fetch_shared(state.key, call)
        )
        try:
            return found if found is not None else await self._fetch_and_store(call, state)
        finally:
            if token is not None:
                shared.release(state.key, token)

    async def _fetch_and_store(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        entries = self._entries
        began = entries.stores.clock()
        reply = await self._next.fetch(call, state)
        now = entries.stores.clock()
        entries.store(state.key, call.kind, CacheEntry(reply.body, now, duration_s=now - began))
        return reply


def _refresh_lead_s(ttl_s: float, entry: CacheEntry) -> float:
    """Return how long before its expiry a hot entry is refreshed.

    That is twice the duration of the vendor's last call, but at most half of the entry's lifetime.
    """
    return min(_MAX_LEAD * ttl_s, max(_MIN_LEAD * ttl_s, 2 * entry.duration_s))
