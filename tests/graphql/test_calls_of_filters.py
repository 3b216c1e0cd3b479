"""A filter that the vendor does not apply costs few calls, however few rows the client asks for."""

import base64
from typing import Any

import pytest

from tests.adapters.langsmith.v2 import RUNS_V2, SESSIONS_V2, add_project, bodies, paths
from tests.gateway import LANGSMITH, MEIBEL, NEMO, Vendors, in_process
from tests.worlds import meibel_sessions, nemo_sessions
from tracegraph.config.settings import Settings
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent
from tracegraph.simulators.nemo.world import nemo_experiment

SESSIONS = """query($id: ID!, $first: Int, $after: String, $filter: ExperimentSessionFilter) {
  experiment(id: $id) { sessions(first: $first, after: $after, filter: $filter) {
    nodes { vendorId name } pageInfo { hasNextPage endCursor } sources { status fetched }
  } } }"""


@pytest.fixture
async def v2(vendors: Vendors) -> Simulator:
    """LangSmith with both dialects, in place of the default simulator."""
    await vendors.langsmith.close()
    vendors.langsmith.simulator = langsmith.create_app(vendors.langsmith.world, Deployment.of("both"))
    vendors.langsmith.url = ""
    await vendors.langsmith.start()
    return vendors.langsmith.simulator


def settings_of_v2(vendors: Vendors) -> Settings:
    """The default limits: 15 run queries in 10 s."""
    source = vendors.sources()[LANGSMITH] | {"api": "v2"}
    del source["limits"]
    return vendors.settings(sources={LANGSMITH: source})


def experiment_id(source: str, ref: str) -> str:
    return base64.b64encode(f"Experiment:{source}:{ref}".encode()).decode()


async def sessions_of(gateway: Any, experiment: str, **variables: Any) -> Any:
    return (await gateway.ask(SESSIONS, id=experiment, **variables)).data["experiment"]["sessions"]


# -- page sizes that a token fixes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session_filter", "first_page"),
    [
        ({"text": "zz"}, 100),
        ({"costUsd": {"gte": 99}}, 100),
        ({"conversationId": {"eq": "zz"}}, 100),
        ({"name": {"contains": "zz"}}, 100),
        ({"metadata": [{"key": "zz", "value": {"eq": "zz"}}]}, None),
    ],
    ids=["text", "cost", "conversation", "partial name", "metadata"],
)
async def test_a_sparse_filter_of_2500_langsmith_runs_takes_four_run_queries(
    vendors: Vendors, v2: Simulator, session_filter: Any, first_page: int | None
) -> None:
    """A cursor of v2 fixes the page size, which the first page chooses before anything is known of the rows."""
    project = add_project(vendors.langsmith.world, "p", range(2_500))
    async with in_process(settings_of_v2(vendors)) as gateway:
        found = await sessions_of(gateway, experiment_id(LANGSMITH, project), first=3, filter=session_filter)
    assert found["nodes"] == []
    assert found["pageInfo"]["hasNextPage"] is False
    assert {report["status"] for report in found["sources"]} == {"OK"}
    sizes = [body["page_size"] for body in bodies(v2)]
    assert len(sizes) <= 4
    assert first_page is None or sizes[0] == first_page


async def test_the_matching_runs_come_once_in_pages_of_any_size(vendors: Vendors, v2: Simulator) -> None:
    project = add_project(vendors.langsmith.world, "p", [number // 2 for number in range(1_200)])
    found: list[str] = []
    after: str | None = None
    async with in_process(settings_of_v2(vendors)) as gateway:
        for first in (1, 3, 2, 7, 50, 4, 100):
            page = await sessions_of(
                gateway,
                experiment_id(LANGSMITH, project),
                first=first,
                after=after,
                filter={"name": {"contains": "7"}},
            )
            after = page["pageInfo"]["endCursor"]
            found += [node["vendorId"] for node in page["nodes"]]
    runs = vendors.langsmith.world.runs[project]
    newest = sorted((run for run in runs if "7" in run["name"]), key=lambda run: run["start_time"], reverse=True)
    assert len(found) == len(set(found)) == 167
    assert set(found) <= {run["id"] for run in newest[:168]}  # runs of one start have any order
    assert len(bodies(v2)) <= 14


async def test_a_page_after_a_small_one_takes_one_run_query(vendors: Vendors, v2: Simulator) -> None:
    project = add_project(vendors.langsmith.world, "p", range(500))
    async with in_process(settings_of_v2(vendors)) as gateway:
        page = await sessions_of(gateway, experiment_id(LANGSMITH, project), first=3)
        after = page["pageInfo"]["endCursor"]
        rest = await sessions_of(gateway, experiment_id(LANGSMITH, project), first=100, after=after)
    assert [node["name"] for node in page["nodes"] + rest["nodes"]] == [f"p{n}" for n in range(499, 396, -1)]
    assert [body["page_size"] for body in bodies(v2)] == [3, 101]


async def test_an_unfiltered_list_keeps_its_small_pages(vendors: Vendors, v2: Simulator) -> None:
    project = add_project(vendors.langsmith.world, "p", range(50))
    async with in_process(settings_of_v2(vendors)) as gateway:
        page = await sessions_of(gateway, experiment_id(LANGSMITH, project), first=3)
        after = page["pageInfo"]["endCursor"]
        await sessions_of(gateway, experiment_id(LANGSMITH, project), first=3, after=after)
    assert [body["page_size"] for body in bodies(v2)] in ([3, 3], [3, 4])  # a range repeats a run, a cursor none


async def test_a_filter_that_langsmith_applies_keeps_its_small_pages(vendors: Vendors, v2: Simulator) -> None:
    project = add_project(vendors.langsmith.world, "p", range(50))
    async with in_process(settings_of_v2(vendors)) as gateway:
        await sessions_of(
            gateway, experiment_id(LANGSMITH, project), first=3, filter={"statuses": ["SUCCESS"], "name": {}}
        )
    assert all(body["page_size"] <= 11 for body in bodies(v2))


@pytest.mark.usefixtures("v2")
async def test_a_dense_filter_of_twenty_projects_that_run_at_once_takes_few_run_queries(vendors: Vendors) -> None:
    """Their first pages share run queries, which read as many runs of every project."""
    for number in range(20):
        add_project(vendors.langsmith.world, f"p{number}", range(300))
    query = """{ experiments(first: 20) { nodes {
      sessions(first: 5, filter: {costUsd: {gte: 0}}) { nodes { id } }
    } } }"""
    async with in_process(settings_of_v2(vendors)) as gateway:
        found = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert [len(node["sessions"]["nodes"]) for node in found] == [5] * 20
    assert paths(vendors.langsmith.simulator).count(RUNS_V2) <= 3


async def test_a_partial_name_of_langsmith_projects_is_sought_in_the_largest_pages(
    vendors: Vendors, v2: Simulator
) -> None:
    """The list of projects in v2 fixes the page size, too, and takes no range."""
    for number in range(150):
        vendors.langsmith.world.add(langsmith_session(f"p{number:03}"), [])
    query = '{ experiments(first: 2, filter: {name: {contains: "zz"}}) { nodes { id } isComplete } }'
    async with in_process(settings_of_v2(vendors)) as gateway:
        found = (await gateway.ask(query)).data["experiments"]
    assert found == {"nodes": [], "isComplete": True}
    assert paths(v2).count(SESSIONS_V2) == 2


# -- pages that a cache shares ---------------------------------------------------------------------------


@pytest.mark.parametrize("session_filter", [{"text": "zz"}, {"costUsd": {"gte": 99}}, {"statuses": ["ERROR"]}])
@pytest.mark.parametrize("cache", ["off", "memory://"])
async def test_a_sparse_filter_of_2500_nemo_sessions_takes_at_most_four_calls(
    vendors: Vendors, session_filter: Any, cache: str
) -> None:
    """Behind a cache, the pages are those of a grid that the first page chooses, and they overlap."""
    vendors.nemo.simulator.dialect = "0.8"  # type: ignore[attr-defined]
    vendors.nemo.world.add(nemo_experiment("n"), nemo_sessions("n", 2_500))
    settings = vendors.settings(sources={NEMO: vendors.sources()[NEMO] | {"release": "0.6"}}, cache={"url": cache})
    async with in_process(settings) as gateway:
        experiment = experiment_id(NEMO, "n")
        await gateway.ask("query($id: ID!) { experiment(id: $id) { name } }", id=experiment)
        vendors.forget_calls()
        found = await sessions_of(gateway, experiment, first=5, filter=session_filter)
    assert found["nodes"] == []
    assert found["pageInfo"]["hasNextPage"] is False
    assert sum(call.path.endswith("/sessions") for call in vendors.nemo.calls) <= 4


# -- rows that must be looked up -------------------------------------------------------------------------


async def test_a_filter_that_needs_a_look_up_for_each_row_reads_a_small_first_page(vendors: Vendors) -> None:
    vendors.meibel.world.add(meibel_agent("m"), meibel_sessions("m", 80))
    for number in range(80):
        vendors.meibel.world.messages[f"m-{number}"] = [{"role": "user", "message": "hello"}]
    async with in_process(vendors.settings(sources={MEIBEL: vendors.sources()[MEIBEL]})) as gateway:
        await sessions_of(gateway, experiment_id(MEIBEL, "m"), first=3, filter={"text": "hello"})
    looked_up = [call for call in vendors.meibel.calls if call.path_class == "/v2/sessions/{session_id}"]
    assert 0 < len(looked_up) < 10
