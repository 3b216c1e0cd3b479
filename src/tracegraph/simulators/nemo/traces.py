"""Traces: the spans of one trace id as one row, described by its root span."""

from collections.abc import Sequence

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo.requests import STATUSES, present
from tracegraph.simulators.nemo.spans import sessions_with_experiments, spans_of, summary, trace_ids
from tracegraph.simulators.nemo.telemetry_filters import Fields, Filter
from tracegraph.simulators.nemo.texts import text_in_mode
from tracegraph.simulators.nemo.world import NemoWorld

TRACE_FIELDS = Fields(
    noun="trace",
    texts=frozenset({"session_id", "evaluation_name", "test_case_name", "agent_name"}),
    enums={"status": STATUSES},
    lists=frozenset({"id"}),
    times=frozenset({"started_at"}),
    aliases={"evaluation_id": "evaluation_name", "test_case_id": "test_case_name"},
)


_ROLLUPS = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "total_tokens",
    "cost_usd",
    "cost_input_usd",
    "cost_output_usd",
    "models",
    "providers",
    "span_count",
    "error_count",
)


_STATED = ("agent_name", "agent_version", "started_at", "ended_at", "duration_ms", "status")


def find_traces(world: NemoWorld, wanted: Filter, trace_id: str | None = None) -> list[Row]:
    """Return the traces that the filter, and the id if there is one, select."""
    name, session_id = wanted.exact.get("evaluation_name"), wanted.exact.get("session_id")
    trace_id = trace_id or wanted.exact.get("id")

    def is_candidate(owner: str, session: Row) -> bool:
        if name not in {None, owner} or session_id not in {None, session["session_id"]}:
            return False
        return trace_id is None or trace_id in trace_ids(world, session)

    members: dict[str, list[Row]] = {}
    for owner in sessions_with_experiments(world, is_candidate):
        for span in spans_of(world, *owner):
            members.setdefault(span["trace_id"], []).append(span)
    traces = [_trace(found, spans) for found, spans in members.items() if trace_id in {None, found}]
    return [trace for trace in traces if wanted.matches(trace)]


def trace_row(trace: Row, mode: str, context: Row | None) -> Row:
    """Return a trace as the mode has it: a summary has neither texts nor figures. Absent values are left out."""
    served = {key: trace.get(key) for key in ("id", "root_span_id", "session_id", "workspace", "name")}
    served |= {key: text_in_mode(trace.get(key), mode) for key in ("input", "output")}
    served |= {"evaluation_context": context, **{key: trace.get(key) for key in _STATED}}
    if mode != "summary":
        served |= {key: trace.get(key) for key in _ROLLUPS}
    return present(served)


def _trace(trace_id: str, spans: Sequence[Row]) -> Row:
    roots = [span for span in spans if span.get("parent_span_id") is None] or list(spans)
    root = min(roots, key=lambda span: (parse(span["started_at"]), span["span_id"]))
    figures = summary(spans) | {key: summary([root])[key] for key in ("started_at", "ended_at", "duration_ms")}
    return {
        **root,
        **figures,
        "id": trace_id,
        "root_span_id": root["span_id"],
        "models": _names(spans, "model"),
        "providers": _names(spans, "provider"),
        "span_count": len(spans),
        "error_count": sum(span["status"] == "error" for span in spans),
    }


def _names(spans: Sequence[Row], key: str) -> list[str]:
    return sorted({span[key] for span in spans if span.get(key)})
