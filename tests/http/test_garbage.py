"""The objects of a request are freed after its response, without the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import OpenGateway
from tests.gateway import Vendors
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

QUERY = """
{ experiments {
    edges { cursor }
    pageInfo { endCursor }
    nodes {
      name
      sessions { nodes { vendorId } pageInfo { hasNextPage } }
      aggregate(metric: {kind: COST}) { mean }
    }
} }
"""


@contextmanager
def cycles() -> Iterator[list[str]]:
    """Collect the names of our own types with objects that only the collector can free."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [type(item).__qualname__ for item in gc.garbage if type(item).__module__.startswith("tracegraph")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_an_answered_request_leaves_no_cycles_of_ours(vendors: Vendors, open_gateway: OpenGateway) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s")])
    gateway = await open_gateway(cache={"url": "memory://"})
    await gateway.ask(QUERY)
    with cycles() as found:
        for _ in range(3):
            assert (await gateway.ask(QUERY)).data["experiments"]["nodes"][0]["name"] == "e"
    assert found == []
