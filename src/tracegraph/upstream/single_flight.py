"""Single flight: equal reads at the same time share one piece of work.

The work runs in its own task under its own deadline. So a waiter with a short deadline, or one that leaves, does
not end the work for the others. The work is cancelled when its last waiter leaves.
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
    """Work in flight. `state` counts the requests that it has sent."""

    __slots__ = ("key", "state", "task", "waiters")

    def __init__(
        self, key: bytes, task: asyncio.Task[UpstreamResponse], state: AttemptState, waiters: int
    ) -> None:
        self.key = key
        self.task = task
        self.state = state
        self.waiters = waiters


class SingleFlight:
    """The work in flight by key. `close` cancels all of it."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, Flight] = {}
        self._running: set[asyncio.Task[UpstreamResponse]] = set()

    def get(self, key: bytes) -> Flight | None:
        """Return the work in flight for the key, None without one."""
        return self._by_key.get(key)

    def start(self, key: bytes, work: Work, limit_s: float, *, background: bool = False) -> Flight:
        """Start work under a deadline.

        Args:
            key: The key under which other reads can join.
            work: The work.
            limit_s: Its deadline in seconds.
            background: The work starts without a waiter, and continues when waiters join and leave.
        """
        state = AttemptState() if background else AttemptState(waiters_deadline=0.0)
        task = asyncio.create_task(work(state), context=detached_context(limit_s, inherit=not background))
        flight = Flight(key, task, state, waiters=int(background))
        self._running.add(task)
        self._by_key[key] = flight
        task.add_done_callback(partial(self._on_done, flight))
        return flight

    async def wait(self, flight: Flight, limit_s: float) -> UpstreamResponse:
        """Return the result of the work.

        Args:
            flight: The work.
            limit_s: How long this waiter waits.

        Raises:
            TimeoutError: After `limit_s` seconds.
            SourceError: From the work.
        """
        flight.waiters += 1
        loop = asyncio.get_running_loop()
        flight.state.waiters_deadline = max(flight.state.waiters_deadline, loop.time() + limit_s)
        over: asyncio.Future[None] = loop.create_future()  # half the cost of asyncio.wait
        timer = loop.call_later(limit_s, _resolve, over)
        flight.task.add_done_callback(partial(_resolve, over))
        try:
            await over
            flight.state.timed_out = flight.waiters == 1
        finally:
            timer.cancel()
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                self._forget(flight)
                flight.task.cancel()
        if not flight.task.done():
            raise TimeoutError
        return flight.task.result()

    async def close(self) -> None:
        """Cancel all work in flight, and wait until it has ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _on_done(self, flight: Flight, task: asyncio.Task[UpstreamResponse]) -> None:
        self._running.discard(task)
        self._forget(flight)
        if not task.cancelled():
            task.exception()  # mark the error as retrieved: the last waiter may have left before the result

    def _forget(self, flight: Flight) -> None:
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]


def _resolve(over: asyncio.Future[None], _: object = None) -> None:
    """Resolve the future when the work ends or its time is over."""
    if not over.done():
        over.set_result(None)
