"""What Phoenix's objects become (docs/vendors/phoenix.md#mapping)."""

from datetime import UTC, datetime

import pytest

from tests.adapters.phoenix.subject import EVALUATION, PROJECT, Subject
from tracegraph.domain.models import (
    COST,
    ERROR_RATE,
    LATENCY,
    TOTAL_TOKENS,
    AggregatePopulation,
    Metric,
    MetricKind,
    Score,
    SessionStatus,
    SpanKind,
    TokenUsage,
)
from tracegraph.simulators.phoenix.world import (
    PhoenixWorld,
    global_id,
    phoenix_annotation,
    phoenix_dataset,
    phoenix_experiment,
    phoenix_project,
    phoenix_run,
    phoenix_span,
)

P, E = global_id("Project", 1), global_id("Experiment", 1)
NOON = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def world() -> PhoenixWorld:
    world = PhoenixWorld()
    world.add_project(phoenix_project(1, name="support"))
    world.datasets.append(phoenix_dataset(1, name="cases"))
    world.add_experiment(phoenix_experiment(1, global_id("Dataset", 1), name="base", expectedRunCount=4))
    world.examples["example"] = {"input": {"question": "why?"}, "output": {}, "metadata": {"level": "hard"}}
    return world


async def test_a_project_was_last_active_at_the_minute_after_its_newest_trace(
    world: PhoenixWorld, subject: Subject
) -> None:
    world.spans[P].append(phoenix_span(1, start_time=NOON))
    (project,) = await subject.experiments(PROJECT)
    assert project.updated_at == datetime(2026, 11, 20, 12, 1, tzinfo=UTC)
    assert project.ended_at is None


async def test_a_project_counts_root_spans_and_their_errors(world: PhoenixWorld, subject: Subject) -> None:
    root = phoenix_span(1)
    world.spans[P] += [
        root,
        phoenix_span(2, trace=root["traceId"], parent=root["spanId"], statusCode="ERROR"),
        phoenix_span(3, statusCode="ERROR"),
        phoenix_span(4, parent="of another service"),
    ]
    (project,) = await subject.experiments(PROJECT)
    assert (project.session_count, project.error_rate) == (2, 0.5)
    (rate,) = project.aggregates
    assert (rate.metric, rate.mean, rate.count, rate.population) == (ERROR_RATE, 0.5, 2, AggregatePopulation.RUNS)


async def test_the_figures_of_a_project_are_those_of_its_root_spans(world: PhoenixWorld, subject: Subject) -> None:
    tokens = {"llm": {"token_count": {"prompt": 10, "completion": 1}}}
    for number, latency in ((1, 100.0), (2, 200.0), (3, 400.0)):
        root = phoenix_span(number, latency_ms=latency, attributes=tokens, cost=(0.25, 0.25))
        child = phoenix_span(number + 10, trace=root["traceId"], parent=root["spanId"], latency_ms=1.0)
        world.spans[P] += [root, child]
    projects = await subject.experiments(PROJECT)
    subject.simulator.calls.clear()
    found = await subject.adapter.get_aggregates([*projects, *await subject.experiments(EVALUATION)])
    aggregates = {one.metric: one for one in found[P]}  # type: ignore[union-attr]
    held = aggregates[LATENCY]
    assert (held.count, held.min, held.median, held.max) == (3, 100.0, 200.0, 400.0)
    assert held.p90 == pytest.approx(360.0)
    assert (aggregates[COST].sum, aggregates[TOTAL_TOKENS].sum) == (1.5, 33.0)
    assert set(found) == {P}
    assert len(subject.simulator.calls) == 2  # one for the figures of all projects, one for the list above


async def test_unknown_costs_and_tokens_are_none_and_never_zero(world: PhoenixWorld, subject: Subject) -> None:
    tokens = {"llm": {"token_count": {"prompt": 10, "completion": 1}}}
    world.spans[P] += [phoenix_span(1), phoenix_span(2, attributes=tokens, cost=(0.0, 0.0))]
    sessions = {session.vendor_id: session for session in await subject.sessions(P)}
    silent, unpriced = sessions[f"{1:016x}"], sessions[f"{2:016x}"]
    assert (silent.tokens, silent.cost_usd) == (None, None)
    assert unpriced.tokens == TokenUsage(input=10, output=1, total=11)
    assert (unpriced.cost_usd, unpriced.input_cost_usd) == (None, None)
    (project,) = await subject.experiments(PROJECT)
    found = await subject.adapter.get_aggregates([project])
    assert COST not in {one.metric for one in found[P]}  # type: ignore[union-attr]


async def test_the_scores_of_a_session_are_the_annotations_of_its_span_and_of_its_trace(
    world: PhoenixWorld, subject: Subject
) -> None:
    verdicts = [
        phoenix_annotation("helpful", score=1.0, label="yes", explanation="short"),
        phoenix_annotation("helpful", score=0.5, label="yes", explanation="wrong tone"),
        phoenix_annotation("tone", label="friendly"),
    ]
    root = phoenix_span(1, spanAnnotations=verdicts)
    world.spans[P].append(root)
    world.trace_annotations[root["traceId"]] = [phoenix_annotation("resolved", score=1.0)]
    (session,) = await subject.sessions(P)
    assert session.scores == (
        Score("helpful", 0.75, "yes", "short\nwrong tone"),
        Score("resolved", 1.0),
        Score("tone", None, "friendly"),
    )


async def test_labels_that_differ_are_none(world: PhoenixWorld, subject: Subject) -> None:
    verdicts = [phoenix_annotation("tone", label="friendly"), phoenix_annotation("tone", label="rude")]
    world.spans[P].append(phoenix_span(1, spanAnnotations=verdicts))
    (session,) = await subject.sessions(P)
    assert session.scores == ()


async def test_a_run_has_the_input_of_its_example(world: PhoenixWorld, subject: Subject) -> None:
    world.runs[E].append(phoenix_run(1, "example", output={"answer": "because"}))
    (run,) = await subject.sessions(E)
    assert (run.input, run.output, run.test_case_id) == ("why?", "because", "example")
    assert (run.metadata, run.status) == ({"level": "hard"}, SessionStatus.SUCCESS)


async def test_an_evaluator_with_only_an_error_failed(world: PhoenixWorld, subject: Subject) -> None:
    verdicts = [
        phoenix_annotation("exact", error="timed out"),
        phoenix_annotation("near", score=0.0, error="late"),
    ]
    world.runs[E].append(phoenix_run(1, "example", annotations=verdicts))
    (run,) = await subject.sessions(E)
    assert run.scores == (Score("exact", failed=True), Score("near", 0.0))


async def test_figures_of_an_experiment_are_averages_over_examples(world: PhoenixWorld, subject: Subject) -> None:
    """Two repetitions of one example count once."""
    runs = (("a", 100.0, 1.0), ("a", 300.0, 0.0), ("b", 400.0, 1.0))
    world.runs[E] += [
        phoenix_run(number, example, latency_ms=latency, annotations=[phoenix_annotation("exact", score=score)])
        for number, (example, latency, score) in enumerate(runs, 1)
    ]
    (experiment,) = await subject.experiments(EVALUATION)
    by_metric = {one.metric: one for one in experiment.aggregates}
    exact = by_metric[Metric(MetricKind.SCORE, "exact")]
    assert by_metric[LATENCY].mean == 300.0
    assert (exact.mean, exact.count, exact.min, exact.max) == (0.75, 3, 0.0, 1.0)
    assert exact.population is AggregatePopulation.TEST_CASES
    assert (experiment.session_count, experiment.progress) == (3, 0.75)
    assert (experiment.dataset_name, experiment.evaluators) == ("cases", ("exact",))


async def test_a_span_has_the_attributes_of_openinference(world: PhoenixWorld, subject: Subject) -> None:
    root = phoenix_span(1, attributes={"agent": {"name": "planner"}})
    details = {"prompt_details": {"cache_read": 4, "cache_write": 1}, "completion_details": {"reasoning": 2}}
    llm = {
        "model_name": "gpt-4o-mini",
        "provider": "openai",
        "token_count": {"prompt": 10, "completion": 5, **details},
    }
    below = {"trace": root["traceId"], "parent": root["spanId"]}
    world.spans[P] += [
        root,
        phoenix_span(
            2,
            **below,
            name="chat",
            spanKind="llm",
            statusCode="ERROR",
            statusMessage="overloaded",
            attributes={"llm": llm, "input": {"value": "hi"}, "metadata": {"tier": "gold"}},
            cost=(0.5, 0.25),
        ),
        phoenix_span(3, **below, spanKind="tool", attributes={"tool": {"name": "look_up"}}),
        phoenix_span(4, **below, spanKind="decision"),
    ]
    spans = {span.vendor_id: span for span in await subject.spans(P, root["spanId"])}
    chat = spans[f"{2:016x}"]
    assert (chat.kind, chat.model, chat.provider, chat.input) == (SpanKind.LLM, "gpt-4o-mini", "openai", "hi")
    assert chat.tokens == TokenUsage(input=10, output=5, cached=4, total=15, cache_write=1, reasoning=2)
    assert (chat.status, chat.error, chat.cost_usd) == (SessionStatus.ERROR, "overloaded", 0.75)
    assert chat.metadata == {"tier": "gold"}
    assert spans[root["spanId"]].agent_name == "planner"
    assert spans[f"{3:016x}"].tool_name == "look_up"
    decision = spans[f"{4:016x}"]
    assert (decision.kind, decision.vendor_kind) == (SpanKind.UNKNOWN, "DECISION")


async def test_links_lead_to_the_web_application(world: PhoenixWorld, subject: Subject) -> None:
    world.spans[P].append(phoenix_span(1))
    world.runs[E].append(phoenix_run(1, "example", traceId="a" * 32))
    (project,), (experiment,) = await subject.experiments(PROJECT), await subject.experiments(EVALUATION)
    (root,), (run,) = await subject.sessions(P), await subject.sessions(E)
    assert [project.url, experiment.url, root.url, run.url] == [
        f"https://phoenix.example/projects/{P}",
        "https://phoenix.example/datasets/RGF0YXNldDox/compare?experimentId=RXhwZXJpbWVudDox",
        f"https://phoenix.example/redirects/spans/{1:016x}",
        f"https://phoenix.example/redirects/traces/{'a' * 32}",
    ]
