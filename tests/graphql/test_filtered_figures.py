"""Figures of a part of an experiment's sessions equal those of the filtered list, over every vendor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.measured import add, drawn
from tests.graphql.ordered_worlds import DIALECT_PARAMETERS
from tests.graphql.ordered_worlds import opened as open_dialects
from tests.graphql.rows import METRICS, plain_figures, value_of
from tests.graphql.test_filters_and_orders import (
    EXPERIMENTS,
    SESSIONS,
    fill,
    picked,
    rows_of,
    session_conditions,
    with_pairs,
)
from tests.worlds import Row, minutes
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.simulators.core.faults import Fault

STATISTICS = "count sum mean min p25 median p75 p90 p95 p99 max"
FIGURES = f"""query($ids: [ID!]!, $metrics: [MetricInput!], $filter: ExperimentSessionFilter) {{
  nodes(ids: $ids) {{ id ... on Experiment {{
    aggregates(metrics: $metrics, basis: COMPUTED, filter: $filter) {{ basis complete {STATISTICS} }}
  }} }}
}}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DIALECT_PARAMETERS, ids=str)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Random, Gateway, list[Row]]]:
    """A gateway over nine experiments of each vendor in one dialect, and the rows of all their sessions."""
    rng = Random(19)
    async with open_dialects(request.param, limits={"max_cost": 10**9}) as subject:
        fill(subject.vendors, rng)
        gateway = subject.gateway
        ids = [row["id"] for row in await rows_of(gateway, EXPERIMENTS, first=100)]
        rows = await rows_of(gateway, SESSIONS, first=200, filter={"experimentIds": ids})
        yield rng, gateway, rows


def of_experiment(wanted: Row) -> Row:
    """The conditions that the filter of one experiment has, too."""
    return {name: value for name, value in wanted.items() if name not in {"sources", "vendors", "experimentIds"}}


@pytest.mark.asyncio(loop_scope="module")
async def test_the_figures_under_every_filter_are_those_of_the_filtered_list(
    world: tuple[Random, Gateway, list[Row]],
) -> None:
    rng, gateway, rows = world
    ids = sorted({row["experiment"]["id"] for row in rows})
    for conditions in with_pairs(session_conditions(rows, rng), rng):
        wanted = of_experiment(conditions)
        answer = await gateway.ask(FIGURES, ids=ids, metrics=METRICS, filter=wanted)
        for node in answer.data["nodes"]:
            matching = picked([row for row in rows if row["experiment"]["id"] == node["id"]], wanted)
            for metric, found in zip(METRICS, node["aggregates"], strict=True):
                expected = plain_figures([value_of(row, metric) for row in matching])
                assert found == {"basis": "COMPUTED", "complete": True, **expected}, (wanted, metric)


# -- the basis -----------------------------------------------------------------------------------------


async def test_a_filtered_figure_is_never_reported_and_best_is_computed(
    vendors: Vendors, gateway: Gateway
) -> None:
    ref = add(vendors, NEMO, "e", drawn(NEMO, "e", 20))
    answer = await gateway.ask(
        """query($id: ID!) { experiment(id: $id) {
          whole: aggregate(metric: {kind: LATENCY}) { basis }
          none: aggregate(metric: {kind: LATENCY}, filter: {}) { basis }
          reported: aggregate(metric: {kind: LATENCY}, filter: {statuses: [ERROR]}) { basis }
          allReported: aggregates(filter: {statuses: [ERROR]}) { basis }
          best: aggregate(metric: {kind: LATENCY}, basis: BEST, filter: {statuses: [ERROR]}) { basis population }
          allBest: aggregates(metrics: [{kind: COST}], basis: BEST, filter: {statuses: [ERROR]}) { basis }
        } }""",
        id=experiment_id(NEMO, ref),
    )
    assert answer.data["experiment"] == {
        "whole": {"basis": "REPORTED"},
        "none": {"basis": "REPORTED"},
        "reported": None,
        "allReported": [],
        "best": {"basis": "COMPUTED", "population": "SESSIONS"},
        "allBest": [{"basis": "COMPUTED"}],
    }


# -- how sessions are read -----------------------------------------------------------------------------


def session_calls(vendors: Vendors, source: str) -> int:
    """How many pages of sessions the source was asked for."""
    return sum("/e/sessions" in call.path or "runs" in call.path for call in vendors.named(source).calls)


FROM, LATER = (f'startedAt: {{gte: "{minutes(count).isoformat()}"}}' for count in (3, 9))
ASKED = {
    "one filter": ["{statuses: [ERROR]}"] * 3,
    "the whole experiment and a part": ["{statuses: [ERROR]}", "{}", "{latencyMs: {gte: 5}}"],
    "parts that another part contains": [f"{{{FROM}}}", f"{{{FROM}, statuses: [ERROR]}}", f"{{{LATER}}}"],
    "parts that the vendor does not filter": ["{totalTokens: {lt: 100}}", "{totalTokens: {gte: 1}}"],
}


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("by_library", [False, True])
async def test_one_list_serves_all_figures_of_a_request(
    vendors: Vendors, gateway: Gateway, source: str, asked: str, *, by_library: bool
) -> None:
    ref = add(vendors, source, "e", drawn(source, "e", 90))
    fields = [
        f"f{index}: aggregates(metrics: [{{kind: COST}}], basis: COMPUTED, filter: {one}) {{ count }}"
        for index, one in enumerate(ASKED[asked])
    ]
    introspection = "__schema { queryType { name } }" if by_library else ""
    query = f"query($id: ID!) {{ {introspection} experiment(id: $id) {{ {' '.join(fields)} }} }}"
    answer = await gateway.ask(query, id=experiment_id(source, ref))
    assert answer.errors == []
    assert session_calls(vendors, source) == 1


async def test_parts_that_a_vendor_filters_apart_are_read_apart(vendors: Vendors, gateway: Gateway) -> None:
    """No list of the vendor holds both parts but the whole experiment, which is longer than the two."""
    add(vendors, NEMO, "e", drawn(NEMO, "e", 90))
    query = """query($id: ID!) { experiment(id: $id) {
      errors: aggregate(metric: {kind: COST}, basis: COMPUTED, filter: {statuses: [ERROR]}) { count }
      successes: aggregate(metric: {kind: COST}, basis: COMPUTED, filter: {statuses: [SUCCESS]}) { count }
    } }"""
    answer = await gateway.ask(query, id=experiment_id(NEMO, "e"))
    assert answer.errors == []
    pages = [call for call in vendors.nemo.calls if "/e/sessions" in call.path]
    assert len(pages) == 2
    assert all("status" in str(call.query) for call in pages)


@pytest.mark.parametrize("wanted", [{"ids": []}, {"statuses": []}, {"name": {"eq": "a", "notIn": ["a"]}}])
async def test_a_filter_that_nothing_can_match_makes_no_call(
    vendors: Vendors, gateway: Gateway, wanted: dict[str, Any]
) -> None:
    ref = add(vendors, LANGSMITH, "e", drawn(LANGSMITH, "e", 5))
    answer = await gateway.ask(FIGURES, ids=[experiment_id(LANGSMITH, ref)], metrics=METRICS[:1], filter=wanted)
    (node,) = answer.data["nodes"]
    assert [(one["count"], one["complete"]) for one in node["aggregates"]] == [(0, True)]
    assert session_calls(vendors, LANGSMITH) == 0


async def test_only_sessions_that_may_match_are_looked_up(vendors: Vendors, gateway: Gateway) -> None:
    """Meibel's list has no texts: a filter by text looks up each session that meets the other conditions."""
    sessions = drawn(MEIBEL, "e", 40)
    ref = add(vendors, MEIBEL, "e", sessions)
    wanted = {"text": "nothing of it", "totalTokens": {"gte": 2000}}
    answer = await gateway.ask(FIGURES, ids=[experiment_id(MEIBEL, ref)], metrics=METRICS[:1], filter=wanted)
    assert answer.errors == []
    looked_up = [call for call in vendors.meibel.calls if call.path_class == "/v2/sessions/{session_id}"]
    assert len(looked_up) == sum((one.value("TOTAL_TOKENS") or 0) >= 2000 for one in sessions)
    assert 0 < len(looked_up) < 40


async def test_a_failed_look_up_costs_its_own_session_and_no_other_figure(
    vendors: Vendors, gateway: Gateway
) -> None:
    ref = add(vendors, MEIBEL, "e", drawn(MEIBEL, "e", 5))
    lost = vendors.meibel.world.sessions[ref][1]["session_id"]
    vendors.meibel.fail(Fault("status", path=f"/v2/sessions/{lost}", status=403, times=None))
    answer = await gateway.ask(
        """query($id: ID!) { experiment(id: $id) {
          whole: aggregate(metric: {kind: ERROR_RATE}, basis: COMPUTED) { count complete }
          part: aggregate(metric: {kind: ERROR_RATE}, basis: COMPUTED, filter: {text: "x"}) { count complete }
        } }""",
        id=experiment_id(MEIBEL, ref),
    )
    assert answer.data["experiment"]["whole"]["complete"]
    assert not answer.data["experiment"]["part"]["complete"]
    assert answer.troubles == {MEIBEL: "UNAUTHORIZED"}


@pytest.mark.parametrize("source", NAMES)
async def test_filtered_figures_are_incomplete_when_the_page_budget_ends(
    vendors: Vendors, open_gateway: Any, source: str
) -> None:
    size = 2_100 if source == NEMO else 300
    ref = add(vendors, source, "e", drawn(source, "e", size))
    gateway = await open_gateway(limits={"computed_pages": 2})
    wanted = {"totalTokens": {"gte": 0}}
    answer = await gateway.ask(FIGURES, ids=[experiment_id(source, ref)], metrics=METRICS[-1:], filter=wanted)
    (figure,) = answer.data["nodes"][0]["aggregates"]
    assert not figure["complete"]
    assert answer.troubles == {source: "SCAN_LIMITED"}


async def test_an_id_of_another_type_in_a_filter_is_an_error_of_the_figure(
    vendors: Vendors, gateway: Gateway
) -> None:
    ref = add(vendors, NEMO, "e", drawn(NEMO, "e", 1))
    own = experiment_id(NEMO, ref)
    answer = await gateway.ask(FIGURES, ids=[own], metrics=METRICS[:1], filter={"ids": [own]})
    assert answer.codes == ["INVALID_ID"]
