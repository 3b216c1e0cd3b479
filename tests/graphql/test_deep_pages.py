"""Calls for a page deep in a list: as many as for the first page; NeMo's newest sessions are read from the end."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.pages import PAGE, SESSIONS, nodes, pages
from tests.worlds import hours, langsmith_runs, meibel_sessions, minutes, nemo_sessions
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

REFS = {NEMO: "long", LANGSMITH: stable_uuid("session:long"), MEIBEL: "long"}


def global_id(source: str) -> str:
    return base64.b64encode(f"Experiment:{source}:{REFS[source]}".encode()).decode()


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_the_page_at_row_3000_takes_as_many_calls_as_the_first_plus_or_minus_one_per_source(
    vendors: Vendors, gateway: Gateway, direction: str
) -> None:
    """Of 3,900 experiments: 900 at NeMo, 1,500 at each of the others, their times interleaved to the end."""
    vendors.meibel.world.created_at_in_summary = True
    for index in range(1_500):
        if index < 900:
            vendors.nemo.world.add(nemo_experiment(f"n{index:05}", run_count=1, created_at=minutes(5 * index)), [])
        vendors.langsmith.world.add(langsmith_session(f"l{index:05}", start_time=minutes(3 * index + 1)), [])
        vendors.meibel.world.add(meibel_agent(f"m{index:05}", created_at=minutes(3 * index + 2)), [])
    order = {"field": "CREATED_AT", "direction": direction}
    after, seen, counts = None, [], []
    for first in (100, 900, 1_000, 1_000, 100):
        vendors.forget_calls()
        page = (await gateway.ask(PAGE, first=first, after=after, orderBy=order)).data["experiments"]
        after = page["pageInfo"]["endCursor"]
        seen += [node["name"] for node in nodes(page)]
        counts.append(vendors.call_counts)
    assert len(seen) == len(set(seen)) == 3_100
    for first_page, late in zip(counts[0], counts[-1], strict=True):
        assert abs(first_page - late) <= 1


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_a_page_deep_in_the_sessions_of_an_experiment_takes_one_call_more_than_the_first_at_most(
    vendors: Vendors, gateway: Gateway, source: str, direction: str
) -> None:
    vendors.nemo.world.add(nemo_experiment("long"), nemo_sessions("long", 900))
    vendors.langsmith.world.add(langsmith_session("long"), langsmith_runs("long", 900))
    vendors.meibel.world.add(meibel_agent("long"), meibel_sessions("long", 900))
    wanted = {"experimentIds": [global_id(source)]}
    order = {"field": "STARTED_AT", "direction": direction}
    after, counts = None, []
    for first in (20, 600, 20):
        vendors.forget_calls()
        page = (await gateway.ask(DEEP, first=first, after=after, filter=wanted, orderBy=order)).data["sessions"]
        after = page["pageInfo"]["endCursor"]
        counts.append(sum(vendors.call_counts))
    assert counts[2] <= counts[0] + 1


DEEP = """query($first: Int, $after: String, $filter: SessionFilter, $orderBy: SessionOrder) {
  sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    nodes { vendorId } pageInfo { endCursor hasNextPage }
  }
}"""


@pytest.mark.parametrize("first", [10, 95, 1_000])
async def test_nemos_sessions_newest_first_take_as_many_calls_as_pages_and_one_at_most_for_each_request(
    vendors: Vendors, gateway: Gateway, first: int
) -> None:
    """The extra call reads the length of the list, unless the experiment has a session count."""
    held = 950
    vendors.nemo.world.add(nemo_experiment("long"), nemo_sessions("long", held))
    for query, variables in (
        (OF_ONE, {"id": global_id(NEMO)}),
        (DEEP_EDGES, {"filter": {"experimentIds": [global_id(NEMO)]}}),
    ):
        seen: list[str] = []
        after, goes_on = None, True
        while goes_on:
            vendors.forget_calls()
            data: Any = (await gateway.ask(query, first=first, after=after, **variables)).data
            page = data["experiment"]["sessions"] if "experiment" in data else data["sessions"]
            seen += [node["vendorId"] for node in nodes(page)]
            after, goes_on = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
            calls = [call for call in vendors.nemo.calls if call.path.endswith("/sessions")]
            assert len(calls) <= -(-len(nodes(page)) // 100) + 1
        assert seen == [f"long-{index}" for index in reversed(range(held))]


DEEP_EDGES = DEEP.replace("nodes { vendorId }", "edges { node { vendorId } }")
OF_ONE = """query($id: ID!, $first: Int, $after: String) {
  experiment(id: $id) {
    sessions(first: $first, after: $after) { edges { node { vendorId } } pageInfo { hasNextPage endCursor } }
  }
}"""


async def test_each_langsmith_experiment_gets_its_own_first_rows_when_one_holds_nearly_all_recent_runs(
    vendors: Vendors, gateway: Gateway
) -> None:
    busy = [
        langsmith_run(f"busy-{index}", start_time=hours(100) + (minutes(index) - minutes(0)))
        for index in range(400)
    ]
    vendors.langsmith.world.add(langsmith_session("busy", start_time=hours(50)), busy)
    for number in range(12):
        runs = [langsmith_run(f"q{number}-{index}", start_time=minutes(index)) for index in range(number)]
        vendors.langsmith.world.add(langsmith_session(f"q{number}", start_time=hours(number)), runs)
    query = """{ experiments(first: 20, filter: {sources: ["langsmith"]}) { nodes {
      name sessions(first: 4) { nodes { name } pageInfo { hasNextPage } }
    } } }"""
    found = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert len(found) == 13
    for node in found:
        held = 400 if node["name"] == "busy" else int(node["name"][1:])
        names = [session["name"] for session in node["sessions"]["nodes"]]
        assert names == [f"{node['name']}-{index}" for index in reversed(range(held))][:4]
        assert node["sessions"]["pageInfo"]["hasNextPage"] is (held > 4)
    queries = [call for call in vendors.langsmith.calls if call.path.endswith("/runs/query")]
    assert len(queries) == 2


async def test_one_run_query_serves_the_merged_sessions_of_many_langsmith_experiments(
    vendors: Vendors, gateway: Gateway
) -> None:
    for number in range(8):
        vendors.langsmith.world.add(
            langsmith_session(f"p{number}", last_run_start_time=hours(number).isoformat()),
            langsmith_runs(f"p{number}", 10),
        )
        vendors.nemo.world.add(nemo_experiment(f"n{number}"), [nemo_session(f"s{number}")])
    page = (await gateway.ask(SESSIONS, first=40)).data["sessions"]
    assert len(nodes(page)) == 40
    queries = [call for call in vendors.langsmith.calls if call.path.endswith("/runs/query")]
    assert [len(call.body["session"]) for call in queries] == [8]
    assert len(await pages(gateway, SESSIONS, "sessions", first=40)) == 3
