"""Concurrency and rate limits of one source, first come first served.

At most N calls are in flight at once, and each kind of call stays within its rate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from time import monotonic

from tracegraph.domain.calls import RateLimit
from tracegraph.errors import SourceRateLimited, SourceTimeout
from tracegraph.upstream.resilience.rate_limit import SlidingWindowLimit

ALL_OTHERS = "*"
"""The class for every class without a rate of its own."""


@dataclass(slots=True, eq=False)
class _Waiter:
    order: int
    deadline: float
    permit: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class _ClassQueue:
    """The waiting calls of one class, and its rate."""

    window: SlidingWindowLimit
    waiting: deque[_Waiter] = field(default_factory=deque)


class RequestScheduler:
    """Grants permits. Every acquired permit must be released when its call ends."""

    def __init__(
        self,
        source: str,
        max_concurrent: int,
        rates: Mapping[str, RateLimit | None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._source = source
        self._max_concurrent = max_concurrent
        self._free = max_concurrent
        self._clock = clock
        self._queues: dict[str, _ClassQueue] = {}
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self.set_rates(rates)

    def set_rates(self, rates: Mapping[str, RateLimit | None]) -> None:
        """Set rates for the kinds without one."""
        for kind, rate in rates.items():
            self._queues.setdefault(kind, _ClassQueue(SlidingWindowLimit(rate)))

    @property
    def rates(self) -> Mapping[str, RateLimit]:
        """The rate of every kind that has one; ALL_OTHERS is the rate of all kinds without an entry together."""
        rates = {kind: queue.window.limit for kind, queue in self._queues.items()}
        return {kind: rate for kind, rate in rates.items() if rate is not None}

    @property
    def headroom(self) -> Mapping[str, float]:
        """The free part of every rate, from 0 to 1, by kind."""
        now = self._clock()
        return {kind: self._queues[kind].window.headroom(now) for kind in self.rates}

    def try_acquire(self, kind: str) -> bool:
        """Acquire a permit without waiting; return False and acquire nothing when none is free."""
        queue, now = self._queue(kind), self._clock()
        if not self._free or queue.waiting or queue.window.delay_s(now) > 0:
            return False
        self._free -= 1
        queue.window.add(now)
        return True

    async def acquire(self, kind: str, within_s: float, *, first: bool = False) -> None:
        """Wait for a permit behind the earlier calls.

        Args:
            kind: The kind of the call.
            within_s: How long to wait.
            first: Whether the call had a permit before, and waits in front of the others.

        Raises:
            SourceRateLimited: As soon as it is certain that the rate grants no permit in time.
            SourceTimeout: When all connections stay in use for so long.
        """
        queue, now = self._queue(kind), self._clock()
        delay_s = queue.window.delay_s(now, 0 if first else len(queue.waiting))
        if delay_s > within_s:
            raise self._rate_exceeds_deadline(delay_s)
        order = queue.waiting[0].order if first and queue.waiting else next(self._order)
        waiter = _Waiter(order, now + within_s, asyncio.get_running_loop().create_future())
        if first:
            queue.waiting.appendleft(waiter)
        else:
            queue.waiting.append(waiter)
        self._grant_permits()
        try:
            async with asyncio.timeout(within_s):
                await waiter.permit
        except TimeoutError:
            self._cancel(queue, waiter)
            raise self._connections_busy() from None
        except asyncio.CancelledError:
            self._cancel(queue, waiter)
            raise

    def release(self) -> None:
        """Release the permit of a call that has ended."""
        self._free += 1
        self._grant_permits()

    def hand_back(self, kind: str, delay_s: float) -> None:
        """Release a permit without a call, since other processes have used up the rate for so long."""
        self._queue(kind).window.take_back()
        self.pause(kind, delay_s)
        self.release()

    def rate_class(self, kind: str) -> tuple[str, RateLimit | None]:
        """Return the name under which the kind counts, ALL_OTHERS for most kinds, and the rate."""
        queue = self._queue(kind)
        return (kind if kind in self._queues else ALL_OTHERS), queue.window.limit

    def pause(self, kind: str, seconds: float) -> None:
        """Pause this kind for so long; reject waiting calls that could not start in time."""
        queue, now = self._queue(kind), self._clock()
        queue.window.pause(now, seconds)
        remaining: deque[_Waiter] = deque()
        for waiter in queue.waiting:
            delay_s = queue.window.delay_s(now, len(remaining))
            if now + delay_s <= waiter.deadline:
                remaining.append(waiter)
            elif not waiter.permit.done():
                waiter.permit.set_exception(self._rate_exceeds_deadline(delay_s))
        queue.waiting = remaining
        self._grant_permits()

    def _queue(self, kind: str) -> _ClassQueue:
        queue = self._queues.get(kind) or self._queues.get(ALL_OTHERS)
        if queue is None:
            queue = self._queues[kind] = _ClassQueue(SlidingWindowLimit(None))
        return queue

    def _grant_permits(self) -> None:
        """Grant all permits that are free now, and schedule the next grant for when a rate permits one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        queues = [queue for queue in self._queues.values() if queue.waiting]
        if not queues:
            return
        now = self._clock()
        while self._free:
            open_queues = [queue for queue in queues if queue.waiting and queue.window.delay_s(now) <= 0]
            if not open_queues:
                break
            queue = min(open_queues, key=lambda queue: queue.waiting[0].order)
            waiter = queue.waiting.popleft()
            if not waiter.permit.done():
                self._free -= 1
                queue.window.add(now)
                waiter.permit.set_result(None)
        delays = [queue.window.delay_s(now) for queue in queues if queue.waiting]
        if self._free and delays:
            self._timer = asyncio.get_running_loop().call_later(min(delays), self._grant_permits)

    def _cancel(self, queue: _ClassQueue, waiter: _Waiter) -> None:
        """Leave the queue; release a permit that was granted at the same moment."""
        if waiter in queue.waiting:
            queue.waiting.remove(waiter)
        elif waiter.permit.done() and not waiter.permit.cancelled() and waiter.permit.exception() is None:
            self.release()

    def _rate_exceeds_deadline(self, delay_s: float) -> SourceRateLimited:
        return SourceRateLimited(
            self._source,
            f"Source {self._source!r} was not called: its rate limit permits the call in {delay_s:.1f} s, "
            "after the deadline of the request.",
            retry_after_s=delay_s,
        )

    def _connections_busy(self) -> SourceTimeout:
        return SourceTimeout(
            self._source,
            f"Source {self._source!r} was not called in time: all {self._max_concurrent} connections were in use.",
        )
