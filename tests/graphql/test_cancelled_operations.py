"""An operation that is cancelled, as by a deadline, leaves no coroutine behind that was never awaited."""

import asyncio
import gc
from itertools import count

import orjson
import pytest

from tests.conftest import OpenGateway
from tests.gateway import Vendors
from tests.worlds import fill

NESTED = """{
  experiments(first: 2) { nodes { name models sessions(first: 2) { nodes { input spans { nodes { name } } } } } }
}"""


@pytest.mark.parametrize("compiled_plans", [True, False])
async def test_a_cancellation_at_any_step_leaves_no_coroutine_unawaited(
    open_gateway: OpenGateway, vendors: Vendors, *, compiled_plans: bool
) -> None:
    """Warnings are errors: a coroutine that was never awaited would fail this test."""
    fill(vendors)
    gateway = await open_gateway(server={"compiled_plans": compiled_plans})
    body = orjson.dumps({"query": NESTED})
    for steps in count(1):
        request = asyncio.create_task(gateway.post(body))
        for _ in range(steps):
            await asyncio.sleep(0)
        if request.done():
            assert (await request).data["experiments"]["nodes"] != []
            break
        request.cancel()
        await asyncio.wait([request])
    gc.collect()
