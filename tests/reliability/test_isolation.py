"""Sources share no resource that one of them could exhaust: connections, permits, circuits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import NAMES, Gateway, Vendors, eventually
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault

CONCURRENT_QUERIES = 40
"""More than any source has connections."""


def query(*sources: str) -> str:
    names = ", ".join(f'"{name}"' for name in sources)
    return f"{{ experiments(first: 50, filter: {{sources: [{names}]}}) {{ nodes {{ name source {{ name }} }} }} }}"


@pytest.fixture
async def single_connection_gateway(open_gateway: OpenGateway, vendors: Vendors) -> Gateway:
    """A gateway with one connection to each vendor, without sharing of equal calls."""
    fill(vendors, experiments=2, sessions=0)
    vendors.meibel.world.created_at_in_summary = True
    tables: dict[str, Any] = {name: {**table, "max_connections": 1} for name, table in vendors.sources().items()}
    return await open_gateway(sources=tables, cache={"url": "off", "share_in_flight": False})


@pytest.mark.parametrize("slow", NAMES)
async def test_a_vendor_that_blocks_all_its_connections_delays_no_other(
    single_connection_gateway: Gateway, vendors: Vendors, slow: str
) -> None:
    other_sources = [name for name in NAMES if name != slow]
    expected = (await single_connection_gateway.ask(query(*other_sources))).data
    vendors.named(slow).fail(Fault("hang", times=None))
    waiting = [asyncio.create_task(single_connection_gateway.ask(query(slow))) for _ in range(CONCURRENT_QUERIES)]
    assert await eventually(lambda: vendors.named(slow).simulator.in_flight == 1)
    vendors.forget_calls()
    for _ in range(5):
        assert (await single_connection_gateway.ask(query(*other_sources))).data == expected
    assert {name: len(vendors.named(name).calls) for name in NAMES} == {name: 5 * (name != slow) for name in NAMES}
    assert vendors.named(slow).simulator.in_flight == 1
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("failing", NAMES)
async def test_only_the_failing_sources_circuit_opens(
    open_gateway: OpenGateway, vendors: Vendors, failing: str
) -> None:
    fill(vendors, experiments=2, sessions=0)
    gateway = await open_gateway()
    vendors.named(failing).fail(Fault("html", times=None))
    for _ in range(12):
        await gateway.ask(query(*NAMES))
    vendors.named(failing).recover()
    health = (await gateway.ask("{ sources { name health { circuit } } }")).data["sources"]
    assert {source["name"]: source["health"]["circuit"] for source in health} == {
        name: "OPEN" if name == failing else "CLOSED" for name in NAMES
    }
    vendors.forget_calls()
    assert (await gateway.ask(query(*NAMES))).troubles == {failing: "CIRCUIT_OPEN"}
    assert len(vendors.named(failing).calls) == 0
