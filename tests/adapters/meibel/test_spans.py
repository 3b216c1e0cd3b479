"""The messages and tool calls of a Meibel session are its spans, in their order (docs/vendors/meibel.md#spans)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from pydantic import SecretStr
from tracegraph_meibel import open_adapter

from tests.adapters.conftest import Serve
from tests.worlds import Row, minutes
from tracegraph.adapter import ListsSpans
from tracegraph.adapter.options import SourceSettings
from tracegraph.domain.models import Score, SessionRef, SessionStatus, Span, SpanKind
from tracegraph.errors import SourceError, SourceNotFound, SourceUnavailable
from tracegraph.federation.spans import arranged
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import zulu
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_job, meibel_session

REF = SessionRef("agent", "s0")
LOG: list[Row] = [
    {"type": "user_message", "message": "Where?", "timestamp": zulu(minutes(0))},
    {
        "type": "tool_call",
        "tool_id": "t1",
        "tool_name": "look_up",
        "arguments": {"city": "Rome", "page": 1},
        "result": "Italy",
    },
    {"type": "assistant_message", "message": "In Italy.", "timestamp": zulu(minutes(1))},
    {"type": "user_message", "message": "Thanks", "timestamp": zulu(minutes(2))},
    {"type": "assistant_message", "message": "Bye", "timestamp": zulu(minutes(2))},
]

Open = Callable[..., Awaitable[ListsSpans]]


@pytest.fixture
def world() -> MeibelWorld:
    """An agent with two sessions, one of which has a log."""
    world = MeibelWorld()
    world.add(meibel_agent("agent", name="slug"), [meibel_session("s0"), meibel_session("s1")])
    world.logs["s0"] = LOG
    return world


@pytest.fixture
def vendor(world: MeibelWorld) -> Simulator:
    return meibel.create_app(world)


@pytest.fixture
async def connect(serve: Serve, vendor: Simulator, world: MeibelWorld) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def connected(**options: Any) -> ListsSpans:
            settings = SourceSettings("mb", "meibel", {"api_key": SecretStr(world.api_key)} | options)
            upstream = await serve(vendor, path="/v2", source="mb")
            return cast("ListsSpans", await stack.enter_async_context(open_adapter(settings, upstream)))

        yield connected


def job(module: str, score: float | None, turn: int | None, session_id: str = "s0") -> Row:
    row = meibel_job(session_id, module, score, agent_name="slug")
    return row | {"agent_identity_context": row["agent_identity_context"] | {"agent_turn": turn}}


async def spans(adapter: ListsSpans, ref: SessionRef = REF, **rest: Any) -> Sequence[Span]:
    found = (await adapter.list_spans([ref], **rest))[ref]
    assert not isinstance(found, SourceError), found
    return found


def paths(vendor: Simulator) -> list[str]:
    return [call.path.removeprefix("/v2/") for call in vendor.calls]


async def test_messages_and_tool_calls_come_in_their_order(connect: Open) -> None:
    """Also where a time is missing, or two are equal."""
    found = arranged("mb", REF, await spans(await connect()))
    assert [(one.span.vendor_id, one.span.kind, one.depth) for one in found] == [
        ("000000", SpanKind.PROMPT, 0),
        ("000001", SpanKind.TOOL, 0),
        ("000002", SpanKind.LLM, 0),
        ("000003", SpanKind.PROMPT, 0),
        ("000004", SpanKind.LLM, 0),
    ]


async def test_what_is_not_said_is_null(connect: Open) -> None:
    for span in await spans(await connect()):
        assert (span.parent_id, span.ended_at, span.latency_ms, span.tokens, span.cost_usd) == (None,) * 5
        assert span.status is SessionStatus.UNKNOWN


async def test_texts_and_tools_are_inputs_and_outputs(connect: Open) -> None:
    asked, tool, answered, *_ = await spans(await connect())
    assert (asked.input, asked.output) == ("Where?", None)
    assert (tool.tool_name, tool.input, tool.output) == ("look_up", '{"city":"Rome","page":1}', "Italy")
    assert (answered.input, answered.output, answered.vendor_kind) == (None, "In Italy.", "assistant_message")


async def test_scores_of_a_turn_are_those_of_its_last_message(world: MeibelWorld, connect: Open) -> None:
    world.jobs += [job("tone", 8.0, 1), job("tone", 5.0, 2), job("logic", 3.0, 2), job("whole", 1.0, None)]
    assert [span.scores for span in await spans(await connect())] == [
        (),
        (),
        (Score("tone", 8.0),),
        (),
        (Score("logic", 3.0), Score("tone", 5.0)),
    ]


async def test_turns_may_count_from_zero(world: MeibelWorld, connect: Open) -> None:
    world.jobs += [job("tone", 8.0, 0), job("tone", 5.0, 1), job("tone", 9.0, 7)]
    scores = [span.scores for span in await spans(await connect())]
    assert scores == [(), (), (Score("tone", 8.0),), (), (Score("tone", 5.0),)]


async def test_spans_take_one_call_for_each_session_and_scores_one_for_each_agent(
    vendor: Simulator, connect: Open
) -> None:
    adapter = await connect()
    refs = [REF, SessionRef("agent", "s1")]
    await adapter.list_spans(refs, frozenset())
    assert sorted(paths(vendor)) == ["sessions/s0/messages", "sessions/s1/messages"]
    vendor.calls.clear()
    await adapter.list_spans(refs, frozenset({"scores"}))
    assert paths(vendor)[-1] == "confidence-scoring/jobs"
    assert len(vendor.calls) == 3


async def test_scores_that_are_switched_off_take_no_call(vendor: Simulator, connect: Open) -> None:
    assert [span.scores for span in await spans(await connect(scores=False))] == [()] * 5
    assert paths(vendor) == ["sessions/s0/messages"]


async def test_scores_that_fail_leave_the_spans(vendor: Simulator, connect: Open) -> None:
    adapter = await connect()
    vendor.faults.add(Fault("status", status=503, path="/v2/confidence-scoring"))
    assert all(isinstance(span.scores_error, SourceUnavailable) for span in await spans(adapter))


async def test_an_unknown_session_is_left_out(connect: Open) -> None:
    assert await (await connect()).list_spans([SessionRef("agent", "nobody"), SessionRef("agent", "../s0")]) == {}


async def test_a_server_without_the_path_fails(vendor: Simulator, connect: Open) -> None:
    adapter = await connect()
    fault = Fault("status", status=404, path="/v2/sessions", body={"detail": "Not Found"})
    vendor.faults.add(fault)
    found = await adapter.list_spans([REF])
    assert isinstance(found[REF], SourceNotFound)


async def test_scores_of_turns_have_their_explanations(world: MeibelWorld, connect: Open) -> None:
    world.logs["s0"] = [
        {"type": "user_message", "message": "Hi"},
        {"type": "assistant_message", "message": "Hello"},
    ]
    world.jobs = [
        job("tone", 0.5, 1) | {"explanation": "polite"},
        job("coherence", None, 1) | {"explanation": "too short to tell", "status": "completed"},
    ]
    found = await spans(await connect())
    assert found[-1].scores == (
        Score("coherence", explanation="too short to tell"),
        Score("tone", 0.5, explanation="polite"),
    )
