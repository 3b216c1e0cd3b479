"""Any number of sources with any names, several of them of one vendor."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway import NAMES, Gateway, Vendors, in_process, settings_of
from tests.graphql.pages import PAGE, nodes, page, pages
from tests.worlds import fill, hours, listed, nemo_sessions
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.langsmith.world import langsmith_session
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment


@pytest.fixture
async def two(vendors: Vendors) -> AsyncIterator[Gateway]:
    """Two workspaces of NeMo that hold experiments of the same names and ids, and one LangSmith."""
    other = NemoWorld(workspace="team b")
    for index in range(5):
        for world in (vendors.nemo.world, other):
            world.add(nemo_experiment(f"e{index}", created_at=hours(index)), nemo_sessions(f"e{index}", 2))
        vendors.langsmith.world.add(langsmith_session(f"e{index}", start_time=hours(index)))
    async with running(nemo.create_app(other)) as url:
        sources = vendors.sources()
        tables = {
            "team.b": {"vendor": "nemo", "base_url": url, "workspace": "team b"},
            "Team-A": sources["nemo"],
            "smith": sources["langsmith"],
        }
        async with in_process(settings_of(sources=tables)) as gateway:
            yield gateway


async def test_two_workspaces_of_one_vendor_are_two_sources_of_one_list(two: Gateway) -> None:
    found = listed(nodes(await page(two, first=100)))
    assert found == [
        (source, f"e{index}") for index in reversed(range(5)) for source in ("Team-A", "smith", "team.b")
    ]


async def test_their_pages_join_to_the_whole_list(two: Gateway) -> None:
    whole = listed(nodes(await page(two, first=100)))
    parts = await pages(two, PAGE, "experiments", first=2)
    assert listed([node for one in parts for node in nodes(one)]) == whole


async def test_equal_names_have_distinct_ids_that_lead_back_to_their_sources(two: Gateway) -> None:
    found = (await two.ask("{ experiments(first: 100) { nodes { id name source { name } } } }")).data
    ids = [node["id"] for node in found["experiments"]["nodes"]]
    assert len(set(ids)) == 15
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Experiment { id name source { name } } } }"
    assert (await two.ask(query, ids=ids)).data["nodes"] == found["experiments"]["nodes"]


async def test_a_filter_by_source_or_vendor_distinguishes_them(two: Gateway) -> None:
    by_source = listed(nodes(await page(two, filter={"sources": ["team.b"]})))
    assert {source for source, _ in by_source} == {"team.b"}
    by_vendor = listed(nodes(await page(two, filter={"vendors": ["nemo"]})))
    assert {source for source, _ in by_vendor} == {"team.b", "Team-A"}


async def test_one_of_them_failing_costs_its_own_rows_only(two: Gateway, vendors: Vendors) -> None:
    vendors.nemo.fail(Fault("status", status=401, times=None))
    answer = await two.ask(PAGE, first=100)
    assert {source for source, _ in listed(nodes(answer.data["experiments"]))} == {"team.b", "smith"}
    assert answer.troubles == {"Team-A": "UNAUTHORIZED"}


@pytest.mark.parametrize("removed", NAMES)
@pytest.mark.parametrize("first", [1, 2, 3, 8])
@pytest.mark.parametrize("field", ["CREATED_AT", "NAME"])
async def test_a_cursor_continues_exactly_after_a_source_is_removed(
    vendors: Vendors, gateway: Gateway, removed: str, first: int, field: str
) -> None:
    """Whether the edge was the removed source's own row or another's."""
    fill(vendors, experiments=4, sessions=0)
    order = {"field": field, "direction": "ASC"}
    whole = nodes(await page(gateway, first=100, orderBy=order))
    cursor = (await page(gateway, first=first, orderBy=order))["pageInfo"]["endCursor"]
    tables = {name: table for name, table in vendors.sources().items() if name != removed}
    async with in_process(settings_of(cache={"url": "off"}, sources=tables)) as smaller:
        rest = await page(smaller, first=100, after=cursor, orderBy=order)
    assert listed(nodes(rest)) == [row for row in listed(whole[first:]) if row[0] != removed]


async def test_long_texts_odd_numbers_and_any_script_pass_through_unchanged(
    vendors: Vendors, gateway: Gateway
) -> None:
    text = {"text": "x" * 100_000, "emoji": "\U0001f600"}
    odd = {"big": 2**62, "small": 1e-300, "deep": {"list": [1, None, "x"]}, "ünï": "\u2028"}
    vendors.nemo.world.add(nemo_experiment("e", metadata=text))
    vendors.langsmith.world.add(langsmith_session("p", extra={"metadata": odd}))
    found = (await gateway.ask("{ experiments { nodes { name metadata vendorFields } } }")).data
    assert {node["name"]: node["metadata"] for node in found["experiments"]["nodes"]} == {"e": text, "p": odd}
