"""Equal concurrent queries make the calls of one query, and their reported figures stay correct."""

import asyncio

from tests.conftest import OpenGateway
from tests.gateway import NAMES, Answer, Vendors, eventually, in_process, over_http
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault

QUERY = """{
  experiments(first: 9) {
    nodes { name sessions(first: 2) { nodes { id } } }
    sources { source { name } status upstreamRequests }
  }
}"""


def reported(answer: Answer) -> int:
    return sum(source["upstreamRequests"] for source in answer.data["experiments"]["sources"])


async def test_100_equal_queries_at_once_make_the_calls_of_one(vendors: Vendors) -> None:
    fill(vendors)
    async with over_http(vendors.settings()) as gateway:
        alone = await gateway.ask(QUERY)
    calls = vendors.call_counts
    vendors.forget_calls()
    async with over_http(vendors.settings(cache={"ttl_s": 60})) as gateway:
        answers = await asyncio.gather(*(gateway.ask(QUERY) for _ in range(100)))
    assert vendors.call_counts == calls
    rows = alone.data["experiments"]["nodes"]
    assert all(answer.data["experiments"]["nodes"] == rows for answer in answers)
    assert sum(map(reported, answers)) == reported(alone)


async def test_without_a_cache_queries_that_overlap_share_their_calls(vendors: Vendors) -> None:
    fill(vendors)
    for vendor in vendors.all:
        vendor.fail(Fault("delay", times=None, seconds=2.0))
    query = "{ experiments { sources { upstreamRequests } } }"
    async with in_process(vendors.settings(sources={"nemo": vendors.sources()["nemo"]})) as gateway:
        answers = await asyncio.gather(*(gateway.ask(query) for _ in range(10)))
    assert len(vendors.nemo.calls) == sum(map(reported, answers)) == 1


async def test_50_clients_that_miss_one_cold_key_make_one_call_to_each_vendor(vendors: Vendors) -> None:
    fill(vendors)
    query = "{ experiments(orderBy: {field: CREATED_AT}) { nodes { name } } }"
    async with over_http(vendors.settings(cache={"url": "memory://"})) as gateway:
        await asyncio.gather(*(gateway.ask(query) for _ in range(50)))
    assert vendors.call_counts[:2] == (1, 1)


async def test_call_sharing_can_be_disabled(open_gateway: OpenGateway, vendors: Vendors) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "off", "share_in_flight": False})
    await gateway.ask(QUERY)
    calls = vendors.call_counts
    vendors.forget_calls()
    await asyncio.gather(*(gateway.ask(QUERY) for _ in range(5)))
    assert vendors.call_counts == tuple(5 * count for count in calls)


async def test_a_failure_is_shared_and_only_one_waiter_reports_its_calls(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    for vendor in vendors.all:
        vendor.fail(Fault("status", status=404, times=None))
    gateway = await open_gateway()
    answers = await asyncio.gather(*(gateway.ask(QUERY) for _ in range(10)))
    assert vendors.call_counts == (1, 1, 1)
    assert all(answer.troubles.keys() == set(NAMES) for answer in answers)


async def test_a_response_at_the_deadline_reports_the_calls_made_for_it(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("hang", times=None))
    gateway = await open_gateway(limits={"deadline_s": 4}, sources=vendors.patient_sources(3.9))
    query = "{ experiments { sources { source { name } upstreamRequests } } }"
    answers = await asyncio.gather(*(gateway.ask(query) for _ in range(5)))
    assert {answer.troubles["nemo"] for answer in answers} == {"TIMEOUT"}
    sources_reported = [source for answer in answers for source in answer.data["experiments"]["sources"]]
    assert sum(one["upstreamRequests"] for one in sources_reported if one["source"]["name"] == "nemo") == len(
        vendors.nemo.calls
    )
    assert await eventually(lambda: vendors.nemo.simulator.in_flight == 0)
