"""LangSmith's sessions by continuation tokens: calls of a page, cursors that expire, and runs of one start."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.examples import diagonal, slow_but
from tests.gateway import Gateway, Vendors
from tests.graphql.pages import SESSIONS, nodes, pages
from tests.worlds import langsmith_runs, meibel_sessions, nemo_sessions
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent
from tracegraph.simulators.nemo.world import nemo_experiment

OF_PROJECT = """
query Page($id: ID!, $first: Int, $after: String) {
  experiment(id: $id) { sessions(first: $first, after: $after) {
    edges { cursor node { vendorId startedAt } } pageInfo { hasNextPage endCursor }
  } }
}"""

MERGED = SESSIONS.replace("experiment { name }", "")

LARGE = SESSIONS.replace("vendorId startedAt", "vendorId startedAt input output metadata vendorFields")

DIRECTIONS = pytest.mark.parametrize("direction", ["ASC", "DESC"])


def global_id(source: str, ref: str) -> str:
    return base64.b64encode(f"Experiment:{source}:{ref}".encode()).decode()


def project_id(name: str) -> str:
    return global_id("langsmith", stable_uuid(f"session:{name}"))


def add(vendors: Vendors, name: str, starts: Sequence[float]) -> None:
    """A project whose runs start so many seconds after the epoch."""
    runs = [
        langsmith_run(f"{name}-{number}", start_time=EPOCH + timedelta(seconds=start))
        for number, start in enumerate(starts)
    ]
    vendors.langsmith.world.add(langsmith_session(name), runs)


def in_projects(direction: str, *names: str) -> dict[str, Any]:
    return {
        "filter": {"experimentIds": [project_id(name) for name in names]},
        "orderBy": {"field": "STARTED_AT", "direction": direction},
    }


def ids(page: Any) -> list[str]:
    return [node["vendorId"] for node in nodes(page)]


def run_ids(vendors: Vendors, *names: str) -> set[str]:
    return {run["id"] for name in names for run in vendors.langsmith.world.runs[stable_uuid(f"session:{name}")]}


def run_queries(vendors: Vendors) -> int:
    return [call.path for call in vendors.langsmith.calls].count("/api/v1/runs/query")


def in_order(rows: Sequence[Row], direction: str) -> bool:
    starts = [row["startedAt"] for row in rows]
    return starts == sorted(starts, reverse=direction == "DESC")


# -- calls -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", slow_but(["DESC"], ["ASC", "DESC"]))
async def test_2300_runs_of_a_project_by_100_take_23_calls(
    vendors: Vendors, gateway: Gateway, direction: str
) -> None:
    add(vendors, "long", range(2_300))
    found = await pages(gateway, SESSIONS, "sessions", first=100, **in_projects(direction, "long"))
    assert [len(nodes(page)) for page in found] == [100] * 23
    assert {session for page in found for session in ids(page)} == run_ids(vendors, "long")
    assert run_queries(vendors) == 23


async def test_the_pages_of_a_projects_own_sessions_take_one_run_query_each(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.langsmith.world.add(langsmith_session("p"), langsmith_runs("p", 250))
    after, found = None, []
    for _ in range(5):
        vendors.forget_calls()
        answer = await gateway.ask(OF_PROJECT, id=project_id("p"), first=50, after=after)
        page = answer.data["experiment"]["sessions"]
        after = page["pageInfo"]["endCursor"]
        found += ids(page)
        assert run_queries(vendors) == 1
    assert len(set(found)) == len(found) == 250


@DIRECTIONS
async def test_the_pages_of_several_projects_take_one_call_each(
    vendors: Vendors, gateway: Gateway, direction: str
) -> None:
    names = [f"p{number}" for number in range(5)]
    for number, name in enumerate(names):
        add(vendors, name, range(number, 1_000, 5))
    found = await pages(gateway, SESSIONS, "sessions", first=100, **in_projects(direction, *names))
    assert [len(nodes(page)) for page in found] == [100] * 10
    assert {session for page in found for session in ids(page)} == run_ids(vendors, *names)
    assert run_queries(vendors) == 10


@DIRECTIONS
async def test_a_page_of_a_list_over_three_vendors_takes_at_most_two_calls_each(
    vendors: Vendors, gateway: Gateway, direction: str
) -> None:
    """They page by offset, by page and by token; each page holds a third of each."""
    vendors.nemo.world.add(nemo_experiment("n"), nemo_sessions("n", 300))
    vendors.langsmith.world.add(langsmith_session("l"), langsmith_runs("l", 300))
    vendors.meibel.world.add(meibel_agent("m"), meibel_sessions("m", 300))
    wanted = {
        "filter": {"experimentIds": [global_id("nemo", "n"), project_id("l"), global_id("meibel", "m")]},
        "orderBy": {"field": "STARTED_AT", "direction": direction},
    }
    after, found = None, []
    for _ in range(9):
        vendors.forget_calls()
        page = (await gateway.ask(MERGED, first=100, after=after, **wanted)).data["sessions"]
        after = page["pageInfo"]["endCursor"]
        found += [(node["source"]["name"], node["vendorId"]) for node in nodes(page)]
        assert max(vendors.call_counts) <= 2
    assert not page["pageInfo"]["hasNextPage"]
    assert len(set(found)) == len(found) == 900


# -- cursors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "expired"), diagonal(["ASC", "DESC"], [False, True]))
async def test_the_cursor_of_any_edge_resumes_right_after_it(
    vendors: Vendors, gateway: Gateway, direction: str, *, expired: bool
) -> None:
    """Within the first page there is no token, within a later page its token leads to the page's beginning."""
    add(vendors, "p", [number // 3 for number in range(60)])
    vendors.langsmith.world.shuffle_ties = not expired
    wanted = in_projects(direction, "p")
    found = await pages(gateway, SESSIONS, "sessions", first=20, **wanted)
    edges = [edge for page in found for edge in page["edges"]]
    every = [edge["node"]["vendorId"] for edge in edges]
    vendors.langsmith.world.cursor_generation += expired
    for number, edge in enumerate(edges[:-1]):
        vendors.forget_calls()
        rest = (await gateway.ask(SESSIONS, first=60, after=edge["cursor"], **wanted)).data["sessions"]
        assert sorted(ids(rest)) == sorted(every[number + 1 :])
        assert in_order(nodes(rest), direction)
        assert run_queries(vendors) <= 2 + expired


@DIRECTIONS
async def test_a_list_whose_cursors_expire_between_pages_has_each_run_once(
    vendors: Vendors, gateway: Gateway, direction: str
) -> None:
    add(vendors, "p", range(500))
    after, found = None, []
    for _ in range(5):
        page = (await gateway.ask(SESSIONS, first=100, after=after, **in_projects(direction, "p"))).data[
            "sessions"
        ]
        after = page["pageInfo"]["endCursor"]
        found += nodes(page)
        assert [source["status"] for source in page["sources"]] == ["OK"]
        vendors.langsmith.world.cursor_generation += 1
    assert not page["pageInfo"]["hasNextPage"]
    assert len(found) == 500
    assert {node["vendorId"] for node in found} == run_ids(vendors, "p")
    assert in_order(found, direction)


async def test_a_refused_cursor_costs_two_calls_more_at_most(vendors: Vendors, gateway: Gateway) -> None:
    """The refusal, and a page by range, which begins with the row of the key."""
    add(vendors, "p", range(500))
    wanted = in_projects("DESC", "p")
    first = (await gateway.ask(SESSIONS, first=100, **wanted)).data["sessions"]
    vendors.forget_calls()
    vendors.langsmith.world.cursor_generation += 1
    second = (await gateway.ask(SESSIONS, first=100, after=first["pageInfo"]["endCursor"], **wanted)).data
    assert len({*ids(first), *ids(second["sessions"])}) == 200
    assert run_queries(vendors) <= 3


@DIRECTIONS
@pytest.mark.parametrize("queries", [(SESSIONS, LARGE), (LARGE, SESSIONS)], ids=["more fields", "fewer fields"])
async def test_a_vendor_that_ties_cursors_to_the_body_gives_each_run_once_whatever_the_next_request_asks(
    vendors: Vendors, gateway: Gateway, direction: str, queries: tuple[str, str]
) -> None:
    """Each request has another `first`, which is the vendor's `limit`, or other fields, which are its `select`."""
    add(vendors, "p", [number // 2 for number in range(300)])
    vendors.langsmith.world.bound_cursors = True
    after, found = None, []
    for number, first in enumerate((30, 50, 50, 7, 100, 63)):
        answer = await gateway.ask(queries[number % 2], first=first, after=after, **in_projects(direction, "p"))
        page = answer.data["sessions"]
        after = page["pageInfo"]["endCursor"]
        found += nodes(page)
        assert [source["status"] for source in page["sources"]] == ["OK"]
    assert not page["pageInfo"]["hasNextPage"]
    assert len(found) == 300
    assert {node["vendorId"] for node in found} == run_ids(vendors, "p")
    assert in_order(found, direction)


async def test_the_fields_of_a_later_request_are_its_own_although_the_cursor_is_of_another(
    vendors: Vendors, gateway: Gateway
) -> None:
    add(vendors, "p", range(40))
    wanted = in_projects("ASC", "p")
    first = (await gateway.ask(SESSIONS, first=20, **wanted)).data["sessions"]
    second = (await gateway.ask(LARGE, first=20, after=first["pageInfo"]["endCursor"], **wanted)).data["sessions"]
    assert [node["input"] for node in nodes(second)] == [f"question of p-{number}" for number in range(20, 40)]


# -- runs of one start -----------------------------------------------------------------------------------


@DIRECTIONS
@pytest.mark.parametrize("seed", slow_but([0], range(4)))
async def test_runs_of_one_start_come_once_although_the_vendor_orders_them_anew_in_every_call(
    vendors: Vendors, gateway: Gateway, direction: str, seed: int
) -> None:
    """Each next page is read from a random edge of the previous page."""
    chance = random.Random(seed)
    span = chance.choice([3, 40, 120])
    names = ["p", "q"][: chance.choice([1, 2])]
    for name in names:
        add(vendors, name, [chance.randrange(span) for _ in range(240)])
    vendors.langsmith.world.shuffle_ties = True
    wanted = in_projects(direction, *names)
    found: list[Row] = []
    after, more = None, True
    while more:
        first = chance.choice([1, 7, 20, 100])
        page = (await gateway.ask(SESSIONS, first=first, after=after, **wanted)).data["sessions"]
        edges = page["edges"][: chance.randint(1, len(page["edges"]))]
        found += [edge["node"] for edge in edges]
        after = edges[-1]["cursor"]
        more = page["pageInfo"]["hasNextPage"] or len(edges) < len(page["edges"])
    assert len(found) == 240 * len(names)
    assert {node["vendorId"] for node in found} == run_ids(vendors, *names)
    assert in_order(found, direction)


# -- projects that cannot be read ------------------------------------------------------------------------


async def test_a_project_deleted_between_pages_loses_its_rows_alone(vendors: Vendors, gateway: Gateway) -> None:
    for name in ("p", "q"):
        add(vendors, name, range(200))
    wanted = in_projects("DESC", "p", "q")
    first = (await gateway.ask(SESSIONS, first=100, **wanted)).data["sessions"]
    vendors.langsmith.world.sessions = [row for row in vendors.langsmith.world.sessions if row["name"] != "q"]
    del vendors.langsmith.world.runs[stable_uuid("session:q")]
    second = (await gateway.ask(SESSIONS, first=300, after=first["pageInfo"]["endCursor"], **wanted)).data
    rest = nodes(second["sessions"])
    assert {node["experiment"]["name"] for node in rest} == {"p"}
    assert len(rest) == 150
