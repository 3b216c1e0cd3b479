"""An object by its id makes the calls for what is selected, and a call that fails costs its own fields only."""

import base64
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import MEIBEL, Gateway, Vendors
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.meibel.world import meibel_agent, meibel_job, meibel_session

SESSION = base64.b64encode(f"Session:{MEIBEL}:m:s".encode()).decode()
LIST, DETAIL, JOBS = "/v2/agents/m/sessions", "/v2/sessions/s", "/v2/confidence-scoring/jobs"
QUERIES = {
    "session": "query($id: ID!) { found: session(id: $id) { %s } }",
    "node": "query($id: ID!) { found: node(id: $id) { ... on Session { %s } } }",
    "ids": "query($id: ID!) { found: sessions(filter: {ids: [$id]}) { nodes { %s } } }",
}


@pytest.fixture
async def gateway(vendors: Vendors, open_gateway: OpenGateway) -> Gateway:
    """One session of an agent, with texts and a score."""
    world = vendors.meibel.world
    world.add(meibel_agent("m"), [meibel_session("s", agent_name="m")])
    world.messages["s"] = [
        {"role": role, "message": text, "signal_id": None, "timestamp": None}
        for role, text in (("user", "hello"), ("assistant", "bye"))
    ]
    world.jobs = [meibel_job("s", "correctness", 8, agent_name="m")]
    return await open_gateway(sources={MEIBEL: vendors.sources()[MEIBEL]})


def calls(vendors: Vendors) -> list[str]:
    return [call.path for call in vendors.meibel.calls]


def found_in(partial: Any) -> Any:
    found = partial["found"]
    return found["nodes"][0] if "nodes" in found else found


@pytest.mark.parametrize("by", QUERIES)
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("url status", [LIST]),
        ("input output", [LIST, DETAIL]),
        ("scores { value }", [LIST, JOBS]),
        ("spans { totalCount }", [LIST, "/v2/sessions/s/messages"]),
        ("input scores { value }", [LIST, DETAIL, JOBS]),
    ],
)
async def test_calls_are_those_of_the_selected_fields(
    vendors: Vendors, gateway: Gateway, by: str, fields: str, expected: list[str]
) -> None:
    await gateway.ask(QUERIES[by] % fields, id=SESSION)
    assert sorted(calls(vendors)) == sorted(expected)


@pytest.mark.parametrize("by", QUERIES)
@pytest.mark.parametrize(("failing", "null"), [(JOBS, "scores"), (DETAIL, "input")])
async def test_a_call_that_fails_costs_its_own_fields(
    vendors: Vendors, gateway: Gateway, by: str, failing: str, null: str
) -> None:
    vendors.meibel.fail(Fault("status", times=None, path=failing, status=500))
    answer = await gateway.ask(QUERIES[by] % "status input scores { value }", id=SESSION)
    complete = {"status": "SUCCESS", "input": "hello", "scores": [{"value": 8}]}
    assert found_in(answer.partial) == complete | {null: None}
    (error,) = answer.errors
    assert error["path"][-1] == null
    assert error["extensions"]["code"] == "SOURCE_UNAVAILABLE"


@pytest.mark.parametrize(("failing", "fields"), [(JOBS, "status spans { totalCount }"), (DETAIL, "status url")])
@pytest.mark.parametrize("by", QUERIES)
async def test_a_call_that_nothing_needs_cannot_fail(
    vendors: Vendors, gateway: Gateway, by: str, failing: str, fields: str
) -> None:
    vendors.meibel.fail(Fault("status", times=None, path=failing, status=500))
    answer = await gateway.ask(QUERIES[by] % fields, id=SESSION)
    assert found_in(answer.data)["status"] == "SUCCESS"
