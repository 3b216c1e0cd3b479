"""A client that goes away ends the work that is done for it; ASGI servers tell, and do no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

T = TypeVar("T")


_LISTEN_AFTER_S = 0.02
"""Listening takes a task; what is answered sooner does without."""


class ClientDisconnected(Exception):
    """Nobody waits for the answer any more."""


async def cancel_on_disconnect(receive: Receive, work: Awaitable[T]) -> T:
    """What the work gives; it is cancelled, and ClientGone raised, when the client disconnects before.

    The request's body must have been read, or must not matter.
    """
    listener = _Listener(receive)
    timer = asyncio.get_running_loop().call_later(_LISTEN_AFTER_S, listener.start)
    try:
        return await work
    except asyncio.CancelledError:
        if not listener.heard:
            raise
        listener.worker.uncancel()
        raise ClientDisconnected from None
    finally:
        timer.cancel()
        listener.stop()


class _Listener:
    """Cancels the task that made it when it hears that the client has gone."""

    def __init__(self, receive: Receive) -> None:
        worker = asyncio.current_task()
        if worker is None:
            raise RuntimeError("work for a client is done in a task")
        self.worker = worker
        self.heard = False
        self._receive = receive
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None  # it keeps this listener

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.heard = True
        self.worker.cancel()
