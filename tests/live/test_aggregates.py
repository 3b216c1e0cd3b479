"""Aggregates of the gateway, against the rollups and totals of the services and against what was put in."""

import pytest

from tests.live.gateway import AGGREGATES, STATISTICS, Json, Live
from tests.live.seed import ExperimentSeed

pytestmark = pytest.mark.live

Key = tuple[str, str | None]

UNITS = {"LATENCY": "MILLISECONDS", "COST": "USD", "SCORE": "SCORE", "ERROR_RATE": "RATIO"}
ROLLED_UP = {"LATENCY", "SCORE"}
TOTALLED = {
    "COST": "cost_usd",
    "INPUT_TOKENS": "input_tokens",
    "OUTPUT_TOKENS": "output_tokens",
    "CACHED_TOKENS": "cached_tokens",
}
"""Metrics and their columns in `traces/metrics`."""


def answered(live: Live, name: str, **variables: object) -> dict[Key, Json]:
    """The gateway's aggregates of one experiment by kind and evaluator."""
    (experiment_id,) = live.ids(name)
    found = live.gateway.data(AGGREGATES, id=experiment_id, **variables)["experiment"]["aggregates"]
    keyed = {(one["metric"]["kind"], one["metric"]["evaluator"]): one for one in found}
    assert len(keyed) == len(found)
    return keyed


def statistics(aggregate: Json) -> Json:
    """The statistics that are known."""
    return {name: aggregate[name] for name in STATISTICS if aggregate[name] is not None}


def rollup_of(live: Live, name: str) -> dict[Key, Json]:
    """What a row of the service reports itself: latency and scores, and cost where nothing better does."""
    row = live.intake.get(f"{live.release.runs}/{name}")
    columns = {"LATENCY": "latency_ms"} | ({} if live.release.has_totals else {"COST": "cost_usd"})
    held: dict[Key, Json] = {(kind, None): row[column] for kind, column in columns.items() if row[column]}
    return held | {("SCORE", name): figures for name, figures in (row["aggregate_scores"] or {}).items()}


def totals_of(live: Live, name: str) -> dict[Key, Json]:
    """What `traces/metrics` reports."""
    if not live.release.has_totals or not live.seeded.experiments[name].sessions:
        return {}
    point = live.intake.held_totals(name)
    return {(kind, None): point[column] for kind, column in TOTALLED.items() if point[column]}


def names(live: Live) -> list[str]:
    """The names of all experiments."""
    return [*live.seeded.experiments]


def test_the_rollup_of_the_service_is_reported(live: Live) -> None:
    for name in names(live):
        held, shown = rollup_of(live, name), answered(live, name)
        assert {key for key in shown if key[0] in ROLLED_UP} == {key for key in held if key[0] in ROLLED_UP}
        for key, figures in held.items():
            aggregate = shown[key]
            population = "TEST_CASES" if live.release.averages_test_cases else "SESSIONS"
            assert [aggregate["basis"], aggregate["population"]] == ["REPORTED", population]
            assert aggregate["metric"]["unit"] == UNITS[key[0]]
            assert {statistic: aggregate[statistic] for statistic in STATISTICS} == {
                statistic: figures[statistic] for statistic in STATISTICS
            }


def test_the_totals_of_the_service_are_reported(live: Live) -> None:
    for name in names(live):
        held, shown = totals_of(live, name), answered(live, name)
        for key, figures in held.items():
            aggregate = shown[key]
            assert aggregate["basis"] == "REPORTED"
            assert {statistic: aggregate[statistic] for statistic in figures} == figures
        assert {key for key in shown if key[0] in TOTALLED} == {
            key for key in held | rollup_of(live, name) if key[0] in TOTALLED
        }


def test_the_error_rate_is_that_of_the_services_runs(live: Live) -> None:
    for name, experiment in live.seeded.experiments.items():
        shown = answered(live, name).get(("ERROR_RATE", None))
        if not live.release.has_totals or not experiment.sessions:
            assert shown is None
            continue
        point = live.intake.held_totals(name)
        assert shown is not None
        assert [shown["sum"], shown["count"]] == [point["failed_run_count"], point["run_count"]]
        assert shown["mean"] == pytest.approx(point["failed_run_count"] / point["run_count"])


def spent(experiment: ExperimentSeed) -> list[float]:
    """The costs of the traces that have one."""
    return [
        session.cost_usd
        for session in experiment.sessions
        for _ in range(session.traces)
        if session.cost_usd is not None
    ]


def test_the_cost_is_what_was_spent(live: Live) -> None:
    """Whatever the rollup averages: see `graded` and `talk`. The count of values follows from sum and mean."""
    for name, experiment in live.seeded.experiments.items():
        costs, aggregate = spent(experiment), answered(live, name).get(("COST", None))
        if not costs:
            assert aggregate is None
            continue
        assert aggregate is not None
        if live.release.averages_test_cases and not live.release.has_totals:
            assert aggregate["population"] == "TEST_CASES"  # 0.3.0 reports nothing better than its rollup
            continue
        assert aggregate["sum"] == pytest.approx(sum(costs))
        traces = sum(session.traces for session in experiment.sessions)
        is_of_sessions = traces == len(experiment.sessions) or not live.release.has_totals
        assert aggregate["population"] == ("SESSIONS" if is_of_sessions else "RUNS")
        sessions = sum(session.cost_usd is not None for session in experiment.sessions)
        assert aggregate["count"] == (len(costs) if live.release.has_totals else sessions)


def test_the_tokens_are_those_that_were_used(live: Live) -> None:
    shown = answered(live, "graded")
    sums = {kind: aggregate["sum"] for (kind, _), aggregate in shown.items() if kind.endswith("_TOKENS")}
    assert sums == (
        {"INPUT_TOKENS": 100, "OUTPUT_TOKENS": 20, "TOTAL_TOKENS": 120} if live.release.has_totals else {}
    )


def test_of_the_metrics_that_are_asked_for_those_that_the_service_reports_are_answered(live: Live) -> None:
    metrics = [{"kind": "SCORE", "evaluator": "acc"}, {"kind": "ERROR_RATE"}, {"kind": "COST"}]
    shown = answered(live, "base", metrics=metrics)
    reported = ["SCORE", "ERROR_RATE", "COST"] if live.release.has_totals else ["SCORE", "COST"]
    assert [kind for kind, _ in shown] == reported


COMPUTED = """
    query Computed($id: ID!) {
      experiment(id: $id) {
        aggregates(basis: COMPUTED) { metric { kind evaluator } population count sum complete }
      }
    }
"""


def test_computed_aggregates_are_over_the_sessions_of_the_service(live: Live) -> None:
    columns = {"LATENCY": "latency_ms", "COST": "cost_total_usd", "INPUT_TOKENS": "input_tokens"}
    for name in ("base", "graded", "talk", "nightly@main"):
        (experiment_id,) = live.ids(name)
        found = live.gateway.data(COMPUTED, id=experiment_id)["experiment"]["aggregates"]
        shown = {(one["metric"]["kind"], one["metric"]["evaluator"]): one for one in found}
        rows = live.intake.held_sessions(name)
        held: dict[Key, list[float]] = {
            (kind, None): [row[column] for row in rows if row[column] is not None]
            for kind, column in columns.items()
        }
        for evaluator in {evaluator for row in rows for evaluator in row["evaluator_scores"]}:
            scores = [row["evaluator_scores"].get(evaluator) for row in rows]
            held["SCORE", evaluator] = [score for score in scores if score is not None]
        for key, values in held.items():
            aggregate = shown.get(key)
            assert (0 if aggregate is None else aggregate["count"]) == len(values)
            if aggregate is not None:
                assert aggregate["complete"] is True
                assert aggregate["population"] == "SESSIONS"
                assert aggregate["sum"] == pytest.approx(sum(values))
