"""Addresses of root runs, which contain the tenant: v2's rows of runs do not have it."""

from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tests.adapters.langsmith.conftest import Connect
from tests.adapters.langsmith.v2 import RUNS_V2, SESSIONS_V2, add_project, pages_of, paths, project_of, request
from tracegraph.adapter import ExperimentQuery
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.models import Session, SessionRef
from tracegraph.simulators.core.ids import TENANT
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import LangSmithWorld

P = project_of("p")
WEB = "https://smith.example"


@pytest.fixture
def vendor(world: LangSmithWorld) -> Simulator:
    return langsmith.create_app(world, Deployment.of("v2"))


@pytest.fixture
async def adapter(connect: Connect, vendor: Simulator) -> Adapter:
    return await connect(vendor, api="v2", web_url=WEB)


def address_of(world: LangSmithWorld) -> str:
    return f"{WEB}/o/{TENANT}/projects/p/{P}/r/{world.runs[P][0]['id']}?poll=true"


async def test_the_first_page_asks_once_for_the_tenant(
    adapter: Adapter, vendor: Simulator, world: LangSmithWorld
) -> None:
    add_project(world, "p", [1])
    pages = [page for _ in range(2) for page in await pages_of(adapter, request(P))]
    assert [page.items[0].url for page in pages] == [address_of(world)] * 2
    assert paths(vendor) == [RUNS_V2, SESSIONS_V2, RUNS_V2]
    assert [page.provenance.upstream_requests for page in pages] == [2, 1]


async def test_a_look_up_asks_for_the_tenant_too(
    adapter: Adapter, vendor: Simulator, world: LangSmithWorld
) -> None:
    add_project(world, "p", [1])
    ref = SessionRef(P.upper(), world.runs[P][0]["id"])
    found = (await adapter.get_sessions([ref]))[ref]
    assert isinstance(found, Session)
    assert found.url == address_of(world)
    assert paths(vendor) == [RUNS_V2, SESSIONS_V2]


async def test_a_page_without_addresses_costs_no_call_for_the_tenant(
    adapter: Adapter, vendor: Simulator, world: LangSmithWorld
) -> None:
    add_project(world, "p", [1])
    await pages_of(adapter, request(P, fields=frozenset({"input"})))
    assert paths(vendor) == [RUNS_V2]


async def test_a_list_of_experiments_tells_the_tenant(
    adapter: Adapter, vendor: Simulator, world: LangSmithWorld
) -> None:
    add_project(world, "p", [1])
    await adapter.list_experiments(ExperimentQuery(), adapter.capabilities.experiment_lists()[None].first_page(1))
    (page,) = await pages_of(adapter, request(P))
    assert page.items[0].url == address_of(world)
    assert paths(vendor) == [SESSIONS_V2, RUNS_V2]


async def test_the_configured_tenant_needs_no_call(
    connect: Connect, vendor: Simulator, world: LangSmithWorld
) -> None:
    add_project(world, "p", [1])
    adapter = await connect(vendor, api="v2", web_url=WEB, tenant_id=TENANT)
    (page,) = await pages_of(adapter, request(P))
    assert page.items[0].url == address_of(world)
    assert paths(vendor) == [RUNS_V2]


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (500, 2)])
async def test_where_the_tenant_is_refused_rows_stand_and_only_a_failure_is_asked_again(
    connect: Connect, vendor: Simulator, world: LangSmithWorld, status: int, asked: int
) -> None:
    add_project(world, "p", [1])
    calls: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope["path"])
        refusal = JSONResponse({"detail": "no"}, status)
        await (refusal if scope["path"] == SESSIONS_V2 else vendor)(scope, receive, send)

    adapter = await connect(app, api="v2", web_url=WEB)
    pages = [page for _ in range(2) for page in await pages_of(adapter, request(P))]
    assert [(len(page.items), page.items[0].url, page.error) for page in pages] == [(1, None, None)] * 2
    assert calls.count(SESSIONS_V2) == asked


@pytest.mark.parametrize("location", ["/app/src/agent.py:31", "https://code.example/agent.py"])
async def test_the_location_of_the_code_is_no_address(
    adapter: Adapter, world: LangSmithWorld, location: str
) -> None:
    fields: dict[str, Any] = {"app_path": location}
    add_project(world, "p", [1], **fields)
    (page,) = await pages_of(adapter, request(P))
    assert page.items[0].url == address_of(world)
