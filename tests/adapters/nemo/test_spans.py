"""The spans of NeMo sessions, by session id, in each release (docs/vendors/nemo.md#spans)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from tracegraph_nemo.adapter import NemoAdapter
from tracegraph_nemo.client import NemoClient

from tests.adapters.conftest import Serve
from tests.worlds import Row, minutes
from tracegraph.domain.models import Score, SessionRef, SessionStatus, Span, SpanKind, TokenUsage
from tracegraph.errors import SourceBadResponse, SourceError, SourceUnavailable
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.app import NemoSimulator
from tracegraph.simulators.nemo.releases import NemoDialect
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

REF = SessionRef("base", "s0")
RELEASES: dict[NemoDialect, Any] = {"0.2": "0.2", "0.3": "0.3", "0.8": "0.6"}

Open = Callable[..., Awaitable[NemoAdapter]]


@pytest.fixture(params=RELEASES)
def dialect(request: pytest.FixtureRequest) -> NemoDialect:
    found: NemoDialect = request.param
    return found


@pytest.fixture
def world() -> NemoWorld:
    """Two experiments of one session each, older than a service of 0.2.0 looks back."""
    world = NemoWorld(now=datetime(2026, 11, 30, tzinfo=UTC))
    for name, session in (("base", "s0"), ("other", "s1")):
        world.add(nemo_experiment(name), [nemo_session(session, started_at=minutes(0), reasoning_tokens=3)])
    return world


@pytest.fixture
def simulator(world: NemoWorld, dialect: NemoDialect) -> NemoSimulator:
    return nemo.create_app(world, dialect)


@pytest.fixture
def connect(serve: Serve, simulator: NemoSimulator, dialect: NemoDialect) -> Open:
    async def opened(**settings: Any) -> NemoAdapter:
        client = NemoClient(await serve(simulator, source="nemo-a", **settings), "default", None)
        return NemoAdapter("nemo-a", client, RELEASES[dialect])

    return opened


def span(name: str, parent: str | None = None, **fields: Any) -> Row:
    return {"span_id": name, "parent_span_id": parent, "kind": "CHAIN", **fields}


async def spans(adapter: NemoAdapter, fields: frozenset[str] | None = None) -> Sequence[Span]:
    found = (await adapter.list_spans([REF], fields))[REF]
    assert not isinstance(found, SourceError), found
    return found


async def test_spans_are_those_of_the_session(connect: Open) -> None:
    """Also those that are older than the 30 days that 0.2.0 looks back."""
    assert {one.vendor_id for one in await spans(await connect())} == {
        "span-s0",
        "trace-s0-llm",
        "trace-s0-tool",
    }


async def test_a_row_becomes_a_span(connect: Open) -> None:
    by_id = {one.vendor_id: one for one in await spans(await connect())}
    root, call, tool = by_id["span-s0"], by_id["trace-s0-llm"], by_id["trace-s0-tool"]
    assert (root.kind, root.status, root.parent_id) == (SpanKind.AGENT, SessionStatus.SUCCESS, None)
    assert (root.latency_ms, root.agent_name, root.input) == (1200.0, "assistant", "question of s0")
    assert (call.kind, call.model, call.provider) == (SpanKind.LLM, "nvidia/nemotron-nano-9b-v2", "nim")
    assert (call.parent_id, call.cost_usd) == ("span-s0", 0.001)
    assert call.tokens == TokenUsage(100, 20, 0, 120, None, 3)
    assert (tool.kind, tool.tool_name, tool.parent_id) == (SpanKind.TOOL, "look_up", "trace-s0-llm")


async def test_an_error_is_its_type_and_its_message(world: NemoWorld, connect: Open) -> None:
    world.sessions["base"][0]["status"] = "error"
    by_id = {one.vendor_id: one for one in await spans(await connect())}
    assert by_id["trace-s0-tool"].status is SessionStatus.ERROR
    assert by_id["trace-s0-tool"].error == "KeyError: no such page"


async def test_attributes_that_nemo_does_not_recognize_are_metadata(world: NemoWorld, connect: Open) -> None:
    world.sessions["base"][0]["attributes"] = {"custom.x": "y"}
    by_id = {one.vendor_id: one for one in await spans(await connect())}
    assert by_id["span-s0"].metadata == {"custom.x": "y"}
    assert by_id["trace-s0-tool"].metadata is None


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        (frozenset[str](), "summary"),
        ({"scores"}, "summary"),
        ({"input"}, "detailed"),
        ({"error"}, "detailed"),
        (None, "detailed"),
    ],
)
async def test_texts_are_requested_where_they_are_selected(
    simulator: NemoSimulator, connect: Open, fields: Any, mode: str
) -> None:
    await spans(await connect(), None if fields is None else frozenset(fields))
    call = next(call for call in simulator.calls if call.path.endswith("/spans"))
    assert call.query["mode"] == [mode]


async def test_scores_belong_to_spans(world: NemoWorld, simulator: NemoSimulator, connect: Open) -> None:
    world.evaluator_results["s0"] = [
        {"span_id": "span-s0", "name": "tone", "value": 0.5},
        {"span_id": "trace-s0-llm", "name": "tone", "value": 0.25},
        {"span_id": "trace-s0-llm", "name": "accuracy", "value": 1.0},
        {"span_id": "trace-s0-tool", "name": "tone", "value": None, "status": "FAILED"},
        {"span_id": "trace-s0-tool", "name": "label", "string_value": "good", "data_type": "CATEGORICAL"},
    ]
    scores = {one.vendor_id: one.scores for one in await spans(await connect(), frozenset({"scores"}))}
    assert scores == {
        "span-s0": (Score("tone", 0.5),),
        "trace-s0-llm": (Score("accuracy", 1.0), Score("tone", 0.25)),
        "trace-s0-tool": (Score("label", label="good"), Score("tone", failed=True)),
    }
    assert len(simulator.calls) == 2


async def test_scores_that_fail_leave_the_spans(simulator: NemoSimulator, connect: Open) -> None:
    adapter = await connect()
    path = "/apis/intake/v2/workspaces/default/evaluator-results"
    simulator.faults.add(Fault("status", status=503, path=path))
    found = await spans(adapter)
    assert len(found) == 3
    assert all(isinstance(one.scores_error, SourceUnavailable) for one in found)


async def test_spans_of_another_run_with_the_session_id_are_left_out(world: NemoWorld, connect: Open) -> None:
    """Children name no run: their trace decides."""
    world.spans["s0"] = [
        span("root", trace_id="t1"),
        span("child", "root", trace_id="t1", evaluation_name=None),
        span("foreign", trace_id="t2", evaluation_name="other"),
        span("of-foreign", "foreign", trace_id="t2", evaluation_name=None),
        span("of-none", trace_id="t3", evaluation_name=None),
    ]
    assert {one.vendor_id for one in await spans(await connect())} == {"root", "child", "of-none"}


async def test_five_thousand_spans_take_a_call_for_each_thousand(
    world: NemoWorld, simulator: NemoSimulator, connect: Open
) -> None:
    world.spans["s0"] = [span(f"n{number}", f"n{number // 2}" if number else None) for number in range(5000)]
    found = await spans(await connect(), frozenset())
    assert len({one.vendor_id for one in found}) == len(found) == 5000
    assert len(simulator.calls) == 5  # the last page is full, and the stated total shows the end


async def test_pages_beyond_the_size_limit_are_read_in_smaller_pages(world: NemoWorld, connect: Open) -> None:
    world.spans["s0"] = [span(f"n{number}", input="x" * 500) for number in range(300)]
    found = await spans(await connect(max_response_bytes=150_000))
    assert len({one.vendor_id for one in found}) == len(found) == 300


async def test_one_span_beyond_the_size_limit_fails(world: NemoWorld, connect: Open) -> None:
    world.spans["s0"] = [span("huge", input="x" * 200_000)]
    found = await (await connect(max_response_bytes=100_000)).list_spans([REF])
    assert isinstance(found[REF], SourceBadResponse)


async def test_each_session_fails_by_itself(simulator: NemoSimulator, connect: Open) -> None:
    adapter = await connect()
    simulator.faults.add(Fault("status", status=503))
    found = await adapter.list_spans([REF, SessionRef("other", "s1")], frozenset())
    assert sorted(isinstance(one, SourceUnavailable) for one in found.values()) == [False, True]


@pytest.mark.parametrize("session_id", ["a,b", "{x", "[1]"])
async def test_any_session_id_is_matched_exactly(world: NemoWorld, connect: Open, session_id: str) -> None:
    """A comma, a brace or a bracket means something else in a plain condition."""
    world.add(nemo_experiment("odd"), [nemo_session(session_id)])
    ref = SessionRef("odd", session_id)
    found = (await (await connect()).list_spans([ref]))[ref]
    assert isinstance(found, list)
    assert len(found) == 3


async def test_an_outage_of_the_telemetry_store_is_a_failure(world: NemoWorld, connect: Open) -> None:
    world.telemetry_down = True
    found = await (await connect()).list_spans([REF])
    assert isinstance(found[REF], SourceError)
