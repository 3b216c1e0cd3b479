"""Aggregates on every basis: COMPUTED equal for every vendor, REPORTED as the vendor reports, and BEST."""

import asyncio
import resource
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.measured import METRICS, SAYS, add, by_numpy, drawn
from tests.worlds import Row
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.meibel.world import meibel_agent, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

STATISTICS = "count sum mean stddev min p25 median p75 p90 p95 p99 max"
INPUTS = [{"kind": "SCORE", "evaluator": metric} if metric.islower() else {"kind": metric} for metric in METRICS]
QUERY = f"""query($id: ID!, $metrics: [MetricInput!], $basis: AggregateBasis!) {{
  experiment(id: $id) {{
    aggregates(metrics: $metrics, basis: $basis) {{
      metric {{ kind evaluator name }} basis population complete {STATISTICS}
    }}
  }}
}}"""


async def aggregates(gateway: Gateway, source: str, ref: str, **variables: Any) -> list[Row]:
    answer = await gateway.ask(QUERY, id=experiment_id(source, ref), **{"basis": "COMPUTED"} | variables)
    found: list[Row] = answer.data["experiment"]["aggregates"]
    return found


# -- COMPUTED ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "size"),
    [
        *((source, size) for source in NAMES for size in (0, 1, 2, 3, 99, 100, 101)),
        (NEMO, 5000),
        pytest.param(LANGSMITH, 5000, marks=pytest.mark.slow),
        pytest.param(MEIBEL, 5000, marks=pytest.mark.slow),
    ],
)
async def test_every_figure_of_every_metric_equals_numpys(
    vendors: Vendors, open_gateway: OpenGateway, source: str, size: int
) -> None:
    sessions = drawn(source, "e", size)
    ref = add(vendors, source, "e", sessions)
    gateway = await open_gateway(limits={"deadline_s": 120})
    found = await aggregates(gateway, source, ref, metrics=INPUTS)
    assert [one["metric"]["evaluator"] or one["metric"]["kind"] for one in found] == list(METRICS)
    for metric, one in zip(METRICS, found, strict=True):
        assert (one["basis"], one["population"], one["complete"]) == ("COMPUTED", "SESSIONS", True)
        for name, figure in by_numpy(source, metric, sessions).items():
            expected = figure if figure is None else pytest.approx(figure, rel=1e-9, abs=1e-12)
            assert one[name] == expected, (metric, name)


@pytest.mark.parametrize("source", NAMES)
async def test_the_default_metrics_are_those_with_a_value_in_a_session(
    vendors: Vendors, gateway: Gateway, source: str
) -> None:
    ref = add(vendors, source, "e", drawn(source, "e", 30))
    found = await aggregates(gateway, source, ref)
    assert [one["metric"]["evaluator"] or one["metric"]["kind"] for one in found] == [
        metric for metric in METRICS if metric in SAYS[source]
    ]


# -- REPORTED and BEST ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 7, 101, 103])
async def test_computed_figures_equal_nemos_reported_ones(vendors: Vendors, gateway: Gateway, size: int) -> None:
    """For numbers of sessions of which no percentile's share is whole; see the next test for the others."""
    random = Random(size)
    sessions = [
        nemo_session(
            f"s{index}",
            latency_ms=random.randrange(1, 60_000),
            cost_total_usd=random.randrange(1_000_000) / 1_000_000,
            evaluator_scores={"accuracy": round(random.random(), 3)},
        )
        for index in range(size)
    ]
    vendors.nemo.world.add(nemo_experiment("e"), sessions)
    reported = await aggregates(gateway, NEMO, "e", basis="REPORTED")
    assert [one["metric"]["name"] for one in reported] == ["latency", "cost", "score:accuracy"]
    asked = [INPUTS[0], INPUTS[2], INPUTS[8]]
    for one, computed in zip(reported, await aggregates(gateway, NEMO, "e", metrics=asked), strict=True):
        figures = {name: value for name, value in one.items() if value is not None and name != "basis"}
        assert figures.keys() >= {"count", "sum", "mean", "median", "p90", "p95", "p99"}
        assert {name: computed[name] for name in figures} == {
            name: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            for name, value in figures.items()
        }


async def test_where_a_percentiles_rank_is_an_integer_nemo_reports_the_next_element(
    vendors: Vendors, gateway: Gateway
) -> None:
    """Its percentile of n values is element floor(q * n), counted from 0; the nearest rank is ceil(q * n) - 1."""
    latencies = [1000 + 100 * index for index in range(10)]
    vendors.nemo.world.add(
        nemo_experiment("e"), [nemo_session(f"s{value}", latency_ms=value) for value in latencies]
    )
    asked = INPUTS[:1]
    (reported,) = await aggregates(gateway, NEMO, "e", metrics=asked, basis="REPORTED")
    (computed,) = await aggregates(gateway, NEMO, "e", metrics=asked)
    assert (reported["median"], reported["p90"], reported["p95"]) == (1500, 1900, 1900)
    assert (computed["median"], computed["p90"], computed["p95"]) == (1400, 1800, 1900)


async def test_best_is_reported_where_available_and_computed_otherwise(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s", evaluator_scores={"accuracy": 1.0})])
    found = await aggregates(gateway, NEMO, "e", basis="BEST")
    assert [(one["metric"]["name"], one["basis"]) for one in found] == [
        ("latency", "REPORTED"),
        ("cost", "REPORTED"),
        ("input_tokens", "COMPUTED"),
        ("output_tokens", "COMPUTED"),
        ("cached_tokens", "COMPUTED"),
        ("total_tokens", "COMPUTED"),
        ("error_rate", "COMPUTED"),
        ("score:accuracy", "REPORTED"),
    ]


async def test_metrics_keep_the_requested_order_and_best_reads_no_session_when_all_are_reported(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s")])
    asked = [{"kind": "COST"}, {"kind": "LATENCY"}]
    found = await aggregates(gateway, NEMO, "e", metrics=asked, basis="BEST")
    assert [(one["metric"]["kind"], one["basis"]) for one in found] == [
        ("COST", "REPORTED"),
        ("LATENCY", "REPORTED"),
    ]
    assert len(vendors.nemo.calls) == 1


async def test_a_single_aggregate_is_null_only_when_the_basis_is_reported_and_the_vendor_reports_none(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s")])
    query = """{ experiments { nodes {
      reported: aggregate(metric: {kind: ERROR_RATE}) { mean }
      computed: aggregate(metric: {kind: ERROR_RATE}, basis: COMPUTED) { mean basis }
      best: aggregate(metric: {kind: ERROR_RATE}, basis: BEST) { mean basis }
      absent: aggregate(metric: {kind: SCORE, evaluator: "x"}, basis: BEST) { count mean }
      cost: aggregate(metric: {kind: COST}, basis: BEST) { basis }
    } } }"""
    (found,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert found == {
        "reported": None,
        "computed": {"mean": 0.0, "basis": "COMPUTED"},
        "best": {"mean": 0.0, "basis": "COMPUTED"},
        "absent": {"count": 0, "mean": None},
        "cost": {"basis": "REPORTED"},
    }


# -- how sessions are read -----------------------------------------------------------------------------


def resident_bytes() -> int:
    """Return the resident memory of the process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


async def test_ten_metrics_of_twenty_experiments_read_each_page_once_in_little_memory(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """500 sessions each. The memory counted is that of the simulated vendors, too: they run in this process."""
    held = {NEMO: 7, LANGSMITH: 7, MEIBEL: 6}
    ids = [
        experiment_id(source, add(vendors, source, f"{source}{index}", drawn(source, f"{source}{index}", 500)))
        for source, count in held.items()
        for index in range(count)
    ]
    gateway = await open_gateway(limits={"deadline_s": 120})
    names = [f"$m{index}: MetricInput!" for index in range(len(INPUTS))]
    fields = [
        f"m{index}: aggregate(metric: $m{index}, basis: COMPUTED) {{ count }}" for index in range(len(INPUTS))
    ]
    fields.append(f"all: aggregates(basis: COMPUTED) {{ {STATISTICS} }}")
    query = f"""query($ids: [ID!]!, {", ".join(names)}) {{
      nodes(ids: $ids) {{ ... on Experiment {{ {" ".join(fields)} }} }}
    }}"""
    metrics = {f"m{index}": metric for index, metric in enumerate(INPUTS)}
    before = resident_bytes()
    asking = asyncio.ensure_future(gateway.ask(query, ids=ids, **metrics))
    peak = before
    while not (await asyncio.wait([asking], timeout=0.02))[0]:
        peak = max(peak, resident_bytes())
    assert peak - before < 60_000_000
    found = (await asking).data["nodes"]
    assert [node["m0"]["count"] > 300 for node in found] == [True] * 20
    pages = Counter(
        (call.path, str(call.query), str(call.body))
        for vendor in vendors.all
        for call in vendor.calls
        if call.path.endswith(("/sessions", "/runs/query")) and call.path != "/api/v1/sessions"
    )
    assert set(pages.values()) == {1}
    one_each, five_each, six_each = (
        Counter(call.path for call in vendor.calls if (call.path, str(call.query), str(call.body)) in pages)
        for vendor in vendors.all
    )
    assert set(one_each.values()) == {1}
    assert 35 <= five_each.total() <= 45
    assert set(six_each.values()) == {6}


@pytest.mark.parametrize(("source", "sessions"), [(NEMO, 2900), (LANGSMITH, 290), (MEIBEL, 290)])
async def test_many_sessions_are_read_in_as_many_calls_as_they_fill_pages(
    vendors: Vendors, gateway: Gateway, source: str, sessions: int
) -> None:
    ref = add(vendors, source, "e", drawn(source, "e", sessions))
    (found,) = await aggregates(gateway, source, ref, metrics=[{"kind": "ERROR_RATE"}])
    assert found["complete"] is True
    assert (
        len([call for call in vendors.named(source).calls if "/e/sessions" in call.path or "runs" in call.path])
        == 3
    )


@pytest.mark.parametrize("source", NAMES)
async def test_figures_are_incomplete_when_the_page_budget_ends(
    vendors: Vendors, open_gateway: OpenGateway, source: str
) -> None:
    size = 2_100 if source == NEMO else 300
    ref = add(vendors, source, "e", drawn(source, "e", size))
    gateway = await open_gateway(limits={"computed_pages": 2})
    (found,) = await aggregates(gateway, source, ref, metrics=[{"kind": "OUTPUT_TOKENS"}])
    assert not found["complete"]
    assert 0 < found["count"] < size
    answer = await gateway.ask(QUERY, id=experiment_id(source, ref), basis="COMPUTED")
    assert answer.troubles == {source: "SCAN_LIMITED"}


@pytest.mark.parametrize("source", NAMES)
async def test_a_source_that_fails_costs_its_computed_figures_and_nothing_else(
    vendors: Vendors, gateway: Gateway, source: str
) -> None:
    for name in NAMES:
        add(vendors, name, name, drawn(name, name, 3))
    nemo_sessions = "/apis/intake/v2/workspaces/default/experiments/"
    path = {NEMO: nemo_sessions, LANGSMITH: "/api/v1/runs", MEIBEL: "/v2/agents/meibel/sessions"}
    vendors.named(source).fail(Fault("status", path=path[source], status=403, times=None))
    answer = await gateway.ask(
        """{ experiments { nodes { source { name } name
          computed: aggregate(metric: {kind: ERROR_RATE}, basis: COMPUTED) { count }
          all: aggregates(basis: COMPUTED) { count }
          reported: aggregates { count } } } }"""
    )
    rows = {row["source"]["name"]: row for row in answer.partial["experiments"]["nodes"]}
    assert (rows[source]["computed"], rows[source]["all"]) == (None, None)
    assert all(rows[name]["computed"] is not None and rows[name]["all"] for name in NAMES if name != source)
    assert answer.codes == ["SOURCE_UNAUTHORIZED"] * 2
    assert answer.troubles == {source: "UNAUTHORIZED"}
    assert {error["path"][3] for error in answer.errors} == {"computed", "all"}


@pytest.mark.parametrize("metrics", [None, [{"kind": "LATENCY"}, {"kind": "SCORE", "evaluator": "correctness"}]])
async def test_scores_that_cannot_be_read_cost_no_other_figure(
    vendors: Vendors, gateway: Gateway, metrics: list[Row] | None
) -> None:
    vendors.meibel.world.add(meibel_agent("m"), [meibel_session("s", duration_s=2)])
    vendors.meibel.fail(Fault("status", path="/v2/confidence-scoring", status=403, times=None))
    answer = await gateway.ask(
        """query($metrics: [MetricInput!]) { experiments { nodes {
          aggregates(metrics: $metrics, basis: COMPUTED) { metric { name } count mean } } } }""",
        metrics=metrics,
    )
    (row,) = answer.data["experiments"]["nodes"]
    assert row["aggregates"][0] == {"metric": {"name": "latency"}, "count": 1, "mean": 2000}
    assert "score:correctness" not in [one["metric"]["name"] for one in row["aggregates"]]
    assert answer.troubles == {MEIBEL: "UNAUTHORIZED"}
