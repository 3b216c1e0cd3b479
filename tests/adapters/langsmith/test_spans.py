"""The spans of LangSmith sessions are the runs of their traces (docs/vendors/langsmith.md#spans)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from tests.adapters.langsmith.conftest import Connect
from tests.worlds import minutes
from tracegraph.adapter import Adapter, ListsSpans
from tracegraph.domain.models import (
    Score,
    SessionRef,
    SessionStatus,
    Span,
    SpanKind,
    SpanRef,
    TokenUsage,
)
from tracegraph.errors import SourceBadRequest, SourceError
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session

V1, V2 = "v1", "v2"
RUNS_V1, RUNS_V2 = "/api/v1/runs/query", "/api/v2/runs/query"

pytestmark = pytest.mark.parametrize("api", [V1, V2])


@pytest.fixture
def vendor(world: LangSmithWorld) -> Simulator:
    """A deployment of both dialects."""
    return langsmith.create_app(world, Deployment(v2=True))


def project_of(name: str) -> str:
    return stable_uuid(f"session:{name}")


def ref_of(name: str, project: str = "base") -> SessionRef:
    return SessionRef(project_of(project), stable_uuid(f"run:{name}"))


def add_trace(world: LangSmithWorld, name: str, children: int = 2, project: str = "base") -> None:
    """A root, with children that each have a tool below them."""
    root = langsmith_run(name, start_time=minutes(0))
    runs = [root]
    for number in range(children):
        child = langsmith_run(f"{name}-llm{number}", start_time=minutes(number), parent=root)
        tool = langsmith_run(f"{name}-tool{number}", start_time=minutes(number), parent=child, run_type="tool")
        runs += [child, tool]
    if project_of(project) not in world.runs:
        world.add(langsmith_session(project))
    world.runs[project_of(project)] += runs


async def spans(adapter: Adapter, *refs: SessionRef) -> list[Sequence[Span]]:
    found = await cast("ListsSpans", adapter).list_spans(refs, frozenset())
    outcomes = [found[ref] for ref in refs]
    for outcome in outcomes:
        assert not isinstance(outcome, SourceError), outcome
    return cast("list[Sequence[Span]]", outcomes)


def names(spans: Sequence[Span]) -> set[str | None]:
    return {span.name for span in spans}


async def test_the_runs_of_a_trace_are_read_in_one_call(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    add_trace(world, "a")
    add_trace(world, "other")
    (found,) = await spans(await connect(vendor, api=api), ref_of("a"))
    assert names(found) == {"a", "a-llm0", "a-tool0", "a-llm1", "a-tool1"}
    (call,) = vendor.calls
    trace = stable_uuid("run:a")
    assert call.path == {V1: RUNS_V1, V2: f"/api/v2/traces/{trace}/runs"}[api]


async def test_the_parent_of_a_run_is_the_nearest_of_its_ancestors(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    add_trace(world, "a", 1)
    (found,) = await spans(await connect(vendor, api=api), ref_of("a"))
    parents = {span.name: span.parent_id for span in found}
    assert parents == {"a": None, "a-llm0": stable_uuid("run:a"), "a-tool0": stable_uuid("run:a-llm0")}


async def test_twenty_sessions_of_several_projects_share_one_list(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    refs = []
    for number in range(20):
        project = f"project-{number % 3}"
        add_trace(world, f"t{number}", 1, project)
        refs.append(ref_of(f"t{number}", project))
    found = await spans(await connect(vendor, api=api), *refs)
    for number, one in enumerate(found):
        assert names(one) == {f"t{number}", f"t{number}-llm0", f"t{number}-tool0"}
    assert [call.path for call in vendor.calls] == [{V1: RUNS_V1, V2: RUNS_V2}[api]]


async def test_texts_are_read_for_the_requested_spans_only(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    add_trace(world, "a")
    adapter = await connect(vendor, api=api)
    (found,) = await spans(adapter, ref_of("a"))
    assert all(span.input is None and span.deferred == {"input", "output", "raw"} for span in found)
    shown = [SpanRef(ref_of("a"), span.vendor_id) for span in found if span.name in {"a", "a-tool1"}]
    complete = await cast("ListsSpans", adapter).get_spans(shown)
    assert {span.name: span.input for span in complete.values() if isinstance(span, Span)} == {
        "a": "question of a",
        "a-tool1": "question of a-tool1",
    }
    assert all(isinstance(span, Span) and not span.deferred for span in complete.values())
    first, second = vendor.calls
    assert {"inputs", "INPUTS"}.isdisjoint(first.query.get("selects", []) + (first.body or {}).get("select", []))
    assert sorted(second.body[{V1: "id", V2: "ids"}[api]]) == sorted(ref.span_id for ref in shown)


async def test_a_run_becomes_a_span(world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str) -> None:
    root = langsmith_run("a")
    call = langsmith_run(
        "call",
        parent=root,
        latency_s=0.5,
        run_type="llm",
        first_token_time="2026-01-01T00:00:00.100Z",
        start_time="2026-01-01T00:00:00Z",
        status="error",
        extra={"metadata": {"ls_model_name": "small", "ls_provider": "acme"}},
        prompt_token_details={"cache_read": 5},
        feedback_stats={"tone": {"n": 1, "avg": 0.5}, "label": {"n": 1, "avg": None, "values": {"good": 1}}},
    )
    world.add(langsmith_session("base"), [root, call])
    (found,) = await spans(await connect(vendor, api=api), ref_of("a"))
    span = next(one for one in found if one.name == "call")
    assert (span.kind, span.status, span.model, span.provider) == (
        SpanKind.LLM,
        SessionStatus.ERROR,
        "small",
        "acme",
    )
    assert (span.latency_ms, span.first_token_ms, span.error) == (500.0, 100.0, "ValueError: the tool failed")
    assert span.tokens == TokenUsage(100, 20, 5, 120)
    assert span.cost_usd == 0.001
    assert span.scores == (Score("label", label="good"), Score("tone", 0.5))


async def test_a_tool_has_the_name_of_its_run(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    add_trace(world, "a", 1)
    (found,) = await spans(await connect(vendor, api=api), ref_of("a"))
    assert {span.tool_name for span in found} == {None, "a-tool0"}


async def test_an_unknown_type_is_unknown_and_keeps_the_word(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    world.add(langsmith_session("base"), [langsmith_run("a", run_type="dream")])
    ((span,),) = await spans(await connect(vendor, api=api), ref_of("a"))
    assert (span.kind, (span.vendor_kind or "").lower()) == (SpanKind.UNKNOWN, "dream")


async def test_a_thousand_runs_of_one_trace_are_all_read(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    """v1 has pages of 100 runs, v2 none."""
    world.shuffle_ties = True
    add_trace(world, "a", 500)
    (found,) = await spans(await connect(vendor, api=api), ref_of("a"))
    assert len({span.vendor_id for span in found}) == len(found) == 1001
    assert len(vendor.calls) == {V1: 11, V2: 1}[api]


async def test_long_traces_are_read_each_by_itself_where_that_takes_fewer_calls(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    for name in ("a", "b"):
        add_trace(world, name, 1200)
    found = await spans(await connect(vendor, api=api), ref_of("a"), ref_of("b"))
    assert [len(one) for one in found] == [2401, 2401]
    assert len(vendor.calls) <= {V1: 49, V2: 4}[api]


async def test_a_failing_project_costs_its_own_sessions_only(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    add_trace(world, "a", 0)
    add_trace(world, "b", 0)
    vendor.faults.add(*[Fault("status", status=400)] * 2)
    found = await cast("ListsSpans", await connect(vendor, api=api)).list_spans([ref_of("a"), ref_of("b")])
    outcomes = sorted(isinstance(outcome, SourceBadRequest) for outcome in found.values())
    assert outcomes == [False, True]


async def test_ids_that_are_no_uuids_make_no_call(
    vendor: Simulator, connect: Connect, world: LangSmithWorld, api: str
) -> None:
    add_trace(world, "a", 0)
    adapter = cast("ListsSpans", await connect(vendor, api=api))
    assert (
        await adapter.list_spans([SessionRef("x", ref_of("a").session_id), SessionRef(project_of("base"), "..")])
        == {}
    )
    assert await adapter.get_spans([SpanRef(ref_of("a"), "../runs")]) == {}
    assert vendor.calls == []


async def test_texts_beyond_the_size_limit_are_read_in_parts(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    root = langsmith_run("a", inputs={"question": "x" * 3000})
    other = langsmith_run("b", inputs={"question": "y" * 3000}, parent=root)
    huge = langsmith_run("c", inputs={"question": "z" * 30_000}, parent=root)
    world.add(langsmith_session("base"), [root, other, huge])
    adapter = cast("ListsSpans", await connect(vendor, api=api, max_bytes=5000))
    refs = [SpanRef(ref_of("a"), run["id"]) for run in (root, other, huge)]
    found = await adapter.get_spans(refs)
    assert [isinstance(found[ref], Span) for ref in refs] == [True, True, False]


async def test_a_deployment_without_the_dialect_is_followed(
    world: LangSmithWorld, connect: Connect, api: str
) -> None:
    add_trace(world, "a", 1)
    only_other = Deployment(v1_runs=api == V1, v2=api == V2)
    vendor = langsmith.create_app(world, only_other)
    (found,) = await spans(await connect(vendor, api="auto"), ref_of("a"))
    assert len(found) == 3


async def test_v1_goes_on_where_the_cursor_of_a_full_page_is_missing(
    world: LangSmithWorld, vendor: Simulator, connect: Connect, api: str
) -> None:
    """v2 has no pages here."""
    add_trace(world, "a", 120)

    async def without_cursors(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.body" and message.get("body", b"").startswith(b'{"runs"'):
                body = json.loads(message["body"])
                message = {**message, "body": json.dumps({"runs": body["runs"]}).encode()}
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
                message = {**message, "headers": kept}
            await send(message)

        await vendor(scope, receive, sending)

    (found,) = await spans(await connect(without_cursors, api=api), ref_of("a"))
    assert len({span.vendor_id for span in found}) == 241
