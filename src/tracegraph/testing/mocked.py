"""Open an adapter over an httpx transport, such as `httpx.MockTransport`: unit tests without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.protocol import Adapter
from tracegraph.adapter.registry import OpenAdapter
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline, ResiliencePolicy
from tracegraph.upstream.resilience.rate_limit import LimitPolicy
from tracegraph.upstream.resilience.retry import RetryPolicy
from tracegraph.upstream.transport import Transport, TransportSettings

SOURCE = "source-under-test"


@asynccontextmanager
async def open_mocked(
    open_adapter: OpenAdapter,
    http: httpx.AsyncBaseTransport,
    options: Mapping[str, Any] | None = None,
    *,
    name: str = SOURCE,
    base_url: str = "http://vendor.invalid",
) -> AsyncIterator[Adapter]:
    """Open an adapter whose calls go to the given transport, each once, without a cache.

    Args:
        open_adapter: The adapter's own function.
        http: The transport, which is closed at the end. `httpx.MockTransport(handler)` responds with what the
            handler returns for each `httpx.Request`.
        options: The adapter's own keys, with secrets as SecretStr.
        name: The name of the source.
        base_url: The base URL of the calls.
    """
    transport = Transport(name, TransportSettings(base_url), http)
    async with opened(open_adapter, SourceSettings(name, "under-test", options or {}), transport) as adapter:
        yield adapter


@asynccontextmanager
async def opened(
    open_adapter: OpenAdapter, settings: SourceSettings, transport: Transport, *, attempts: int = 1
) -> AsyncIterator[Adapter]:
    """Open an adapter and its transport, without a circuit breaker and pauses.

    Args:
        open_adapter: The adapter's own function.
        settings: The settings of the source.
        transport: The transport, which is not open yet.
        attempts: The most attempts of each call.
    """
    async with transport as connections:
        retry = RetryPolicy(attempts=attempts, base_s=0.0, budget_floor=1000)
        policy = ResiliencePolicy(retry, CircuitBreakerPolicy(enabled=False), LimitPolicy(backoff_s=0.0))
        async with open_adapter(settings, Upstream(ResiliencePipeline(connections, policy))) as adapter:
            yield adapter
