"""Facets: the counts of values equal the totals of lists that are filtered by them, whatever the vendor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Gateway, Vendors, in_process
from tests.graphql.pages import nodes, pages
from tests.graphql.test_filters_and_orders import fill
from tests.worlds import minutes
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_session
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment

FIELDS = ("SOURCE", "VENDOR", "KIND", "DATASET_NAME", "AGENT_NAME", "MODEL")
FACETS = """
query($of: [ExperimentFacetField!]!, $first: Int, $filter: ExperimentFilter) {
  experimentFacets(of: $of, first: $first, filter: $filter) { field complete values { value count } }
}""".replace("$first: Int,", "$first: Int! = 50,")
LIST = """
query($first: Int!, $after: String, $filter: ExperimentFilter) {
  experiments(first: $first, after: $after, filter: $filter) {
    edges { node { id evaluators } } pageInfo { hasNextPage endCursor } sources { status }
  }
}"""


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=range(2))
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as vendors:
        fill(vendors, Random(request.param))
        async with in_process(vendors.settings(limits={"scan_pages": 1000})) as gateway:
            yield gateway


def condition(field: str, value: str | None) -> dict[str, Any]:
    """Return the filter that means the value of a facet."""
    if field in {"SOURCE", "VENDOR", "KIND"}:
        return {f"{field.lower()}s": [value]}
    name = {"DATASET_NAME": "datasetName", "AGENT_NAME": "agentName", "MODEL": "model"}[field]
    return {name: {"exists": False} if value is None else {"eq": value}}


async def listed(gateway: Gateway, **wanted: Any) -> list[dict[str, Any]]:
    found = await pages(gateway, LIST, "experiments", first=100, filter=wanted)
    return [node for page in found for node in nodes(page)]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wanted", [{}, {"name": {"contains": "a"}}, {"metadata": [{"key": "branch"}]}], ids=str)
async def test_the_count_of_a_value_is_the_length_of_the_list_with_that_value(
    opened: Gateway, wanted: dict[str, Any]
) -> None:
    """Null counts the experiments without a value. Without several values each, the counts sum to the list."""
    facets = (await opened.ask(FACETS, of=FIELDS, filter=wanted)).data["experimentFacets"]
    assert [facet["field"] for facet in facets] == list(FIELDS)
    everything = await listed(opened, **wanted)
    for facet in facets:
        assert facet["complete"]
        for value in facet["values"]:
            rows = await listed(opened, **wanted, **condition(facet["field"], value["value"]))
            assert len(rows) == value["count"], (facet["field"], value)
        if facet["field"] != "MODEL":
            assert sum(value["count"] for value in facet["values"]) == len(everything)


@pytest.mark.asyncio(loop_scope="module")
async def test_evaluators_are_counted_once_an_experiment(opened: Gateway) -> None:
    (facet,) = (await opened.ask(FACETS, of=["EVALUATOR"])).data["experimentFacets"]
    rows = await listed(opened)
    for value in facet["values"]:
        name = value["value"]
        matching = [row for row in rows if (not row["evaluators"] if name is None else name in row["evaluators"])]
        assert value["count"] == len(matching)


async def test_the_commonest_value_comes_first_and_first_limits_the_values(
    vendors: Vendors, gateway: Gateway
) -> None:
    for name, agent in (("a", "x"), ("b", "y"), ("c", "y"), ("d", None), ("e", "w")):
        vendors.nemo.world.add(nemo_experiment(name, agent_name=agent))
    (facet,) = (await gateway.ask(FACETS, of=["AGENT_NAME"])).data["experimentFacets"]
    assert [(one["value"], one["count"]) for one in facet["values"]] == [("y", 2), ("w", 1), ("x", 1), (None, 1)]
    (facet,) = (await gateway.ask(FACETS, of=["AGENT_NAME"], first=1)).data["experimentFacets"]
    assert [one["value"] for one in facet["values"]] == ["y"]


async def test_a_failed_source_leaves_the_counts_of_the_others(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(nemo_experiment("n"))
    vendors.meibel.world.add(meibel_agent("m"))
    vendors.meibel.fail(Fault("status", status=500, times=None))
    answer = await gateway.ask(FACETS, of=["SOURCE"])
    assert answer.data["experimentFacets"] == [
        {"field": "SOURCE", "complete": False, "values": [{"value": NEMO, "count": 1}]}
    ]
    assert set(answer.troubles) == {MEIBEL}


async def test_without_any_source_the_facets_are_null_and_the_rest_of_the_answer_stands(
    vendors: Vendors, gateway: Gateway
) -> None:
    for vendor in vendors.all:
        vendor.fail(Fault("status", status=500, times=None))
    answer = await gateway.ask("{ experimentFacets(of: [KIND]) { complete } sources { name } }")
    assert answer.partial["experimentFacets"] is None
    assert len(answer.partial["sources"]) == 3
    assert answer.codes == ["ALL_SOURCES_FAILED"]


async def test_a_list_beyond_the_page_budget_is_incomplete(vendors: Vendors) -> None:
    for index in range(150):
        vendors.langsmith.world.add(langsmith_session(f"l{index}", start_time=minutes(index)))
    sources = {LANGSMITH: vendors.sources()[LANGSMITH]}
    async with in_process(vendors.settings(sources=sources, limits={"scan_pages": 1})) as gateway:
        (facet,) = (await gateway.ask(FACETS, of=["KIND"])).data["experimentFacets"]
    assert not facet["complete"]
    (projects,) = facet["values"]
    assert projects["value"] == "PROJECT"
    assert 0 < projects["count"] < 150


@pytest.mark.parametrize("first", [-1, 100_000])
async def test_a_number_of_values_out_of_range_is_rejected(gateway: Gateway, first: int) -> None:
    assert (await gateway.ask(FACETS, of=["KIND"], first=first)).codes == ["BAD_USER_INPUT"]


async def test_models_of_a_list_that_lacks_them_are_looked_up(vendors: Vendors, gateway: Gateway) -> None:
    """Meibel's list of agents lacks the fallback models. Without the facet, no agent is looked up."""
    vendors.meibel.world.add(meibel_agent("m", llm_model="large", fallback_models=["small"]))
    filters = {"sources": [MEIBEL]}
    (facet,) = (await gateway.ask(FACETS, of=["MODEL"], filter=filters)).data["experimentFacets"]
    assert [one["value"] for one in facet["values"]] == ["large", "small"]
    vendors.forget_calls()
    await gateway.ask(FACETS, of=["KIND", "AGENT_NAME"], filter=filters)
    assert len(vendors.meibel.calls) == 1
    assert not vendors.named(LANGSMITH).calls
