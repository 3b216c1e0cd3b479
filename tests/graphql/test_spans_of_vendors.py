"""Spans of each vendor through the gateway: fields, calls, failures, limits and cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NEMO, Gateway, Vendor, Vendors
from tests.graphql.test_values_of_an_adapter import OneSession
from tests.worlds import Row, fill, minutes
from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.domain.models import Score, SessionRef, Span, SpanRef
from tracegraph.errors import SourceTimeout
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.context import PageLimits, RequestContext
from tracegraph.graphql.documents.cache import DocumentCache
from tracegraph.graphql.documents.cost import Sizes
from tracegraph.graphql.documents.limits import DocumentLimits
from tracegraph.graphql.loaders import Loaders
from tracegraph.graphql.relay.ids import span_id
from tracegraph.graphql.schema import build_schema
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session

SESSIONS = "{ sessions(first: 50) { nodes { source { name } spans { totalCount nodes { depth parentId } } } } }"
TEXTS = """query($first: Int) { sessions(first: 1) { nodes {
  spans(first: $first) { totalCount nodes { name input output vendorFields } }
} } }"""


async def test_every_vendor_has_spans(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors, experiments=1, sessions=2)
    for session in vendors.meibel.world.sessions["m0"]:
        vendors.meibel.world.logs[session["session_id"]] = [{"type": "user_message", "message": "Hi"}]
    found: dict[str, list[int]] = {}
    for node in (await gateway.ask(SESSIONS)).data["sessions"]["nodes"]:
        found.setdefault(node["source"]["name"], []).append(node["spans"]["totalCount"])
        for span in node["spans"]["nodes"]:
            assert (span["parentId"] is None) == (span["depth"] == 0)
    assert found == {NEMO: [3, 3], LANGSMITH: [1, 1], MEIBEL: [1, 1]}


# -- LangSmith v2 ----------------------------------------------------------------------------------------


@pytest.fixture
async def v2(vendors: Vendors, open_gateway: OpenGateway) -> Gateway:
    """The gateway over a LangSmith by v2 alone, with one trace of 50 children."""
    world = vendors.langsmith.world
    await vendors.langsmith.close()
    vendors.langsmith.simulator = langsmith.create_app(world, Deployment.of("v2"))
    vendors.langsmith.url = ""
    await vendors.langsmith.start()
    root = langsmith_run("root", start_time=minutes(0))
    runs = [langsmith_run(f"n{number:02}", start_time=minutes(number), parent=root) for number in range(1, 51)]
    world.add(langsmith_session("base"), [root, *runs])
    return await open_gateway(sources={LANGSMITH: {**vendors.sources()[LANGSMITH], "api": "v2"}})


def span_calls(vendor: Vendor[Any]) -> list[Row]:
    return [
        {"path": call.path, "ids": (call.body or {}).get("ids")}
        for call in vendor.calls
        if "/traces/" in call.path or "ids" in (call.body or {})
    ]


async def test_texts_are_read_for_the_page_shown_in_one_call(vendors: Vendors, v2: Gateway) -> None:
    vendors.forget_calls()
    answer = await v2.ask(TEXTS, first=3)
    ((shown),) = answer.data["sessions"]["nodes"]
    assert shown["spans"]["totalCount"] == 51
    assert [(one["name"], one["input"]) for one in shown["spans"]["nodes"]] == [
        ("root", "question of root"),
        ("n01", "question of n01"),
        ("n02", "question of n02"),
    ]
    assert all("inputs" in one["vendorFields"] for one in shown["spans"]["nodes"])
    listed, texts = span_calls(vendors.langsmith)
    assert listed["path"].endswith("/runs")
    assert len(texts["ids"]) == 3


async def test_without_texts_there_is_no_further_call(vendors: Vendors, v2: Gateway) -> None:
    await v2.ask("{ sessions(first: 1) { nodes { spans(first: 3) { nodes { name model scores { value } } } } } }")
    assert len(span_calls(vendors.langsmith)) == 1


async def test_texts_that_fail_are_null_with_an_error_each(vendors: Vendors, v2: Gateway) -> None:
    """The span and its other fields stand."""
    query = "{ sessions(first: 1) { nodes { spans(first: 1) { nodes { name input } } } } }"
    await v2.ask(query)
    world: LangSmithWorld = vendors.langsmith.world
    for run in world.runs.values():
        run[0]["inputs"] = {"question": "x" * 40_000_000}
    answer = await v2.ask(query)
    ((node),) = answer.partial["sessions"]["nodes"]
    assert node["spans"]["nodes"] == [{"name": "root", "input": None}]
    assert answer.codes == ["SOURCE_BAD_RESPONSE"]


# -- failures ----------------------------------------------------------------------------------------------


async def test_a_hanging_list_of_spans_costs_the_spans_alone(vendors: Vendors, open_gateway: OpenGateway) -> None:
    fill(vendors, experiments=1, sessions=1)
    gateway = await open_gateway(sources=vendors.patient_sources(9, nemo=2))
    path = "/apis/intake/v2/workspaces/default/spans"
    vendors.nemo.fail(Fault("hang", times=None, path=path))
    answer = await gateway.ask(SESSIONS)
    spans = {node["source"]["name"]: node["spans"] for node in answer.partial["sessions"]["nodes"]}
    assert spans[NEMO] is None
    assert spans[LANGSMITH] is not None
    assert spans[MEIBEL] is not None
    assert answer.codes == ["SOURCE_TIMEOUT"]


async def test_a_span_of_an_unknown_source_is_null(vendors: Vendors, gateway: Gateway) -> None:
    unknown = span_id("nobody", SpanRef(SessionRef("a", "b"), "c"))
    answer = await gateway.ask("query($id: ID!) { node(id: $id) { id } }", id=unknown)
    assert answer.data["node"] is None
    assert vendors.call_counts == (0, 0, 0)


async def test_five_thousand_spans_are_read_within_the_deadline_and_page(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=1, sessions=1)
    moment = minutes(0).replace(tzinfo=None).isoformat()
    vendors.nemo.world.spans["n0-0"] = [
        {"span_id": f"p{number}", "parent_span_id": f"p{number // 3}" if number else None, "started_at": moment}
        for number in range(5000)
    ]
    query = """query($after: String) { experiments(filter: {sources: ["nemo"]}, first: 1) { nodes {
      sessions(first: 1) { nodes {
        spans(first: 1000, after: $after) { totalCount nodes { vendorId } pageInfo { hasNextPage endCursor } }
      } }
    } } }"""
    seen: list[str] = []
    cursor, more = None, True
    while more:
        answer = await gateway.ask(query, after=cursor)
        page = answer.data["experiments"]["nodes"][0]["sessions"]["nodes"][0]["spans"]
        assert page["totalCount"] == 5000
        seen += [node["vendorId"] for node in page["nodes"]]
        cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert len(seen) == len(set(seen)) == 5000


# -- an adapter's own answers --------------------------------------------------------------------------------


async def ask(source: OneSession, selection: str) -> Any:
    adapters = [CheckedAdapter(source)]
    context = RequestContext(adapters, Loaders(adapters), ScanBudget(), PageLimits(3, 10))
    query = f"{{ experiments {{ nodes {{ sessions {{ nodes {{ spans {selection} }} }} }} }} }}"
    result = await build_schema().execute(query, {}, None, context)
    ((session,),) = [one["sessions"]["nodes"] for one in (result.data or {})["experiments"]["nodes"]]
    return session["spans"], [error.path for error in result.errors or ()]


class WithoutSpans(OneSession):
    async def list_spans(self, *_: Any) -> Any:
        raise AssertionError("the adapter declares no spans")


class WithSpans(OneSession):
    spans: Any = ()

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, spans=True)

    async def list_spans(self, refs: Any, fields: Any = None) -> Any:  # noqa: ARG002
        return dict.fromkeys(refs, self.spans) if self.spans is not None else {}

    async def get_spans(self, refs: Any) -> Any:
        return dict.fromkeys(refs, SourceTimeout(self.name, "It took too long."))


async def test_a_vendor_without_spans_has_null_and_no_error() -> None:
    assert await ask(WithoutSpans([]), "{ totalCount }") == (None, [])


async def test_a_session_that_the_vendor_lacks_has_null_and_no_error() -> None:
    source = WithSpans([])
    source.spans = None
    assert await ask(source, "{ totalCount }") == (None, [])


async def test_a_session_without_spans_has_an_empty_page() -> None:
    source = WithSpans([])
    assert await ask(source, "{ totalCount nodes { id } pageInfo { endCursor } }") == (
        {"totalCount": 0, "nodes": [], "pageInfo": {"endCursor": None}},
        [],
    )


async def test_an_unusable_span_fails_the_spans_of_its_session() -> None:
    source = WithSpans([])
    source.spans = [Span("a", started_at="yesterday")]  # type: ignore[arg-type]
    found, paths = await ask(source, "{ totalCount }")
    assert found is None
    assert paths == [["experiments", "nodes", 0, "sessions", "nodes", 0, "spans"]]


async def test_scores_that_fail_are_null_with_an_error() -> None:
    source = WithSpans([])
    late = SourceTimeout(source.name, "It took too long.")
    source.spans = [Span("a", scores_error=late), Span("b", scores=(Score("tone", 1.0),))]
    found, paths = await ask(source, "{ nodes { scores { value } } }")
    assert found == {"nodes": [{"scores": None}, {"scores": [{"value": 1.0}]}]}
    assert [path[-3:] for path in paths] == [["nodes", 0, "scores"]]


async def test_a_deferred_field_that_cannot_be_read_is_null_with_an_error() -> None:
    source = WithSpans([])
    source.spans = [Span("a", name="step", deferred=frozenset({"output"}))]
    found, paths = await ask(source, "{ nodes { name output } }")
    assert found == {"nodes": [{"name": "step", "output": None}]}
    assert len(paths) == 1


# -- cost ----------------------------------------------------------------------------------------------------


def cost(query: str) -> int:
    schema = build_schema()._schema
    document = asyncio.run(DocumentCache(DocumentLimits()).get(query, schema))
    assert document.errors == []
    return document.cost(schema, document.operations()[0], Sizes({}, 20, 1000, 3, 10, 100))


def test_spans_cost_their_rows_and_two_calls_for_each_session() -> None:
    """One call lists them, and one reads the texts or scores of the page."""
    without = cost('{ session(id: "a") { id } }')
    assert cost('{ session(id: "a") { spans(first: 30) { nodes { id } } } }') == without + 30 + 20
    assert cost('{ session(id: "a") { spans(last: 30) { nodes { input output } } } }') == without + 30 + 20


def test_spans_of_many_sessions_cost_as_many_times_as_much() -> None:
    def extra(first: int) -> int:
        listed = f"sessions(first: {first})"
        return cost(f"{{ {listed} {{ nodes {{ spans {{ totalCount }} }} }} }}") - cost(
            f"{{ {listed} {{ nodes {{ id }} }} }}"
        )

    assert extra(10) == 10 * extra(1)
