"""Fixtures of the simulator tests: clients that need no socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TypeAlias

import httpx
import pytest

from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.data import SampleWorlds, sample_worlds

Connect: TypeAlias = Callable[..., httpx.AsyncClient]


@pytest.fixture(scope="session")
def worlds() -> SampleWorlds:
    """The sample data. A test that changes the data restores it."""
    return sample_worlds()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return a function that creates a client of a simulator, with headers as keyword arguments."""
    async with AsyncExitStack() as stack:

        def connected(
            simulator: Simulator, base: str = "", headers: dict[str, str] | None = None
        ) -> httpx.AsyncClient:
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=simulator), base_url=f"http://vendor{base}", headers=headers
            )
            stack.push_async_callback(client.aclose)
            return client

        yield connected


async def eventually(condition: Callable[[], bool]) -> bool:
    """Wait up to two seconds for a condition, and return whether it became true."""
    for _ in range(200):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False
