"""Cancellation of work whose client has disconnected. ASGI servers report the disconnect, and do no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

T = TypeVar("T")


_WATCH_DELAY_S = 0.02
"""The delay before the watch for a disconnect starts. The watch costs a task, which fast responses do not need."""


class ClientDisconnected(Exception):
    """The client closed the connection before its response was complete."""


async def cancel_on_disconnect(receive: Receive, work: Awaitable[T]) -> T:
    """Return the result of the work, and cancel the work when the client disconnects first.

    The request's body must have been read, or must not matter.

    Args:
        receive: The ASGI channel on which the server reports the disconnect.
        work: The work for this client.

    Raises:
        ClientDisconnected: The client disconnected before the work was done.
    """
    listener = _Listener(receive)
    timer = asyncio.get_running_loop().call_later(_WATCH_DELAY_S, listener.start)
    try:
        return await work
    except asyncio.CancelledError:
        if not listener.is_disconnected:
            raise
        listener.worker.uncancel()
        raise ClientDisconnected from None
    finally:
        timer.cancel()
        listener.stop()


class _Listener:
    """Waits for the disconnect message, and then cancels the task that created this listener."""

    def __init__(self, receive: Receive) -> None:
        worker = asyncio.current_task()
        if worker is None:
            raise RuntimeError("cancel_on_disconnect must run in a task")
        self.worker = worker
        self.is_disconnected = False
        self._receive = receive
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None  # breaks the reference cycle between the task and this listener

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_disconnected = True
        self.worker.cancel()
