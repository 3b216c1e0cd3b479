"""Real answers of MLflow 3.17.2 through the adapter's wire structs and mapping: nothing is dropped."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from tracegraph_mlflow import wire
from tracegraph_mlflow.figures import aggregates
from tracegraph_mlflow.links import Links
from tracegraph_mlflow.mapping import to_evaluation, to_project, to_session
from tracegraph_mlflow.spans import completed, spans_of

from tests.simulators.sample_comparison import samples
from tracegraph.domain.models import (
    COST,
    ERROR_RATE,
    LATENCY,
    TOTAL_TOKENS,
    ExperimentKind,
    Metric,
    MetricKind,
    SessionStatus,
    SpanKind,
    TokenUsage,
)
from tracegraph.upstream.raw import RawDocument, RawRow

SAMPLES = {sample.name: sample for sample in samples("mlflow-3.17.2")}
LINKS = Links("https://mlflow.example.com/")
DECODERS = {
    "experiments/search": wire.EXPERIMENTS,
    "experiments/get": wire.EXPERIMENT,
    "runs/search": wire.RUNS,
    "traces/search": wire.TRACES,
    "traces/batchGet": wire.COMPLETE_TRACES,
    "traces/metrics": wire.POINTS,
}


def body(name: str) -> bytes:
    return orjson.dumps(SAMPLES[name].body)


def raw(name: str) -> RawRow:
    return RawRow(RawDocument(body(name)), ())


def decoder_of(url: str) -> Any:
    return next((decoder for path, decoder in DECODERS.items() if f"/{path}" in url), None)


@pytest.mark.parametrize(
    "name", [one.name for one in SAMPLES.values() if one.status == 200 and decoder_of(one.url) is not None]
)
def test_an_answer_is_read_in_full(name: str) -> None:
    assert decoder_of(SAMPLES[name].url).read(body(name))[1] == []


def test_an_experiment_is_a_project() -> None:
    row = wire.EXPERIMENT.read(body("experiment"))[0].experiment
    found = to_project("mlflow-a", row, raw("experiment"), LINKS)
    assert (found.ref, found.kind, found.name) == ("1", ExperimentKind.PROJECT, "capitals-live")
    assert found.created_at == datetime(2026, 11, 29, 16, 46, 34, 302000, UTC)
    assert found.url == "https://mlflow.example.com/#/experiments/1/traces"
    assert found.deferred == {"session_count"}


def test_an_evaluation_run_is_an_evaluation() -> None:
    row = wire.RUNS.read(body("runs-search"))[0].runs[0]
    assert row is not None
    found = to_evaluation("mlflow-a", row, raw("runs-search"), LINKS)
    run_id = "13d4f069784f46bc917343f191974cf3"
    assert (found.ref, found.vendor_id, found.group_id, found.name) == (f"2/{run_id}", run_id, "2", "tuned")
    assert (found.dataset_name, found.dataset_version, found.dataset_id) == ("dataset", "c9f31245", None)
    assert (found.models, found.evaluators, found.metadata) == (("small",), ("exact",), {"model": "small"})
    assert found.ended_at == datetime(2026, 11, 29, 16, 47, 14, 394000, UTC)
    assert (found.vendor_status, found.source_url) == ("FINISHED", None)


def test_a_trace_is_a_session() -> None:
    row = wire.TRACES.read(body("traces-session"))[0].traces[0]
    assert row is not None
    found = to_session("mlflow-a", "1", row, raw("traces-session"), None)
    assert (found.status, found.name, found.conversation_id) == (SessionStatus.SUCCESS, "helper", "chat-1")
    assert found.started_at == datetime(2026, 11, 29, 16, 46, 42, 338000, UTC)
    assert (found.latency_ms, found.output) == (66.0, "Paris")
    assert found.input == '{"q":"Capital of France?","i":2,"ok":true}'
    assert found.tokens == TokenUsage(2000, 200, 100, 2200)
    assert (found.cost_usd, found.input_cost_usd) == (0.0004125, 0.0002925)
    assert found.score_values == {"acc": 0.75}
    assert found.metadata == {"tier": "gold", "mlflow.trace.user": "u1"}
    assert found.deferred == frozenset()


def test_the_spans_of_a_trace() -> None:
    trace = wire.COMPLETE_TRACES.read(body("trace-batchget"))[0].traces[0]
    assert trace is not None
    root, call, tool = spans_of(trace, raw("trace-batchget"))
    assert (root.vendor_id, root.parent_id, root.kind) == ("4f8695d73e1e0105", None, SpanKind.AGENT)
    assert (call.parent_id, call.kind, call.vendor_kind) == (root.vendor_id, SpanKind.LLM, "CHAT_MODEL")
    assert (call.model, call.provider, call.cost_usd) == ("gpt-4o-mini", "openai", 0.0007125)
    assert call.tokens == TokenUsage(4000, 200, 100, 4200)
    assert (tool.tool_name, tool.output, tool.status) == ("look_up", "Paris", SessionStatus.SUCCESS)
    assert root.started_at == datetime(2026, 11, 29, 16, 46, 42, 555028, UTC)
    assert root.latency_ms == pytest.approx(116.889)


def test_the_error_of_a_trace_is_that_of_its_spans() -> None:
    trace = wire.COMPLETE_TRACES.read(body("trace-batchget"))[0].traces[1]
    assert trace is not None
    listed = to_session("mlflow-a", "1", trace.trace_info, raw("trace-batchget"), None)
    assert (listed.status, listed.error, listed.deferred) == (SessionStatus.ERROR, None, frozenset({"error"}))
    found = completed(listed, trace)
    assert (found.error, found.deferred) == ("KeyError: 'no such page'", frozenset())


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("metrics-latency", MetricKind.LATENCY, {LATENCY: {"mean": 2030.75, "median": 102.0}}),
        ("metrics-tokens", MetricKind.TOTAL_TOKENS, {TOTAL_TOKENS: {"sum": 10800.0, "mean": 2700.0}}),
        ("metrics-cost-run", MetricKind.COST, {COST: {"sum": 0.0007875}}),
        ("metrics-count-status", MetricKind.ERROR_RATE, {ERROR_RATE: {"mean": 0.25, "count": 4}}),
        ("metrics-assess-run", MetricKind.SCORE, {Metric(MetricKind.SCORE, "exact"): {"mean": 1.0, "min": 1.0}}),
    ],
)
def test_statistics_are_aggregates(name: str, kind: MetricKind, expected: Any) -> None:
    found = {aggregate.metric: aggregate for aggregate in aggregates(kind, wire.POINTS.read(body(name))[0])}
    assert found.keys() == expected.keys()
    for metric, statistics in expected.items():
        assert {name: getattr(found[metric], name) for name in statistics} == statistics
