"""Details of sessions that a vendor reads with calls of their own, where a query selects them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import NEMO, Gateway, Vendors
from tests.worlds import Row, minutes
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.requests import WORKSPACE
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

NONE: list[str] = []


@pytest.fixture
async def gateway(vendors: Vendors, open_gateway: OpenGateway) -> Gateway:
    """A gateway over a current NeMo with two runs of two sessions each."""
    vendors.nemo.simulator.dialect = "0.8"  # type: ignore[attr-defined]
    for name, model in (("a", "large"), ("b", "small")):
        vendors.nemo.world.add(
            nemo_experiment(name, model_names=[model]), [session(f"{name}{number}") for number in range(2)]
        )
    return await open_gateway(sources={NEMO: {**vendors.sources()[NEMO], "release": "0.6"}})


def session(name: str) -> Row:
    costs: Row = {"cost_total_usd": 0.003, "cost_input_usd": 0.001, "cost_output_usd": 0.002}
    scores: Row = {"evaluator_scores": {"acc": 0.5}, "explanations": {"acc": f"why {name}"}}
    return nemo_session(name, started_at=minutes(0), **costs, **scores)


def calls(vendors: Vendors, name: str) -> int:
    return sum(call.path.endswith(f"/{name}") for call in vendors.nemo.calls)


async def sessions(gateway: Gateway, fields: str, arguments: str = "") -> list[Any]:
    answer = await gateway.ask(f"{{ sessions(first: 10{arguments}) {{ nodes {{ {fields} }} }} }}")
    found: list[Any] = answer.data["sessions"]["nodes"]
    return found


# -- models and costs --------------------------------------------------------------------------------------


async def test_models_and_costs_of_a_page_are_read_in_one_call(vendors: Vendors, gateway: Gateway) -> None:
    found = await sessions(gateway, "vendorId models providers inputCostUsd outputCostUsd")
    split = {"providers": ["nim"], "inputCostUsd": 0.001, "outputCostUsd": 0.002}
    assert sorted(found, key=lambda row: str(row["vendorId"])) == [
        {"vendorId": "a0", "models": ["large"]} | split,
        {"vendorId": "a1", "models": ["large"]} | split,
        {"vendorId": "b0", "models": ["small"]} | split,
        {"vendorId": "b1", "models": ["small"]} | split,
    ]
    assert (calls(vendors, "traces"), calls(vendors, "spans")) == (1, 0)


@pytest.mark.parametrize("fields", ["vendorId costUsd tokens { input }", "vendorId models @skip(if: true)"])
async def test_a_query_that_selects_no_details_reads_none(vendors: Vendors, gateway: Gateway, fields: str) -> None:
    assert len(await sessions(gateway, fields)) == 4
    assert calls(vendors, "traces") == 0


async def test_a_session_that_is_looked_up_has_its_models(vendors: Vendors, gateway: Gateway) -> None:
    (first, *_) = await sessions(gateway, "id")
    answer = await gateway.ask("query($id: ID!) { session(id: $id) { models } }", id=first["id"])
    assert answer.data["session"]["models"] in (["large"], ["small"])
    assert calls(vendors, "traces") == 1


async def test_details_that_fail_are_null_with_an_error_and_the_sessions_stand(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.nemo.fail(
        Fault("status", times=None, status=500, path=f"{WORKSPACE.format(workspace='default')}/traces")
    )
    answer = await gateway.ask("{ sessions { nodes { vendorId models inputCostUsd } } }")
    assert [node["models"] for node in answer.partial["sessions"]["nodes"]] == [None] * 4
    assert {error["path"][-1] for error in answer.errors} == {"models", "inputCostUsd"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('{eq: "large"}', ["a0", "a1"]),
        ('{in: ["small", "other"]}', ["b0", "b1"]),
        ('{eq: "other"}', NONE),
        ("{exists: true}", ["a0", "a1", "b0", "b1"]),
    ],
)
async def test_sessions_are_filtered_by_their_models(
    gateway: Gateway, condition: str, expected: list[str]
) -> None:
    found = await sessions(gateway, "vendorId", f", filter: {{model: {condition}}}")
    assert sorted(row["vendorId"] for row in found) == expected


async def test_sessions_named_by_id_are_filtered_by_their_models(gateway: Gateway) -> None:
    ids = [row["id"] for row in await sessions(gateway, "id")]
    query = """query($ids: [ID!]) {
      sessions(filter: {ids: $ids, model: {eq: "large"}}) { nodes { vendorId } }
    }"""
    found = (await gateway.ask(query, ids=ids)).data["sessions"]["nodes"]
    assert sorted(row["vendorId"] for row in found) == ["a0", "a1"]


async def test_figures_of_sessions_are_filtered_and_grouped_by_their_models(gateway: Gateway) -> None:
    query = """{ experiments(filter: {name: {eq: "a"}}) { nodes {
      aggregate(metric: {kind: COST}, filter: {model: {eq: "large"}}, basis: COMPUTED) { count }
      other: aggregate(metric: {kind: COST}, filter: {model: {eq: "small"}}, basis: COMPUTED) { count }
      sessionGroups(by: MODEL, metrics: [{kind: COST}]) { groups { key sessionCount } }
    } } }"""
    (found,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert found["aggregate"] == {"count": 2}
    assert found["other"] in ({"count": 0}, None)
    assert found["sessionGroups"]["groups"] == [{"key": "large", "sessionCount": 2}]


# -- words of scores ---------------------------------------------------------------------------------------


async def test_explanations_take_a_call_for_each_session_and_values_none(
    vendors: Vendors, gateway: Gateway
) -> None:
    assert {row["scores"][0]["value"] for row in await sessions(gateway, "scores { value failed }")} == {0.5}
    assert calls(vendors, "evaluator-results") == 0
    found = await sessions(gateway, "vendorId scores { value explanation }")
    for row in found:
        assert row["scores"] == [{"value": 0.5, "explanation": f"why {row['vendorId']}"}]
    assert calls(vendors, "evaluator-results") == 4


async def test_a_session_that_is_looked_up_has_the_words_of_its_scores_where_they_are_selected(
    vendors: Vendors, gateway: Gateway
) -> None:
    (first, *_) = await sessions(gateway, "id vendorId")
    query = "query($id: ID!) { session(id: $id) { scores { %s } } }"
    await gateway.ask(query % "value", id=first["id"])
    assert calls(vendors, "evaluator-results") == 0
    answer = await gateway.ask(query % "explanation", id=first["id"])
    assert answer.data["session"]["scores"] == [{"explanation": f"why {first['vendorId']}"}]
    assert calls(vendors, "evaluator-results") == 1


RESULTS = f"{WORKSPACE.format(workspace='default')}/evaluator-results"


async def test_words_that_fail_leave_the_values(vendors: Vendors, gateway: Gateway) -> None:
    """The list has the values. Only the words take a call."""
    vendors.nemo.fail(Fault("status", times=None, path=RESULTS, status=500))
    query = """{ sessions(first: 1) { nodes { scores { evaluator value failed explanation } } } }"""
    answer = await gateway.ask(query)
    (row,) = answer.partial["sessions"]["nodes"]
    assert row["scores"] == [{"evaluator": "acc", "value": 0.5, "failed": False, "explanation": None}]
    assert [error["path"] for error in answer.errors] == [["sessions", "nodes", 0, "scores", 0, "explanation"]]
    assert answer.codes == ["SOURCE_UNAVAILABLE"]


async def test_words_that_fail_are_an_error_of_the_list_where_it_has_no_value(
    vendors: Vendors, gateway: Gateway
) -> None:
    """A score may have words only, so an empty list would be made up."""
    row = nemo_session("c0", started_at=minutes(9), evaluator_scores={})
    vendors.nemo.world.add(nemo_experiment("c"), [row])
    vendors.nemo.fail(Fault("status", times=None, path=RESULTS, status=500))
    answer = await gateway.ask("{ sessions(first: 1) { nodes { scores { value explanation } } } }")
    assert answer.partial["sessions"]["nodes"] == [{"scores": None}]
    assert [error["path"] for error in answer.errors] == [["sessions", "nodes", 0, "scores"]]


# -- one span --------------------------------------------------------------------------------------------


async def test_a_span_by_its_id_is_read_with_what_is_selected(vendors: Vendors, gateway: Gateway) -> None:
    (first, *_) = await sessions(gateway, "spans(first: 1) { nodes { id name } }")
    (span,) = first["spans"]["nodes"]
    query = "query($id: ID!) { node(id: $id) { ... on Span { %s } } }"
    vendors.nemo.fail(Fault("status", times=None, path=RESULTS, status=500))
    assert (await gateway.ask(query % "name", id=span["id"])).data["node"] == {"name": span["name"]}
    assert calls(vendors, "evaluator-results") == 0
    answer = await gateway.ask(query % "name scores { value }", id=span["id"])
    assert answer.partial["node"] == {"name": span["name"], "scores": None}
