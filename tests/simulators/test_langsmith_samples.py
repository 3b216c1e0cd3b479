"""The v2 answers of the LangSmith simulator have the fields of tests/contracts/langsmith-v2.

The samples were built from the types of LangSmith's client 0.15.1. None was seen on LangSmith itself. Their bodies
have more fields than their `selects`, so the requests here select what the bodies have.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tests.simulators.samples import Sample, differences, samples
from tracegraph.simulators.core.times import zulu
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import (
    LangSmithWorld,
    langsmith_dataset,
    langsmith_example,
    langsmith_run,
    langsmith_session,
)

SAMPLES = samples("langsmith-v2")
PROJECT, OTHER = "11111111-1111-4111-8111-111111111111", "55555555-5555-4555-8555-555555555555"
EXAMPLE, DATASET = "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"
ROOT = "0190a1b2-0000-7000-8000-000000000001"
MORE_KEYS = {
    # Fields of the client's types that the samples leave out, and the verdict of the run in runs-query.json.
    "sessions-list": frozenset(
        f".items[].{name}"
        for name in (
            *("default_dataset_id", "last_run_start_time_live", "longlived_ttl_days", "run_facets"),
            "feedback_stats.verdict",
        )
    ),
    "experiment-runs": frozenset(
        f".items[].{name}" for name in ("modified_at", "source_run_id", "attachment_urls")
    ),
}

DIFFERENCES = {
    # The sample has the root's total of the whole trace. This endpoint has no include_subtree_usage, and without
    # it a run has its own usage only.
    "trace-runs": [".items[].total_tokens: null, number instead of number"],
}


@pytest.fixture
def sample_client(connect: Connect) -> httpx.AsyncClient:
    """A client of a LangSmith with the objects of the samples."""
    world = sample_world()
    app = langsmith.create_app(world, Deployment(v2=True))
    return connect(app, headers={"X-API-Key": world.api_key})


def sample_world() -> LangSmithWorld:
    """Return the objects of the samples: two experiments on one dataset; the first has three traces."""
    world = LangSmithWorld(tenant_id="44444444-4444-4444-8444-444444444444")
    world.add_dataset(
        langsmith_dataset("questions", id=DATASET),
        [langsmith_example("#1", id=EXAMPLE, inputs={"q": "Capital of France?"}, outputs={"a": "Paris"})],
    )
    root = scored_run(
        "root",
        0.4,
        id=ROOT,
        trace_id=ROOT,
        dotted_order=f"20261120T100000123000Z{ROOT}",
        status="error",
        error="KeyError: no such page",
        outputs=None,
    )
    child = langsmith_run("child", start_time="2026-11-20T10:00:00.130Z", parent=root)
    experiment = langsmith_session(
        "tuned",
        id=PROJECT,
        start_time="2026-11-20T09:59:00Z",
        reference_dataset_id=DATASET,
        test_run_number=2,
        extra={"metadata": {"dataset_version": "2026-11-01T00:00:00Z", "models": ["small"]}},
        experiment_progress={
            "expected_run_count": 3,
            "run_progress": 1.0,
            "evaluator_progress": {"acc": 1.0},
        },
    )
    world.add(experiment, [root, child, scored_run("second", 0.6, minutes=1), scored_run("third", 0.8, minutes=2)])
    world.add(
        langsmith_session("plain", id=OTHER, type="PROJECT"), [langsmith_run("a", reference_example_id=EXAMPLE)]
    )
    return world


def scored_run(name: str, score: float, minutes: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a root run of the first experiment, so many minutes before its newest."""
    start = datetime(2026, 11, 20, 10, 0, 0, 123000, UTC) - timedelta(minutes=minutes)
    verdict = {"verdict": {"n": 1, "avg": None, "values": {"wrong": 1}}} if name == "root" else {}
    run = langsmith_run(
        name,
        start_time=start,
        latency_s=2.5,
        inputs={"q": "Capital of France?"},
        first_token_time=zulu(start + timedelta(seconds=0.4)),
        prompt_token_details={"cache_read": 5},
        extra={"metadata": {"ls_model_name": "small"}},
        tags=["nightly"],
        thread_id="chat-7",
        reference_example_id=EXAMPLE,
        feedback_stats={"acc": {"n": 1, "avg": score, "values": {}}, **verdict},
    )
    return run | fields


def request_of(sample: Sample) -> tuple[str, Any]:
    """Return path and body of a sample's request, with every field of its runs selected."""
    path, body = sample.path, sample.body
    items = sample.answer.get("items") or []
    runs = [run for item in items for run in item.get("runs", [item])]
    selects = sorted({name.upper() for run in runs for name in run})
    if sample.name == "runs-query":
        return path, {**body, "page_size": 1, "selects": selects}
    if sample.name == "runs-query-last-page":
        return path, {"project_ids": [PROJECT]}
    if sample.name == "experiment-runs":
        return path, {**body, "selects": selects}
    if sample.name == "traces-query":
        return path, {**body, "trace_ids": [ROOT]}
    if sample.name == "trace-runs":
        return "&".join([path.partition("&")[0], *(f"selects={name}" for name in selects)]), None
    return path, body


@pytest.mark.parametrize("name", SAMPLES)
async def test_an_answer_has_the_keys_types_and_nulls_of_the_sample(
    sample_client: httpx.AsyncClient, name: str
) -> None:
    sample = SAMPLES[name]
    path, body = request_of(sample)
    answer = await sample_client.request(sample.method, path, json=body)
    assert answer.status_code == sample.status, answer.text
    found = differences(sample.answer, answer.json(), MORE_KEYS.get(name, frozenset()))
    assert found == DIFFERENCES.get(name, [])


def test_the_comparison_finds_missing_and_surplus_keys_types_and_nulls() -> None:
    sample = {"items": [{"id": "a", "cost": 0.5, "end": None, "tags": ["x"], "stats": {"n": 1}}]}
    assert (
        differences(sample, {"items": [{"id": "b", "cost": 1, "end": "t", "tags": [], "stats": {"n": 2}}]}) == []
    )
    assert differences(sample, {"items": [{"id": 1, "cost": None, "tags": ["x"], "stats": {"m": 1}}]}) == [
        ".items[].cost: null instead of number",
        ".items[].end: missing",
        ".items[].id: number instead of string",
        ".items[].stats.m: surplus",
        ".items[].stats.n: missing",
    ]
