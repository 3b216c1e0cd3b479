"""An error stands only where null stands, and everything that could be read is returned."""

import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.test_objects import global_id
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session

BROKEN = Fault("status", status=401, times=None)


@pytest.fixture
def filled(vendors: Vendors) -> Vendors:
    fill(vendors, experiments=4, sessions=2)
    return vendors


# -- lists of many sources -------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["experiments", "sessions"])
async def test_a_status_page_has_the_health_of_every_source_beside_a_list_that_failed(
    filled: Vendors, gateway: Gateway, field: str
) -> None:
    for vendor in filled.all:
        vendor.fail(BROKEN)
    answer = await gateway.ask(f"{{ sources {{ name health {{ status }} }} {field} {{ nodes {{ id }} }} }}")
    assert answer.partial[field] is None
    assert answer.partial["sources"] == [{"name": name, "health": {"status": "DOWN"}} for name in NAMES]
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [
        ([field], "ALL_SOURCES_FAILED")
    ]


@pytest.mark.parametrize("field", ["experiments", "sessions"])
async def test_a_list_is_complete_while_no_source_failed(filled: Vendors, gateway: Gateway, field: str) -> None:
    query = f"{{ {field} {{ isComplete }} }}"
    healthy = (await gateway.ask(query)).data[field]
    filled.nemo.fail(BROKEN)
    degraded = (await gateway.ask(query)).data[field]
    assert (healthy, degraded) == ({"isComplete": True}, {"isComplete": False})


async def test_a_stale_source_leaves_the_list_complete(filled: Vendors, open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(cache={"ttl_s": 0.001, "stale_s": 600})
    query = "{ experiments { isComplete sources { status } } }"
    await gateway.ask(query)
    filled.nemo.fail(Fault("status", status=503, times=None))
    found = (await gateway.ask(query)).data["experiments"]
    assert found["isComplete"]
    assert "STALE" in [report["status"] for report in found["sources"]]


# -- lists of one source ---------------------------------------------------------------------------------


async def test_a_list_of_one_source_that_fails_after_some_rows_has_these_rows_without_an_error(
    vendors: Vendors, gateway: Gateway
) -> None:
    """LangSmith gives 100 runs in a page: the second page fails."""
    runs = [langsmith_run(f"r{number}") for number in range(150)]
    vendors.langsmith.world.add(langsmith_session("p"), runs)
    vendors.langsmith.fail(
        Fault("delay", seconds=0.0, path="/api/v1/runs/query"),
        Fault("status", status=403, path="/api/v1/runs/query", times=None),
    )
    query = """query($id: ID!) { experiment(id: $id) { sessions(first: 120) {
      nodes { id } isComplete sources { status error { code } } pageInfo { hasNextPage } } } }"""
    ref = vendors.langsmith.world.sessions[0]["id"]
    found = (await gateway.ask(query, id=global_id("Experiment", LANGSMITH, ref))).data["experiment"]["sessions"]
    assert len(found["nodes"]) == 100
    assert not found["isComplete"]
    assert found["sources"] == [{"status": "FAILED", "error": {"code": "UNAUTHORIZED"}}]


@pytest.mark.parametrize("source", NAMES)
async def test_the_sessions_of_one_experiment_are_null_and_its_siblings_stand(
    filled: Vendors, gateway: Gateway, source: str
) -> None:
    query = (
        "query($id: ID!) { experiment(id: $id) { sessions { isComplete } aggregates(basis: COMPUTED) { mean } } }"
    )
    listed = await gateway.ask("{ experiments { nodes { id source { name } } } }")
    ids = [node["id"] for node in listed.data["experiments"]["nodes"] if node["source"]["name"] == source]
    path = {
        NEMO: "/apis/intake/v2/workspaces/default/experiments/",
        LANGSMITH: "/api/v1/runs",
        MEIBEL: "/v2/agents/m0/",
    }
    filled.named(source).fail(Fault("status", status=403, path=path[source], times=None))
    if source == MEIBEL:
        ids = [global_id("Experiment", MEIBEL, "m0")]
    answer = await gateway.ask(query, id=ids[0])
    assert [error["path"] for error in answer.errors] == [["experiment", "sessions"], ["experiment", "aggregates"]]
    assert answer.partial["experiment"] == {"sessions": None, "aggregates": None}


# -- look-ups --------------------------------------------------------------------------------------------


async def test_a_bad_id_among_nodes_is_null_with_an_error_in_its_place_and_an_unknown_one_without(
    filled: Vendors, gateway: Gateway
) -> None:
    filled.meibel.fail(BROKEN)
    known = global_id("Experiment", NEMO, "n0")
    ids = [
        known,
        "garbage",
        global_id("Experiment", NEMO, "no such"),
        global_id("Experiment", MEIBEL, "m0"),
        known,
    ]
    answer = await gateway.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } sources { name } }", ids=ids)
    assert [node and node["id"] for node in answer.partial["nodes"]] == [known, None, None, None, known]
    assert len(answer.partial["sources"]) == 3
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [
        (["nodes", 1], "INVALID_ID"),
        (["nodes", 3], "SOURCE_UNAUTHORIZED"),
    ]


# -- errors as data --------------------------------------------------------------------------------------


async def test_the_reference_of_an_error_is_the_one_in_the_extensions(filled: Vendors, gateway: Gateway) -> None:
    filled.nemo.fail(BROKEN)
    answer = await gateway.ask("{ experiments { sources { error { message reference } } } }")
    (error,) = [report["error"] for report in answer.data["experiments"]["sources"] if report["error"]]
    assert error["reference"] == answer.body["extensions"]["sources"][0]["reference"]
    assert error["reference"] in error["message"]
