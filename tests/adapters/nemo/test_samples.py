"""Real answers of nemo-helix 0.8.1 through the adapter's wire structs and mapping: nothing is dropped."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tracegraph_nemo.mapping import Origin, to_experiment, to_session
from tracegraph_nemo.span_mapping import score_texts, scores_by_span, to_span
from tracegraph_nemo.totals import aggregates
from tracegraph_nemo.wire import EXPERIMENTS, METRICS, RESULTS, SESSIONS, SPANS, TRACES

from tracegraph.domain.models import (
    COST,
    ERROR_RATE,
    LATENCY,
    TOTAL_TOKENS,
    Score,
    ScoreText,
    SessionStatus,
    SpanKind,
    TokenUsage,
)

SAMPLES = Path(__file__).parents[2] / "contracts" / "nemo-helix-0.8.1"
ORIGIN = Origin("nemo-a")


def body(name: str) -> bytes:
    sample: Any = json.loads((SAMPLES / f"{name}.json").read_text())
    return json.dumps(sample["body"]).encode()


@pytest.mark.parametrize("name", ["evaluations", "evaluations-agent", "evaluations-by-group", "evaluations-in"])
def test_lists_of_evaluations_are_read_in_full(name: str) -> None:
    assert EXPERIMENTS.read(body(name))[1] == []


@pytest.mark.parametrize("name", ["sessions", "sessions-sorted", "sessions-case", "sessions-in"])
def test_lists_of_sessions_are_read_in_full(name: str) -> None:
    assert SESSIONS.read(body(name))[1] == []


def test_a_list_of_groups_is_recognized() -> None:
    found, _ = EXPERIMENTS.read(body("experiments"))
    assert [row is not None and row.is_group for row in found.data] == [True]


def test_an_evaluation_is_an_experiment() -> None:
    _, row = EXPERIMENTS.read(body("evaluations"))[0].data
    assert row is not None
    found = to_experiment(row, ORIGIN)
    assert (found.ref, found.vendor_id) == ("run-a", "experiment-UbT78dF5FcgCqSmnmBwr3k")
    assert found.group_ids == ("experiment-group-Cegp2UqWbNvsWpBbZQdemG",)
    assert (found.agent_names, found.agent_versions, found.models) == (("helper",), ("1",), ("small",))
    assert (found.session_count, found.vendor_status) == (3, "completed")
    assert found.created_at == datetime(2026, 11, 29, 16, 39, 57, 942931, UTC)
    assert found.aggregates[0].metric == LATENCY


def test_a_session_has_its_test_case_conversation_and_failed_evaluators() -> None:
    row = SESSIONS.read(body("sessions"))[0].data[2]
    assert row is not None
    found = to_session(row, ORIGIN, "run-a")
    assert (found.vendor_id, found.conversation_id, found.test_case_id) == ("run-a-s3", "run-a-s3", "paris")
    assert (found.status, found.output, found.cost_usd) == (SessionStatus.ERROR, None, 0.03)
    assert found.tokens == TokenUsage(100, 20, 5, 120)
    assert (found.scores, found.failed_evaluators) == ((Score("acc", failed=True),), ("acc",))


def test_the_totals_are_those_of_all_sessions() -> None:
    found, dropped = METRICS.read(body("traces-metrics"))
    assert dropped == []
    (point,) = found.data
    assert point is not None
    by_metric = {aggregate.metric: aggregate for aggregate in aggregates(point, 3)}
    assert (by_metric[COST].sum, by_metric[COST].count) == (0.06, 3)
    assert (by_metric[ERROR_RATE].sum, by_metric[ERROR_RATE].count) == (1, 3)
    assert by_metric[TOTAL_TOKENS].sum == 360


@pytest.mark.parametrize("name", ["spans-session", "spans-trace", "spans-evaluation"])
def test_lists_of_spans_are_read_in_full(name: str) -> None:
    assert SPANS.read(body(name))[1] == []


def test_a_span_of_a_session() -> None:
    root, call, tool = [to_span(row) for row in SPANS.read(body("spans-session"))[0].data if row is not None]
    assert (root.metadata, root.latency_ms, root.input) == ({"custom.x": "y"}, 2000.0, "Capital of France?")
    assert call.tokens == TokenUsage(100, 20, 5, 120, None, 3)
    assert (tool.kind, tool.tool_name, tool.parent_id) == (SpanKind.TOOL, "look_up", call.vendor_id)


def test_an_evaluator_result_of_a_session_is_a_score_of_its_span_with_its_explanation() -> None:
    found, dropped = RESULTS.read(body("evaluator-results"))
    assert dropped == []
    rows = [row for row in found.data if row is not None]
    failed = Score("acc", explanation="judge timed out", failed=True)
    assert scores_by_span(rows) == {"run-a-t3-root": [failed]}
    assert score_texts(rows) == {"acc": ScoreText(explanation="judge timed out")}
    for row in rows:
        row.value, row.status = 0.4, "SCORED"
    assert scores_by_span(rows) == {"run-a-t3-root": [Score("acc", 0.4, explanation="judge timed out")]}


def test_traces_by_id_are_read_in_full() -> None:
    found, dropped = TRACES.read(body("traces-in"))
    assert dropped == []
    assert [
        (row.id, row.session_id, row.models, row.providers, row.cost_usd) for row in found.data if row is not None
    ] == [
        ("run-b-t1", "run-b-s1", ["large"], ["nim"], 0.05),
        ("run-a-t1", "run-a-s1", ["small"], ["nim"], 0.01),
    ]


def test_a_trace_has_the_tokens_and_cost_of_its_session() -> None:
    sessions = {row.trace_id: row for row in SESSIONS.read(body("sessions"))[0].data if row is not None}
    for trace in TRACES.read(body("traces"))[0].data:
        assert trace is not None
        session = sessions[trace.id]
        assert (trace.session_id, trace.cost_usd) == (session.session_id, session.cost_total_usd)
        counts = session.input_tokens, session.output_tokens, session.cached_tokens
        assert (trace.input_tokens, trace.output_tokens, trace.cached_tokens) == counts
