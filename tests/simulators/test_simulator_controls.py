"""A simulator's call log and faults, over real HTTP where the fault is one of the connection."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect, eventually
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment

PATH = "/apis/intake/v2/workspaces/default/experiments"


@pytest.fixture
def simulator() -> Simulator:
    """A NeMo with thirty experiments."""
    world = NemoWorld()
    for number in range(30):
        world.add(nemo_experiment(f"e{number}"))
    return nemo.create_app(world)


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client over a real connection."""
    async with running(simulator) as url, httpx.AsyncClient(base_url=url, timeout=5) as client:
        yield client


async def test_every_request_is_recorded_with_its_parameters(simulator: Simulator, connect: Connect) -> None:
    client = connect(simulator, headers={"Authorization": "Bearer t"})
    await client.get(f"{PATH}?filter[name]=a&filter[name]=b&sort=")
    await client.post("/elsewhere", json={"session": ["x"]})
    first, second = simulator.calls
    assert (first.method, first.path) == ("GET", PATH)
    assert first.path_class == nemo.PREFIX
    assert first.query == {"filter[name]": ["a", "b"], "sort": [""]}
    assert first.headers["authorization"] == "Bearer t"
    assert first.body is None
    assert (second.method, second.path_class, second.body) == ("POST", "unmatched", {"session": ["x"]})
    assert second.at >= first.at


async def test_calls_are_counted_by_class_and_can_be_reset(simulator: Simulator, connect: Connect) -> None:
    client = connect(simulator)
    for path in (PATH, f"{PATH}/e1", f"{PATH}/e2"):
        await client.get(path)
    expected = {"total": 3, "by_class": {f"GET {nemo.PREFIX}": 1, f"GET {nemo.PREFIX}/{{name}}": 2}}
    assert (await client.get("/__calls")).json() == expected
    assert (await client.delete("/__calls")).json() == {"total": 0, "by_class": {}}


async def test_the_peak_of_concurrent_requests_is_recorded(
    simulator: Simulator, client: httpx.AsyncClient
) -> None:
    simulator.faults.add(Fault("delay", times=5, seconds=0.05))
    await asyncio.gather(*(client.get(PATH) for _ in range(5)))
    assert simulator.peak_in_flight == 5
    assert simulator.in_flight == 0


async def test_faults_come_in_their_order_and_then_the_vendor_answers_again(
    simulator: Simulator, connect: Connect
) -> None:
    client = connect(simulator)
    simulator.faults.add(Fault("status", status=503, times=2), Fault("status", status=500))
    statuses = [(await client.get(PATH)).status_code for _ in range(4)]
    assert statuses == [503, 503, 500, 200]
    assert len(simulator.calls) == 4


async def test_a_fault_can_last_for_ever_and_be_for_some_paths(simulator: Simulator, connect: Connect) -> None:
    client = connect(simulator)
    simulator.faults.add(Fault("status", status=503, times=None, path=f"{PATH}/e1"))
    assert [(await client.get(f"{PATH}/e1")).status_code for _ in range(3)] == [503] * 3
    assert (await client.get(f"{PATH}/e2")).status_code == 200
    simulator.faults.clear()
    assert (await client.get(f"{PATH}/e1")).status_code == 200


@pytest.mark.parametrize(
    ("app", "status", "body"),
    [
        (nemo.create_app(NemoWorld()), 503, {"detail": "Telemetry store unavailable."}),
        (langsmith.create_app(LangSmithWorld()), 500, {"detail": "Internal server error"}),
        (
            meibel.create_app(MeibelWorld()),
            500,
            {"code": "internal_server_error", "message": "Internal Server Error"},
        ),
        (meibel.create_app(MeibelWorld()), 429, {"message": "Too Many Requests"}),
    ],
)
async def test_an_error_status_has_the_vendors_format(
    connect: Connect, app: Simulator, status: int, body: Row
) -> None:
    app.faults.add(Fault("status", status=status))
    answer = await connect(app).get("/anything")
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize("retry_after", ["7", None])
async def test_too_many_requests_come_with_and_without_retry_after(
    simulator: Simulator, connect: Connect, retry_after: str | None
) -> None:
    simulator.faults.add(Fault("status", status=429, retry_after=retry_after))
    answer = await connect(simulator).get(PATH)
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == retry_after


async def test_faults_can_be_set_and_cleared_over_http(simulator: Simulator, connect: Connect) -> None:
    client = connect(simulator)
    await client.post("/__faults", json={"kind": "html"})
    queued = await client.post("/__faults", json=[{"kind": "status", "status": 502, "times": 3}])
    assert queued.json() == {"queued": [{"kind": "html", "times": 1}, {"kind": "status", "times": 3}]}
    assert (await client.get(PATH)).headers["content-type"].startswith("text/html")
    assert (await client.get(PATH)).status_code == 502
    assert (await client.delete("/__faults")).json() == {"queued": []}
    assert (await client.get(PATH)).status_code == 200


@pytest.mark.parametrize("body", [{"kind": "flood"}, {"kind": "html", "size": 3}, {"kind": "html", "times": 0}, 5])
async def test_an_invalid_fault_is_rejected(simulator: Simulator, connect: Connect, body: Any) -> None:
    answer = await connect(simulator).post("/__faults", json=body)
    assert answer.status_code == 400
    assert simulator.faults.queue == []


async def test_a_delay_ends_in_the_correct_response(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.faults.add(Fault("delay", seconds=0.1))
    began = time.monotonic()
    assert (await client.get(PATH)).json()["pagination"]["total_results"] == 30
    assert time.monotonic() - began >= 0.1


async def test_a_delayed_request_keeps_its_body() -> None:
    world = LangSmithWorld()
    simulator = langsmith.create_app(world)
    simulator.faults.add(Fault("delay", seconds=0.01))
    async with running(simulator) as url, httpx.AsyncClient(headers={"X-API-Key": world.api_key}) as client:
        answer = await client.post(f"{url}/runs/query", json={"trace": "x"})
    assert answer.json()["runs"] == []


@pytest.mark.parametrize("fault", [Fault("hang"), Fault("delay", seconds=60), Fault("drip", seconds=60)])
async def test_a_fault_ends_when_its_client_disconnects(
    simulator: Simulator, client: httpx.AsyncClient, fault: Fault
) -> None:
    simulator.faults.add(fault)
    with pytest.raises(httpx.ReadTimeout):
        await client.get(PATH, timeout=0.05)
    assert await eventually(lambda: simulator.in_flight == 0)


async def test_a_reset_closes_the_connection_without_a_response(simulator: Simulator) -> None:
    simulator.faults.add(Fault("reset"))
    async with running(simulator) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: vendor\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_reset_is_an_exception_where_there_is_no_connection(
    simulator: Simulator, connect: Connect
) -> None:
    simulator.faults.add(Fault("reset"))
    with pytest.raises(ConnectionResetError):
        await connect(simulator).get(PATH)


async def test_a_truncated_body_is_shorter_than_it_says(simulator: Simulator, client: httpx.AsyncClient) -> None:
    simulator.faults.add(Fault("truncate"))
    with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
        await client.get(PATH)


async def test_a_web_page_comes_with_200(simulator: Simulator, connect: Connect) -> None:
    simulator.faults.add(Fault("html"))
    answer = await connect(simulator).get(PATH)
    assert answer.status_code == 200
    assert answer.text.startswith("<!doctype html>")


async def test_the_right_body_can_come_under_a_wrong_content_type(simulator: Simulator, connect: Connect) -> None:
    simulator.faults.add(Fault("content_type", content_type="text/plain"))
    answer = await connect(simulator).get(PATH)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.content == (await connect(simulator).get(PATH)).content


async def test_a_body_can_be_labelled_json_without_being_json(simulator: Simulator, connect: Connect) -> None:
    simulator.faults.add(Fault("not_json"))
    answer = await connect(simulator).get(PATH)
    assert answer.headers["content-type"] == "application/json"
    with pytest.raises(ValueError):
        answer.json()


@pytest.mark.parametrize("body", [None, [], {"data": [{"id": 5}]}])
async def test_json_of_a_wrong_shape_comes_with_200(simulator: Simulator, connect: Connect, body: Any) -> None:
    simulator.faults.add(Fault("wrong_shape", body=body))
    answer = await connect(simulator).get(PATH)
    assert (answer.status_code, answer.json()) == (200, {"unexpected": ["shape"]} if body is None else body)


async def test_an_endless_body_continues_until_the_client_disconnects(
    simulator: Simulator, client: httpx.AsyncClient
) -> None:
    simulator.faults.add(Fault("endless"))
    got = 0
    async with client.stream("GET", PATH) as answer:
        assert answer.headers["content-type"] == "application/json"
        async for chunk in answer.aiter_bytes():
            got += len(chunk)
            if got > 2_000_000:
                break
    assert await eventually(lambda: simulator.in_flight == 0)


async def test_a_slow_drip_is_the_correct_response_in_pieces(
    simulator: Simulator, client: httpx.AsyncClient
) -> None:
    simulator.faults.add(Fault("drip", seconds=0.01))
    began = time.monotonic()
    async with client.stream("GET", PATH) as answer:
        pieces = [chunk async for chunk in answer.aiter_bytes()]
    assert len(pieces) > 3
    assert time.monotonic() - began >= 0.1
    assert b"".join(pieces) == (await client.get(PATH)).content


async def test_a_redirect_points_elsewhere(simulator: Simulator, connect: Connect) -> None:
    simulator.faults.add(Fault("redirect", location="http://169.254.169.254/latest"))
    answer = await connect(simulator).get(PATH)
    assert (answer.status_code, answer.headers["location"]) == (302, "http://169.254.169.254/latest")
