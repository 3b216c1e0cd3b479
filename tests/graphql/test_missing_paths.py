"""The cost of a missing vendor path, and of one unreadable experiment among several."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Gateway, Vendors
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import stable_uuid

EXPERIMENTS = "/apis/intake/v2/workspaces/default/experiments"
ROUTE = {"detail": "Not Found"}
UNKNOWN = {
    NEMO: {"detail": "Experiment 'default/x' not found."},
    MEIBEL: {"code": "not_found", "message": "Agent not found"},
}
BODIES = pytest.mark.parametrize(
    "body",
    [ROUTE, {"message": "Not Found"}, "no page here", None],
    ids=["route", "message", "text", "the vendor's"],
)
SOURCES = pytest.mark.parametrize("source", [NEMO, MEIBEL])

OF_SEVERAL = """query($ids: [ID!]) {
  sessions(filter: {experimentIds: $ids}, first: 50) {
    nodes { vendorId } totalCount sources { source { name } status error { code } }
  }
}"""


@pytest.fixture
def filled(vendors: Vendors) -> Vendors:
    """Experiments n0 to n3, l0 to l3, m0 to m3 with two sessions each."""
    fill(vendors, experiments=4, sessions=2)
    return vendors


def sessions_path(source: str, number: int) -> str:
    return {NEMO: f"{EXPERIMENTS}/n{number}/sessions", MEIBEL: f"/v2/agents/m{number}/sessions"}[source]


def experiment_id(source: str, number: int) -> str:
    ref = stable_uuid(f"session:l{number}") if source == LANGSMITH else f"{source[0]}{number}"
    return base64.b64encode(f"Experiment:{source}:{ref}".encode()).decode()


def session_id(source: str, number: int) -> str:
    ref = f"{source[0]}{number}"
    return base64.b64encode(f"Session:{source}:{ref}:{ref}-0".encode()).decode()


def missing(path: str, body: Any = None) -> Fault:
    return Fault("status", path=path, status=404, body=body, times=None)


def report_of(found: Any, source: str) -> tuple[str, str | None]:
    (report,) = [one for one in found["sources"] if one["source"]["name"] == source]
    return report["status"], report["error"] and report["error"]["code"]


# -- the whole path --------------------------------------------------------------------------------------


@BODIES
@SOURCES
async def test_a_server_without_any_path_is_not_found_in_every_list(
    filled: Vendors, gateway: Gateway, source: str, body: Any
) -> None:
    filled.named(source).fail(missing("/", body))
    for query in (
        "{ found: experiments { nodes { name } sources { source { name } status error { code } } } }",
        "{ found: sessions { nodes { id } sources { source { name } status error { code } } } }",
    ):
        found = (await gateway.ask(query)).data["found"]
        assert report_of(found, source) == ("FAILED", "NOT_FOUND")
        assert found["nodes"]
    others = [experiment_id(LANGSMITH, 0)]
    found = (await gateway.ask(OF_SEVERAL, ids=[experiment_id(source, 0), *others])).partial["sessions"]
    assert report_of(found, source) == ("FAILED", "NOT_FOUND")


@BODIES
@SOURCES
async def test_look_ups_at_a_server_without_any_path_are_not_found(
    filled: Vendors, gateway: Gateway, source: str, body: Any
) -> None:
    filled.named(source).fail(missing("/", body))
    ids = [experiment_id(source, 0), session_id(source, 0)]
    answer = await gateway.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
    assert answer.partial["nodes"] == [None, None]
    assert answer.codes == ["SOURCE_NOT_FOUND"] * 2


@BODIES
@SOURCES
async def test_a_server_without_session_lists_is_not_found_there_and_in_its_health(
    filled: Vendors, gateway: Gateway, source: str, body: Any
) -> None:
    filled.named(source).fail(*(missing(sessions_path(source, number), body) for number in range(4)))
    ids = [experiment_id(source, number) for number in range(3)]
    answer = await gateway.ask(OF_SEVERAL, ids=ids)
    assert answer.codes == ["ALL_SOURCES_FAILED"]
    found = (await gateway.ask("{ sources { name health { status lastError { code } } } }")).data["sources"]
    (health,) = [one["health"] for one in found if one["name"] == source]
    assert health == {"status": "DOWN", "lastError": {"code": "NOT_FOUND"}}


@BODIES
@SOURCES
async def test_a_server_without_any_path_is_down(
    filled: Vendors, gateway: Gateway, source: str, body: Any
) -> None:
    filled.named(source).fail(missing("/", body))
    found = (await gateway.ask("{ sources { name health { status lastError { code } } } }")).data["sources"]
    (health,) = [one["health"] for one in found if one["name"] == source]
    assert health == {"status": "DOWN", "lastError": {"code": "NOT_FOUND"}}


async def test_scores_that_a_server_lacks_are_an_error_at_their_field(filled: Vendors, gateway: Gateway) -> None:
    filled.meibel.fail(missing("/v2/confidence-scoring"))
    answer = await gateway.ask(
        """query($id: ID!) { experiment(id: $id) {
          latency: aggregate(metric: {kind: LATENCY}, basis: COMPUTED) { count }
          score: aggregate(metric: {kind: SCORE, evaluator: "correctness"}, basis: COMPUTED) { count }
        } }""",
        id=experiment_id(MEIBEL, 0),
    )
    assert answer.partial["experiment"] == {"latency": {"count": 2}, "score": None}
    assert answer.codes == ["SOURCE_NOT_FOUND"]


# -- one experiment --------------------------------------------------------------------------------------


@SOURCES
@pytest.mark.usefixtures("filled")
async def test_an_unknown_experiment_among_several_is_no_failure(gateway: Gateway, source: str) -> None:
    ids = [experiment_id(source, number) for number in (0, 7, 2)]
    found = (await gateway.ask(OF_SEVERAL, ids=ids)).data["sessions"]
    assert len(found["nodes"]) == found["totalCount"] == 4
    assert report_of(found, source) == ("OK", None)


@BODIES
@SOURCES
async def test_an_ambiguous_404_is_an_unknown_experiment_where_its_details_are_unknown_too(
    filled: Vendors, gateway: Gateway, source: str, body: Any
) -> None:
    if body == ROUTE:
        body = UNKNOWN[source]
    vendor = filled.named(source)
    if source == MEIBEL:
        vendor.world.agents = [row for row in vendor.world.agents if row["id"] != "m1"]
    else:
        vendor.world.experiments = [row for row in vendor.world.experiments if row["name"] != "n1"]
    vendor.fail(missing(sessions_path(source, 1), body if source == MEIBEL or body is not None else "gone"))
    ids = [experiment_id(source, number) for number in (0, 1, 2)]
    found = (await gateway.ask(OF_SEVERAL, ids=ids)).data["sessions"]
    assert (len(found["nodes"]), report_of(found, source)) == (4, ("OK", None))


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@SOURCES
async def test_one_experiment_of_several_that_fails_costs_its_own_sessions_only(
    filled: Vendors, gateway: Gateway, source: str, status: int
) -> None:
    filled.named(source).fail(Fault("status", path=sessions_path(source, 1), status=status, times=None))
    ids = [experiment_id(source, number) for number in (0, 1, 2)]
    found = (await gateway.ask(OF_SEVERAL, ids=ids)).data["sessions"]
    letter = source[0]
    assert sorted(row["vendorId"] for row in found["nodes"]) == [
        f"{letter}{number}-{index}" for number in (0, 2) for index in (0, 1)
    ]
    code = {400: "BAD_REQUEST", 403: "UNAUTHORIZED", 422: "BAD_REQUEST", 500: "UNAVAILABLE"}[status]
    assert report_of(found, source) == ("FAILED", code)
    assert found["totalCount"] is None


@pytest.mark.parametrize("status", [400, 403, 422, 500])
async def test_one_agent_whose_details_fail_costs_itself_only(
    filled: Vendors, gateway: Gateway, status: int
) -> None:
    filled.meibel.fail(Fault("status", path="/v2/agents/m1", status=status, times=None))
    query = """query($ids: [ID!]) {
      experiments(filter: {ids: $ids}) { nodes { name } sources { source { name } status } }
    }"""
    ids = [experiment_id(MEIBEL, number) for number in range(4)]
    found = (await gateway.ask(query, ids=ids)).data["experiments"]
    assert [row["name"] for row in found["nodes"]] == ["m3", "m2", "m0"]
    answer = await gateway.ask("query($ids: [ID!]!) { nodes(ids: $ids) { ... on Experiment { name } } }", ids=ids)
    assert answer.partial["nodes"] == [{"name": "m0"}, None, {"name": "m2"}, {"name": "m3"}]


@pytest.mark.parametrize("status", [400, 403, 422, 500])
async def test_one_nemo_name_that_fails_costs_itself_only(filled: Vendors, gateway: Gateway, status: int) -> None:
    """The look-up of several names in one call fails, and that of one of them."""
    simulator = filled.nemo.simulator
    refused = _Refusing(simulator, "n1", status)
    filled.nemo.simulator = refused  # type: ignore[assignment]
    await filled.nemo.stop()
    await filled.nemo.start()
    ids = [experiment_id(NEMO, number) for number in range(4)]
    answer = await gateway.ask("query($ids: [ID!]!) { nodes(ids: $ids) { ... on Experiment { name } } }", ids=ids)
    assert answer.partial["nodes"] == [{"name": "n0"}, None, {"name": "n2"}, {"name": "n3"}]


class _Refusing:
    """Rejects every look-up of one experiment."""

    def __init__(self, app: Any, name: str, status: int) -> None:
        self._app = app
        self._name = name
        self._status = status

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and self._name.encode() in scope["query_string"]:
            await send({"type": "http.response.start", "status": self._status, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
        else:
            await self._app(scope, receive, send)


# -- rows that come twice --------------------------------------------------------------------------------


@SOURCES
async def test_a_session_that_a_vendor_repeats_counts_once(filled: Vendors, gateway: Gateway, source: str) -> None:
    rows = filled.named(source).world.sessions[f"{source[0]}0"]
    rows.insert(0, dict(rows[0]))
    answer = await gateway.ask(
        """query($id: ID!) { experiment(id: $id) {
          aggregate(metric: {kind: LATENCY}, basis: COMPUTED) { count }
        } }""",
        id=experiment_id(source, 0),
    )
    assert answer.data["experiment"]["aggregate"]["count"] == 2
