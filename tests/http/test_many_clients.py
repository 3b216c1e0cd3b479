"""Concurrent clients, and clients that disconnect early."""

import asyncio
import contextlib

import httpx
import orjson
import pytest

from tests.gateway import Gateway, Vendors, eventually, over_http
from tests.worlds import fill, listed, newest_first
from tracegraph.simulators.core.faults import Fault

QUERY = "{ experiments(first: 100) { nodes { name source { name } sessions(first: 2) { nodes { id } } } } }"


async def test_concurrent_clients_all_get_the_complete_response(served: Gateway, vendors: Vendors) -> None:
    fill(vendors, experiments=3, sessions=3)
    answers = await asyncio.gather(*(served.ask(QUERY) for _ in range(30)))
    assert len({answer.content for answer in answers}) == 1
    assert listed(answers[0].data["experiments"]["nodes"]) == newest_first(vendors)


async def test_the_variables_of_one_client_do_not_affect_another_clients_response(
    served: Gateway, vendors: Vendors
) -> None:
    fill(vendors, experiments=3, sessions=0)
    query = "query($name: String!) { experiments(filter: {name: {eq: $name}}) { nodes { name } } }"
    names = [f"{vendor}{index}" for vendor in "nlm" for index in range(3)] * 5
    answers = await asyncio.gather(*(served.ask(query, name=name) for name in names))
    assert [answer.data["experiments"]["nodes"] for answer in answers] == [[{"name": name}] for name in names]


async def test_one_clients_failing_vendor_is_in_no_other_clients_extensions(
    served: Gateway, vendors: Vendors
) -> None:
    fill(vendors, experiments=1, sessions=0)
    vendors.nemo.fail(Fault("status", status=401, times=1))
    query = '{ experiments(filter: {sources: ["%s"]}) { totalCount } }'
    failed, *others = await asyncio.gather(
        served.ask(query % "nemo"), *(served.ask(query % "meibel") for _ in range(10))
    )
    assert failed.codes == ["ALL_SOURCES_FAILED"]
    assert all(other.troubles == {} for other in others)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
async def test_the_gateway_still_serves_after_a_client_disconnects(vendors: Vendors) -> None:
    fill(vendors, experiments=1, sessions=0)
    vendors.nemo.fail(Fault("delay", seconds=0.3, times=None))
    async with over_http(vendors.settings()) as gateway:
        for _ in range(3):
            with contextlib.suppress(httpx.ReadTimeout):
                body = orjson.dumps({"query": QUERY})
                headers = {"content-type": "application/json"}
                await gateway.http.post("/graphql", content=body, headers=headers, timeout=0.1)
        assert (await gateway.ask("{ sources { name } }")).data
        assert listed((await gateway.ask(QUERY)).data["experiments"]["nodes"]) == newest_first(vendors)
        assert await eventually(lambda: vendors.nemo.simulator.in_flight == 0)


async def test_a_client_that_aborts_its_body_does_not_affect_others(served: Gateway) -> None:
    host, port = served.http.base_url.host, served.http.base_url.port
    for _ in range(3):
        _, writer = await asyncio.open_connection(host, port)
        head = (
            b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 500\r\n\r\n{"
        )
        writer.write(head)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert (await served.ask("{ sources { name } }")).data
