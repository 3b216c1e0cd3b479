"""An unreadable value costs its field, a row without identity costs the row, and neither costs anything else."""

from typing import Any

import pytest

from tests.adapters.mlflow.test_adapter import EVALUATION, PROJECT, evaluations, figures, paths, sessions
from tracegraph.adapter import ExperimentQuery, WholeRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import ExperimentFilter
from tracegraph.domain.models import MetricKind, Session, SessionRef
from tracegraph.errors import SourceBadResponse
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.mlflow.world import (
    MlflowWorld,
    mlflow_experiment,
    mlflow_feedback,
    mlflow_run,
    mlflow_trace,
)


def answers(vendor: Simulator, path: str, body: Row, times: int = 1) -> None:
    """The next replies to a path."""
    vendor.faults.add(Fault("wrong_shape", path, times=times, body=body))


def trace(name: str, **info: Any) -> Row:
    row: Row = mlflow_trace(name, "1", **info)["trace_info"]
    return row


@pytest.mark.parametrize(
    "odd",
    [
        {"state": 3},
        {"execution_duration": 5},
        {"tags": []},
        {"trace_location": "x"},
        {"trace_metadata": [7]},
        {"assessments": [mlflow_feedback("judge", 1, rationale={"why": ["so"]})]},
        {"assessments": [{"feedback": {"value": 1}}, mlflow_feedback("judge", 1)]},
    ],
)
async def test_an_odd_value_of_a_trace_costs_only_its_field(adapter: Adapter, vendor: Simulator, odd: Row) -> None:
    answers(vendor, "/api/3.0/mlflow/traces/search", {"traces": [trace("a"), trace("b") | odd]})
    page = await sessions(adapter, "1")
    assert [row.input for row in page.items] == ["a", "b"]
    assert page.skipped == ()
    if "assessments" in odd:
        assert [score.value for score in page.items[1].scores or ()] == [1.0]


async def test_a_trace_without_an_id_costs_only_its_row(adapter: Adapter, vendor: Simulator) -> None:
    nameless = {key: value for key, value in trace("b").items() if key != "trace_id"}
    answers(vendor, "/api/3.0/mlflow/traces/search", {"traces": [trace("a"), nameless], "next_page_token": "t"})
    page = await sessions(adapter, "1")
    assert (len(page.items), page.skipped, page.next_hint) == (1, (1,), "t")


async def test_a_session_whose_row_may_be_unreadable_is_an_error_and_not_unknown(
    adapter: Adapter, vendor: Simulator
) -> None:
    """The row does not say whose it is."""
    nameless = {key: value for key, value in trace("b").items() if key != "trace_id"}
    answers(vendor, "/api/3.0/mlflow/traces/search", {"traces": [trace("a"), nameless]})
    known = trace("a")["trace_id"]
    found = await adapter.get_sessions([SessionRef("1", known), SessionRef("1", "tr-b")])
    assert isinstance(found[SessionRef("1", known)], Session)
    assert isinstance(found[SessionRef("1", "tr-b")], SourceBadResponse)


async def test_a_list_without_a_readable_trace_is_a_bad_response(adapter: Adapter, vendor: Simulator) -> None:
    answers(vendor, "/api/3.0/mlflow/traces/search", {"traces": [{"state": "OK"}]})
    with pytest.raises(SourceBadResponse):
        await sessions(adapter, "1")


async def test_a_metric_that_is_no_number_leaves_the_run_as_it_is(adapter: Adapter, vendor: Simulator) -> None:
    dataset = {"name": "questions", "digest": "d1"}
    run = mlflow_run("a", "2", dataset=dataset)
    run["data"]["params"] = [{"key": "model", "value": "small"}, {"value": "without a key"}]
    run["data"]["metrics"] = [{"key": "exact/mean", "value": 0.5}, {"key": "judge/mean", "value": "NaN"}]
    answers(vendor, "/api/2.0/mlflow/runs/search", {"runs": [run]})
    (found,) = (await evaluations(adapter)).items
    assert (found.dataset_name, found.models, found.evaluators) == ("questions", ("small",), ("exact", "judge"))
    assert found.metadata


async def test_a_run_costs_no_other(adapter: Adapter, vendor: Simulator) -> None:
    named, timeless, plain = (mlflow_run(name, "2") for name in ("a", "b", "c"))
    named["info"]["run_name"] = 5
    del timeless["info"]["start_time"]
    answers(vendor, "/api/2.0/mlflow/runs/search", {"runs": [named, timeless, plain]})
    page = await evaluations(adapter)
    assert [row.name for row in page.items] == [named["info"]["run_id"], "c"]
    assert page.skipped == (1,)


@pytest.mark.parametrize("experiment_id", [None, 3])
async def test_an_experiment_costs_no_other(adapter: Adapter, vendor: Simulator, experiment_id: Any) -> None:
    odd = mlflow_experiment("2", name="live") | {"creation_time": "yesterday"}
    rows = [mlflow_experiment("1") | {"experiment_id": experiment_id}, odd]
    answers(vendor, "/api/2.0/mlflow/experiments/search", {"experiments": rows})
    query = ExperimentQuery(ExperimentFilter(), kind=PROJECT)
    page = await adapter.list_experiments(query, WholeRequest(10))
    (found,) = page.items
    assert (found.name, found.created_at, found.updated_at is None) == ("live", None, False)
    assert page.skipped == (0,)


@pytest.mark.parametrize("values", [{"AVG": "NaN", "MAX": 7.0}, {"AVG": "many", "MAX": 7.0}])
async def test_a_statistic_that_is_no_number_costs_only_itself(
    adapter: Adapter, vendor: Simulator, values: Row
) -> None:
    points = [{"metric_name": "latency", "values": values}, {"metric_name": "latency"}]
    answers(vendor, "/api/3.0/mlflow/traces/metrics", {"data_points": points})
    (found,) = await figures(adapter, "1", MetricKind.LATENCY)
    assert (found.mean, found.max) == (None, 7.0)


@pytest.mark.parametrize("location", [None, {"mlflow_experiment": {"experiment_id": "3"}}])
async def test_a_trace_of_no_requested_experiment_is_skipped_in_a_pooled_list(
    adapter: Adapter, vendor: Simulator, location: Any
) -> None:
    rows = [trace("a"), trace("b") | {"trace_location": location}]
    answers(vendor, "/api/3.0/mlflow/traces/search", {"traces": rows})
    page = await sessions(adapter, "1", "2")
    assert ([row.experiment_ref for row in page.items], page.skipped) == (["1"], (1,))


async def test_a_trace_that_no_condition_can_name_is_skipped(adapter: Adapter, vendor: Simulator) -> None:
    rows = [trace("a") | {"trace_id": "it's"}, trace("b")]
    answers(vendor, "/api/3.0/mlflow/traces/search", {"traces": rows})
    page = await sessions(adapter, "1")
    assert (len(page.items), page.skipped) == (1, (0,))


@pytest.mark.parametrize("rows", [[], [mlflow_experiment("1")]])
async def test_experiments_that_lead_back_to_themselves_are_read_no_further(
    adapter: Adapter, vendor: Simulator, world: MlflowWorld, rows: list[Row]
) -> None:
    world.runs.append(mlflow_run("a", "1"))
    reply: Row = {"experiments": rows, "next_page_token": "again"}
    answers(vendor, "/api/2.0/mlflow/experiments/search", reply, times=100)
    query = ExperimentQuery(ExperimentFilter(), kind=EVALUATION)
    await adapter.list_experiments(query, WholeRequest(10))
    assert paths(vendor).count("experiments/search") <= 2


async def test_experiments_and_runs_whose_id_is_no_ref_are_skipped(adapter: Adapter, vendor: Simulator) -> None:
    run, plain = mlflow_run("a", "2"), mlflow_run("b", "2")
    run["info"]["run_id"] = "run one"
    answers(vendor, "/api/2.0/mlflow/runs/search", {"runs": [run, plain]})
    assert (await evaluations(adapter)).skipped == (0,)
    rows = [mlflow_experiment("1") | {"experiment_id": "one/two"}, mlflow_experiment("2")]
    answers(vendor, "/api/2.0/mlflow/experiments/search", {"experiments": rows})
    page = await adapter.list_experiments(ExperimentQuery(ExperimentFilter(), kind=PROJECT), WholeRequest(10))
    assert ([row.ref for row in page.items], page.skipped) == (["2"], (0,))


async def test_a_page_without_a_usable_trace_leads_to_the_next(adapter: Adapter, vendor: Simulator) -> None:
    first = {"traces": [trace("a") | {"trace_id": "it's"}], "next_page_token": "t"}
    answers(vendor, "/api/3.0/mlflow/traces/search", first)
    answers(vendor, "/api/3.0/mlflow/traces/search", {"traces": [trace("b")]})
    page = await sessions(adapter, "1")
    assert [row.input for row in page.items] == ["b"]
    assert [call.body.get("page_token") for call in vendor.calls] == [None, "t"]
