"""A LangSmith workspace on loopback, and the adapter that reads it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp
from tracegraph_langsmith import open_adapter

from tests.adapters.conftest import OFF, Serve
from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.protocol import Adapter
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy

KEY = "lsv2_pt_simulated"

Connect = Callable[..., Awaitable[Adapter]]


@pytest.fixture
def world() -> LangSmithWorld:
    """An empty workspace."""
    return LangSmithWorld(api_key=KEY)


@pytest.fixture
def vendor(world: LangSmithWorld) -> Simulator:
    return langsmith.create_app(world)


@pytest.fixture
async def connect(serve: Serve) -> AsyncIterator[Connect]:
    """Opens the adapter on any server, with the options given."""
    async with AsyncExitStack() as stack:

        async def connected(
            app: ASGIApp, *, breaker: CircuitBreakerPolicy = OFF, max_bytes: int = 2**25, **options: Any
        ) -> Adapter:
            upstream = await serve(app, source="ls", breaker=breaker, max_response_bytes=max_bytes)
            settings = SourceSettings("ls", "langsmith", {"api_key": SecretStr(KEY), "api": "v1"} | options)
            return await stack.enter_async_context(open_adapter(settings, upstream))

        yield connected


@pytest.fixture
async def adapter(connect: Connect, vendor: Simulator) -> Adapter:
    return await connect(vendor)
