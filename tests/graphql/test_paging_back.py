"""Paging back with `last` and `before`: arguments, every list that has them, page info, sources that fail.

That such pages mirror those of `first` and `after` in every order is shown in test_orders.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import MEIBEL, Gateway, Vendors
from tests.worlds import fill, nemo_sessions
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.world import nemo_experiment

PAGE = """
query Page($first: Int, $after: String, $last: Int, $before: String) {
  experiments(first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    sources { source { name } status }
  }
}"""


async def page(gateway: Gateway, **variables: Any) -> Any:
    return (await gateway.ask(PAGE, **variables)).data["experiments"]


def names(connection: Any) -> list[str]:
    return [edge["node"]["name"] for edge in connection["edges"]]


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": 1, "last": 1},
        {"first": 1, "before": "x"},
        {"after": "x", "last": 1},
        {"after": "x", "before": "x"},
        {"last": -1},
        {"last": 1001},
    ],
)
async def test_arguments_of_both_directions_and_numbers_out_of_range_are_refused(
    gateway: Gateway, arguments: dict[str, Any]
) -> None:
    assert (await gateway.ask(PAGE, **arguments)).codes == ["BAD_USER_INPUT"]


async def test_a_client_walks_forward_and_back_over_the_same_rows(vendors: Vendors, gateway: Gateway) -> None:
    """The page before the second page is the first page."""
    fill(vendors)
    first = await page(gateway, first=5)
    second = await page(gateway, first=5, after=first["pageInfo"]["endCursor"])
    back = await page(gateway, last=5, before=second["pageInfo"]["startCursor"])
    assert names(back) == names(first)
    assert (back["pageInfo"]["hasPreviousPage"], back["pageInfo"]["hasNextPage"]) == (False, True)
    again = await page(gateway, first=5, after=back["pageInfo"]["endCursor"])
    assert names(again) == names(second)


async def test_a_source_that_failed_is_asked_again_on_the_page_before(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """Its rows come late, as on pages forward."""
    fill(vendors)
    gateway = await open_gateway()
    everything = set(names(await page(gateway, first=100)))
    vendors.named(MEIBEL).fail(Fault("status", status=500, times=None))
    last = await page(gateway, last=4)
    statuses = {report["source"]["name"]: report["status"] for report in last["sources"]}
    assert statuses["meibel"] == "FAILED"
    vendors.named(MEIBEL).recover()
    rest = await page(gateway, last=100, before=last["pageInfo"]["startCursor"])
    assert sorted([*names(last), *names(rest)]) == sorted(everything)


async def test_every_list_has_last_and_before(vendors: Vendors, gateway: Gateway) -> None:
    """The lists of one source, of one experiment, of many experiments, and the cases of a comparison."""
    for name in ("a", "b"):
        vendors.nemo.world.add(nemo_experiment(name), nemo_sessions(name, 4))
    query = """
    query Lists($a: ID!, $b: ID!) {
      sources { name experiments(last: 1) { nodes { name } } }
      experiment(id: $a) { sessions(last: 2, orderBy: {field: STARTED_AT, direction: ASC}) { nodes { vendorId } } }
      sessions(last: 2, filter: {experimentIds: [$b]}) { nodes { vendorId } pageInfo { hasPreviousPage } }
      comparison(experimentIds: [$a, $b]) {
        cases(metric: {kind: LATENCY}, last: 2) {
          nodes { key }
          pageInfo { hasPreviousPage hasNextPage startCursor }
        }
      }
    }"""
    ids = {"a": experiment_id("nemo", "a"), "b": experiment_id("nemo", "b")}
    data = (await gateway.ask(query, **ids)).data
    assert data["sources"][0]["experiments"]["nodes"] == [{"name": "b"}]
    assert data["experiment"]["sessions"]["nodes"] == [{"vendorId": "a-2"}, {"vendorId": "a-3"}]
    assert data["sessions"] == {
        "nodes": [{"vendorId": "b-1"}, {"vendorId": "b-0"}],
        "pageInfo": {"hasPreviousPage": True},
    }
    cases = data["comparison"]["cases"]
    assert [node["key"] for node in cases["nodes"]] == ["case-a-2", "case-a-3"]
    assert (cases["pageInfo"]["hasPreviousPage"], cases["pageInfo"]["hasNextPage"]) == (True, False)
    before = """
    query Before($a: ID!, $b: ID!, $before: String) {
      comparison(experimentIds: [$a, $b]) {
        cases(metric: {kind: LATENCY}, last: 9, before: $before) { nodes { key } pageInfo { hasPreviousPage } }
      }
    }"""
    rest = (await gateway.ask(before, **ids, before=cases["pageInfo"]["startCursor"])).data["comparison"]["cases"]
    assert [node["key"] for node in rest["nodes"]] == ["case-a-0", "case-a-1"]
    assert rest["pageInfo"]["hasPreviousPage"] is False


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_the_last_sessions_of_a_long_list_take_few_calls(
    vendors: Vendors, gateway: Gateway, direction: str
) -> None:
    """NeMo 0.2 lists sessions oldest first; the last page is read from one of its ends."""
    vendors.nemo.world.add(nemo_experiment("long"), nemo_sessions("long", 3000))
    query = """
    query Last($id: ID!, $direction: OrderDirection!) {
      sessions(last: 3, filter: {experimentIds: [$id]}, orderBy: {field: STARTED_AT, direction: $direction}) {
        nodes { vendorId }
      }
    }"""
    answer = await gateway.ask(query, id=experiment_id("nemo", "long"), direction=direction)
    ids = [node["vendorId"] for node in answer.data["sessions"]["nodes"]]
    assert ids == (
        ["long-2997", "long-2998", "long-2999"] if direction == "ASC" else ["long-2", "long-1", "long-0"]
    )
    assert vendors.call_counts[0] <= 3
