"""Equal reads that are under way at one moment: one piece of work, any number of askers.

The work runs in a task of its own, under a deadline of its own, so that no caller's short deadline or departure
ends it for the others. When the last caller has gone, it is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tracegraph.upstream.messages import AttemptState, UpstreamResponse
from tracegraph.upstream.request_scope import detached_context

Work = Callable[[AttemptState], Coroutine[Any, Any, UpstreamResponse]]


class Flight:
    """Work under way. `tries` tells how many calls it has made so far."""

    __slots__ = ("askers", "key", "task", "tries")

    def __init__(self, key: bytes, task: asyncio.Task[UpstreamResponse], tries: AttemptState, askers: int) -> None:
        self.key = key
        self.task = task
        self.tries = tries
        self.askers = askers


class SingleFlight:
    """The work under way by key. `close` ends all of it."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, Flight] = {}
        self._running: set[asyncio.Task[UpstreamResponse]] = set()

    def get(self, key: bytes) -> Flight | None:
        """The work under way for the key, which one may join."""
        return self._by_key.get(key)

    def begin(self, key: bytes, work: Work, limit_s: float, *, unasked: bool = False) -> Flight:
        """Start work under a deadline of `limit_s` seconds.

        Work that is begun `unasked` has no first caller, and continues when callers join and leave.
        """
        tries = AttemptState() if unasked else AttemptState(patience_ends_at=0.0)
        task = asyncio.create_task(work(tries), context=detached_context(limit_s, alone=unasked))
        flight = Flight(key, task, tries, askers=int(unasked))
        self._running.add(task)
        self._by_key[key] = flight
        task.add_done_callback(partial(self._ended, flight))
        return flight

    async def wait(self, flight: Flight, limit_s: float) -> UpstreamResponse:
        """What the work gives. Raises what it raises, and TimeoutError after `limit_s` seconds."""
        flight.askers += 1
        loop = asyncio.get_running_loop()
        flight.tries.patience_ends_at = max(flight.tries.patience_ends_at, loop.time() + limit_s)
        over: asyncio.Future[None] = loop.create_future()  # half the price of asyncio.wait
        timer = loop.call_later(limit_s, _tell, over)
        flight.task.add_done_callback(partial(_tell, over))
        try:
            await over
            flight.tries.expired = flight.askers == 1
        finally:
            timer.cancel()
            flight.askers -= 1
            if not flight.askers and not flight.task.done():
                self._forget(flight)
                flight.task.cancel()
        if not flight.task.done():
            raise TimeoutError
        return flight.task.result()

    async def close(self) -> None:
        """Cancel what is still under way, and wait until it has ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, flight: Flight, task: asyncio.Task[UpstreamResponse]) -> None:
        self._running.discard(task)
        self._forget(flight)
        if not task.cancelled():
            task.exception()  # a caller may have left before the result: the error is not unhandled

    def _forget(self, flight: Flight) -> None:
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]


def _tell(over: asyncio.Future[None], _: object = None) -> None:
    """The work has ended, or the time has."""
    if not over.done():
        over.set_result(None)
