"""Groups of an experiment's sessions equal brute force over the rows as clients read them, over every vendor."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import OpenGateway
from tests.examples import diagonal
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.measured import add, drawn
from tests.graphql.ordered_worlds import DIALECT_PARAMETERS
from tests.graphql.ordered_worlds import opened as open_dialects
from tests.graphql.rows import METRICS, plain_figures, value_of
from tests.graphql.test_filters_and_orders import EXPERIMENTS, SESSIONS, fill, picked, rows_of
from tests.worlds import Row, minutes
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session

STATISTICS = "count sum mean min p25 median p75 p90 p95 p99 max"
GROUPS = f"""
query($ids: [ID!]!, $by: SessionDimension!, $metrics: [MetricInput!]!, $first: Int! = 20,
      $filter: ExperimentSessionFilter) {{
  nodes(ids: $ids) {{ id ... on Experiment {{
    sessionGroups(by: $by, metrics: $metrics, first: $first, filter: $filter) {{
      complete otherCount
      groups {{ key sessionCount aggregates {{ basis complete {STATISTICS} }} }}
    }}
  }} }}
}}"""
FIELDS = {"STATUS": "status", "NAME": "name", "AGENT_NAME": "agentName", "AGENT_VERSION": "agentVersion"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DIALECT_PARAMETERS, ids=str)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Random, Gateway, list[Row]]]:
    """A gateway over nine experiments of each vendor in one dialect, and the rows of all their sessions."""
    rng = Random(19)
    async with open_dialects(request.param, limits={"max_cost": 10**9}) as subject:
        fill(subject.vendors, rng)
        gateway = subject.gateway
        ids = [row["id"] for row in await rows_of(gateway, EXPERIMENTS, first=100)]
        yield rng, gateway, await rows_of(gateway, SESSIONS, first=200, filter={"experimentIds": ids})


def grouped(rows: list[Row], field: str) -> list[tuple[str | None, list[Row]]]:
    """The rows by their value, the largest group first, groups of one size by value, null last."""
    sizes = Counter(row[field] for row in rows)
    keys = sorted(sizes, key=lambda key: (-sizes[key], key is None, key or ""))
    return [(key, [row for row in rows if row[field] == key]) for key in keys]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("dimension", FIELDS)
@pytest.mark.parametrize(
    ("first", "wanted"), diagonal([1, 20, 2], [{}, {"text": "question"}, {"statuses": ["SUCCESS", "ERROR"]}])
)
async def test_every_figure_of_every_group_equals_brute_force(
    world: tuple[Random, Gateway, list[Row]], dimension: str, first: int, wanted: dict[str, Any]
) -> None:
    _, gateway, rows = world
    ids = sorted({row["experiment"]["id"] for row in rows})
    answer = await gateway.ask(GROUPS, ids=ids, by=dimension, metrics=METRICS, first=first, filter=wanted)
    for node in answer.data["nodes"]:
        of_experiment = [row for row in rows if row["experiment"]["id"] == node["id"]]
        matching = picked(of_experiment, wanted)
        found, expected = node["sessionGroups"], grouped(matching, FIELDS[dimension])
        assert found["complete"]
        assert [one["key"] for one in found["groups"]] == [key for key, _ in expected[:first]]
        for group, (_, members) in zip(found["groups"], expected, strict=False):
            assert group["sessionCount"] == len(members)
            for metric, figure in zip(METRICS, group["aggregates"], strict=True):
                values = plain_figures([value_of(row, metric) for row in members])
                assert figure == {"basis": "COMPUTED", "complete": True, **values}
        assert sum(one["sessionCount"] for one in found["groups"]) + found["otherCount"] == len(matching)


async def test_sessions_are_grouped_by_models_and_by_conversations(vendors: Vendors, gateway: Gateway) -> None:
    """A session of several models is in one group, whatever their order."""
    models = [["b", "a"], ["a", "b"], ["a"], [], []]
    vendors.langsmith.world.add(
        langsmith_session("e"),
        [
            langsmith_run(
                f"{number}",
                start_time=minutes(number),
                thread_id=f"thread-{number % 2}",
                extra={"metadata": {"models": names}},
            )
            for number, names in enumerate(models)
        ],
    )
    found = await gateway.ask("{ experiments { nodes { id } } }")
    (node,) = found.data["experiments"]["nodes"]
    groups = {}
    for dimension in ("MODEL", "CONVERSATION"):
        answer = await gateway.ask(GROUPS, ids=[node["id"]], by=dimension, metrics=[])
        (one,) = answer.data["nodes"]
        groups[dimension] = [(group["key"], group["sessionCount"]) for group in one["sessionGroups"]["groups"]]
    assert groups == {
        "MODEL": [("a, b", 2), (None, 2), ("a", 1)],
        "CONVERSATION": [("thread-0", 3), ("thread-1", 2)],
    }


# -- how sessions are read -----------------------------------------------------------------------------


@pytest.mark.parametrize("source", NAMES)
async def test_one_list_serves_groups_by_several_properties_and_other_figures(
    vendors: Vendors, gateway: Gateway, source: str
) -> None:
    ref = add(vendors, source, "e", drawn(source, "e", 60))
    answer = await gateway.ask(
        """query($id: ID!) { experiment(id: $id) {
          a: sessionGroups(by: STATUS, metrics: []) { otherCount }
          b: sessionGroups(by: NAME, metrics: [{kind: COST}], first: 1) { otherCount }
          c: sessionGroups(by: STATUS, metrics: [], filter: {totalTokens: {gte: 10}}) { otherCount }
          d: aggregate(metric: {kind: COST}, basis: COMPUTED) { count }
        } }""",
        id=experiment_id(source, ref),
    )
    assert answer.data["experiment"]["a"] == {"otherCount": 0}
    lists = [call for call in vendors.named(source).calls if "/e/sessions" in call.path or "runs" in call.path]
    assert len(lists) == 1


async def test_an_experiment_without_sessions_has_no_groups(vendors: Vendors, gateway: Gateway) -> None:
    ref = add(vendors, NEMO, "e", [])
    answer = await gateway.ask(GROUPS, ids=[experiment_id(NEMO, ref)], by="STATUS", metrics=METRICS)
    assert answer.data["nodes"][0]["sessionGroups"] == {"complete": True, "otherCount": 0, "groups": []}


@pytest.mark.parametrize("first", [-1, 1001])
async def test_a_number_of_groups_out_of_range_is_an_error(vendors: Vendors, gateway: Gateway, first: int) -> None:
    ref = add(vendors, LANGSMITH, "e", drawn(LANGSMITH, "e", 3))
    answer = await gateway.ask(GROUPS, ids=[experiment_id(LANGSMITH, ref)], by="STATUS", metrics=[], first=first)
    assert answer.codes == ["BAD_USER_INPUT"]
    assert "must be 0 to 1000" in answer.errors[0]["message"]
    assert answer.partial["nodes"][0]["sessionGroups"] is None


async def test_no_group_leaves_all_sessions_in_the_others(vendors: Vendors, gateway: Gateway) -> None:
    ref = add(vendors, NEMO, "e", drawn(NEMO, "e", 3))
    answer = await gateway.ask(GROUPS, ids=[experiment_id(NEMO, ref)], by="STATUS", metrics=METRICS, first=0)
    assert answer.data["nodes"][0]["sessionGroups"] == {"complete": True, "otherCount": 3, "groups": []}


async def test_the_failure_of_a_source_is_an_error_of_the_field(vendors: Vendors, gateway: Gateway) -> None:
    ids = [experiment_id(source, add(vendors, source, "e", drawn(source, "e", 3))) for source in (NEMO, MEIBEL)]
    vendors.meibel.fail(Fault("status", path="/v2/agents/e/sessions", status=403, times=None))
    answer = await gateway.ask(GROUPS, ids=ids, by="STATUS", metrics=METRICS[:1])
    assert [node["sessionGroups"] is None for node in answer.partial["nodes"]] == [False, True]
    assert answer.codes == ["SOURCE_UNAUTHORIZED"]


async def test_groups_are_incomplete_when_the_page_budget_ends(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    ref = add(vendors, MEIBEL, "e", drawn(MEIBEL, "e", 300))
    gateway = await open_gateway(limits={"computed_pages": 2})
    answer = await gateway.ask(GROUPS, ids=[experiment_id(MEIBEL, ref)], by="STATUS", metrics=METRICS[:1])
    found = answer.data["nodes"][0]["sessionGroups"]
    assert not found["complete"]
    assert 0 < sum(group["sessionCount"] for group in found["groups"]) < 300
    assert answer.troubles == {MEIBEL: "SCAN_LIMITED"}
