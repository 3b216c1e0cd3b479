"""Waiting for several awaitables: the first error and a cancellation end the others, and leave none unawaited."""

import asyncio
import gc
from typing import Any

import pytest

from tracegraph.graphql.gather import gather_started


async def value(of: int) -> int:
    await asyncio.sleep(0)
    return of


async def around(inner: Any) -> Any:
    return await inner


async def test_the_results_come_in_the_order_of_the_awaitables() -> None:
    assert await gather_started([value(1), around(value(2)), value(3)]) == [1, 2, 3]


async def test_a_cancellation_before_the_first_step_leaves_no_coroutine_unawaited() -> None:
    """Warnings are errors: a coroutine that was never awaited would fail this test."""

    async def nested(depth: int) -> Any:
        return await gather_started([around(around(value(1))), around(nested(depth - 1) if depth else value(2))])

    for ticks in range(1, 12):
        task = asyncio.create_task(nested(3))
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        gc.collect()


async def test_an_error_cancels_the_others_and_is_raised() -> None:
    over = asyncio.Event()

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            over.set()

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await gather_started([waiting(), failing()])
    assert over.is_set()
