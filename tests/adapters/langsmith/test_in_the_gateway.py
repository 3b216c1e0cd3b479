"""LangSmith's dialects behind the gateway's own client, which shares equal calls."""

import asyncio
import base64
import json

import pytest

from tests.adapters.langsmith.v2 import INFO, RUNS_V2, SESSIONS_V2, add_project, paths
from tests.examples import diagonal
from tests.gateway import LANGSMITH, Vendors, in_process
from tests.graphql.pages import SESSIONS, nodes
from tracegraph.adapter import ExperimentQuery
from tracegraph.commands.check import check_sources
from tracegraph.config.settings import Settings
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.sources import open_sources


@pytest.fixture
async def vendor(vendors: Vendors) -> Simulator:
    """Both dialects, in place of the default simulator."""
    await vendors.langsmith.close()
    vendors.langsmith.simulator = langsmith.create_app(vendors.langsmith.world, Deployment.of("both"))
    vendors.langsmith.url = ""
    await vendors.langsmith.start()
    return vendors.langsmith.simulator


def settings_of(vendors: Vendors, **options: str) -> Settings:
    source = vendors.sources()[LANGSMITH] | {"api": "auto"} | options
    return vendors.settings(sources={LANGSMITH: source})


async def test_concurrent_requests_ask_for_the_dialect_once(vendors: Vendors, vendor: Simulator) -> None:
    add_project(vendors.langsmith.world, "p", [1])
    async with open_sources(settings_of(vendors)) as sources:
        (adapter,) = sources.adapters
        page = adapter.capabilities.experiment_lists()[None].first_page(5)
        await asyncio.gather(*(adapter.list_experiments(ExperimentQuery(), page) for _ in range(5)))
    assert paths(vendor) == [INFO, SESSIONS_V2]


async def test_links_lead_to_the_web_application_of_the_configured_api(
    vendors: Vendors, vendor: Simulator
) -> None:
    add_project(vendors.langsmith.world, "p", [1])
    async with open_sources(settings_of(vendors)) as sources:
        (adapter,) = sources.adapters
        page = adapter.capabilities.experiment_lists()[None].first_page(5)
        (found,) = (await adapter.list_experiments(ExperimentQuery(), page)).items
    assert found.url is not None
    assert found.url.startswith("http://localhost/o/")
    assert paths(vendor) == [INFO, SESSIONS_V2]


async def test_check_shows_interface_version_and_notices(vendors: Vendors, vendor: Simulator) -> None:
    add_project(vendors.langsmith.world, "p", [1])
    (v2,) = await check_sources(settings_of(vendors), "here")
    (v1,) = await check_sources(settings_of(vendors, api="v1"), "here")
    shown = [json.loads(json.dumps(result.document())) for result in (v2, v1)]
    assert [one["interface"] for one in shown] == ["v2", "v1"]
    assert [one["version"] for one in shown] == [Deployment.of("both").version] * 2
    notice = "LangSmith calls /api/v1/runs/query deprecated and removes it on 2027-01-31."
    assert [one["notices"] for one in shown] == [[], [notice]]
    assert RUNS_V2 in paths(vendor)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("interface", ["v1", "v2"])
@pytest.mark.parametrize(("sizes", "expired"), diagonal([(2, 5), (7, 11), (3, 10), (7, 20)], [True, False]))
@pytest.mark.usefixtures("vendor")
async def test_runs_of_one_start_come_once_although_the_cursor_between_them_has_expired(
    vendors: Vendors, direction: str, interface: str, sizes: tuple[int, int], *, expired: bool
) -> None:
    """A page may end with the first run of a start. The others may have ids before or after it."""
    group, first = sizes
    world = vendors.langsmith.world
    world.shuffle_ties = True
    project = add_project(world, "p", [number // group for number in range(80)])
    wanted = {
        "filter": {"experimentIds": [base64.b64encode(f"Experiment:langsmith:{project}".encode()).decode()]},
        "orderBy": {"field": "STARTED_AT", "direction": direction},
    }
    found: list[str] = []
    async with in_process(settings_of(vendors, api=interface)) as gateway:
        goes_on, after = True, None
        while goes_on:
            page = (await gateway.ask(SESSIONS, first=first, after=after, **wanted)).data["sessions"]
            goes_on, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
            found += [node["vendorId"] for node in nodes(page)]
            world.cursor_generation += expired
    assert len(found) == 80
    assert set(found) == {run["id"] for run in world.runs[project]}
