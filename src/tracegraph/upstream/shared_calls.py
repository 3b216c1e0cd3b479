"""The single flight layer: equal calls at the same time share one call of the next layer."""

from __future__ import annotations

import msgspec

from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceError, SourceTimeout
from tracegraph.upstream.counters import SourceCounters
from tracegraph.upstream.errors import report_failure
from tracegraph.upstream.messages import CallState, Fetcher, UpstreamRequest, UpstreamResponse
from tracegraph.upstream.request_scope import bypasses_cache, detached_context, remaining_s
from tracegraph.upstream.single_flight import Flight, SingleFlight

Flights = SingleFlight[bytes, UpstreamResponse, CallState]
"""The calls in flight by key."""


class SharedCalls:
    """Joins an equal call in flight, or starts one. A call in flight has a deadline of its own."""

    __slots__ = ("_counters", "_flights", "_limit_s", "_next", "_share", "_source")

    def __init__(
        self,
        next_layer: Fetcher,
        flights: Flights,
        source: str,
        counters: SourceCounters,
        *,
        limit_s: float,
        share: bool = True,
    ) -> None:
        """Create the layer.

        Args:
            next_layer: The layer that the calls in flight use.
            flights: The calls in flight of all sources.
            source: The configured name of the source.
            counters: The counters of the source.
            limit_s: The deadline of a call in flight, in seconds.
            share: Whether equal calls share one. Without, only refreshes are in flight.
        """
        self._next = next_layer
        self._flights = flights
        self._source = source
        self._counters = counters
        self._limit_s = limit_s
        self._share = share

    async def fetch(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        """Return the reply of an equal call in flight, or of a new one.

        Args:
            call: The call.
            state: Its state with the key.

        Raises:
            SourceError: For a failed call. SourceTimeout also for a caller whose deadline passed before the reply.
        """
        if not self._share:
            return await self._next.fetch(call, state)
        # A call that bypasses the cache joins only others that do.
        key = state.key + b"bypass" if bypasses_cache() else state.key
        allowed_s, flight = remaining_s(self._limit_s), self._flights.get(key)
        first = flight is None
        if flight is None:
            if allowed_s <= 0:
                message = f"Source {self._source!r} was not called: the deadline of the request has passed."
                raise SourceTimeout(self._source, message)
            state.waiters_deadline = 0.0
            flight = self._start(key, call, state)
        else:
            self._counters[call.kind].shared += 1
        flight.state.add_waiter(allowed_s)
        try:
            reply = await self._flights.wait(flight, allowed_s)
        except TimeoutError:
            flight.state.timed_out = not flight.waiters
            raise self._wait_expired(call, allowed_s, flight.state, first=first) from None
        except SourceError as error:
            raise error.with_cost(error.upstream_requests if first else 0) from error.__cause__
        return reply if first else msgspec.structs.replace(reply, provenance=FetchInfo())

    def refresh(self, call: UpstreamRequest, key: bytes) -> bool:
        """Start a call in the background, which later calls may join. Return whether it was started.

        It is not started while an equal call is in flight.
        """
        if self._flights.get(key) is not None:
            return False
        self._start(key, call, CallState(key), background=True)
        return True

    def _start(
        self, key: bytes, call: UpstreamRequest, state: CallState, *, background: bool = False
    ) -> Flight[bytes, UpstreamResponse, CallState]:
        context = detached_context(self._limit_s, inherit=not background)
        work = self._next.fetch(call, state)
        return self._flights.start(key, work, state, context=context, background=background)

    def _wait_expired(
        self, call: UpstreamRequest, waited_s: float, state: CallState, *, first: bool
    ) -> SourceError:
        """Return the error for a waiter whose deadline passed; others may still wait for the call."""
        message = f"Source {self._source!r} did not respond within {waited_s:.1f} s."
        error = (state.failure or SourceTimeout(self._source, message)).with_cost(state.sent if first else 0)
        report_failure(self._source, call, error)
        return error
