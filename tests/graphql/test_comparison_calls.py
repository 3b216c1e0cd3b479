"""How many run queries a comparison of LangSmith experiments takes: the table of docs/vendors/langsmith.md."""

import re
from collections import Counter
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.langsmith.v2 import project_of
from tests.gateway import LANGSMITH, Vendors, in_process
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import (
    LangSmithWorld,
    langsmith_dataset,
    langsmith_example,
    langsmith_run,
    langsmith_session,
)

CASES = """query($ids: [ID!]!, $joinOn: CaseKey! = TEST_CASE_ID) {
  comparison(experimentIds: $ids, joinOn: $joinOn) {
    cases(metric: {kind: LATENCY}, first: 3) { totalCount nodes { key entries { value outcome } } }
  }
}"""
CASES_AND_FIGURES = """query($ids: [ID!]!) {
  comparison(experimentIds: $ids, basis: COMPUTED) {
    metrics { metric { kind } entries { value cases { improved regressed equal missing } } }
    cases(metric: {kind: LATENCY}, first: 3) { totalCount nodes { key entries { value outcome } } }
    latest: cases(metric: {kind: COST}, last: 3) { totalCount }
  }
}"""

MEASURED = [
    *(("v1", 2, 30, 1), ("v1", 2, 250, 6), ("v1", 2, 1000, 22)),
    *(("v1", 3, 30, 1), ("v1", 3, 250, 9), ("v1", 3, 1000, 33)),
    *(("v1", 5, 30, 2), ("v1", 5, 250, 15), ("v1", 5, 1000, 55)),
    *(("v1", 10, 30, 3), ("v1", 10, 250, 30), ("v1", 20, 30, 6), ("v1", 20, 250, 60)),
    *(("v2", 2, 30, 1), ("v2", 2, 250, 1), ("v2", 2, 1000, 3)),
    *(("v2", 3, 30, 1), ("v2", 3, 250, 1), ("v2", 3, 1000, 5)),
    *(("v2", 5, 30, 1), ("v2", 5, 250, 2), ("v2", 5, 1000, 8)),
    *(("v2", 10, 30, 1), ("v2", 10, 250, 3), ("v2", 20, 30, 2), ("v2", 20, 250, 6)),
]
"""The interface, experiments, cases, and run queries."""

PLAYED = [row if row[1] * row[2] <= 900 else pytest.param(*row, marks=pytest.mark.slow) for row in MEASURED]
"""Those with many runs are slow."""


def add_experiments(world: LangSmithWorld, experiments: int, cases: int) -> list[str]:
    """Add experiments over one dataset, which ran one after another, and return their IDs."""
    dataset, examples = langsmith_dataset("d"), [langsmith_example(f"x{number}") for number in range(cases)]
    world.add_dataset(dataset, examples)
    for index in range(experiments):
        began = EPOCH + timedelta(days=index)
        runs = [
            langsmith_run(
                f"e{index}-{number}",
                start_time=began + timedelta(seconds=number),
                latency_s=1 + index * number % 7,
                reference_example_id=example["id"],
            )
            for number, example in enumerate(examples)
        ]
        world.add(langsmith_session(f"e{index}", reference_dataset_id=dataset["id"]), runs)
    return [experiment_id(LANGSMITH, project_of(f"e{index}")) for index in range(experiments)]


async def compare(vendors: Vendors, api: str, query: str, **variables: Any) -> tuple[Any, int]:
    """The comparison by one interface, and its run queries. The other calls look the experiments up."""
    await vendors.langsmith.close()
    vendors.langsmith.simulator = langsmith.create_app(vendors.langsmith.world, Deployment.of("both"))
    vendors.langsmith.url = ""
    await vendors.langsmith.start()
    sources = {LANGSMITH: vendors.sources()[LANGSMITH] | {"api": api}}
    async with in_process(vendors.settings(sources=sources, limits={"deadline_s": 120})) as gateway:
        found = (await gateway.ask(query, **variables)).data["comparison"]
    calls = Counter(call.path for call in vendors.langsmith.calls)
    assert calls.keys() == {f"/api/{api}/{path}" for path in ("runs/query", "sessions", "datasets")}
    return found, calls[f"/api/{api}/runs/query"]


@pytest.mark.parametrize(("api", "experiments", "cases", "queries"), PLAYED)
async def test_cases_take_these_run_queries_and_computed_figures_take_none_more(
    vendors: Vendors, api: str, experiments: int, cases: int, queries: int
) -> None:
    ids = add_experiments(vendors.langsmith.world, experiments, cases)
    alone, calls_alone = await compare(vendors, api, CASES, ids=ids)
    beside, calls_beside = await compare(vendors, api, CASES_AND_FIGURES, ids=ids)
    assert (calls_alone, calls_beside) == (queries, queries)
    assert alone["cases"] == beside["cases"]
    assert alone["cases"]["totalCount"] == beside["latest"]["totalCount"] == cases
    assert all(entry["value"] is not None for node in alone["cases"]["nodes"] for entry in node["entries"])


def test_the_documents_table_has_these_numbers_beside_those_of_pages_of_a_hundred_examples() -> None:
    page = (Path(__file__).parents[2] / "docs/vendors/langsmith.md").read_text("utf-8").replace(",", "")
    rows = [
        tuple(map(int, row))
        for row in re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.M)
    ]
    measured = {(api, experiments, cases): queries for api, experiments, cases, queries in MEASURED}
    documented = {("v1", *row[:2]): row[2] for row in rows} | {("v2", *row[:2]): row[3] for row in rows}
    assert documented == measured
    assert [by_example for *_, by_example in rows] == [ceil(cases / 100) for _, cases, *_ in rows]


def test_up_to_ten_experiments_by_v2_take_no_more_run_queries_than_pages_of_a_hundred_examples() -> None:
    """Why the gateway does not read them by example."""
    more = [(api, many) for api, many, cases, queries in MEASURED if api == "v2" and queries > ceil(cases / 100)]
    assert more == [("v2", 20), ("v2", 20)]


@pytest.mark.parametrize(("experiments", "queries"), [(4, 1), (5, 2)])
async def test_lists_with_inputs_are_shared_by_four_experiments(
    vendors: Vendors, experiments: int, queries: int
) -> None:
    """The rows of a shared call are in memory together, and inputs are large."""
    ids = add_experiments(vendors.langsmith.world, experiments, 30)
    found, calls = await compare(vendors, "v2", CASES, ids=ids, joinOn="INPUT")
    assert (found["cases"]["totalCount"], calls) == (30, queries)
