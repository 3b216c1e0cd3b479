"""Sessions of several experiments that are read with shared calls are those of each experiment read by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from operator import itemgetter
from random import Random
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.adapters.langsmith.v2 import at, refusing
from tests.examples import examples
from tests.gateway import settings_of
from tests.worlds import Row
from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.models import Session
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.session_scan import INPUT, SCORES, SessionScan, SessionScans
from tracegraph.federation.lists import FetchSessions, ScanBudget
from tracegraph.graphql.loaders import Loaders
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import (
    LangSmithWorld,
    langsmith_dataset,
    langsmith_example,
    langsmith_run,
    langsmith_session,
)
from tracegraph.sources import open_sources

SOURCE = "ls"
SIZES = st.one_of(
    st.lists(st.sampled_from([0, 1, 20, 99, 100, 101, 230]), min_size=2, max_size=12),
    st.lists(st.sampled_from([1, 400, 1000, 1001]), min_size=2, max_size=4),
)
"""Runs of each experiment, around pages of v1 and v2, and of more experiments than share a call."""


def generated_run(random: Random, name: str, examples: Sequence[Row], last_start: int) -> Row:
    """A run with or without an example, whose every other value may be missing."""
    is_running = random.random() < 0.1
    return langsmith_run(
        name,
        start_time=at(random.randrange(last_start)),
        latency_s=None if is_running else random.randrange(1, 9),
        status="pending" if is_running else random.choice(["success", "success", "error"]),
        reference_example_id=None if random.random() < 0.2 else random.choice(examples)["id"],
        inputs=random.choice([{}, {"q": f"question {random.randrange(20)}"}]),
        total_cost=random.choice([None, "0.0", "0.25"]),
        total_tokens=random.choice([None, 0, 40]),
        feedback_stats=random.choice(
            [{}, {"acc": {"n": 1, "avg": random.random()}}, {"acc": {"n": 1, "avg": None, "values": {"good": 1}}}]
        ),
    )


def generated_world(random: Random, sizes: Sequence[int]) -> tuple[LangSmithWorld, list[str]]:
    """Experiments of two datasets. Examples have no run, one or several, and a run may have a child."""
    world = LangSmithWorld(shuffle_ties=random.random() < 0.5)
    refs = []
    for index, size in enumerate(sizes):
        dataset = langsmith_dataset(f"d{index % 2}")
        examples = [langsmith_example(f"{index % 2}-{number}") for number in range(30)]
        world.add_dataset(dataset, examples)
        last_start = random.choice([1 + size // 50, 10_000])  # a group of equal starts fits into a page of v1
        runs = [generated_run(random, f"{index}-{number}", examples, last_start) for number in range(size)]
        children = [langsmith_run(f"child of {one['id']}", parent=one, start_time=at(1)) for one in runs[:3]]
        session = langsmith_session(f"e{index}", reference_dataset_id=dataset["id"])
        world.add(session, runs + children)
        refs.append(session["id"])
    return world, refs


def alone(adapter: Adapter) -> FetchSessions:
    """Every page by its own call."""

    async def fetch(_source: str, request: SessionPageRequest) -> Page[Session]:
        (outcome,) = await adapter.list_sessions([request])
        if isinstance(outcome, SourceError):
            raise outcome
        return outcome

    return fetch


async def scans_of(
    adapter: Adapter, fetch: FetchSessions, refs: Sequence[str], needs: frozenset[str]
) -> list[SessionScan]:
    """The scans of the experiments, which one request asks for."""
    scans = SessionScans([adapter], fetch, ScanBudget(computed_pages=100), [])
    return await asyncio.gather(*(scans.scan(SOURCE, ref, needs) for ref in refs))


def content(scan: SessionScan) -> tuple[Any, ...]:
    """All that a comparison takes from a scan. The vendor promises no order of runs with equal starts."""
    rows = zip(
        scan.starts,
        scan.session_ids,
        scan.test_case_ids,
        scan.inputs,
        *(map(repr, scan.column(metric)) for metric in scan.metrics),  # as text, missing values are equal
        strict=True,
    )
    in_order = sorted(rows, key=itemgetter(0, 1))
    assert [row[0] for row in in_order] in (list(scan.starts), list(scan.starts)[::-1])
    return scan.metrics, in_order, scan.complete, scan.error and scan.error.code


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 2**32),
    sizes=SIZES,
    api=st.sampled_from(["v1", "v2"]),
    with_inputs=st.booleans(),
    fails=st.booleans(),
)
async def test_cases_and_values_are_the_same_with_shared_calls_and_without(
    seed: int, sizes: list[int], api: Literal["v1", "v2"], *, with_inputs: bool, fails: bool
) -> None:
    world, refs = generated_world(Random(seed), sizes)
    simulator = langsmith.create_app(world, Deployment.of("both"))
    app = refusing(simulator, refs[-1], 403) if fails and api == "v2" else simulator
    needs = frozenset({INPUT, SCORES} if with_inputs else {SCORES})
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running(app))
        source = {"vendor": "langsmith", "base_url": url, "api_key": SecretStr(world.api_key), "api": api}
        source |= {"limits": {"rates": {"runs/query": "off", "*": "off"}}}
        opened = settings_of(sources={SOURCE: source}, cache={"url": "off"})
        (adapter,) = (await stack.enter_async_context(open_sources(opened))).adapters
        together = await scans_of(adapter, Loaders([adapter]).session_page, refs, needs)
        one_by_one = await scans_of(adapter, alone(adapter), refs, needs)
    assert [content(scan) for scan in together] == [content(scan) for scan in one_by_one]
    failing = refs[-1:] if fails and api == "v2" else []
    assert [scan.experiment_ref for scan in together if scan.error is not None] == failing
    assert [scan.sessions for scan in together if scan.error is None] == sizes[: len(sizes) - len(failing)]
