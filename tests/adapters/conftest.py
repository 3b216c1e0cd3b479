"""A vendor on loopback for every adapter's tests, and the way to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.types import ASGIApp

from tracegraph.simulators.core.servers import running
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline, ResiliencePolicy
from tracegraph.upstream.resilience.rate_limit import LimitPolicy
from tracegraph.upstream.resilience.retry import RetryPolicy
from tracegraph.upstream.transport import Transport, TransportSettings

Serve = Callable[..., Awaitable[Upstream]]
OFF = CircuitBreakerPolicy(enabled=False)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves an ASGI application on a free port and gives the way to it, `path` being the base URL's; one try."""
    async with AsyncExitStack() as stack:

        async def start(
            app: ASGIApp,
            *,
            path: str = "",
            source: str = "vendor",
            breaker: CircuitBreakerPolicy = OFF,
            **transport_settings: Any,
        ) -> Upstream:
            base_url = await stack.enter_async_context(running(app))
            settings = TransportSettings(base_url=base_url + path, **transport_settings)
            transport = await stack.enter_async_context(Transport(source, settings))
            policy = ResiliencePolicy(RetryPolicy(attempts=1), breaker, LimitPolicy(backoff_s=0.0))
            return Upstream(ResiliencePipeline(transport, policy))

        yield start
