"""Traversals while a source fails now and then: its rows are returned late rather than never, and once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.examples import diagonal
from tests.gateway import NAMES, NEMO, Gateway, Vendors
from tests.graphql.pages import PAGE, SESSIONS, nodes
from tests.worlds import fill, hours, langsmith_runs, meibel_sessions, minutes, nemo_sessions
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent
from tracegraph.simulators.nemo.world import nemo_experiment

LISTS = {"experiments": (PAGE, "name"), "sessions": (SESSIONS, "vendorId")}


async def traversed(
    gateway: Gateway, vendors: Vendors, field: str, failing: dict[int, str], **variables: Any
) -> list[Any]:
    """Every page; the source of that name fails on the page of that number."""
    query, _ = LISTS[field]
    found: list[Any] = []
    after = None
    while not found or found[-1]["pageInfo"]["hasNextPage"] or len(found) < max(failing) + 2:
        if (name := failing.get(len(found))) is not None:
            vendors.named(name).fail(Fault("status", status=401, times=None))
        found.append((await gateway.ask(query, **variables, after=after)).data[field])
        for vendor in vendors.all:
            vendor.recover()
        after = found[-1]["pageInfo"]["endCursor"] or after
        assert len(found) < 60, "the traversal does not end"
    return found


@pytest.mark.parametrize(("every", "failed"), diagonal([1, 2, 3], NAMES))
@pytest.mark.parametrize("field", LISTS)
async def test_rows_of_a_source_that_fails_repeatedly_are_returned_late_and_once(
    vendors: Vendors, gateway: Gateway, field: str, every: int, failed: str
) -> None:
    """The others' rows keep their order, as if the source did not exist."""
    fill(vendors, experiments=5, sessions=4)
    key = LISTS[field][1]
    whole = await traversed(gateway, vendors, field, {-1: ""}, first=100)
    rows = [(node["source"]["name"], node[key]) for node in nodes(whole[0])]
    for vendor in vendors.all:
        vendor.recover()
    failing = dict.fromkeys(range(0, 9, every), failed)
    parts = await traversed(gateway, vendors, field, failing, first=4)
    seen = [(node["source"]["name"], node[key]) for part in parts for node in nodes(part)]
    assert sorted(seen) == sorted(rows)
    assert [row for row in seen if row[0] != failed] == [row for row in rows if row[0] != failed]


async def test_rows_of_two_sources_that_fail_in_turn_are_returned_late_and_once(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=3, sessions=5)
    parts = await traversed(
        gateway, vendors, "sessions", {number: NAMES[number % 3] for number in range(9)}, first=4
    )
    seen = [(node["source"]["name"], node["vendorId"]) for part in parts for node in nodes(part)]
    assert len(seen) == len(set(seen)) == 3 * 3 * 5


# -- sessions of many experiments ------------------------------------------------------------------------


async def test_a_second_project_between_two_pages_repeats_no_session(vendors: Vendors, gateway: Gateway) -> None:
    vendors.langsmith.world.add(langsmith_session("p"), langsmith_runs("p", 4))
    first = (await gateway.ask(SESSIONS, first=2)).data["sessions"]
    vendors.langsmith.world.add(langsmith_session("q"), [langsmith_run("q", start_time=minutes(-1))])
    rest = (await gateway.ask(SESSIONS, first=9, after=first["pageInfo"]["endCursor"])).data["sessions"]
    starts = [node["startedAt"][14:16] for node in [*nodes(first), *nodes(rest)]]
    assert starts == ["03", "02", "01", "00", "59"]


async def test_an_experiment_whose_id_is_written_in_two_ways_is_listed_once(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.nemo.world.add(nemo_experiment("e10"), nemo_sessions("e10", 3))
    (node,) = (await gateway.ask("{ experiments { nodes { id } } }")).data["experiments"]["nodes"]
    assert node["id"].endswith("=")
    ids = [node["id"], node["id"].rstrip("=")]
    found = (await gateway.ask(SESSIONS, filter={"experimentIds": ids})).data["sessions"]
    assert [node["vendorId"] for node in nodes(found)] == ["e10-2", "e10-1", "e10-0"]
    assert found["totalCount"] == 3


async def test_an_experiment_that_becomes_active_after_a_page_without_rows_continues_from_the_same_position(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), nemo_sessions("e", 3))
    agent = meibel_agent("m", last_execution_time=hours(1).isoformat())
    first = (await gateway.ask(SESSIONS, first=1)).data["sessions"]
    empty = (await gateway.ask(SESSIONS, first=0, after=first["pageInfo"]["endCursor"])).data["sessions"]
    vendors.meibel.world.add(agent, meibel_sessions("m", 4))
    rest = (await gateway.ask(SESSIONS, first=9, after=empty["pageInfo"]["endCursor"])).data["sessions"]
    assert [node["vendorId"] for node in nodes(first)] == ["e-2"]
    assert [node["vendorId"] for node in nodes(rest)] == ["m-1", "e-1", "m-0", "e-0"]
    assert {node["source"]["name"] for node in nodes(first)} == {NEMO}
