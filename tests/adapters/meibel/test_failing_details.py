"""Agents whose details fail: they are left out, their source is FAILED with the reason, and the others stand."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random

import pytest
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send
from tracegraph_meibel import open_adapter

from tests.adapters.conftest import Serve
from tests.examples import slow_but
from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import ExperimentFilter, ExperimentOrder, OrderDirection
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceErrorCode, SourceUnavailable
from tracegraph.federation.lists import Listing, MergeRequest, ScanBudget, list_experiments
from tracegraph.federation.merge import Positions
from tracegraph.federation.report import SourceReportStatus
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent

START = Positions()
AGENTS = [f"a{number:02}" for number in range(25)]
"""Oldest first."""


@pytest.fixture
def world() -> MeibelWorld:
    world = MeibelWorld()
    for number, agent in enumerate(AGENTS):
        world.add(meibel_agent(agent, created_at=EPOCH + timedelta(days=number)))
    return world


@pytest.fixture
def vendor(world: MeibelWorld) -> Simulator:
    return meibel.create_app(world)


@pytest.fixture
async def adapter(serve: Serve, vendor: Simulator) -> AsyncIterator[Adapter]:
    async with AsyncExitStack() as stack:
        upstream = await serve(vendor, path="/v2", source="mb")
        settings = SourceSettings("mb", "meibel", {"api_key": SecretStr("mb_simulated")})
        yield await stack.enter_async_context(open_adapter(settings, upstream))


async def page(
    adapter: Adapter,
    first: int,
    positions: Positions = START,
    direction: OrderDirection = OrderDirection.ASC,
) -> Listing[Experiment]:
    wanted = MergeRequest(first, positions, ScanBudget(pages=100))
    order = ExperimentOrder(direction=direction)
    return await list_experiments([adapter], {"mb": ExperimentFilter()}, order, wanted)


def refs(found: Listing[Experiment]) -> list[str]:
    return [row.node.ref for row in found.merged.rows]


def fail(vendor: Simulator, agents: Collection[str], status: int = 500) -> None:
    vendor.faults.clear()
    vendor.faults.add(*(Fault("status", path=f"/v2/agents/{one}", status=status, times=None) for one in agents))


@pytest.mark.parametrize("status", [400, 403, 422, 500, 503])
@pytest.mark.parametrize("direction", list(OrderDirection))
async def test_one_agent_loses_its_row_and_the_report_names_its_error(
    adapter: Adapter, vendor: Simulator, status: int, direction: OrderDirection
) -> None:
    fail(vendor, ["a03"], status)
    found = await page(adapter, 50, direction=direction)
    expected = [agent for agent in AGENTS if agent != "a03"]
    assert refs(found) == (expected if direction is OrderDirection.ASC else expected[::-1])
    (report,) = found.reports
    assert (report.status, report.total_count) == (SourceReportStatus.FAILED, None)
    assert report.error is not None
    assert report.error.http_status == status
    assert report.upstream_requests == len(vendor.calls)


async def test_all_of_them_fail_the_source(adapter: Adapter, vendor: Simulator) -> None:
    fail(vendor, AGENTS)
    found = await page(adapter, 50)
    assert (refs(found), found.all_failed) == ([], True)
    assert found.reports[0].error is not None
    assert found.reports[0].error.code is SourceErrorCode.UNAVAILABLE


@pytest.mark.parametrize("held", [1, 2])
async def test_a_few_that_are_all_there_are_fail_the_source(
    adapter: Adapter, vendor: Simulator, world: MeibelWorld, held: int
) -> None:
    fail(vendor, AGENTS)
    world.agents = world.agents[:held]
    found = await page(adapter, 50)
    assert (refs(found), found.all_failed) == ([], True)
    assert isinstance(found.reports[0].error, SourceUnavailable)


@pytest.mark.parametrize("first", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "lost",
    [[], ["a00"], ["a24"], ["a01", "a02"], ["a06", "a07", "a08"], ["a23", "a24"], AGENTS[::2]],
    ids="-".join,
)
async def test_the_others_come_once_on_all_pages(
    adapter: Adapter, vendor: Simulator, lost: list[str], first: int
) -> None:
    fail(vendor, lost)
    seen, lists = await _traversed(adapter, vendor, first, lambda: None)
    assert seen == [agent for agent in AGENTS if agent not in lost]
    assert lists < 20, "a page with a failure is read twice"


class FailsLater:
    """The vendor, which fails for all agents after so many details."""

    def __init__(self, vendor: Simulator, details: int) -> None:
        self.vendor = vendor
        self.details = details

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path", "").startswith("/v2/agents/"):
            self.details -= 1
            if self.details < 0:
                self.vendor.faults.add(Fault("status", path="/v2/agents/", status=503))
        await self.vendor(scope, receive, send)


@pytest.mark.parametrize("details", [0, 1, 5, 24, 25])
@pytest.mark.parametrize("first", [1, 3, 50])
async def test_a_vendor_that_fails_amid_its_details_gives_every_row_on_the_next_page(
    serve: Serve, vendor: Simulator, details: int, first: int
) -> None:
    """Rows that are passed over while a whole vendor fails would never come."""
    app = FailsLater(vendor, details)
    async with AsyncExitStack() as stack:
        upstream = await serve(app, path="/v2", source="mb")
        settings = SourceSettings("mb", "meibel", {"api_key": SecretStr("mb_simulated")})
        adapter = await stack.enter_async_context(open_adapter(settings, upstream))
        found = await page(adapter, first)
        app.details = 10_000
        rest = await page(adapter, 50, found.merged.positions_at_end())
    assert refs(found) + refs(rest) == AGENTS


@pytest.mark.parametrize("seed", slow_but(range(3), range(12)))
async def test_details_that_fail_and_come_back_make_no_other_agent_come_twice_or_never(
    adapter: Adapter, vendor: Simulator, seed: int
) -> None:
    rng = Random(seed)
    unsteady = rng.sample(AGENTS, 6)
    first = rng.choice([1, 2, 4, 6])

    def change() -> None:
        fail(vendor, [one for one in unsteady if rng.random() < 0.5])

    change()
    seen, _ = await _traversed(adapter, vendor, first, change)
    assert [one for one in seen if one not in unsteady] == [one for one in AGENTS if one not in unsteady]
    assert len(seen) == len(set(seen)), "no agent comes twice"
    assert seen == sorted(seen)


async def _traversed(
    adapter: Adapter, vendor: Simulator, first: int, between: Callable[[], None]
) -> tuple[list[str], int]:
    """All agents by pages, and the largest number of lists that one page requested."""
    seen: list[str] = []
    positions, more, most = Positions(), True, 0
    while more:
        vendor.calls.clear()
        found = await page(adapter, first, positions)
        lists = sum(call.path == "/v2/agents" for call in vendor.calls)
        most = max(most, lists)
        seen += refs(found)
        positions, more = found.merged.positions_at_end(), found.merged.has_next
        between()
    return seen, most
