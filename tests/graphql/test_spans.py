"""The spans of a session: a tree in pages, for the sources that have them."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import NEMO, Gateway, Vendors
from tests.worlds import Row, minutes
from tracegraph.domain.models import SessionRef, SpanRef
from tracegraph.graphql.relay.ids import session_id, span_id
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.app import NemoSimulator
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

SESSION = session_id(NEMO, SessionRef("base", "s0"))
SPANS = """
    query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
      session(id: $id) {
        spans(first: $first, after: $after, last: $last, before: $before) {
          totalCount
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
          edges { cursor node { id vendorId parentId depth } }
        }
      }
    }
"""


@pytest.fixture(autouse=True)
def newest(vendors: Vendors) -> None:
    """NeMo is 0.8.1, with an experiment of three sessions."""
    simulator = vendors.nemo.simulator
    assert isinstance(simulator, NemoSimulator)
    simulator.dialect = "0.8"
    rows = [nemo_session(f"s{index}", started_at=minutes(index)) for index in range(3)]
    vendors.nemo.world.add(nemo_experiment("base"), rows)


def sources(vendors: Vendors) -> dict[str, Any]:
    return {NEMO: {**vendors.sources()[NEMO], "release": "0.6"}}


@pytest.fixture
async def gateway(vendors: Vendors, open_gateway: OpenGateway) -> Gateway:
    """The gateway over NeMo alone."""
    return await open_gateway(sources=sources(vendors))


def span(name: str, parent: str | None = None, start: float = 0, **fields: Any) -> Row:
    started_at = minutes(start).replace(tzinfo=None).isoformat()
    return {"span_id": name, "parent_span_id": parent, "kind": "CHAIN", "started_at": started_at, **fields}


def paths(vendors: Vendors) -> list[str]:
    return [call.path.partition("/default/")[2] for call in vendors.nemo.calls]


async def page(gateway: Gateway, **arguments: Any) -> Any:
    return (await gateway.ask(SPANS, id=SESSION, **arguments)).data["session"]["spans"]


def outline(connection: Any) -> Sequence[tuple[str, int]]:
    return [(edge["node"]["vendorId"], edge["node"]["depth"]) for edge in connection["edges"]]


async def test_spans_come_depth_first_and_siblings_by_their_start(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.spans["s0"] = [
        span("tool", "llm", 3),
        span("late", "root", 4),
        span("llm", "root", 2),
        span("root", None, 1),
    ]
    found = await page(gateway)
    assert outline(found) == [("root", 0), ("llm", 1), ("tool", 2), ("late", 1)]
    assert found["totalCount"] == 4
    assert not found["pageInfo"]["hasNextPage"]


async def test_the_id_of_a_span_names_source_experiment_session_and_span(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.nemo.world.spans["s0"] = [span("root"), span("child", "root", 1)]
    root, child = [edge["node"] for edge in (await page(gateway))["edges"]]
    assert root["id"] == span_id(NEMO, SpanRef(SessionRef("base", "s0"), "root"))
    assert (root["parentId"], child["parentId"]) == (None, root["id"])


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_pages_in_both_directions_hold_the_list(vendors: Vendors, gateway: Gateway, size: int) -> None:
    vendors.nemo.world.spans["s0"] = [span("root"), *(span(f"c{index}", "root", index) for index in range(1, 6))]
    whole = outline(await page(gateway))

    forward: list[Any] = []
    cursor, more = None, True
    while more:
        found = await page(gateway, first=size, after=cursor)
        forward += outline(found)
        cursor, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    back: list[Any] = []
    cursor, more = None, True
    while more:
        found = await page(gateway, last=size, before=cursor)
        back = [*outline(found), *back]
        cursor, more = found["pageInfo"]["startCursor"], found["pageInfo"]["hasPreviousPage"]
    assert forward == back == whole


async def test_a_cursor_finds_its_span_after_others_arrived_before_it(vendors: Vendors, gateway: Gateway) -> None:
    spans = vendors.nemo.world.spans["s0"] = [span("root"), span("b", "root", 2), span("c", "root", 3)]
    found = await page(gateway, first=2)
    spans.append(span("a", "root", 1))
    assert outline(await page(gateway, after=found["pageInfo"]["endCursor"])) == [("c", 1)]


async def test_a_cursor_of_another_session_is_refused(gateway: Gateway) -> None:
    cursor = (await page(gateway, first=1))["pageInfo"]["endCursor"]
    other = session_id(NEMO, SessionRef("base", "s1"))
    answer = await gateway.ask(SPANS, id=other, after=cursor)
    assert answer.codes == ["INVALID_CURSOR"]


@pytest.mark.parametrize("arguments", [{"first": -1}, {"first": 1001}, {"first": 1, "last": 1}])
async def test_wrong_arguments_make_no_call_for_spans(
    vendors: Vendors, gateway: Gateway, arguments: dict[str, int]
) -> None:
    answer = await gateway.ask(SPANS, id=SESSION, **arguments)
    assert answer.codes == ["BAD_USER_INPUT"]
    assert "spans" not in paths(vendors)


async def test_a_span_is_a_node(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.spans["s0"] = [span("root"), span("child", "root", 1, kind="TOOL", input="Rome?")]
    known, unknown = [span_id(NEMO, SpanRef(SessionRef("base", "s0"), name)) for name in ("child", "nobody")]
    selection = "__typename ... on Span { vendorId depth kind input parentId }"
    query = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {selection} }} }}"
    answer = await gateway.ask(query, ids=[known, unknown])
    assert answer.data["nodes"] == [
        {
            "__typename": "Span",
            "vendorId": "child",
            "depth": 1,
            "kind": "TOOL",
            "input": "Rome?",
            "parentId": span_id(NEMO, SpanRef(SessionRef("base", "s0"), "root")),
        },
        None,
    ]


async def test_a_failing_source_is_null_with_an_error_at_the_path(vendors: Vendors, gateway: Gateway) -> None:
    """The session itself and its other fields stand."""
    query = "query($id: ID!) { session(id: $id) { name vendorId spans { totalCount } } }"
    path = "/apis/intake/v2/workspaces/default/spans"
    vendors.nemo.fail(Fault("status", status=503, path=path, times=None))
    answer = await gateway.ask(query, id=SESSION)
    assert answer.partial["session"] == {"name": None, "vendorId": "s0", "spans": None}
    (error,) = answer.errors
    assert (error["path"], error["extensions"]["code"]) == (["session", "spans"], "SOURCE_UNAVAILABLE")
    assert answer.troubles == {NEMO: "UNAVAILABLE"}


async def test_spans_of_a_page_of_sessions_take_one_call_for_each(vendors: Vendors, gateway: Gateway) -> None:
    """The service filters by one session, and its children do not name their evaluation."""
    query = "{ sessions(first: 3) { nodes { a: spans(first: 1) { totalCount } b: spans { totalCount } } } }"
    answer = await gateway.ask(query)
    assert [node["b"]["totalCount"] for node in answer.data["sessions"]["nodes"]] == [3, 3, 3]
    assert paths(vendors).count("spans") == 3
