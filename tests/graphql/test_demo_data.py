"""The playground's first query, over the sample data: issue 2, acceptance criterion 1."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway import NAMES, Gateway, Vendors
from tests.graphql.pages import PAGE, SESSIONS, nodes, page, pages
from tests.worlds import listed, newest_first
from tracegraph.simulators.data import SampleWorlds, sample_worlds


@pytest.fixture(scope="module")
def worlds() -> SampleWorlds:
    return sample_worlds()


@pytest.fixture
async def vendors(worlds: SampleWorlds) -> AsyncIterator[Vendors]:
    async with Vendors.open(worlds.nemo, worlds.langsmith, worlds.meibel) as opened:
        yield opened


async def test_one_list_holds_the_newest_experiments_of_three_vendors_with_sessions_and_aggregates(
    gateway: Gateway, vendors: Vendors
) -> None:
    answer = await gateway.ask("""{
      experiments(first: 12) {
        nodes {
          name source { name } reported: source { capabilities { reportedMetrics } } sessionCount
          aggregates(metrics: [{kind: LATENCY}, {kind: COST}]) { metric { name unit } median sum mean }
          sessions(first: 3) { nodes { status startedAt latencyMs costUsd } }
        }
      }
    }""")
    found = answer.data["experiments"]["nodes"]
    assert listed(found) == newest_first(vendors)[:12]
    assert {node["source"]["name"] for node in found} == set(NAMES)
    assert [len(node["sessions"]["nodes"]) for node in found] == [min(3, node["sessionCount"]) for node in found]
    for node in found:
        units = {one["metric"]["name"]: one["metric"]["unit"] for one in node["aggregates"]}
        reports = node["reported"]["capabilities"]["reportedMetrics"] and node["sessionCount"]
        assert units == ({"latency": "MILLISECONDS", "cost": "USD"} if reports else {})


async def test_pages_of_seven_return_every_experiment_once_and_in_order(
    gateway: Gateway, vendors: Vendors
) -> None:
    found = await pages(gateway, PAGE, "experiments", first=7)
    assert [len(one["edges"]) for one in found[:-1]] == [7] * (len(found) - 1)
    assert listed([node for one in found for node in nodes(one)]) == newest_first(vendors)


async def test_any_edges_cursor_continues_right_after_the_edge(gateway: Gateway, vendors: Vendors) -> None:
    everything = newest_first(vendors)
    edges = (await page(gateway, first=100))["edges"]
    assert len(edges) == len(everything)
    for index in range(0, len(edges), 5):
        after = await page(gateway, first=4, after=edges[index]["cursor"])
        assert listed(nodes(after)) == everything[index + 1 : index + 5]


@pytest.mark.parametrize("field", ["CREATED_AT", "UPDATED_AT", "NAME"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_pages_of_any_order_join_to_the_list_in_one_page(
    gateway: Gateway, field: str, direction: str
) -> None:
    order = {"field": field, "direction": direction}
    whole = listed(nodes(await page(gateway, first=100, orderBy=order)))
    parts = await pages(gateway, PAGE, "experiments", first=7, orderBy=order)
    assert listed([node for one in parts for node in nodes(one)]) == whole


async def test_sessions_without_a_choice_are_those_of_the_most_recently_active_experiments(
    gateway: Gateway,
) -> None:
    found = (await gateway.ask(SESSIONS, first=30)).data["sessions"]
    starts = [node["startedAt"] for node in nodes(found)]
    assert starts == sorted(starts, reverse=True)
    assert {node["source"]["name"] for node in nodes(found)} == set(NAMES)
    # Meibel has no more agents than the ten that the configuration lets a list begin with.
    statuses = {report["source"]["name"]: report["status"] for report in found["sources"]}
    assert statuses == {"nemo": "SCAN_LIMITED", "langsmith": "SCAN_LIMITED", "meibel": "OK"}


async def test_the_pages_of_such_sessions_join_to_the_list_in_one_page(gateway: Gateway) -> None:
    whole = nodes((await gateway.ask(SESSIONS, first=90)).data["sessions"])
    joined, after = [], None
    for _ in range(3):
        part = (await gateway.ask(SESSIONS, first=30, after=after)).data["sessions"]
        joined += nodes(part)
        after = part["pageInfo"]["endCursor"]
    assert joined == whole
