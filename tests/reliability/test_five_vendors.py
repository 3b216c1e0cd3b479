"""One query over five vendors: the calls that each vendor allows, and a failing one costs its rows only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.five_vendors import (
    ALL_NAMES,
    EXPERIMENTS,
    MLFLOW,
    PHOENIX,
    QUESTIONS,
    SESSIONS,
    FiveVendors,
    experiment_id,
)
from tests.gateway import Gateway, in_process
from tests.reliability.test_fault_matrix import FAULTS
from tracegraph.simulators.core.faults import Fault

N, S = EXPERIMENTS, EXPERIMENTS * SESSIONS
"""The experiments of each vendor, and their sessions."""
REPORT = "sources { source { name } status error { code } }"
EXPERIMENTS_QUERY = f"{{ found: experiments(first: 50) {{ nodes {{ vendorId source {{ name }} }} {REPORT} }} }}"
NESTED_QUERY = f"""{{ found: experiments(first: 50) {{
  nodes {{ vendorId source {{ name }} sessions(first: 5) {{ nodes {{ vendorId status latencyMs }} }} }} {REPORT}
}} }}"""
SESSIONS_QUERY = f"{{ found: sessions(first: 100) {{ nodes {{ vendorId source {{ name }} }} {REPORT} }} }}"
SPANS_QUERY = f"""{{ found: sessions(first: 100) {{
  nodes {{ vendorId source {{ name }} spans(first: 5) {{ nodes {{ name }} }} }} {REPORT}
}} }}"""
FIGURES_QUERY = f"""{{ found: experiments(first: 50) {{
  nodes {{ vendorId source {{ name }} aggregate(metric: {{kind: LATENCY}}) {{ mean }} }} {REPORT}
}} }}"""


@pytest.fixture
async def vendors() -> AsyncIterator[FiveVendors]:  # it replaces that of three vendors
    async with FiveVendors.open() as opened:
        yield opened


@asynccontextmanager
async def gateway_over(vendors: FiveVendors, **tables: Mapping[str, Any]) -> AsyncIterator[Gateway]:
    async with in_process(vendors.settings(tables)) as gateway:
        yield gateway


# -- calls -----------------------------------------------------------------------------------------------

CALLS: Mapping[str, tuple[str, dict[str, int]]] = {
    "experiments": (
        EXPERIMENTS_QUERY,
        # Meibel has the time of creation in the detail only. MLflow and Phoenix have two kinds of experiments.
        {"nemo": 1, "langsmith": 1, "meibel": 1 + N, "mlflow": 2, "phoenix": 2},
    ),
    "sessions of each experiment": (
        NESTED_QUERY,
        {"nemo": 1 + N, "langsmith": 1 + 1, "meibel": 1 + N + N, "mlflow": 2 + N, "phoenix": 2 + N},
    ),
    "sessions": (
        SESSIONS_QUERY,
        {"nemo": 1 + N, "langsmith": 1 + 1, "meibel": 1 + N, "mlflow": 2 + N, "phoenix": 2 + N},
    ),
    "spans of each session": (
        SPANS_QUERY,
        # MLflow gives 20 traces in a call, Phoenix 50 sessions of an experiment, LangSmith those of all.
        {
            "nemo": 1 + N + S,
            "langsmith": 1 + 1 + 1,
            "meibel": 1 + N + S,
            "mlflow": 2 + N + 1,
            "phoenix": 2 + N + N,
        },
    ),
    "reported figures": (
        FIGURES_QUERY,
        # MLflow reports a metric of one experiment in a call, Phoenix those of 50 projects. Meibel reports none.
        {"nemo": 1, "langsmith": 1, "meibel": 1 + N, "mlflow": 2 + N, "phoenix": 2 + 1},
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_one_query_makes_the_fewest_calls_that_each_vendor_allows(vendors: FiveVendors, name: str) -> None:
    query, calls = CALLS[name]
    async with gateway_over(vendors) as gateway:
        page = (await gateway.ask(query)).data["found"]
    assert vendors.call_counts == calls
    assert {node["source"]["name"] for node in page["nodes"]} == set(ALL_NAMES)
    assert {one["status"] for one in page["sources"]} == {"OK"}


# -- failures --------------------------------------------------------------------------------------------


async def check_that_it_costs_its_rows_only(
    vendors: FiveVendors, failed: str, query: str, fault: Mapping[str, Any], code: str
) -> None:
    """Ask before and while the vendor fails: the rows of the other four are the same."""
    async with gateway_over(vendors) as gateway:
        complete = (await gateway.ask(query)).data["found"]
    vendors.named(failed).fail(Fault(times=None, **fault))
    settings: dict[str, Any] = {"breaker": {"enabled": False}, "max_response_bytes": 200_000}
    settings |= {"timeout_s": 0.5} if fault["kind"] in {"hang", "drip"} else {}  # nothing else ends these
    async with gateway_over(vendors, **{failed: settings}) as gateway:
        partial = (await gateway.ask(query)).data["found"]
    assert partial["nodes"] == [node for node in complete["nodes"] if node["source"]["name"] != failed]
    found = {
        one["source"]["name"]: (one["status"], (one["error"] or {}).get("code")) for one in partial["sources"]
    }
    assert found == {name: ("FAILED", code) if name == failed else ("OK", None) for name in ALL_NAMES}


@pytest.mark.parametrize("failed", ALL_NAMES)
@pytest.mark.parametrize("query", [NESTED_QUERY, SESSIONS_QUERY], ids=["nested", "sessions"])
async def test_a_hanging_vendor_costs_its_rows_only(vendors: FiveVendors, failed: str, query: str) -> None:
    await check_that_it_costs_its_rows_only(vendors, failed, query, {"kind": "hang"}, "TIMEOUT")


@pytest.mark.slow
@pytest.mark.parametrize("failed", ALL_NAMES)
@pytest.mark.parametrize("fault_name", [name for name, (_, code) in FAULTS.items() if code is not None])
async def test_a_vendor_that_fails_in_any_way_costs_its_rows_only(
    vendors: FiveVendors, failed: str, fault_name: str
) -> None:
    """test_fault_matrix.py has these faults for three vendors in every run."""
    fault, code = FAULTS[fault_name]
    assert code is not None
    await check_that_it_costs_its_rows_only(vendors, failed, NESTED_QUERY, fault, code)


# -- comparison ------------------------------------------------------------------------------------------

COMPARISON = """query($ids: [ID!]!) {
  comparison(experimentIds: $ids, joinOn: INPUT, metrics: [{kind: SCORE, evaluator: "exact"}]) {
    metrics { entries { experiment { source { name } } value cases { improved regressed equal missing } } }
    cases(metric: {kind: SCORE, evaluator: "exact"}, first: 10) {
      nodes { input entries { experiment { source { name } } value } }
    }
  }
}"""


async def test_a_run_of_mlflow_and_an_experiment_of_phoenix_are_paired_by_their_questions(
    vendors: FiveVendors,
) -> None:
    """MLflow's run is right about the first question, Phoenix's experiment about all others."""
    ids = [experiment_id(MLFLOW, 1), experiment_id(PHOENIX, 2)]
    async with gateway_over(vendors) as gateway:
        comparison = (await gateway.ask(COMPARISON, ids=ids)).data["comparison"]
    pairs = {
        node["input"]: {entry["experiment"]["source"]["name"]: entry["value"] for entry in node["entries"]}
        for node in comparison["cases"]["nodes"]
    }
    assert pairs == {
        question: {MLFLOW: float(number < 1), PHOENIX: float(number > 0)}
        for number, question in enumerate(QUESTIONS)
    }
    (metric,) = comparison["metrics"]
    assert [entry["value"] for entry in metric["entries"]] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert metric["entries"][1]["cases"] == {"improved": 2, "regressed": 1, "equal": 0, "missing": 0}
