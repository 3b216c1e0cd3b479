"""A vendor with one path on loopback, and clients for it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Literal

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tracegraph.errors import SourceError
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline, ResiliencePolicy
from tracegraph.upstream.resilience.rate_limit import LimitPolicy
from tracegraph.upstream.resilience.retry import RetryPolicy
from tracegraph.upstream.transport import Transport, TransportSettings

READ = UpstreamRequest("things", "/things")
SECRET = SecretStr("s3cret-of-the-tests")
BREAKER = CircuitBreakerPolicy()
UNLIMITED = LimitPolicy(backoff_s=0.0)

Connect = Callable[..., Awaitable[Upstream]]
Implementation = Literal["pooled", "httpx"]


@pytest.fixture(params=["pooled", "httpx"])
def implementation(request: pytest.FixtureRequest) -> Implementation:
    """The implementation of a transport. A test runs over both, unless it is marked `pooled_alone`."""
    chosen: Implementation = request.param
    return chosen


@pytest.fixture
def vendor() -> Simulator:
    """Returns `{"things": []}` for GET and POST."""

    def answer(_: Request) -> Response:
        return JSONResponse({"things": []})

    routes = [Route("/things", answer, methods=["GET", "POST"])]
    return Simulator(Starlette(routes=routes), lambda status: {"detail": f"status {status}"})


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return a function that connects to an application on a free port, or to a URL; retries do not pause."""
    async with AsyncExitStack() as stack:

        async def connected(
            to: ASGIApp | str,
            *,
            attempts: int = 3,
            base_s: float = 0.0,
            breaker: CircuitBreakerPolicy = BREAKER,
            limits: LimitPolicy = UNLIMITED,
            **settings: float,
        ) -> Upstream:
            url = to if isinstance(to, str) else await stack.enter_async_context(running(to))
            transport = await stack.enter_async_context(Transport("vendor", TransportSettings(url, **settings)))  # type: ignore[arg-type]
            retry = RetryPolicy(attempts, base_s)
            upstream = Upstream(ResiliencePipeline(transport, ResiliencePolicy(retry, breaker, limits)))
            return upstream.with_credential({"authorization": SECRET, "x-absent": None})

        yield connected


@pytest.fixture
async def upstream(connect: Connect, vendor: Simulator) -> Upstream:
    """The client of the vendor, with three attempts."""
    return await connect(vendor)


async def failure(upstream: Upstream, call: UpstreamRequest = READ) -> SourceError:
    """Return the error of the fetch."""
    with pytest.raises(SourceError) as raised:
        await upstream.fetch(call)
    return raised.value
