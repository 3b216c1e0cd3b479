"""What is loaded once in a request, for all fields that ask for it."""

import asyncio

from tests.graphql.plans.sources import RandomSource
from tracegraph.graphql.loaders import Loaders


def source_with_experiments() -> RandomSource:
    """One that has some, and never fails."""
    sources = (RandomSource("a", seed, wrongness=0, failure=0) for seed in range(100))
    return next(source for source in sources if source.experiments)


async def test_a_field_that_is_given_up_takes_nothing_from_others_that_wait_for_the_same() -> None:
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
