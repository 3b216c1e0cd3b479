"""Reported figures that take a call for each experiment: read where they are selected, and charged."""

from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import NEMO, Gateway, Vendors
from tests.worlds import minutes
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.app import NemoSimulator
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

BEST = "query($id: ID!) { experiment(id: $id) { aggregate(metric: {kind: COST}, basis: BEST) { basis sum } } }"
FIGURES = "metric { kind } basis population sum mean"


@pytest.fixture(autouse=True)
def newest(vendors: Vendors) -> None:
    """NeMo is 0.8.1, with two experiments of two sessions each."""
    simulator = vendors.nemo.simulator
    assert isinstance(simulator, NemoSimulator)
    simulator.dialect = "0.8"
    for name in ("a", "b"):
        rows = [
            nemo_session(f"{name}0", started_at=minutes(0), cost_total_usd=0.01),
            nemo_session(f"{name}1", started_at=minutes(1), cost_total_usd=0.03, status="error"),
        ]
        vendors.nemo.world.add(nemo_experiment(name), rows)


def sources(vendors: Vendors) -> dict[str, Any]:
    return {NEMO: {**vendors.sources()[NEMO], "release": "0.6"}}


@pytest.fixture
async def gateway(vendors: Vendors, open_gateway: OpenGateway) -> Gateway:
    """The gateway over NeMo alone."""
    return await open_gateway(sources=sources(vendors))


def paths(vendors: Vendors) -> list[str]:
    return [call.path.partition("/default/")[2] for call in vendors.nemo.calls]


async def figures(gateway: Gateway, arguments: str) -> Any:
    query = f"{{ experiments {{ nodes {{ name aggregates{arguments} {{ {FIGURES} }} }} }} }}"
    return (await gateway.ask(query)).data["experiments"]["nodes"]


async def test_a_list_without_figures_makes_no_call_for_them(vendors: Vendors, gateway: Gateway) -> None:
    await gateway.ask("{ experiments { nodes { name } } }")
    assert paths(vendors) == ["evaluations"]


async def test_figures_of_the_row_take_no_call(vendors: Vendors, gateway: Gateway) -> None:
    for node in await figures(gateway, "(metrics: [{kind: LATENCY}])"):
        assert [(one["metric"]["kind"], one["population"]) for one in node["aggregates"]] == [
            ("LATENCY", "TEST_CASES")
        ]
    assert paths(vendors) == ["evaluations"]


async def test_figures_that_rows_lack_take_one_call_for_each_experiment(
    vendors: Vendors, gateway: Gateway
) -> None:
    for node in await figures(gateway, "(metrics: [{kind: COST}, {kind: ERROR_RATE}])"):
        cost, rate = node["aggregates"]
        assert (cost["population"], cost["sum"]) == ("SESSIONS", pytest.approx(0.04))
        assert rate["mean"] == 0.5
    assert paths(vendors) == ["evaluations", "traces/metrics", "traces/metrics"]


async def test_all_figures_come_in_the_order_of_the_schema(gateway: Gateway) -> None:
    for node in await figures(gateway, ""):
        assert [one["metric"]["kind"] for one in node["aggregates"]] == [
            "LATENCY",
            "COST",
            "INPUT_TOKENS",
            "OUTPUT_TOKENS",
            "CACHED_TOKENS",
            "TOTAL_TOKENS",
            "ERROR_RATE",
        ]


async def test_several_fields_of_an_experiment_share_the_call(vendors: Vendors, gateway: Gateway) -> None:
    query = """query($id: ID!) { experiment(id: $id) {
        cost: aggregate(metric: {kind: COST}) { sum }
        tokens: aggregate(metric: {kind: INPUT_TOKENS}) { sum }
        all: aggregates { sum }
    } }"""
    found = (await gateway.ask(query, id=experiment_id(NEMO, "a"))).data["experiment"]
    assert (found["cost"]["sum"], found["tokens"]["sum"]) == (pytest.approx(0.04), 200)
    assert paths(vendors) == ["evaluations", "traces/metrics"]


async def test_best_takes_the_reported_figure_and_reads_no_sessions(vendors: Vendors, gateway: Gateway) -> None:
    found = (await gateway.ask(BEST, id=experiment_id(NEMO, "a"))).data["experiment"]["aggregate"]
    assert found == {"basis": "REPORTED", "sum": pytest.approx(0.04)}
    assert paths(vendors) == ["evaluations", "traces/metrics"]


async def test_best_computes_the_figure_if_the_call_fails(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.fail(Fault("delay", seconds=0.0), Fault("status", status=400))
    found = (await gateway.ask(BEST, id=experiment_id(NEMO, "a"))).data["experiment"]["aggregate"]
    assert found == {"basis": "COMPUTED", "sum": pytest.approx(0.04)}


async def test_computed_figures_make_no_such_call(vendors: Vendors, gateway: Gateway) -> None:
    await figures(gateway, "(basis: COMPUTED, metrics: [{kind: COST}])")
    assert "traces/metrics" not in paths(vendors)


async def test_a_failed_call_leaves_the_figures_of_the_row_without_an_error(
    vendors: Vendors, gateway: Gateway
) -> None:
    query = "query($id: ID!) { experiment(id: $id) { aggregates { metric { kind } } } }"
    vendors.nemo.fail(Fault("delay", seconds=0.0), Fault("status", status=400))
    answer = await gateway.ask(query, id=experiment_id(NEMO, "a"))
    assert answer.data["experiment"]["aggregates"] == [{"metric": {"kind": "LATENCY"}}]
    assert answer.troubles == {NEMO: "BAD_REQUEST"}


async def test_a_failed_call_is_null_with_an_error_where_no_requested_figure_is_left(
    vendors: Vendors, gateway: Gateway
) -> None:
    query = "query($id: ID!) { experiment(id: $id) { name aggregates(metrics: [{kind: COST}]) { mean } } }"
    vendors.nemo.fail(Fault("delay", seconds=0.0), Fault("status", status=400))
    answer = await gateway.ask(query, id=experiment_id(NEMO, "a"))
    assert answer.partial["experiment"] == {"name": "a", "aggregates": None}
    assert answer.codes == ["SOURCE_BAD_REQUEST"]
    assert answer.errors[0]["path"] == ["experiment", "aggregates"]


async def test_a_failed_call_makes_one_metric_null_with_an_error(vendors: Vendors, gateway: Gateway) -> None:
    query = "query($id: ID!) { experiment(id: $id) { aggregate(metric: {kind: COST}) { sum } } }"
    vendors.nemo.fail(Fault("delay", seconds=0.0), Fault("status", status=400))
    answer = await gateway.ask(query, id=experiment_id(NEMO, "a"))
    assert answer.partial == {"experiment": {"aggregate": None}}
    assert answer.codes == ["SOURCE_BAD_REQUEST"]


async def test_a_comparison_takes_reported_figures_from_the_call(vendors: Vendors, gateway: Gateway) -> None:
    query = """query($ids: [ID!]!) { comparison(experimentIds: $ids, metrics: [{kind: COST}], statistic: SUM) {
        metrics { entries { aggregate { basis sum } } }
    } }"""
    answer = await gateway.ask(query, ids=[experiment_id(NEMO, "a"), experiment_id(NEMO, "b")])
    (metric,) = answer.data["comparison"]["metrics"]
    assert [entry["aggregate"]["basis"] for entry in metric["entries"]] == ["REPORTED", "REPORTED"]
    assert sorted(paths(vendors)) == ["evaluations", "traces/metrics", "traces/metrics"]


async def test_the_cost_of_a_query_counts_the_calls(vendors: Vendors, open_gateway: OpenGateway) -> None:
    """10 for the list, 2 rows, and 10 for each row's call."""
    gateway = await open_gateway(sources=sources(vendors), limits={"max_cost": 31})
    query = "{ experiments(first: 2) { nodes { aggregates(metrics: [{kind: %s}]) { sum } } } }"
    assert (await gateway.ask(query % "LATENCY")).errors == []
    assert (await gateway.ask(query % "COST")).codes == ["QUERY_TOO_COMPLEX"]
