"""Client-visible effects of circuit breakers, rate limits and expected errors."""

import asyncio
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.worlds import fill, minutes
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.world import nemo_experiment

LIST = """{ experiments(first: 50) { nodes { name }
            sources { source { name } status upstreamRequests error { code message retryable httpStatus } } } }"""
HEALTH = "{ sources { name health { status circuit lastError { code } } } }"
NESTED = "{ experiments(first: 50) { nodes { name source { name } sessions { nodes { vendorId } } } } }"
SESSIONS = "{ sessions(first: 3) { nodes { vendorId } } }"


async def open_with(vendors: Vendors, open_gateway: OpenGateway, source: str, **tables: Any) -> Gateway:
    """The gateway with these tables for one source."""
    sources = vendors.sources()
    sources[source] = {**sources[source], **tables}
    return await open_gateway(sources=sources)


@pytest.mark.parametrize("failing", NAMES)
async def test_a_source_that_keeps_failing_costs_its_own_rows_and_no_calls(
    vendors: Vendors, open_gateway: OpenGateway, failing: str
) -> None:
    fill(vendors)
    vendors.named(failing).fail(Fault("status", status=503, times=None))
    tables = {"retry": {"attempts": 1}, "breaker": {"min_calls": 3, "pause_s": 60}}
    gateway = await open_with(vendors, open_gateway, failing, **tables)
    for _ in range(3):
        await gateway.ask(LIST)
    vendors.forget_calls()
    found = (await gateway.ask(LIST)).data["experiments"]
    assert len(found["nodes"]) == 8
    assert len(vendors.named(failing).calls) == 0
    (report,) = [one for one in found["sources"] if one["source"]["name"] == failing]
    assert (report["status"], report["upstreamRequests"]) == ("FAILED", 0)
    assert (report["error"]["code"], report["error"]["retryable"]) == ("CIRCUIT_OPEN", True)
    assert "UNAVAILABLE" in report["error"]["message"]
    health = {one["name"]: one["health"] for one in (await gateway.ask(HEALTH)).data["sources"]}
    assert health[failing] == {"status": "DOWN", "circuit": "OPEN", "lastError": {"code": "CIRCUIT_OPEN"}}
    assert all(one["circuit"] == "CLOSED" for name, one in health.items() if name != failing)


async def test_health_probes_a_source_after_the_pause_and_reports_it_up(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    vendors.meibel.fail(Fault("status", status=503, times=3))
    tables = {"retry": {"attempts": 1}, "breaker": {"min_calls": 3, "pause_s": 2}}
    gateway = await open_with(vendors, open_gateway, MEIBEL, **tables)

    async def health() -> Any:
        return (await gateway.ask(HEALTH)).data["sources"][2]["health"]

    assert [(await health())["circuit"] for _ in range(3)] == ["CLOSED", "CLOSED", "OPEN"]
    states = [await health()]
    async with asyncio.timeout(30):
        while states[-1]["status"] != "UP":
            states.append(await health())
    assert states[-1] == {"status": "UP", "circuit": "CLOSED", "lastError": None}


async def test_a_vendor_of_which_one_part_is_down_is_degraded_and_keeps_its_other_rows(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """NeMo without its telemetry store: sessions are 503, experiments are not."""
    fill(vendors)
    experiments = f"/apis/intake/v2/workspaces/{vendors.nemo.world.workspace}/experiments/"
    vendors.nemo.fail(Fault("status", status=503, times=None, path=experiments))
    gateway = await open_with(vendors, open_gateway, NEMO, breaker={"min_calls": 3, "pause_s": 60})
    for _ in range(2):
        answer = await gateway.ask(NESTED)
        names = [node["source"]["name"] for node in answer.partial["experiments"]["nodes"]]
        assert {name: names.count(name) for name in NAMES} == dict.fromkeys(NAMES, 4)
    assert set(answer.codes) == {"SOURCE_CIRCUIT_OPEN"}
    health = (await gateway.ask(HEALTH)).data["sources"][0]["health"]
    assert health == {"status": "DEGRADED", "circuit": "OPEN", "lastError": {"code": "CIRCUIT_OPEN"}}


async def test_the_rate_that_a_vendor_documents_holds_without_being_configured(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """LangSmith: 15 runs/query in 10 s. The sixteenth does not fit a deadline of two seconds and is not sent."""
    fill(vendors, experiments=1)
    gateway = await open_with(vendors, open_gateway, LANGSMITH, limits={})
    answers = [await gateway.post(orjson.dumps({"query": SESSIONS}), x_deadline_ms="2000") for _ in range(16)]
    asked = [call for call in vendors.langsmith.calls if call.path.endswith("/runs/query")]
    assert len(asked) == 15
    assert [answer.troubles.get(LANGSMITH) for answer in answers] == [None] * 15 + ["RATE_LIMITED"]


@pytest.mark.parametrize("share", [True, False])
async def test_a_retry_beyond_the_clients_deadline_is_not_awaited(
    vendors: Vendors, open_gateway: OpenGateway, *, share: bool
) -> None:
    """The gateway's deadline would allow the retry, and a call that others share continues."""
    fill(vendors)
    vendors.nemo.fail(Fault("status", status=429, retry_after="8", times=None))
    gateway = await open_gateway(limits={"deadline_s": 60}, cache={"url": "off", "share_in_flight": share})
    async with asyncio.timeout(6):
        answer = await gateway.post(orjson.dumps({"query": LIST}), x_deadline_ms="7000")
    assert answer.troubles == {NEMO: "RATE_LIMITED"}
    assert len(vendors.nemo.calls) == 1


async def test_a_list_that_is_too_long_for_nemo_is_read_in_parts_without_a_warning(
    vendors: Vendors, gateway: Gateway
) -> None:
    for index in range(1001):
        vendors.nemo.world.add(nemo_experiment(f"e{index}", created_at=minutes(index)), [])
    with capture_logs() as logs:
        answer = await gateway.ask(LIST)
    assert answer.troubles == {}
    assert len(answer.data["experiments"]["nodes"]) == 50
    assert [one for one in logs if one["log_level"] not in {"debug", "info"}] == []


async def test_an_unknown_id_logs_no_warning(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors)
    with capture_logs() as logs:
        answer = await gateway.ask('{ node(id: "RXhwZXJpbWVudDptZWliZWw6bm9ib2R5") { id } }')
    assert answer.data == {"node": None}
    assert len(vendors.meibel.calls) == 1
    assert [one for one in logs if one["log_level"] not in {"debug", "info"}] == []
