"""Three copies over one Redis keep a vendor's rate and its pauses together, and divide it without Redis."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.gateway import LANGSMITH, Gateway, Vendors, in_process
from tests.redis_server import COMMAND, running_redis
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault

pytestmark = pytest.mark.skipif(COMMAND is None, reason="redis-server is not installed")
QUERY = b'{"query": "{ sessions(first: 1, filter: {sources: [\\"langsmith\\"]}) { nodes { id } } }"}'
KIND = "/api/v1/runs/query"


async def three_copies(stack: AsyncExitStack, vendors: Vendors, cache: dict[str, Any]) -> list[Gateway]:
    """Three gateways over the same vendors, with LangSmith's 15 calls in a window longer than the test."""
    sources = vendors.sources()
    sources[LANGSMITH] |= {"limits": {"rates": {"runs/query": {"calls": 15, "per_s": 300}, "*": "off"}}}
    settings = vendors.settings(sources=sources, cache={"redis_timeout_ms": 3000, **cache})
    return [await stack.enter_async_context(in_process(settings)) for _ in range(3)]


async def ask_all(copies: list[Gateway], times: int) -> None:
    """Send the query to every copy so many times at once, past every cache."""
    for _ in range(times):
        await asyncio.gather(*(copy.post(QUERY, cache_control="no-cache") for copy in copies))


def calls(vendors: Vendors) -> int:
    return sum(call.path == KIND for call in vendors.langsmith.calls)


async def test_three_copies_with_one_redis_make_exactly_the_calls_of_the_limit(vendors: Vendors) -> None:
    fill(vendors)
    with running_redis() as redis:
        async with AsyncExitStack() as stack:
            copies = await three_copies(stack, vendors, {"url": redis.url})
            await ask_all(copies, 16)
            assert calls(vendors) == 15


async def test_three_copies_without_redis_keep_the_limit_together_where_copies_is_set(vendors: Vendors) -> None:
    fill(vendors)
    for url in ("redis://127.0.0.1:1/0", "memory://"):
        async with AsyncExitStack() as stack:
            vendors.forget_calls()
            await ask_all(await three_copies(stack, vendors, {"url": url, "copies": 3}), 16)
            assert calls(vendors) == 15


async def test_a_429_for_one_copy_pauses_the_others(vendors: Vendors) -> None:
    fill(vendors)
    with running_redis() as redis:
        async with AsyncExitStack() as stack:
            copies = await three_copies(stack, vendors, {"url": redis.url})
            vendors.langsmith.fail(Fault("status", path=KIND, status=429, retry_after="200", times=None))
            await copies[0].post(QUERY)
            assert calls(vendors) == 1
            await ask_all(copies, 2)
            assert calls(vendors) == 1
