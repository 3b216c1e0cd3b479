"""Single flight: equal requests at the same time share one piece of work.

The work runs in its own task. So a waiter with a short deadline, or one that leaves, does not end the work for the
others. The work is cancelled when its last waiter leaves.

`TaskMemo` is for work whose result serves the rest of an operation: it lasts until the operation ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from functools import partial
from typing import Any, Generic, TypeVar

from tracegraph.upstream.request_scope import register_task

K = TypeVar("K", bound=Hashable)


V = TypeVar("V")


S = TypeVar("S")


class Flight(Generic[K, V, S]):
    """Work in flight. `state` is what the work shares with its waiters."""

    __slots__ = ("key", "state", "task", "waiters")

    def __init__(self, key: K, task: asyncio.Task[V], state: S, waiters: int) -> None:
        self.key = key
        self.task = task
        self.state = state
        self.waiters = waiters


class SingleFlight(Generic[K, V, S]):
    """The work in flight by key. `close` cancels all of it."""

    def __init__(self) -> None:
        self._by_key: dict[K, Flight[K, V, S]] = {}
        self._running: set[asyncio.Task[V]] = set()

    def get(self, key: K) -> Flight[K, V, S] | None:
        """Return the work in flight for the key, None without one."""
        return self._by_key.get(key)

    def start(
        self,
        key: K,
        work: Coroutine[Any, Any, V],
        state: S,
        *,
        context: Context | None = None,
        background: bool = False,
    ) -> Flight[K, V, S]:
        """Start work. Requests that come later join it, and no longer join earlier work for the key.

        Args:
            key: The key under which other requests can join.
            work: The work.
            state: What the work shares with its waiters.
            context: The context of the work, else a copy of the current one.
            background: The work starts without a waiter, and continues when waiters join and leave.
        """
        task = asyncio.create_task(work, context=context)
        flight = Flight(key, task, state, waiters=int(background))
        self._running.add(task)
        self._by_key[key] = flight
        task.add_done_callback(partial(self._on_done, flight))
        return flight

    async def wait(
        self, flight: Flight[K, V, S], limit_s: float | None = None, leaves: asyncio.Future[None] | None = None
    ) -> V:
        """Return the result of the work.

        Args:
            flight: The work.
            limit_s: How long this waiter waits in seconds, or None for as long as the work lasts.
            leaves: The waiter leaves when this future is done.

        Raises:
            TimeoutError: After `limit_s` seconds, or when the waiter leaves. The work may be cancelled for this
                reason, and is not yet aware of it.
            Exception: Any exception of the work.
        """
        flight.waiters += 1
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()  # half the cost of asyncio.wait
        timer = None if limit_s is None else loop.call_later(limit_s, _resolve, over)
        for end in (flight.task, leaves):
            if end is not None:
                end.add_done_callback(partial(_resolve, over))
        try:
            await over
        finally:
            if timer is not None:
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

    def _on_done(self, flight: Flight[K, V, S], task: asyncio.Task[V]) -> None:
        self._running.discard(task)
        self._forget(flight)
        if not task.cancelled():
            task.exception()  # mark the error as retrieved: the last waiter may have left before the result

    def _forget(self, flight: Flight[K, V, S]) -> None:
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]


class TaskMemo(Generic[K]):
    """The results of work that runs once for each key, in a task that ends with the operation."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Future[Any]] = {}

    async def get(self, key: K, start: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the result of the work for the key. The first caller starts it, all callers wait for it.

        Raises:
            Exception: Any exception of the work, for every caller.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = register_task(asyncio.create_task(start()))
        result: V = await asyncio.shield(task)
        return result


def _resolve(over: asyncio.Future[None], _: object = None) -> None:
    """Resolve the future when the work ends or its time is over."""
    if not over.done():
        over.set_result(None)
