"""Waiting for several awaitables of one object or list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any


async def gather_started(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    """Return the results of the awaitables, which run together.

    The first exception cancels the others. So does the cancellation of the caller, after each awaitable has run
    its first step: a coroutine that never starts cannot close the coroutines that it holds, and Python would warn
    that they were never awaited.
    """
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    together = asyncio.gather(*tasks)
    together.add_done_callback(_retrieve)
    try:
        return await asyncio.shield(together)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        await _cancelled(tasks)
        raise
    except Exception:
        await _cancelled(tasks)
        raise


async def awaited_members(response: Any, waiting: Sequence[Any]) -> Any:
    """Await the members at these keys together, and return the dict or list with their results."""
    if len(waiting) == 1:
        response[waiting[0]] = await response[waiting[0]]
        return response
    for key, value in zip(waiting, await gather_started([response[key] for key in waiting]), strict=True):
        response[key] = value
    return response


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Mark the exception as retrieved: after a cancellation nobody waits for it."""
    if not future.cancelled():
        future.exception()


async def _cancelled(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
