"""Cost, tokens and error rate over the sessions of an experiment, from 0.4.0 on (docs/vendors/nemo.md#totals)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tracegraph_nemo.adapter import NemoAdapter
from tracegraph_nemo.client import NemoClient

from tests.adapters.conftest import Serve
from tests.worlds import minutes
from tracegraph.domain.models import (
    CACHED_TOKENS,
    COST,
    ERROR_RATE,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOTAL_TOKENS,
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Experiment,
    Metric,
)
from tracegraph.errors import SourceError, SourceUnavailable
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.app import NemoSimulator
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

NOW = datetime(2026, 11, 29, 16, 40, tzinfo=UTC)

Open = Callable[..., Awaitable[NemoAdapter]]


@pytest.fixture
def connect(serve: Serve) -> Open:
    async def opened(simulator: NemoSimulator, release: Any = "0.6") -> NemoAdapter:
        client = NemoClient(await serve(simulator, source="nemo-a"), "default", None)
        return NemoAdapter("nemo-a", client, release, wall_clock=NOW.timestamp)

    return opened


@pytest.fixture
def world() -> NemoWorld:
    """The evaluation of the sample: costs of .01, .03 (paris) and .02 (rome), and one error."""
    world = NemoWorld()
    rows = [
        nemo_session("s1", started_at=minutes(0), test_case_id="paris", cost_total_usd=0.01, cached_tokens=5),
        nemo_session("s2", started_at=minutes(1), test_case_id="rome", cost_total_usd=0.02, cached_tokens=5),
        nemo_session(
            "s3", started_at=minutes(2), test_case_id="paris", cost_total_usd=0.03, cached_tokens=5, status="error"
        ),
    ]
    world.add(nemo_experiment("run-a"), rows)
    world.add(nemo_experiment("empty"))
    return world


async def experiments(adapter: NemoAdapter, *names: str) -> list[Experiment]:
    found = await adapter.get_experiments(names)
    return [experiment for experiment in found.values() if isinstance(experiment, Experiment)]


async def totals(adapter: NemoAdapter, name: str = "run-a") -> dict[Metric, Aggregate]:
    found = await adapter.get_aggregates(await experiments(adapter, name))
    reported = found.get(name, ())
    if isinstance(reported, SourceError):
        raise reported
    return {aggregate.metric: aggregate for aggregate in reported}


async def test_the_cost_is_what_was_spent(connect: Open, world: NemoWorld) -> None:
    """The rollup over test cases says .04 (docs/vendors/nemo.md#numbers)."""
    cost = (await totals(await connect(nemo.create_app(world, "0.8"))))[COST]
    assert (cost.basis, cost.population, cost.count) == (
        AggregateBasis.REPORTED,
        AggregatePopulation.SESSIONS,
        3,
    )
    assert cost.sum == pytest.approx(0.06)
    assert cost.mean == pytest.approx(0.02)
    assert cost.p90 == pytest.approx(0.028)
    assert cost.p99 == pytest.approx(0.0298)


async def test_tokens_are_sums_over_all_sessions(connect: Open, world: NemoWorld) -> None:
    found = await totals(await connect(nemo.create_app(world, "0.8")))
    figures = {
        metric: (found[metric].count, found[metric].sum, found[metric].mean)
        for metric in (INPUT_TOKENS, OUTPUT_TOKENS, CACHED_TOKENS, TOTAL_TOKENS)
    }
    assert figures == {
        INPUT_TOKENS: (3, 300, 100),
        OUTPUT_TOKENS: (3, 60, 20),
        CACHED_TOKENS: (3, 15, 5),
        TOTAL_TOKENS: (3, 360, 120),
    }


async def test_the_error_rate_counts_failed_sessions(connect: Open, world: NemoWorld) -> None:
    rate = (await totals(await connect(nemo.create_app(world, "0.8"))))[ERROR_RATE]
    assert (rate.count, rate.sum) == (3, 1)
    assert rate.mean == pytest.approx(1 / 3)


async def test_total_tokens_are_unknown_where_a_session_lacks_a_part(connect: Open, world: NemoWorld) -> None:
    world.sessions["run-a"][0]["output_tokens"] = None
    found = await totals(await connect(nemo.create_app(world, "0.8")))
    assert TOTAL_TOKENS not in found
    assert (found[OUTPUT_TOKENS].count, found[OUTPUT_TOKENS].sum) == (2, 40)


async def test_values_that_no_session_has_are_left_out(connect: Open, world: NemoWorld) -> None:
    for row in world.sessions["run-a"]:
        row["cost_total_usd"] = row["cached_tokens"] = None
    found = await totals(await connect(nemo.create_app(world, "0.8")))
    assert COST not in found
    assert CACHED_TOKENS not in found


async def test_more_traces_than_sessions_are_figures_over_traces(connect: Open, world: NemoWorld) -> None:
    """The service counts a session of two traces twice."""
    world.experiments[0]["run_count"] = 2
    found = await totals(await connect(nemo.create_app(world, "0.8")))
    assert {aggregate.population for aggregate in found.values()} == {AggregatePopulation.RUNS}


async def test_one_call_names_the_evaluation_and_the_whole_retention(connect: Open, world: NemoWorld) -> None:
    """Without a lower bound the service counts the last seven days."""
    simulator = nemo.create_app(world, "0.8")
    adapter = await connect(simulator)
    (found,) = await experiments(adapter, "run-a")
    simulator.calls.clear()
    await adapter.get_aggregates([found])
    (call,) = simulator.calls
    assert call.path.endswith("/traces/metrics")
    assert {name: values[0] for name, values in call.query.items()} == {
        "bucket": "total",
        "filter[evaluation_name]": "run-a",
        "filter[started_at][$gte]": "2026-08-30T00:00:00.000000Z",
    }


async def test_an_experiment_without_sessions_costs_no_call(connect: Open, world: NemoWorld) -> None:
    simulator = nemo.create_app(world, "0.8")
    adapter = await connect(simulator)
    (found,) = await experiments(adapter, "empty")
    simulator.calls.clear()
    assert await adapter.get_aggregates([found]) == {}
    assert simulator.calls == []


async def test_a_failure_costs_one_experiment(connect: Open, world: NemoWorld) -> None:
    world.add(nemo_experiment("run-b"), [nemo_session("b1")])
    simulator = nemo.create_app(world, "0.8")
    adapter = await connect(simulator)
    found = await experiments(adapter, "run-a", "run-b")
    simulator.faults.add(Fault("status", status=503))
    outcomes = await adapter.get_aggregates(found)
    assert sorted(isinstance(outcome, SourceUnavailable) for outcome in outcomes.values()) == [False, True]


@pytest.mark.parametrize("release", ["0.2", "0.3"])
async def test_older_releases_have_no_totals(connect: Open, world: NemoWorld, release: Any) -> None:
    simulator = nemo.create_app(world, release)
    adapter = await connect(simulator, release)
    found = await experiments(adapter, "run-a")
    assert COST in {aggregate.metric for aggregate in found[0].aggregates}
    simulator.calls.clear()
    assert await adapter.get_aggregates(found) == {}
    assert simulator.calls == []


async def test_the_totals_are_declared_as_taking_a_call(connect: Open, world: NemoWorld) -> None:
    newer = (await connect(nemo.create_app(world, "0.8"))).capabilities
    older = (await connect(nemo.create_app(world, "0.3"), "0.3")).capabilities
    assert {metric.name for metric in newer.deferred_metrics} == {
        "COST",
        "INPUT_TOKENS",
        "OUTPUT_TOKENS",
        "CACHED_TOKENS",
        "TOTAL_TOKENS",
        "ERROR_RATE",
    }
    assert newer.deferred_metrics < set(newer.reported_metrics)
    assert older.deferred_metrics == frozenset()
