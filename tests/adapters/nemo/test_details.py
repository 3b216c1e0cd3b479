"""Models, costs and the words of scores of NeMo sessions (docs/vendors/nemo.md#traces)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tracegraph_nemo.adapter import NemoAdapter
from tracegraph_nemo.client import NemoClient
from tracegraph_nemo.details import MODELS_AND_COSTS, WORDS

from tests.adapters.conftest import Serve
from tests.worlds import Row, minutes
from tracegraph.adapter import OffsetRequest, SessionPageRequest
from tracegraph.domain.models import Score, Session, SessionRef
from tracegraph.errors import SourceError
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.app import NemoSimulator
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

Open = Callable[..., Awaitable[NemoAdapter]]


@pytest.fixture
def world() -> NemoWorld:
    return NemoWorld()


@pytest.fixture
def simulator(world: NemoWorld) -> NemoSimulator:
    return nemo.create_app(world, "0.8")


@pytest.fixture
def connect(serve: Serve, simulator: NemoSimulator) -> Open:
    async def opened(release: Any = "0.6") -> NemoAdapter:
        return NemoAdapter("nemo-a", NemoClient(await serve(simulator, source="nemo-a"), "default", None), release)

    return opened


def session(name: str, **fields: Any) -> Row:
    costs = {"cost_total_usd": 0.003, "cost_input_usd": 0.001, "cost_output_usd": 0.002}
    return nemo_session(name, started_at=minutes(0), **costs | fields)


async def listed(adapter: NemoAdapter, fields: frozenset[str] | None = None) -> Sequence[Session]:
    """Return the sessions of the experiment `e`, oldest first."""
    request = SessionPageRequest(("e",), OffsetRequest(1000), fields=fields)
    (page,) = await adapter.list_sessions([replace(request)])
    assert not isinstance(page, SourceError)
    return sorted(page.items, key=lambda row: row.vendor_id)


async def detailed(adapter: NemoAdapter, fields: frozenset[str]) -> list[Session]:
    """Return the sessions of the experiment `e` with details."""
    found = await adapter.get_session_details(await listed(adapter), fields)
    return [outcome for outcome in found.values() if isinstance(outcome, Session)]


def paths(simulator: NemoSimulator, name: str) -> list[str]:
    return [call.path for call in simulator.calls if call.path.endswith(f"/{name}")]


# -- traces ------------------------------------------------------------------------------------------------


async def test_sessions_of_a_page_have_models_providers_and_costs_in_one_call(
    world: NemoWorld, simulator: NemoSimulator, connect: Open
) -> None:
    world.add(nemo_experiment("e", model_names=["nano"]), [session(f"s{number}") for number in range(50)])
    found = await detailed(await connect(), MODELS_AND_COSTS)
    values = {(one.models, one.providers, one.input_cost_usd, one.output_cost_usd) for one in found}
    assert (len(found), values) == (50, {(("nano",), ("nim",), 0.001, 0.002)})
    assert len(paths(simulator, "traces")) == 1
    assert paths(simulator, "spans") == []


async def test_many_sessions_take_a_call_for_each_5_kb_of_ids(
    world: NemoWorld, simulator: NemoSimulator, connect: Open
) -> None:
    rows = [session(f"s{number}", trace_id=f"{number:032}") for number in range(300)]
    world.add(nemo_experiment("e"), rows)
    assert len(await detailed(await connect(), MODELS_AND_COSTS)) == 300
    assert len(paths(simulator, "traces")) == 3


async def test_a_session_of_several_traces_has_the_models_and_costs_of_all(
    world: NemoWorld, simulator: NemoSimulator, connect: Open
) -> None:
    """Its row has the tokens and the cost of both traces, and the id of the first only."""
    world.add(nemo_experiment("e"), [session("chat", input_tokens=30, cost_total_usd=0.5), session("other")])
    call = {"kind": "LLM", "input_tokens": 15, "output_tokens": 10, "cached_tokens": 0, "cost_total_usd": 0.25}
    split = {"cost_input_usd": 0.125, "cost_output_usd": 0.125}
    world.spans["chat"] = [
        {"span_id": "a", "trace_id": "trace-chat", "model": "small", "provider": "nim", **call, **split},
        {"span_id": "b", "trace_id": "trace-2", "model": "large", "provider": "azure", **call, **split},
    ]
    chat, other = sorted(await detailed(await connect(), MODELS_AND_COSTS), key=lambda one: one.vendor_id)
    assert (set(chat.models), set(chat.providers)) == ({"small", "large"}, {"nim", "azure"})
    assert (chat.input_cost_usd, chat.output_cost_usd) == (0.25, 0.25)
    assert other.input_cost_usd == 0.001
    assert len(paths(simulator, "traces")) == 2


async def test_a_part_of_the_cost_is_unknown_unless_every_trace_with_a_cost_states_it(
    world: NemoWorld, connect: Open
) -> None:
    world.add(nemo_experiment("e"), [session("chat", cost_total_usd=0.5)])
    world.spans["chat"] = [
        {"span_id": "a", "kind": "LLM", "cost_total_usd": 0.25, "cost_input_usd": 0.125},
        {"span_id": "b", "trace_id": "trace-2", "kind": "LLM", "cost_total_usd": 0.25},
    ]
    (found,) = await detailed(await connect(), MODELS_AND_COSTS)
    assert (found.cost_usd, found.input_cost_usd, found.output_cost_usd) == (0.5, None, None)


async def test_a_session_without_a_trace_has_no_details(world: NemoWorld, connect: Open) -> None:
    world.add(nemo_experiment("e"), [session("s0")])
    adapter = await connect()
    sessions = await listed(adapter)
    world.sessions["e"] = []
    (found,) = (await adapter.get_session_details(sessions, MODELS_AND_COSTS)).values()
    assert isinstance(found, Session)
    assert (found.models, found.input_cost_usd, found.deferred) == ((), None, WORDS)


async def test_odd_ids_of_traces_are_sent_as_json(
    world: NemoWorld, simulator: NemoSimulator, connect: Open
) -> None:
    world.add(nemo_experiment("e"), [session("s0", trace_id='a,b"{&#/é')])
    (found,) = await detailed(await connect(), MODELS_AND_COSTS)
    assert found.providers == ("nim",)
    (call,) = [call for call in simulator.calls if call.path.endswith("/traces")]
    assert orjson.loads(call.query["filter"][0]) == {"id": {"$in": ['a,b"{&#/é']}}


async def test_details_that_fail_are_errors_of_their_sessions(
    world: NemoWorld, simulator: NemoSimulator, connect: Open
) -> None:
    world.add(nemo_experiment("e"), [session("s0"), session("s1")])
    adapter = await connect()
    sessions = await listed(adapter)
    simulator.faults.add(Fault("status", times=None, status=500))
    found = await adapter.get_session_details(sessions, MODELS_AND_COSTS)
    assert [isinstance(outcome, SourceError) for outcome in found.values()] == [True, True]


async def test_releases_before_0_4_have_no_models_of_sessions(serve: Serve, world: NemoWorld) -> None:
    world.add(nemo_experiment("e"), [session("s0")])
    for release, dialect in (("0.2", "0.2"), ("0.3", "0.3")):
        client = NemoClient(await serve(nemo.create_app(world, dialect), source="nemo-a"), "default", None)  # type: ignore[arg-type]
        adapter = NemoAdapter("nemo-a", client, release)  # type: ignore[arg-type]
        (found,) = await listed(adapter)
        assert (adapter.capabilities.session_details, found.deferred) == (frozenset({WORDS}), WORDS)
        assert "model" in adapter.capabilities.unsupported_session_fields


async def test_a_list_defers_what_is_asked_for_and_a_look_up_everything(world: NemoWorld, connect: Open) -> None:
    world.add(nemo_experiment("e"), [session("s0")])
    adapter = await connect()
    assert [row.deferred for row in await listed(adapter, frozenset())] == [frozenset()]
    assert [row.deferred for row in await listed(adapter, frozenset({"models", "url"}))] == [frozenset({"models"})]
    ref = SessionRef("e", "s0")
    looked_up = (await adapter.get_sessions([ref]))[ref]
    assert isinstance(looked_up, Session)
    assert looked_up.deferred == WORDS | MODELS_AND_COSTS


# -- words of scores ---------------------------------------------------------------------------------------


async def test_scores_have_labels_and_explanations_and_failures(
    world: NemoWorld, simulator: NemoSimulator, connect: Open
) -> None:
    world.add(nemo_experiment("e"), [session("s0", evaluator_scores={"acc": 0.4}, failed_evaluators=["slow"])])
    world.evaluator_results["s0"] = [
        {"name": "acc", "value": 0.4, "comment": "too short"},
        {"name": "tone", "string_value": "curt", "data_type": "CATEGORICAL"},
        {"name": "slow", "status": "FAILED", "comment": "judge timed out"},
    ]
    (found,) = await detailed(await connect(), WORDS)
    assert found.scores == (
        Score("acc", 0.4, explanation="too short"),
        Score("slow", explanation="judge timed out", failed=True),
        Score("tone", label="curt"),
    )
    assert len(paths(simulator, "evaluator-results")) == 1


async def test_labels_of_several_spans_are_none_of_the_session_and_explanations_are_its_lines(
    world: NemoWorld, connect: Open
) -> None:
    world.add(nemo_experiment("e"), [session("s0", evaluator_scores={})])
    world.evaluator_results["s0"] = [
        {"name": "tone", "string_value": "curt", "comment": "one", "span_id": "a"},
        {"name": "tone", "string_value": "warm", "comment": "two", "span_id": "b"},
        {"name": "tone", "string_value": "warm", "comment": "two", "span_id": "c"},
    ]
    (found,) = await detailed(await connect(), WORDS)
    assert found.scores == (Score("tone", explanation="one\ntwo"),)


async def test_the_newest_words_of_an_evaluator_about_a_span_count(world: NemoWorld, connect: Open) -> None:
    world.add(nemo_experiment("e"), [session("s0", evaluator_scores={})])
    world.evaluator_results["s0"] = [
        {"name": "tone", "string_value": "warm", "created_at": "2026-11-02T00:00:00"},
        {"name": "tone", "string_value": "curt", "created_at": "2026-11-01T00:00:00"},
    ]
    (found,) = await detailed(await connect(), WORDS)
    assert found.scores == (Score("tone", label="warm"),)


async def test_an_evaluator_whose_verdicts_failed_has_failed_although_the_list_does_not_say_so(
    world: NemoWorld, connect: Open
) -> None:
    world.add(nemo_experiment("e"), [session("s", evaluator_scores={"acc": 1.0}, failed_evaluators=[])])
    world.evaluator_results["s"] = [
        {"span_id": "span-s", "name": "acc", "value": 1.0},
        {"span_id": "span-s", "name": "tone", "status": "FAILED", "comment": "judge timed out"},
    ]
    (one,) = await detailed(await connect(), WORDS)
    assert one.scores == (Score("acc", 1.0), Score("tone", explanation="judge timed out", failed=True))
