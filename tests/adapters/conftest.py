"""A vendor on loopback for every adapter's tests, and the way to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from starlette.types import ASGIApp

from tracegraph.demo.servers import running
from tracegraph.upstream.breaker import BreakerPolicy
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.guards import GuardPolicy, Guards
from tracegraph.upstream.limiter import LimitPolicy
from tracegraph.upstream.retry import RetryPolicy
from tracegraph.upstream.transport import Transport, TransportSettings

Serve = Callable[..., Awaitable[Upstream]]
OFF = BreakerPolicy(enabled=False)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves an ASGI application on a free port and gives the way to it, `path` being the base URL's; one try."""
    async with AsyncExitStack() as stack:

        async def start(
            app: ASGIApp, *, path: str = "", source: str = "vendor", breaker: BreakerPolicy = OFF
        ) -> Upstream:
            base_url = await stack.enter_async_context(running(app))
            settings = TransportSettings(base_url=base_url + path)
            transport = await stack.enter_async_context(Transport(source, settings))
            policy = GuardPolicy(RetryPolicy(attempts=1), breaker, LimitPolicy(backoff_s=0.0))
            return Upstream(Guards(transport, policy))

        yield start
