"""LangSmith's filter language, as the simulator parses it (docs/vendors/langsmith.md#runs)."""

import pytest

from tracegraph.simulators.langsmith.filters import FilterError, compile_filter
from tracegraph.simulators.langsmith.world import langsmith_run

RUN = langsmith_run(
    "answer it's",
    start_time="2026-11-01T12:00:00+02:00",
    latency_s=2.5,
    tags=["beta"],
    total_tokens=120,
    extra={"metadata": {"variant": "a", "thread_id": "t1"}},
    feedback_stats={"correct": {"n": 1, "avg": 0.5, "values": {}}},
)


@pytest.mark.parametrize(
    "text",
    [
        'eq(status, "success")',
        "eq(name, 'answer it\\'s')",
        'neq(status, "error")',
        "eq(error, null)",
        "gt(latency, 2)",
        "lte(latency, 2.5)",
        "gte(total_tokens, 120)",
        "lt(total_tokens, 1.21e2)",
        'gte(start_time, "2026-11-01T10:00:00Z")',
        'lte(start_time, "2026-11-01T10:00:00")',
        'eq(start_time, "2026-11-01T12:00:00+02:00")',
        'has(tags, "beta")',
        'has(metadata, "variant")',
        'has(metadata, \'{"variant": "a"}\')',
        'eq(metadata_key, "thread_id")',
        'and(eq(feedback_key, "correct"), gte(feedback_score, 0.5))',
        'eq(metadata_value, "t1")',
        "eq(is_root, true)",
        'search("ANSWER")',
        'and(eq(status, "success"), or(eq(status, "error"), lt(latency, 3)))',
        '  and ( eq ( status , "success" ) )  ',
    ],
)
def test_a_run_matches(text: str) -> None:
    assert compile_filter(text)(RUN)


@pytest.mark.parametrize(
    "text",
    [
        'eq(status, "error")',
        "neq(error, null)",
        "gt(latency, 2.5)",
        "gt(prompt_tokens, 500)",
        'gt(total_tokens, "many")',
        'gt(start_time, "2026-11-01T10:00:00Z")',
        "has(tags, 'stable')",
        'has(metadata, \'{"variant": "b"}\')',
        "search('nothing like it')",
        'or(eq(status, "error"), gt(latency, 3))',
        'eq(reference_example_id, "x")',
    ],
)
def test_a_run_does_not_match(text: str) -> None:
    assert not compile_filter(text)(RUN)


@pytest.mark.parametrize("text", ["gt(latency, 0)", 'gt(end_time, "2026-01-01")'])
def test_a_run_that_has_not_ended_has_no_latency_and_no_end(text: str) -> None:
    assert not compile_filter(text)(langsmith_run("running", latency_s=None))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected word"),
        ("status", "expected ("),
        ("eq(status", "expected ,"),
        ('eq(status, "a") eq', "after the expression"),
        ("eq(status, success)", "quote text"),
        ('eq("status", "success")', "takes a field and a value"),
        ("eq(status)", "takes a field and a value"),
        ('near(status, "a")', "unknown operator 'near'"),
        ('eq(colour, "red")', "unknown field 'colour'"),
        ('gt(start_time, "soon")', "is not a time"),
        ("gt(latency, null)", "cannot compare with null"),
        ("and()", "takes conditions"),
        ('and(eq(status, "a"), "b")', "takes conditions"),
        ("eq(status, %)", "cannot read"),
        ("has(name, 'x')", "takes tags or metadata"),
        ("has(metadata, '[1]')", "a key or a JSON object"),
        ("search(1)", "takes one text"),
    ],
)
def test_an_invalid_filter_is_rejected_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(FilterError, match=words.replace("(", r"\(")):
        compile_filter(text)(RUN)
