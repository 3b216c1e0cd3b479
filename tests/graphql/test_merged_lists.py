"""Experiments and sessions of all vendors as one list: its order, its pages, its counts, its cursors."""

from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import NAMES, Gateway, Vendors, in_process
from tests.graphql.pages import PAGE, SESSIONS, nodes, page, pages
from tests.worlds import fill, hours, listed, meibel_sessions, newest_first
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent
from tracegraph.simulators.nemo.world import nemo_experiment


async def test_without_arguments_a_list_is_twenty_experiments_newest_first(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=8, sessions=0)
    found = await page(gateway)
    assert listed(nodes(found)) == newest_first(vendors)[:20]
    assert found["pageInfo"]["hasNextPage"] is True


async def test_equal_times_are_ordered_by_source_and_then_by_the_vendors_id(
    vendors: Vendors, gateway: Gateway
) -> None:
    for name in ("b", "a"):
        vendors.nemo.world.add(nemo_experiment(name))
        vendors.meibel.world.add(meibel_agent(name, display_name=name))
    assert listed(nodes(await page(gateway))) == [("meibel", "a"), ("meibel", "b"), ("nemo", "a"), ("nemo", "b")]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_missing_times_come_last_in_both_directions(
    vendors: Vendors, gateway: Gateway, direction: str
) -> None:
    vendors.meibel.world.add(meibel_agent("undated", display_name="undated", created_at=None))
    vendors.nemo.world.add(nemo_experiment("dated"))
    order = {"field": "CREATED_AT", "direction": direction}
    assert listed(nodes(await page(gateway, orderBy=order))) == [("nemo", "dated"), ("meibel", "undated")]


async def test_names_have_one_order_whatever_the_vendors_collation(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(nemo_experiment("beta"))
    vendors.nemo.world.add(nemo_experiment("Delta"))
    vendors.langsmith.world.add(langsmith_session("Alpha"))
    vendors.meibel.world.add(meibel_agent("g", display_name="gamma"))
    order = {"field": "NAME", "direction": "ASC"}
    found = listed(nodes(await page(gateway, orderBy=order)))
    assert [name for _, name in found] == ["Alpha", "beta", "Delta", "gamma"]


async def test_names_are_compared_after_case_folding_by_code_point(vendors: Vendors, gateway: Gateway) -> None:
    """So "ß" is "ss", and "Ä" comes behind "z"."""
    vendors.langsmith.world.add(langsmith_session("STRASSE b"))
    vendors.meibel.world.add(meibel_agent("a", display_name="straße a"))
    vendors.nemo.world.add(nemo_experiment("strasse-c"))
    vendors.langsmith.world.add(langsmith_session("Ärger"))
    vendors.meibel.world.add(meibel_agent("z", display_name="zeta"))
    vendors.langsmith.world.add(langsmith_session("_first"))
    expected = ["_first", "straße a", "STRASSE b", "strasse-c", "zeta", "Ärger"]
    for direction, names in (("ASC", expected), ("DESC", expected[::-1])):
        found = await page(gateway, orderBy={"field": "NAME", "direction": direction})
        assert [name for _, name in listed(nodes(found))] == names


async def test_the_schema_says_how_names_are_compared(gateway: Gateway) -> None:
    orders = (await gateway.ask('{ __type(name: "ExperimentOrderField") { description } }')).data["__type"]
    assert orders["description"] == "NAME compares by code point after Unicode case folding, whatever the vendor."


async def test_a_page_of_no_rows_reports_whether_and_where_the_list_continues(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=2, sessions=0)
    empty = await page(gateway, first=0)
    assert (empty["edges"], empty["pageInfo"]["hasNextPage"]) == ([], True)
    after = await page(gateway, first=3, after=empty["pageInfo"]["endCursor"])
    assert listed(nodes(after)) == newest_first(vendors)[:3]


async def test_three_empty_vendors_are_an_empty_list(gateway: Gateway) -> None:
    empty = await page(gateway)
    assert empty["edges"] == []
    assert empty["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
    assert [report["status"] for report in empty["sources"]] == ["OK"] * 3


async def test_page_info_holds_the_first_and_the_last_edges_cursor(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors, experiments=2, sessions=0)
    found = await page(gateway, first=3)
    cursors = [edge["cursor"] for edge in found["edges"]]
    assert (found["pageInfo"]["startCursor"], found["pageInfo"]["endCursor"]) == (cursors[0], cursors[-1])
    assert found["pageInfo"]["hasPreviousPage"] is False
    assert (await page(gateway, after=cursors[0]))["pageInfo"]["hasPreviousPage"] is True


# -- changes between two pages ---------------------------------------------------------------------------


async def test_rows_added_before_the_cursor_repeat_and_hide_nothing(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors, experiments=4, sessions=0)
    expected = newest_first(vendors)
    first = await page(gateway, first=5)
    for index in range(3):
        vendors.nemo.world.experiments.insert(0, nemo_experiment(f"new{index}", created_at=hours(50 + index)))
        vendors.langsmith.world.add(langsmith_session(f"new{index}", start_time=hours(50 + index)))
    rest = await page(gateway, first=100, after=first["pageInfo"]["endCursor"])
    assert listed([*nodes(first), *nodes(rest)]) == expected


async def test_rows_deleted_before_the_cursor_hide_nothing(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors, experiments=5, sessions=0)
    expected = newest_first(vendors)
    first = await page(gateway, first=9)
    del (
        vendors.nemo.world.experiments[-3:],
        vendors.langsmith.world.sessions[-3:],
        vendors.meibel.world.agents[-3:],
    )
    rest = await page(gateway, first=100, after=first["pageInfo"]["endCursor"])
    assert listed(nodes(rest)) == expected[9:]


# -- counts ----------------------------------------------------------------------------------------------


async def test_the_total_count_is_exact_where_every_source_reports_one(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors, experiments=3, sessions=0)
    found = await page(gateway, first=2, filter={"sources": ["nemo", "meibel"]})
    assert found["totalCount"] == 6
    assert [report["totalCount"] for report in found["sources"]] == [3, 3]


async def test_the_total_count_is_null_where_one_source_reports_none(vendors: Vendors, gateway: Gateway) -> None:
    """LangSmith's list has no total."""
    fill(vendors, experiments=3, sessions=0)
    found = await page(gateway, first=2)
    assert found["totalCount"] is None
    totals = {report["source"]["name"]: report["totalCount"] for report in found["sources"]}
    assert totals == {"nemo": 3, "langsmith": None, "meibel": 3}


async def test_the_total_count_is_null_where_the_gateway_filters_itself(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=3, sessions=0)
    found = await page(gateway, filter={"sources": ["meibel"], "name": {"eq": "m1"}})
    assert listed(nodes(found)) == [("meibel", "m1")]
    assert found["totalCount"] is None


async def test_the_total_count_of_an_experiments_sessions_is_the_vendors(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=1, sessions=7)
    query = "{ experiments { nodes { name sessions(first: 2) { totalCount nodes { id } } } } }"
    found = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert {node["name"]: node["sessions"]["totalCount"] for node in found} == {"n0": 7, "l0": None, "m0": 7}


# -- filters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"sources": ["nemo", "meibel"]}, ["m1", "n1", "m0", "n0"]),
        ({"vendors": ["langsmith"]}, ["l1", "l0"]),
        ({"sources": []}, []),
        ({"kinds": ["AGENT"]}, ["m1", "m0"]),
        ({"kinds": ["PROJECT", "EVALUATION"]}, ["l1", "n1", "l0", "n0"]),
        ({"name": {"contains": "1"}}, ["l1", "m1", "n1"]),
        ({"name": {"contains": "N"}}, ["n1", "n0"]),
        ({"name": {"in": ["l0", "m1"]}}, ["m1", "l0"]),
        ({"name": {"eq": "n0"}}, ["n0"]),
        ({"createdAt": {"gte": "2026-11-01T10:00:00Z"}}, ["l1", "m1", "n1"]),
        ({"createdAt": {"lt": "2026-11-01T12:00:00+02:00"}}, ["l0", "m0", "n0"]),
        ({"datasetName": {"eq": "cases"}}, ["n1", "n0"]),
        ({"agentName": {"eq": "m0"}}, ["m0"]),
        ({"sources": ["nemo"], "name": {"eq": "m0"}}, []),
    ],
)
async def test_a_filter_holds_for_every_vendor(
    vendors: Vendors, gateway: Gateway, condition: dict[str, Any], expected: list[str]
) -> None:
    fill(vendors, experiments=2, sessions=0)
    assert [name for _, name in listed(nodes(await page(gateway, filter=condition)))] == expected


async def test_a_filter_by_ids_calls_only_the_sources_of_the_ids(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors, experiments=3, sessions=0)
    ids = (await gateway.ask("{ experiments { nodes { id name } } }")).data["experiments"]["nodes"]
    chosen = [node["id"] for node in ids if node["name"] in {"n2", "l0"}]
    vendors.forget_calls()
    assert [name for _, name in listed(nodes(await page(gateway, filter={"ids": chosen})))] == ["n2", "l0"]
    assert vendors.meibel.calls == []


# -- cursors ---------------------------------------------------------------------------------------------


async def test_cursors_of_three_sources_stay_below_300_bytes_in_every_order(
    vendors: Vendors, gateway: Gateway
) -> None:
    long_name = "regression-suite-of-the-customer-support-assistant@2026-11-18+rerun-"
    for index in range(6):
        vendors.nemo.world.add(nemo_experiment(f"{long_name}{index}", created_at=hours(index)))
        vendors.langsmith.world.add(langsmith_session(f"{long_name}{index}", start_time=hours(index)))
        vendors.meibel.world.add(meibel_agent(f"agent_{index:026}", created_at=hours(index)))
    for field in ("CREATED_AT", "UPDATED_AT", "NAME"):
        found = await page(gateway, first=100, orderBy={"field": field})
        assert len(found["edges"]) == 18
        assert max(len(edge["cursor"]) for edge in found["edges"]) < 300


@pytest.mark.parametrize("failed", NAMES)
async def test_cursors_stay_below_300_bytes_after_a_source_failed_midway(
    vendors: Vendors, gateway: Gateway, failed: str
) -> None:
    fill(vendors, experiments=6, sessions=0)
    first = await page(gateway, first=5)
    vendors.named(failed).fail(Fault("status", status=401, times=None))
    second = (await gateway.ask(PAGE, first=4, after=first["pageInfo"]["endCursor"])).data["experiments"]
    cursors = [edge["cursor"] for edge in second["edges"]]
    assert len(cursors) == 4
    assert max(map(len, cursors)) < 300


@pytest.mark.parametrize("failed", [(), *((name,) for name in NAMES), ("nemo", "meibel"), ("nemo", "langsmith")])
@pytest.mark.parametrize("field", ["CREATED_AT", "UPDATED_AT", "NAME"])
async def test_cursors_of_long_names_stay_below_300_bytes_while_sources_fail_one_after_another(
    vendors: Vendors, gateway: Gateway, failed: tuple[str, ...], field: str
) -> None:
    """Each failed source has a position of its own."""
    long_name = "regression-of-the-support-assistant@2026-11-18+rerun-"
    for index in range(9):
        name = f"{long_name}{index}"
        vendors.nemo.world.add(nemo_experiment(name, created_at=hours(index)))
        vendors.langsmith.world.add(langsmith_session(name, start_time=hours(index)))
        vendors.meibel.world.add(meibel_agent(f"agent_{index:026}", display_name=name, created_at=hours(index)))
    order = {"field": field, "direction": "ASC"}
    found = await page(gateway, first=6, orderBy=order)
    for name in failed:
        vendors.named(name).fail(Fault("status", status=401, times=None))
        found = await page(gateway, first=3, after=found["pageInfo"]["endCursor"], orderBy=order)
        assert {report["source"]["name"] for report in found["sources"] if report["status"] == "FAILED"}
    assert max(len(edge["cursor"]) for edge in found["edges"]) < 300


async def test_cursors_are_url_safe(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors, experiments=6, sessions=0)
    cursors = [edge["cursor"] for edge in (await page(gateway, first=100))["edges"]]
    assert all(cursor.replace("-", "").replace("_", "").isalnum() for cursor in cursors)


async def test_a_cursor_is_valid_in_another_process_of_the_gateway(vendors: Vendors, gateway: Gateway) -> None:
    """Any number of replicas run side by side without shared state between requests."""
    fill(vendors, experiments=4, sessions=0)
    first = await page(gateway, first=5)
    async with in_process(vendors.settings()) as another:
        rest = await page(another, first=100, after=first["pageInfo"]["endCursor"])
    assert listed(nodes(rest)) == newest_first(vendors)[5:]


async def test_the_pages_of_one_experiments_sessions_join_to_its_whole_list(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=1, sessions=11)
    query = """query Page($id: ID!, $after: String, $direction: OrderDirection!) {
      experiment(id: $id) {
        sessions(first: 4, after: $after, orderBy: {field: STARTED_AT, direction: $direction}) {
          nodes { vendorId startedAt } pageInfo { hasNextPage endCursor }
        }
      }
    }"""
    experiments = (await gateway.ask("{ experiments { nodes { id } } }")).data["experiments"]["nodes"]
    for experiment in experiments:
        for direction in ("ASC", "DESC"):
            found: list[str] = []
            after = None
            for _ in range(3):
                answer = await gateway.ask(query, id=experiment["id"], after=after, direction=direction)
                sessions = answer.data["experiment"]["sessions"]
                found += [node["startedAt"] for node in sessions["nodes"]]
                after = sessions["pageInfo"]["endCursor"]
            assert sessions["pageInfo"]["hasNextPage"] is False
            assert found == sorted(set(found), reverse=direction == "DESC")
            assert len(found) == 11


async def test_sessions_of_chosen_experiments_of_three_vendors_are_one_list(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=2, sessions=4)
    found = (await gateway.ask("{ experiments { nodes { id name } } }")).data["experiments"]["nodes"]
    ids = [node["id"] for node in found if node["name"] in {"n0", "l1", "m0"}]
    parts = await pages(gateway, SESSIONS, "sessions", first=5, filter={"experimentIds": ids})
    rows = [node for one in parts for node in nodes(one)]
    assert [len(one["edges"]) for one in parts] == [5, 5, 2]
    assert [(row["startedAt"][14:16], row["source"]["name"]) for row in rows] == [
        (f"{minute:02}", source) for minute in (3, 2, 1, 0) for source in ("langsmith", "meibel", "nemo")
    ]
    assert {row["experiment"]["name"] for row in rows} == {"n0", "l1", "m0"}
    assert {report["status"] for one in parts for report in one["sources"]} == {"OK"}


async def test_sessions_of_the_most_active_experiments_report_that_there_are_more(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    for index in range(3):
        agent = meibel_agent(f"m{index}", last_execution_time=hours(index).isoformat())
        vendors.meibel.world.add(agent, meibel_sessions(f"m{index}", 1))
    gateway = await open_gateway(limits={"active_experiments": 2})
    found = (await gateway.ask(SESSIONS, filter={"sources": ["meibel"]})).data["sessions"]
    assert {node["vendorId"] for node in nodes(found)} == {"m1-0", "m2-0"}
    assert [(report["status"], report["totalCount"]) for report in found["sources"]] == [("SCAN_LIMITED", None)]
