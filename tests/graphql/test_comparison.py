"""Experiments side by side: values, deltas and the best value, against brute force over real HTTP."""

from __future__ import annotations

from random import Random
from statistics import fmean, median_low
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NEMO, Gateway, Vendors
from tests.graphql.ordered_worlds import Dialects, opened
from tests.graphql.side_by_side import (
    ACCURACY,
    Held,
    Ran,
    accuracy,
    by_case,
    by_input,
    counts,
    latency,
    made_up,
    outcomes,
    put,
)
from tests.worlds import Row
from tracegraph.simulators.core.faults import Fault

ARGUMENTS = """experimentIds: $ids, baselineId: $baseline, metrics: $metrics, statistic: $statistic, basis: $basis,
               joinOn: $joinOn"""
VARIABLES = """$ids: [ID!]!, $baseline: ID, $metrics: [MetricInput!], $statistic: Statistic! = MEAN,
               $basis: AggregateBasis! = BEST, $joinOn: CaseKey! = TEST_CASE_ID"""
FIGURES = f"""query({VARIABLES}) {{
  comparison({ARGUMENTS}) {{
    baseline {{ id }}
    experiments {{ id name }}
    metrics {{
      metric {{ name }} statistic best {{ id }}
      entries {{
        experiment {{ id }} value delta ratio
        aggregate {{ basis population count complete }}
        cases {{ improved regressed equal missing }}
      }}
    }}
    sources {{ source {{ name }} status error {{ code }} fetched upstreamRequests }}
  }}
}}"""
VALUES = "query($ids: [ID!]!, $metrics: [MetricInput!]) { comparison(experimentIds: $ids, metrics: $metrics) %s }"

LATENCY: Row = {"kind": "LATENCY"}
SCORE: Row = {"kind": "SCORE", "evaluator": ACCURACY}


async def compare(gateway: Gateway, ids: list[str], **variables: Any) -> Any:
    return (await gateway.ask(FIGURES, ids=ids, **variables)).data["comparison"]


def by_source(found: Any) -> dict[str, Row]:
    return {report["source"]["name"]: report for report in found["sources"]}


# -- figures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", [0, 1, 2])
@pytest.mark.parametrize("metric", [LATENCY, SCORE], ids=["latency", "score"])
async def test_three_vendors_side_by_side_equal_brute_force(
    vendors: Vendors, gateway: Gateway, metric: Row, baseline: int
) -> None:
    random, higher = Random(baseline), metric is SCORE
    of = accuracy if higher else latency
    held = [made_up(random, source, f"e-{source}", sessions=30) for source in (NEMO, LANGSMITH, MEIBEL)]
    ids = put(vendors, *held)
    found = await compare(gateway, ids, metrics=[metric], baseline=ids[baseline], joinOn="INPUT")
    assert found["baseline"]["id"] == ids[baseline]
    assert [one["id"] for one in found["experiments"]] == ids
    (figures,) = found["metrics"]
    means = [fmean(one.values(of)) for one in held]
    base = means[baseline]
    for index, (entry, mean) in enumerate(zip(figures["entries"], means, strict=True)):
        assert entry["experiment"]["id"] == ids[index]
        assert entry["value"] == pytest.approx(mean, rel=1e-9)
        assert entry["delta"] == pytest.approx(mean - base, rel=1e-9, abs=1e-9)
        assert entry["ratio"] == pytest.approx(mean / base, rel=1e-9)
        expected = counts(outcomes(held[baseline], held[index], by_input, of, higher=higher))
        assert entry["cases"] == (None if index == baseline else expected)
    assert figures["best"]["id"] == ids[means.index(max(means) if higher else min(means))]


async def test_two_vendors_that_share_case_ids_are_paired_by_them(vendors: Vendors, gateway: Gateway) -> None:
    random = Random(4)
    held = [made_up(random, source, f"e-{source}") for source in (NEMO, LANGSMITH)]
    ids = put(vendors, *held)
    found = await compare(gateway, ids, metrics=[LATENCY])
    expected = counts(outcomes(held[0], held[1], by_case, latency, higher=False))
    assert found["metrics"][0]["entries"][1]["cases"] == expected
    back = await compare(gateway, ids[::-1], metrics=[LATENCY])
    swapped = back["metrics"][0]["entries"][1]["cases"]
    assert (swapped["improved"], swapped["regressed"]) == (expected["regressed"], expected["improved"])


async def test_experiments_that_share_no_case_have_figures_and_no_counts(
    vendors: Vendors, gateway: Gateway
) -> None:
    ids = put(vendors, Held(NEMO, "a", [Ran("1", "x")]), Held(MEIBEL, "b", [Ran(None, "y", 2000)]))
    entry = (await compare(gateway, ids, metrics=[LATENCY]))["metrics"][0]["entries"][1]
    assert (entry["value"], entry["delta"], entry["ratio"], entry["cases"]) == (2000, 1000, 2, None)


async def test_an_experiment_beside_itself_is_all_equal(vendors: Vendors, gateway: Gateway) -> None:
    """Also with repetitions and with cases that nobody measured; and it is its own best."""
    held = made_up(Random(7), LANGSMITH, "same", sessions=60)
    (identity,) = put(vendors, held)
    found = await compare(gateway, [identity, identity], metrics=[LATENCY, SCORE])
    cases = len({session.case for session in held.sessions} - {None})
    for figures in found["metrics"]:
        assert figures["best"]["id"] == identity
        again = figures["entries"][1]
        assert (again["delta"], again["ratio"]) == (0, 1)
        assert again["cases"] == {"improved": 0, "regressed": 0, "equal": cases, "missing": 0}
    assert vendors.call_counts == (0, 2, 0)


async def test_the_order_of_experiments_changes_nothing_but_the_order_of_entries(
    vendors: Vendors, gateway: Gateway
) -> None:
    random = Random(9)
    ids = put(vendors, *(made_up(random, source, f"o-{source}") for source in (NEMO, LANGSMITH, MEIBEL)))
    plain = await compare(gateway, ids, baseline=ids[1], joinOn="INPUT")
    moved = await compare(gateway, [ids[2], ids[0], ids[1]], baseline=ids[1], joinOn="INPUT")
    for one, other in zip(plain["metrics"], moved["metrics"], strict=True):
        assert (one["metric"], one["best"]) == (other["metric"], other["best"])
        order = {entry["experiment"]["id"]: entry for entry in other["entries"]}
        assert one["entries"] == [order[identity] for identity in ids]


@pytest.mark.parametrize("statistic", ["MEDIAN", "P90", "P95", "P99", "SUM", "COUNT", "MIN", "MAX", "MEAN"])
async def test_every_statistic_is_equal_for_equal_sessions_of_all_vendors(
    vendors: Vendors, gateway: Gateway, statistic: str
) -> None:
    """The same sessions at every vendor: every entry is equal, so none is best."""
    sessions = [Ran(str(index), None, 1000 + index * 10) for index in range(7)]
    ids = put(vendors, *(Held(source, f"s-{source}", sessions) for source in (NEMO, LANGSMITH, MEIBEL)))
    found = await compare(gateway, ids, metrics=[LATENCY], statistic=statistic, basis="COMPUTED")
    (figures,) = found["metrics"]
    assert figures["statistic"] == statistic
    assert len({entry["value"] for entry in figures["entries"]}) == 1
    assert figures["best"] is None
    if statistic == "MEDIAN":
        assert figures["entries"][0]["value"] == median_low([1000 + index * 10 for index in range(7)])


async def test_by_default_the_metrics_are_those_that_two_experiments_have(
    vendors: Vendors, gateway: Gateway
) -> None:
    """NeMo and LangSmith report costs, Meibel does not. Only NeMo has scores. No vendor reports a first token."""
    ids = put(vendors, *(Held(source, f"d-{source}", [Ran("1", "x")]) for source in (NEMO, LANGSMITH, MEIBEL)))
    vendors.nemo.world.sessions["d-nemo"][0]["evaluator_scores"] = {"only-here": 1.0}
    found = await compare(gateway, ids)
    names = [figures["metric"]["name"] for figures in found["metrics"]]
    tokens = ["input_tokens", "output_tokens", "total_tokens"]
    assert [name for name in names if name != "cached_tokens"] == ["latency", "cost", *tokens, "error_rate"]
    costs = next(figures for figures in found["metrics"] if figures["metric"]["name"] == "cost")
    assert [entry["value"] for entry in costs["entries"]] == [0.001, 0.001, None]


async def test_a_division_by_zero_is_null(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "none", [Ran("1", "x", 0)]), Held(NEMO, "some", [Ran("1", "x", 10)]))
    entries = (await compare(gateway, ids, metrics=[LATENCY]))["metrics"][0]["entries"]
    found = [(entry["value"], entry["delta"], entry["ratio"]) for entry in entries]
    assert found == [(0, 0, None), (10, 10, None)]


async def test_an_empty_experiment_has_no_values_and_is_never_the_best(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "empty", []), Held(LANGSMITH, "full", [Ran("1", "x")]))
    (figures,) = (await compare(gateway, ids, metrics=[LATENCY]))["metrics"]
    assert [entry["value"] for entry in figures["entries"]] == [None, 1000]
    assert [entry["ratio"] for entry in figures["entries"]] == [None, None]
    assert figures["best"]["id"] == ids[1]


# -- bases and calls -------------------------------------------------------------------------------------


async def test_reported_figures_are_compared_without_reading_sessions(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, *(Held(source, f"r-{source}", [Ran("1", "x")]) for source in (NEMO, LANGSMITH)))
    query = """query($ids: [ID!]!) {
      comparison(experimentIds: $ids, metrics: [{kind: LATENCY}], statistic: MEDIAN) {
        metrics { entries { value } }
        sources { upstreamRequests fetched }
      }
    }"""
    found = (await gateway.ask(query, ids=ids)).data["comparison"]
    assert found["metrics"] == [{"entries": [{"value": 1000}, {"value": 1000}]}]
    assert found["sources"] == [{"upstreamRequests": 0, "fetched": 0}] * 2
    assert vendors.call_counts == (1, 1, 0)


async def test_best_computes_only_metrics_without_a_reported_statistic(vendors: Vendors, gateway: Gateway) -> None:
    """LangSmith reports no mean latency, so its runs are read; NeMo's sessions are not."""
    ids = put(vendors, *(Held(source, f"b-{source}", [Ran("1", "x")]) for source in (NEMO, LANGSMITH)))
    shape = "{ metrics { entries { value aggregate { basis population } } } }"
    found = (await gateway.ask(VALUES % shape, ids=ids, metrics=[LATENCY])).data["comparison"]
    assert found["metrics"][0]["entries"] == [
        {"value": 1000, "aggregate": {"basis": "REPORTED", "population": "SESSIONS"}},
        {"value": 1000, "aggregate": {"basis": "COMPUTED", "population": "SESSIONS"}},
    ]
    assert vendors.call_counts == (1, 2, 0)


async def test_experiments_without_selected_figures_are_not_read(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, *(Held(source, f"n-{source}", [Ran("1", "x")]) for source in (NEMO, LANGSMITH, MEIBEL)))
    found = (await gateway.ask(VALUES % "{ experiments { name } sources { status } }", ids=ids)).data
    assert [report["status"] for report in found["comparison"]["sources"]] == ["OK"] * 3
    assert vendors.call_counts[:2] == (1, 1)
    assert not [call for call in vendors.meibel.calls if "sessions" in call.path_class]


async def test_figures_counts_and_cases_read_every_session_page_once(vendors: Vendors, gateway: Gateway) -> None:
    """Three metrics, the counts, two lists of cases and the aggregates of an experiment share the pages."""
    random = Random(3)
    ids = put(vendors, made_up(random, NEMO, "once"), made_up(random, LANGSMITH, "once-too"))
    query = """query($ids: [ID!]!) {
      comparison(experimentIds: $ids, basis: COMPUTED) {
        sources { source { name } upstreamRequests fetched }
        metrics { metric { name } entries { value cases { equal } } }
        all: cases(metric: {kind: LATENCY}) { totalCount }
        some: cases(metric: {kind: COST}, outcome: EQUAL) { totalCount }
        baseline { aggregates(basis: COMPUTED) { count } }
      }
      again: comparison(experimentIds: $ids, joinOn: INPUT) { cases(metric: {kind: LATENCY}) { totalCount } }
    }"""
    found = (await gateway.ask(query, ids=ids)).data["comparison"]
    assert vendors.call_counts == (2, 2, 0)
    assert found["sources"] == [
        {"source": {"name": NEMO}, "upstreamRequests": 1, "fetched": 20},
        {"source": {"name": LANGSMITH}, "upstreamRequests": 1, "fetched": 20},
    ]


SCATTERED = """query($ids: [ID!]!, $metric: MetricInput!, $kind: MetricKind!, $evaluator: String, $yes: Boolean!) {
  comparison(experimentIds: $ids, metrics: []) {
    ...sources
    asked: cases(metric: $metric) { totalCount }
    ... @skip(if: $yes) { never: cases(metric: {kind: SCORE, evaluator: "never"}) { totalCount } }
    ... on Comparison @include(if: $yes) { cases(metric: {kind: $kind, evaluator: $evaluator}) { totalCount } }
  }
}
fragment sources on Comparison { sources { status error { code } upstreamRequests } }"""


@pytest.mark.parametrize("metrics", [(SCORE, LATENCY), (LATENCY, SCORE), (LATENCY, LATENCY)])
async def test_sources_report_all_requested_work_whatever_its_place_in_the_query(
    vendors: Vendors, gateway: Gateway, metrics: tuple[Row, Row]
) -> None:
    """Scores of Meibel's sessions take more calls. `sources` comes first in the query and waits for them."""
    ids = put(vendors, *(made_up(Random(2), MEIBEL, name) for name in ("one", "two")))
    one, other = metrics
    answer = await gateway.ask(SCATTERED, ids=ids, metric=one, yes=True, **{"evaluator": None} | other)
    looking_up = len(ids)
    (report,) = answer.data["comparison"]["sources"]
    assert report == {"status": "OK", "error": None, "upstreamRequests": len(vendors.meibel.calls) - looking_up}
    assert (report["upstreamRequests"] > 2) == (SCORE in metrics)


async def test_twenty_experiments_are_looked_up_in_one_batch_and_read_once_each(
    vendors: Vendors, gateway: Gateway
) -> None:
    random = Random(20)
    held = [made_up(random, NEMO, f"t{index:02}") for index in range(20)]
    ids = put(vendors, *held)
    found = await compare(gateway, ids, metrics=[LATENCY, SCORE], basis="COMPUTED")
    for figures, of, higher in zip(found["metrics"], (latency, accuracy), (False, True), strict=True):
        for one, entry in zip(held, figures["entries"], strict=True):
            assert entry["value"] == pytest.approx(fmean(one.values(of)), rel=1e-9)
        expected = [counts(outcomes(held[0], one, by_case, of, higher=higher)) for one in held[1:]]
        assert [entry["cases"] for entry in figures["entries"][1:]] == expected
    assert vendors.call_counts == (1 + 20, 0, 0)
    assert by_source(found)[NEMO]["upstreamRequests"] == 20


async def test_an_incomplete_read_is_reported(vendors: Vendors, open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(limits={"computed_pages": 1})
    sessions = [Ran(str(index), None) for index in range(150)]
    ids = put(vendors, Held(MEIBEL, "long", sessions), Held(MEIBEL, "short", sessions[:3]))
    found = await compare(gateway, ids, metrics=[LATENCY])
    entries = found["metrics"][0]["entries"]
    assert [entry["aggregate"]["complete"] for entry in entries] == [False, True]
    assert [report["status"] for report in found["sources"]] == ["SCAN_LIMITED"]


# -- failures --------------------------------------------------------------------------------------------


async def test_an_experiment_whose_sessions_cannot_be_read_keeps_its_column(
    vendors: Vendors, gateway: Gateway
) -> None:
    ids = put(vendors, Held(NEMO, "up", [Ran("1", "x")]), Held(LANGSMITH, "down", [Ran("1", "x")]))
    vendors.langsmith.fail(Fault("status", status=403, path="/api/v1/runs/query", times=None))
    answer = await gateway.ask(FIGURES, ids=ids, metrics=[LATENCY])
    found = answer.data["comparison"]
    up, down = found["metrics"][0]["entries"]
    assert up["value"] == 1000
    assert (down["value"], down["delta"], down["ratio"], down["cases"]) == (None, None, None, None)
    assert down["experiment"]["id"] == ids[1]
    report = by_source(found)[LANGSMITH]
    assert (report["status"], report["error"]["code"]) == ("FAILED", "UNAUTHORIZED")
    assert by_source(found)[NEMO]["status"] == "OK"
    assert answer.troubles == {LANGSMITH: "UNAUTHORIZED"}


@pytest.mark.parametrize("baseline", [0, 1])
async def test_an_experiment_that_cannot_be_looked_up_keeps_its_column(
    vendors: Vendors, gateway: Gateway, baseline: int
) -> None:
    ids = put(vendors, Held(NEMO, "up", [Ran("1", "x")]), Held(MEIBEL, "gone-dark", [Ran("1", "x")]))
    await vendors.meibel.stop()
    answer = await gateway.ask(FIGURES, ids=ids, baseline=ids[baseline], metrics=[LATENCY])
    found = answer.data["comparison"]
    assert found["experiments"][1] == {"id": ids[1], "name": "gone-dark"}
    up, down = found["metrics"][0]["entries"]
    assert (up["value"], up["delta"]) == (1000, 0 if baseline == 0 else None)
    assert (down["value"], down["aggregate"], down["cases"]) == (None, None, None)
    assert by_source(found)[MEIBEL]["status"] == "FAILED"
    assert by_source(found)[MEIBEL]["error"]["code"] == "UNAVAILABLE"
    assert by_source(found)[MEIBEL]["upstreamRequests"] >= 1
    assert answer.troubles == {MEIBEL: "UNAVAILABLE"}


async def test_an_experiment_that_cannot_be_looked_up_counts_as_an_evaluation_where_its_source_has_some() -> None:
    async with opened(Dialects("0.8", "both")) as subject:
        vendors = subject.vendors
        ids = put(vendors, Held(NEMO, "up", [Ran("1", "x")]), Held(LANGSMITH, "gone-dark", [Ran("1", "x")]))
        await vendors.langsmith.stop()
        answer = await subject.gateway.ask(VALUES % "{ experiments { kind } }", ids=ids, metrics=[LATENCY])
        assert [row["kind"] for row in answer.data["comparison"]["experiments"]] == ["EVALUATION", "EVALUATION"]


async def test_a_failure_that_costs_only_counts_is_in_the_report_of_its_source(
    vendors: Vendors, gateway: Gateway
) -> None:
    """The baseline's sessions cannot be read, so no entry of any metric has counts; its figures are reported."""
    ids = put(vendors, *(Held(LANGSMITH, name, [Ran("1", "x")]) for name in ("one", "two", "three")))
    vendors.langsmith.fail(Fault("status", status=403, path="/api/v1/runs/query", times=None))
    shape = "{ metrics { entries { cases { equal } } } sources { status error { code } } }"
    query = VALUES.replace("metrics: $metrics", "metrics: $metrics, statistic: SUM") % shape
    kinds: list[Row] = [{"kind": "COST"}, {"kind": "INPUT_TOKENS"}]
    answer = await gateway.ask(query, ids=ids, metrics=kinds)
    assert answer.data["comparison"]["metrics"] == [{"entries": [{"cases": None}] * 3}] * 2
    assert answer.data["comparison"]["sources"] == [{"status": "FAILED", "error": {"code": "UNAUTHORIZED"}}]


async def test_reported_figures_are_returned_when_the_sessions_cannot_be_read(
    vendors: Vendors, gateway: Gateway
) -> None:
    ids = put(vendors, *(Held(LANGSMITH, name, [Ran("1", "x")]) for name in ("one", "two")))
    vendors.langsmith.fail(Fault("status", status=403, path="/api/v1/runs/query", times=None))
    shape = "{ metrics { metric { name } entries { value aggregate { median } } } }"
    answer = await gateway.ask(VALUES % shape, ids=ids, metrics=[LATENCY])
    entries = answer.partial["comparison"]["metrics"][0]["entries"]
    assert entries == [{"value": None, "aggregate": {"median": 1000}}] * 2
    assert answer.codes == ["SOURCE_UNAUTHORIZED"] * len(answer.errors)


@pytest.mark.parametrize("metrics", [None, [LATENCY, SCORE]])
async def test_scores_that_cannot_be_read_cost_no_other_metric(
    vendors: Vendors, gateway: Gateway, metrics: list[Row] | None
) -> None:
    ids = put(vendors, *(Held(source, source, [Ran("1", "x", accuracy=0.5)]) for source in (NEMO, MEIBEL)))
    vendors.meibel.fail(Fault("status", status=403, path="/v2/confidence-scoring", times=None))
    answer = await gateway.ask(FIGURES, ids=ids, metrics=metrics)
    found = answer.data["comparison"]
    figures = {one["metric"]["name"]: [entry["value"] for entry in one["entries"]] for one in found["metrics"]}
    assert figures["latency"] == [1000, 1000]
    assert figures.get("score:correctness") == (None if metrics is None else [0.5, None])
    report = by_source(found)[MEIBEL]
    assert (report["status"], report["error"]["code"]) == ("FAILED", "UNAUTHORIZED")


@pytest.mark.parametrize("path", ["/v2/confidence-scoring", "/v2/sessions", "/v2/agents/a/sessions"])
async def test_stale_replies_are_reported(vendors: Vendors, open_gateway: OpenGateway, path: str) -> None:
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 0, "stale_s": 300})
    ids = put(vendors, *(Held(MEIBEL, name, [Ran(None, "x", accuracy=0.5)]) for name in "ab"))
    first = await compare(gateway, ids, metrics=[SCORE], joinOn="INPUT")
    vendors.meibel.fail(Fault("status", status=503, path=path, times=None))
    answer = await gateway.ask(FIGURES, ids=ids, metrics=[SCORE], joinOn="INPUT")
    assert answer.data["comparison"]["metrics"] == first["metrics"]
    assert by_source(answer.data["comparison"])[MEIBEL]["status"] == "STALE"
    assert answer.troubles.keys() == {MEIBEL}


@pytest.mark.parametrize("basis", ["REPORTED", "COMPUTED", "BEST"])
async def test_zeros_of_a_store_that_is_down_are_not_figures(
    vendors: Vendors, gateway: Gateway, basis: str
) -> None:
    ids = put(vendors, Held(NEMO, "dark", [Ran("1", "x")]), Held(LANGSMITH, "up", [Ran("1", "x")]))
    vendors.nemo.world.telemetry_down = True
    answer = await gateway.ask(FIGURES, ids=ids, metrics=[LATENCY], statistic="MEDIAN", basis=basis)
    found = answer.data["comparison"]
    dark, up = found["metrics"][0]["entries"]
    assert (dark["value"], dark["cases"], up["value"], up["delta"], up["cases"]) == (None, None, 1000, None, None)
    assert found["metrics"][0]["best"]["id"] == ids[1]
    assert by_source(found)[NEMO]["error"]["code"] == "UNAVAILABLE"


# -- wrong questions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 21])
async def test_a_comparison_takes_two_to_twenty_experiments(
    vendors: Vendors, gateway: Gateway, count: int
) -> None:
    (identity,) = put(vendors, Held(NEMO, "a", []))
    answer = await gateway.ask(FIGURES, ids=[identity] * count)
    assert answer.codes == ["BAD_USER_INPUT"]
    assert answer.errors[0]["message"] == f"experimentIds has {count} IDs: a comparison takes 2 to 20."
    assert vendors.call_counts == (0, 0, 0)


async def test_a_baseline_that_is_not_compared_is_rejected(vendors: Vendors, gateway: Gateway) -> None:
    a, b = put(vendors, Held(NEMO, "a", []), Held(NEMO, "b", []))
    answer = await gateway.ask(FIGURES, ids=[a, a], baseline=b)
    assert answer.codes == ["BAD_USER_INPUT"]
    assert "baselineId is not among experimentIds" in answer.errors[0]["message"]


@pytest.mark.parametrize("source", [NEMO, LANGSMITH, MEIBEL, "elsewhere"])
async def test_an_unknown_experiment_is_in_missing_ids_and_has_no_column(
    vendors: Vendors, gateway: Gateway, source: str
) -> None:
    known = put(vendors, Held(NEMO, "a", [Ran("1", "x")]), Held(LANGSMITH, "b", [Ran("1", "x")]))
    unknown = Held(source, "nowhere", []).id
    query = VALUES % "{ missingIds experiments { name } baseline { name } metrics { entries { value } } }"
    answer = await gateway.ask(query, ids=[unknown, *known, unknown], metrics=[LATENCY])
    assert answer.data["comparison"] == {
        "missingIds": [unknown],
        "experiments": [{"name": "a"}, {"name": "b"}],
        "baseline": {"name": "a"},
        "metrics": [{"entries": [{"value": 1000}, {"value": 1000}]}],
    }


async def test_every_known_experiment_leaves_missing_ids_empty(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "a", []), Held(NEMO, "b", []))
    answer = await gateway.ask(VALUES % "{ missingIds }", ids=ids)
    assert answer.data == {"comparison": {"missingIds": []}}


async def test_fewer_than_two_known_experiments_are_rejected_and_siblings_are_answered(
    vendors: Vendors, gateway: Gateway
) -> None:
    (known,) = put(vendors, Held(NEMO, "a", []))
    unknown = Held(NEMO, "nowhere", []).id
    query = "query($ids: [ID!]!) { comparison(experimentIds: $ids) { missingIds } sources { vendor } }"
    answer = await gateway.ask(query, ids=[known, unknown])
    assert answer.codes == ["BAD_USER_INPUT"]
    assert answer.errors[0]["path"] == ["comparison"]
    assert answer.partial["comparison"] is None
    assert len(answer.partial["sources"]) == 3


async def test_an_unknown_baseline_is_rejected(vendors: Vendors, gateway: Gateway) -> None:
    ids = [*put(vendors, Held(NEMO, "a", []), Held(NEMO, "b", [])), Held(NEMO, "nowhere", []).id]
    answer = await gateway.ask(FIGURES, ids=ids, baseline=ids[2])
    assert answer.codes == ["BAD_USER_INPUT"]
    assert "baselineId" in answer.errors[0]["message"]


async def test_an_id_of_another_kind_is_rejected(gateway: Gateway) -> None:
    answer = await gateway.ask(FIGURES, ids=["U291cmNlOm5lbW8="] * 2)
    assert answer.codes == ["INVALID_ID"]


async def test_a_score_without_its_evaluator_is_rejected(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "a", []), Held(NEMO, "b", []))
    answer = await gateway.ask(FIGURES, ids=ids, metrics=[{"kind": "SCORE"}])
    assert answer.codes == ["BAD_USER_INPUT"]
