"""The spans of a session: those that the world states, or an agent, a model call and a tool call."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import naive, parse
from tracegraph.simulators.nemo.world import NemoWorld

_SOURCE = "simulator"


_PROVIDER = "nim"


def sessions_with_experiments(world: NemoWorld, wanted: Callable[[str, Row], bool]) -> Iterator[tuple[Row, Row]]:
    """Return the wanted sessions with their experiments. `wanted` gets the experiment's name and the session."""
    for experiment in world.experiments:
        for session in world.sessions.get(experiment["name"], []):
            if wanted(experiment["name"], session):
                yield experiment, session


def trace_ids(world: NemoWorld, session: Row) -> set[str]:
    """Return the traces of a session."""
    stated = world.spans.get(session["session_id"], [])
    found: set[str] = {span.get("trace_id") or session["trace_id"] for span in stated}
    return found or {session["trace_id"]}


def span_ids(world: NemoWorld, session: Row) -> set[str]:
    """Return the spans of a session."""
    stated = world.spans.get(session["session_id"])
    if stated is not None:
        return {span["span_id"] for span in stated}
    trace_id = session["trace_id"]
    return {session["root_span_id"], f"{trace_id}-llm", f"{trace_id}-tool"}


def spans_of(world: NemoWorld, experiment: Row, session: Row) -> list[Row]:
    """Return a session's spans; the first one is the root of its first trace."""
    names = experiment.get("agent_names") or [experiment.get("agent_name")]
    versions = experiment.get("agent_versions") or [experiment.get("agent_version")]
    common: Row = {
        "session_id": session["session_id"],
        "workspace": world.workspace,
        "evaluation_name": experiment["name"],
        "test_case_name": session.get("test_case_id"),
        "source": _SOURCE,
        "trace_id": session["trace_id"],
        "started_at": session["started_at"],
        "status": "success",
        "usage_details": {},
        "cost_details": {},
        "ingested_at": session.get("ended_at") or session["started_at"],
    }
    stated = world.spans.get(session["session_id"])
    if stated is not None:
        return [common | span for span in stated]
    agent = {"agent_name": names[0], "agent_version": versions[0]}
    models = experiment.get("model_names") or [None]
    derived = [_root(session) | agent | {"name": names[0]}, _model_call(session, models[0])]
    if session.get("ended_at") is not None:
        derived.append(_tool_call(session))
    return [common | span for span in derived]


def summary(spans: Sequence[Row]) -> Row:
    """Return the times, tokens and cost of the spans of a trace or session; absent ones are None."""
    starts, ends = (
        [span["started_at"] for span in spans],
        [span["ended_at"] for span in spans if span.get("ended_at")],
    )
    started_at, ended_at = min(starts, key=parse), max(ends, key=parse, default=None)
    duration = None if ended_at is None else (parse(ended_at) - parse(started_at)).total_seconds() * 1000
    times = {"started_at": started_at, "ended_at": ended_at, "duration_ms": duration}
    return times | {name: _known_sum(spans, key) for name, key in _SUMS.items()}


_SUMS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cached_tokens",
    "total_tokens": "total_tokens",
    "cost_usd": "cost_total_usd",
    "cost_input_usd": "cost_input_usd",
    "cost_output_usd": "cost_output_usd",
}


_FIGURES = (
    *("input_tokens", "output_tokens", "cached_tokens"),
    *("cost_total_usd", "cost_input_usd", "cost_output_usd"),
)


def _known_sum(spans: Sequence[Row], key: str) -> float | None:
    present = [span[key] for span in spans if span.get(key) is not None]
    return sum(present) if present else None


def _root(session: Row) -> Row:
    attributes = session.get("attributes")
    return {
        "span_id": session["root_span_id"],
        "kind": "AGENT",
        "ended_at": session.get("ended_at"),
        "status": session["status"],
        "input": _text(session.get("input")),
        "output": _text(session.get("output")),
        "raw_attributes": None if attributes is None else json.dumps(attributes, separators=(",", ":")),
    }


def _model_call(session: Row, model: str | None) -> Row:
    """Return the span that has the session's tokens and cost: the first half of the session."""
    question, answer = _text(session.get("input")), _text(session.get("output"))
    reasoning = session.get("reasoning_tokens")
    return {
        "span_id": f"{session['trace_id']}-llm",
        "parent_span_id": session["root_span_id"],
        "kind": "LLM",
        "name": "chat" if model is None else f"chat {model}",
        "ended_at": _moment(session, 0.5),
        "provider": _PROVIDER,
        "model": model,
        **{key: session.get(key) for key in _FIGURES},
        "usage_details": {} if reasoning is None else {"completion_details.reasoning": reasoning},
        "input": None if question is None else json.dumps([{"role": "user", "content": question}]),
        "output": None if answer is None else json.dumps({"role": "assistant", "content": answer}),
    }


def _tool_call(session: Row) -> Row:
    has_failed = session["status"] == "error"
    failure = {"error_type": "KeyError", "error_message": "no such page"} if has_failed else {}
    return {
        "span_id": f"{session['trace_id']}-tool",
        "parent_span_id": f"{session['trace_id']}-llm",
        "kind": "TOOL",
        "name": "look_up",
        "tool_name": "look_up",
        "started_at": _moment(session, 0.5),
        "ended_at": _moment(session, 0.75),
        "status": "error" if has_failed else "success",
        "input": _text(session.get("input")),
        "output": None if has_failed else _text(session.get("output")),
        **failure,
    }


def _moment(session: Row, part: float) -> str | None:
    """Return the time when this part of the session was over; None while it runs."""
    if session.get("ended_at") is None:
        return None
    start, end = parse(session["started_at"]), parse(session["ended_at"])
    return naive(start + timedelta(seconds=(end - start).total_seconds() * part))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
