"""Objects are loaded once in a request, for all fields that load them."""

import asyncio
import gc
from typing import Any

from tests.graphql.plans.sources import RandomSource
from tracegraph.graphql.loaders import Loaders, SharedLoader


def source_with_experiments() -> RandomSource:
    """Return a source with experiments that never fails."""
    sources = (RandomSource("a", seed, wrongness=0, failure=0) for seed in range(100))
    return next(source for source in sources if source.experiments)


async def test_a_cancelled_waiter_does_not_cancel_other_waiters_of_the_same_key() -> None:
    source = source_with_experiments()
    loader = Loaders([source])["a"].experiments
    ref = source.experiments[0].ref

    async def load() -> object:
        return await loader.load(ref)

    given_up, other = asyncio.ensure_future(load()), asyncio.ensure_future(load())
    await asyncio.sleep(0)
    given_up.cancel()
    found = await other
    assert found is not None
    assert given_up.cancelled()
    assert await loader.load(ref) is found


async def test_a_failure_without_waiters_is_not_logged_as_a_bug() -> None:
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    goes_on, failed = asyncio.Event(), asyncio.Event()

    async def fail(_: list[str]) -> list[str]:
        await goes_on.wait()
        failed.set()
        raise RuntimeError("the vendor is down")

    loader: SharedLoader[str, str] = SharedLoader(fail)
    given_up = asyncio.ensure_future(loader.load("one"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    await failed.wait()
    await asyncio.sleep(0)
    del loader, given_up
    gc.collect()
    assert logged == []
