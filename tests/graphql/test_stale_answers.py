"""A vendor that fails after a successful reply: its older rows are returned and reported as STALE."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import NAMES, Answer, Gateway, Vendors
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault

OLD_AT_ONCE = {"url": "memory://", "ttl_s": 0, "stale_s": 300}
DOWN = Fault("status", status=503, times=None)
EXPERIMENTS = """query($after: String) {
  experiments(first: 5, after: $after) {
    edges { cursor node { id name } }
    pageInfo { hasNextPage endCursor }
    sources { source { name } status totalCount upstreamRequests error { code message retryable } }
  }
}"""
NESTED = """{
  experiments(first: 12) {
    nodes { name sessions(first: 2) { nodes { vendorId } sources { status error { code } } } }
  }
}"""


@pytest.fixture
async def gateway(open_gateway: OpenGateway, vendors: Vendors) -> Gateway:
    fill(vendors)
    return await open_gateway(cache=OLD_AT_ONCE)


def all_down(vendors: Vendors) -> None:
    for vendor in vendors.all:
        vendor.fail(DOWN)


def statuses(answer: Answer) -> dict[str, str]:
    return {one["source"]["name"]: one["status"] for one in answer.data["experiments"]["sources"]}


@pytest.mark.parametrize("name", NAMES)
async def test_a_list_has_stale_rows_of_the_source_that_fails(
    gateway: Gateway, vendors: Vendors, name: str
) -> None:
    before = await gateway.ask(EXPERIMENTS)
    vendors.named(name).fail(DOWN)
    answer = await gateway.ask(EXPERIMENTS)
    assert answer.data["experiments"]["edges"] == before.data["experiments"]["edges"]
    assert statuses(answer) == {other: "STALE" if other == name else "OK" for other in NAMES}
    (report,) = (one for one in answer.data["experiments"]["sources"] if one["source"]["name"] == name)
    assert report["error"]["code"] == "UNAVAILABLE"
    assert report["upstreamRequests"] >= 1
    (reported,) = answer.body["extensions"]["sources"]
    assert (reported["source"], reported["status"], reported["code"]) == (name, "STALE", "UNAVAILABLE")


async def test_after_the_fault_ends_the_next_response_is_complete(gateway: Gateway, vendors: Vendors) -> None:
    await gateway.ask(EXPERIMENTS)
    vendors.nemo.fail(DOWN)
    assert statuses(await gateway.ask(EXPERIMENTS))["nemo"] == "STALE"
    vendors.nemo.recover()
    answer = await gateway.ask(EXPERIMENTS)
    assert set(statuses(answer).values()) == {"OK"}
    assert answer.troubles == {}


async def test_nested_lists_have_stale_rows_and_report_them(gateway: Gateway, vendors: Vendors) -> None:
    before = await gateway.ask(NESTED)
    all_down(vendors)
    answer = await gateway.ask(NESTED)
    rows, older = before.data["experiments"]["nodes"], answer.data["experiments"]["nodes"]
    assert [[row["name"], row["sessions"]["nodes"]] for row in older] == [
        [row["name"], row["sessions"]["nodes"]] for row in rows
    ]
    assert {source["status"] for row in older for source in row["sessions"]["sources"]} == {"STALE"}
    assert {one["status"] for one in answer.body["extensions"]["sources"]} == {"STALE"}


async def test_objects_by_id_are_stale_and_reported(gateway: Gateway, vendors: Vendors) -> None:
    listed = await gateway.ask("{ experiments(first: 12) { nodes { id sessions(first: 1) { nodes { id } } } } }")
    rows = listed.data["experiments"]["nodes"]
    ids = [row["id"] for row in rows] + [row["sessions"]["nodes"][0]["id"] for row in rows]
    query = """query($ids: [ID!]!) { nodes(ids: $ids) {
      id ... on Experiment { name createdAt } ... on Session { status input }
    } }"""
    before = await gateway.ask(query, ids=ids)
    all_down(vendors)
    answer = await gateway.ask(query, ids=ids)
    assert answer.data == before.data
    reported = {(one["source"], one["status"]) for one in answer.body["extensions"]["sources"]}
    assert reported == {(name, "STALE") for name in NAMES}


async def test_figures_are_computed_from_stale_rows(gateway: Gateway, vendors: Vendors) -> None:
    query = """{ experiments(first: 12) { nodes {
      name sessionCount aggregate(metric: {kind: LATENCY}) { median mean p99 }
    } } }"""
    before = await gateway.ask(query)
    all_down(vendors)
    answer = await gateway.ask(query)
    assert answer.data == before.data
    assert {one["status"] for one in answer.body["extensions"]["sources"]} == {"STALE"}


def pages(first: Answer) -> Iterator[Any]:
    yield from first.data["experiments"]["edges"]


async def test_a_stale_page_continues_from_any_edge(gateway: Gateway, vendors: Vendors) -> None:
    """Rows changed since: no traversal loops or breaks, and a page without a cached copy is a failure."""
    first = await gateway.ask(EXPERIMENTS)
    cursors = [edge["cursor"] for edge in pages(first)]
    for cursor in cursors[::2]:
        await gateway.ask(EXPERIMENTS, after=cursor)
    del vendors.nemo.world.experiments[-1]
    all_down(vendors)
    for cursor in [None, *cursors]:
        answer = await gateway.ask(EXPERIMENTS, after=cursor)
        if answer.errors:
            assert answer.codes == ["ALL_SOURCES_FAILED"]
        else:
            assert set(statuses(answer).values()) <= {"STALE", "FAILED"}


async def test_health_is_never_stale(gateway: Gateway, vendors: Vendors) -> None:
    query = "{ sources { name health { status lastError { code } } } }"
    up = await gateway.ask(query)
    assert {one["health"]["status"] for one in up.data["sources"]} == {"UP"}
    all_down(vendors)
    answer = await gateway.ask(query)
    assert {one["health"]["status"] for one in answer.data["sources"]} == {"DOWN"}


async def test_a_failure_that_bypasses_the_cache_is_a_failure(gateway: Gateway, vendors: Vendors) -> None:
    await gateway.ask(EXPERIMENTS)
    vendors.nemo.fail(DOWN)
    answer = await gateway.post(
        b'{"query": "{ experiments(first: 5) { nodes { id } sources { source { name } status } } }"}',
        cache_control="no-cache",
    )
    assert statuses(answer) == {"nemo": "FAILED", "langsmith": "OK", "meibel": "OK"}


async def test_a_source_without_a_cached_reply_is_failed(gateway: Gateway, vendors: Vendors) -> None:
    vendors.nemo.fail(DOWN)
    assert statuses(await gateway.ask(EXPERIMENTS))["nemo"] == "FAILED"


async def test_without_a_cache_nothing_is_stale(open_gateway: OpenGateway, vendors: Vendors) -> None:
    fill(vendors)
    gateway = await open_gateway()
    await gateway.ask(EXPERIMENTS)
    vendors.nemo.fail(DOWN)
    assert statuses(await gateway.ask(EXPERIMENTS))["nemo"] == "FAILED"
