"""A request's deadline: the client's own, partial results, and the final timeout. Also clients that disconnect."""

import asyncio
from typing import cast

import httpx
import orjson
import pytest
from structlog.testing import capture_logs
from tracegraph_nemo.adapter import CAPABILITIES
from tracegraph_nemo.releases import NEWEST

from tests.conftest import OpenGateway
from tests.examples import slow_but
from tests.gateway import NAMES, Answer, Gateway, Vendors, eventually
from tests.worlds import fill
from tracegraph.adapter.protocol import Adapter, SourceHealth
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.context import PageLimits
from tracegraph.graphql.runner import Operation, OperationRunner
from tracegraph.graphql.schema import build_schema
from tracegraph.simulators.core.faults import Fault

LIST = "{ experiments(first: 50) { nodes { name source { name } } sources { source { name } error { code } } } }"
NESTED = "{ experiments(first: 50) { nodes { name sessions { nodes { vendorId } } } } }"
COMPUTED = "{ experiments(first: 50) { nodes { aggregate(metric: {kind: LATENCY}, basis: COMPUTED) { mean } } } }"


def body(query: str) -> bytes:
    return orjson.dumps({"query": query})


async def ask(gateway: Gateway, query: str, deadline_ms: str) -> Answer:
    return await gateway.post(body(query), x_deadline_ms=deadline_ms)


@pytest.mark.parametrize("late", slow_but([NAMES[0]], NAMES))
async def test_a_late_source_fails_and_the_response_has_the_rows_of_the_others(
    vendors: Vendors, open_gateway: OpenGateway, late: str
) -> None:
    fill(vendors)
    vendors.named(late).fail(Fault("hang", times=None))
    gateway = await open_gateway(limits={"deadline_s": 60}, sources=vendors.patient_sources(50))
    patient = asyncio.create_task(gateway.ask(LIST))
    answer = await ask(gateway, LIST, "5000")
    assert not patient.done(), "this request has the gateway's own deadline"
    patient.cancel()
    experiments = answer.data["experiments"]
    assert {node["source"]["name"] for node in experiments["nodes"]} == set(NAMES) - {late}
    assert len(experiments["nodes"]) == 8
    assert {report["source"]["name"]: report["error"] for report in experiments["sources"]} == {
        name: {"code": "TIMEOUT"} if name == late else None for name in NAMES
    }


async def test_a_client_cannot_extend_the_gateways_deadline(vendors: Vendors, open_gateway: OpenGateway) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("hang", times=None))
    gateway = await open_gateway(limits={"deadline_s": 5}, sources=vendors.patient_sources(4.9))
    other = await open_gateway(limits={"deadline_s": 60}, sources=vendors.patient_sources(50))
    patient = asyncio.create_task(ask(other, LIST, "60000"))
    answer = await ask(gateway, LIST, "60000")
    assert not patient.done()
    patient.cancel()
    assert answer.troubles == {"nemo": "TIMEOUT"}


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "1e3", "soon", "", "1000000000", "٣"])
async def test_a_deadline_that_is_no_number_of_milliseconds_is_refused(
    vendors: Vendors, gateway: Gateway, wrong: str
) -> None:
    headers = {b"content-type": b"application/json", b"x-deadline-ms": wrong.encode()}
    response = await gateway.http.post("/graphql", content=body(LIST), headers=headers)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "X-Deadline-Ms" in error["message"]
    assert vendors.call_counts == (0, 0, 0)


async def test_a_get_has_a_deadline_too(gateway: Gateway) -> None:
    response = await gateway.http.get("/graphql", params={"query": LIST}, headers={"x-deadline-ms": "none"})
    assert response.status_code == 400


class UnresponsiveSource:
    """A source that ignores every deadline."""

    name, vendor, capabilities = "unresponsive", "unresponsive", CAPABILITIES[NEWEST.name]

    async def check(self) -> SourceHealth:
        """Never return."""
        await asyncio.Event().wait()
        raise AssertionError


async def test_an_operation_beyond_its_deadline_is_cancelled() -> None:
    """The final timeout applies when a source ignores the deadline."""
    source = cast("Adapter", UnresponsiveSource())
    runner = OperationRunner(build_schema(), [source], ScanBudget(), PageLimits(), deadline_s=60.0)
    outcome = await runner.run(Operation("{ sources { health { status } } }", deadline_s=0.2))
    assert (outcome.executed, outcome.data) == (True, None)
    assert [error["extensions"]["code"] for error in outcome.errors] == ["DEADLINE_EXCEEDED"]


@pytest.mark.parametrize(
    ("query", "nemo_path", "langsmith_path"),
    [
        pytest.param(LIST, "/", "/", id="lists"),
        pytest.param(NESTED, "{experiments}/", "/api/v1/runs", id="batches of nested lists"),
        pytest.param(COMPUTED, "{experiments}/", "/api/v1/runs", id="figures computed"),
    ],
)
async def test_a_client_that_disconnects_cancels_every_call_of_its_request(
    vendors: Vendors, served: Gateway, query: str, nemo_path: str, langsmith_path: str
) -> None:
    """The connections to the vendors close long before any deadline."""
    fill(vendors)
    experiments = f"/apis/intake/v2/workspaces/{vendors.nemo.world.workspace}/experiments"
    vendors.nemo.fail(Fault("hang", times=None, path=nemo_path.format(experiments=experiments)))
    vendors.langsmith.fail(Fault("hang", times=None, path=langsmith_path))
    with capture_logs() as logs:
        request = asyncio.create_task(served.http.post("/graphql", json={"query": query}))
        assert await eventually(lambda: vendors.nemo.simulator.in_flight > 0)
        assert await eventually(lambda: vendors.langsmith.simulator.in_flight > 0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert await eventually(lambda: vendors.nemo.simulator.in_flight == 0, within_s=5)
        assert await eventually(lambda: vendors.langsmith.simulator.in_flight == 0, within_s=5)
    assert [entry["event"] for entry in logs if entry["event"].startswith("graphql.")] == ["graphql.client_gone"]


async def test_a_client_that_disconnects_does_not_affect_other_waiters(vendors: Vendors, served: Gateway) -> None:
    """Both clients wait for one shared call, and the remaining client gets its response."""
    fill(vendors)
    vendors.nemo.fail(Fault("delay", times=None, seconds=0.5))
    leaving = asyncio.create_task(served.http.post("/graphql", json={"query": LIST}))
    staying = asyncio.create_task(served.ask(LIST))
    assert await eventually(lambda: vendors.nemo.simulator.in_flight > 0)
    leaving.cancel()
    answer = await staying
    assert len(answer.data["experiments"]["nodes"]) == 12
    with pytest.raises((asyncio.CancelledError, httpx.HTTPError)):
        await leaving
