"""The cases of compared experiments, paged, filtered by outcome and looked up by ID, against brute force."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.side_by_side import (
    ACCURACY,
    Held,
    Ran,
    accuracy,
    by_case,
    by_input,
    case_means,
    latency,
    made_up,
    outcomes,
    put,
)
from tests.worlds import Row
from tracegraph.simulators.core.faults import Fault

CASES = """query($ids: [ID!]!, $baseline: ID, $joinOn: CaseKey! = TEST_CASE_ID, $metric: MetricInput!,
                 $outcome: CaseOutcome, $first: Int, $after: String) {
  comparison(experimentIds: $ids, baselineId: $baseline, joinOn: $joinOn) {
    cases(metric: $metric, outcome: $outcome, first: $first, after: $after) {
      totalCount
      edges { cursor node { id key entries { experiment { id } value delta outcome } } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}"""
WITH_SESSIONS = """query($ids: [ID!]!, $joinOn: CaseKey!, $first: Int) {
  comparison(experimentIds: $ids, joinOn: $joinOn) {
    cases(metric: {kind: LATENCY}, first: $first) {
      nodes { key input entries { sessions { vendorId testCaseId input } } }
    }
  }
}"""

LATENCY: Row = {"kind": "LATENCY"}
SCORE: Row = {"kind": "SCORE", "evaluator": ACCURACY}


async def cases(gateway: Gateway, ids: list[str], metric: Row = LATENCY, **variables: Any) -> Any:
    return (await gateway.ask(CASES, ids=ids, metric=metric, **variables)).data["comparison"]["cases"]


def pair(random: Random, *sources: str) -> list[Held]:
    return [made_up(random, source, f"p{index}", sessions=40) for index, source in enumerate(sources)]


# -- what a case says ------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [LATENCY, SCORE], ids=["latency", "score"])
@pytest.mark.parametrize(
    ("join_on", "sources"), [("TEST_CASE_ID", (NEMO, LANGSMITH)), ("INPUT", NAMES)], ids=["id", "input"]
)
async def test_every_case_of_the_baseline_equals_brute_force(
    vendors: Vendors, gateway: Gateway, metric: Row, join_on: str, sources: tuple[str, ...]
) -> None:
    higher, key = metric is SCORE, by_input if join_on == "INPUT" else by_case
    of = accuracy if higher else latency
    held = pair(Random(5), *sources)
    ids = put(vendors, *held)
    found = await cases(gateway, ids, metric, joinOn=join_on)
    means = [case_means(one, key, of) for one in held]
    assert [edge["node"]["key"] for edge in found["edges"]] == sorted(means[0])
    assert found["totalCount"] == len(means[0])
    turned_out = [outcomes(held[0], one, key, of, higher=higher) for one in held]
    for edge in found["edges"]:
        case, base = edge["node"]["key"], means[0][edge["node"]["key"]]
        for index, entry in enumerate(edge["node"]["entries"]):
            value = means[index].get(case)
            assert entry["experiment"]["id"] == ids[index]
            assert entry["value"] == (None if value is None else pytest.approx(value, rel=1e-9))
            assert (entry["delta"] is None) == (value is None or base is None)
            assert entry["outcome"] == (turned_out[index][case] if index else None)


@pytest.mark.parametrize("outcome", ["IMPROVED", "REGRESSED", "EQUAL", "MISSING"])
async def test_the_outcome_filter_selects_cases_with_that_outcome_in_some_experiment(
    vendors: Vendors, gateway: Gateway, outcome: str
) -> None:
    held = pair(Random(6), NEMO, LANGSMITH, NEMO)
    ids = put(vendors, *held)
    found = await cases(gateway, ids, outcome=outcome, baseline=ids[1])
    others = [outcomes(held[1], held[index], by_case, latency, higher=False) for index in (0, 2)]
    expected = sorted({case for one in others for case, how in one.items() if how == outcome})
    assert [edge["node"]["key"] for edge in found["edges"]] == expected
    assert found["totalCount"] == len(expected)


async def test_a_case_has_every_repetition_and_the_baselines_first_input(
    vendors: Vendors, gateway: Gateway
) -> None:
    ids = put(
        vendors,
        Held(NEMO, "a", [Ran("c1", "first\n words"), Ran("c2", "other"), Ran("c1", "first words")]),
        Held(LANGSMITH, "b", [Ran("c1", "first  words")]),
    )
    found = (await gateway.ask(WITH_SESSIONS, ids=ids, joinOn="TEST_CASE_ID")).data["comparison"]["cases"]
    one, two = found["nodes"]
    assert (one["key"], one["input"]) == ("c1", "first\n words")
    assert [session["vendorId"] for session in one["entries"][0]["sessions"]] == ["a-0", "a-2"]
    assert [session["testCaseId"] for session in one["entries"][1]["sessions"]] == ["c1"]
    assert (two["key"], two["entries"][1]["sessions"]) == ("c2", [])


async def test_long_inputs_are_distinct_keys_in_full(vendors: Vendors, gateway: Gateway) -> None:
    """Only a prefix and a digest are stored; the page reads the full input again."""
    texts = [f"{'same beginning ' * 20}{ending}" for ending in ("one", "two", "zz 🙏")]
    sessions = [Ran(None, f" {text}  ") for text in texts]
    ids = put(vendors, Held(NEMO, "a", sessions), Held(MEIBEL, "b", sessions[1:]))
    found = await cases(gateway, ids, joinOn="INPUT")
    assert {edge["node"]["key"] for edge in found["edges"]} == set(texts)
    how = {edge["node"]["key"]: edge["node"]["entries"][1]["outcome"] for edge in found["edges"]}
    assert how == {texts[0]: "MISSING", texts[1]: "EQUAL", texts[2]: "EQUAL"}


@pytest.mark.parametrize("source", NAMES)
async def test_a_blank_input_is_no_case(vendors: Vendors, gateway: Gateway, source: str) -> None:
    """Sessions without an input cannot be paired."""
    ids = put(vendors, *(Held(source, name, [Ran("1", ""), Ran("2", " \n"), Ran("3", "x")]) for name in "ab"))
    found = await cases(gateway, ids, joinOn="INPUT")
    assert [edge["node"]["key"] for edge in found["edges"]] == ["x"]


async def test_only_the_pages_own_sessions_are_looked_up(vendors: Vendors, gateway: Gateway) -> None:
    """One list, one look-up of the three runs behind the page; the scan is the other call."""
    sessions = [Ran(f"c{index:02}", "x") for index in range(30)]
    ids = put(vendors, Held(LANGSMITH, "a", sessions), Held(LANGSMITH, "b", sessions[:1]))
    answer = await gateway.ask(WITH_SESSIONS, ids=ids, joinOn="TEST_CASE_ID", first=2)
    nodes = answer.data["comparison"]["cases"]["nodes"]
    assert [[len(entry["sessions"]) for entry in node["entries"]] for node in nodes] == [[1, 1], [1, 0]]
    assert vendors.call_counts == (0, 3, 0)


# -- pages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("join_on", ["TEST_CASE_ID", "INPUT"])
async def test_any_edge_continues_right_after_itself(vendors: Vendors, gateway: Gateway, join_on: str) -> None:
    sessions = [Ran(f"case/{index}", f"{'🙂' * 120} {index}") for index in range(11)]
    ids = put(vendors, Held(NEMO, "a", sessions), Held(NEMO, "b", sessions[::2]))
    whole = (await cases(gateway, ids, joinOn=join_on, first=50))["edges"]
    assert len(whole) == 11
    for index, edge in enumerate(whole):
        page = await cases(gateway, ids, joinOn=join_on, first=3, after=edge["cursor"])
        assert page["edges"] == whole[index + 1 : index + 4]
        assert page["totalCount"] == 11
        info = page["pageInfo"]
        assert (info["hasPreviousPage"], info["hasNextPage"]) == (True, index + 4 < 11)
        cursors = [one["cursor"] for one in page["edges"]] or [None]
        assert (info["startCursor"], info["endCursor"]) == (cursors[0], cursors[-1])


async def test_added_and_deleted_cases_do_not_move_others(vendors: Vendors, gateway: Gateway) -> None:
    sessions = [Ran(f"c{index}", None) for index in range(6)]
    ids = put(vendors, Held(NEMO, "a", sessions), Held(NEMO, "b", sessions))
    page = await cases(gateway, ids, first=3)
    held = vendors.nemo.world.sessions["a"]
    del held[2]
    held.append(held[0] | {"session_id": "new", "root_span_id": "new", "test_case_id": "c0-new"})
    rest = await cases(gateway, ids, after=page["pageInfo"]["endCursor"])
    assert [edge["node"]["key"] for edge in rest["edges"]] == ["c3", "c4", "c5"]
    assert rest["totalCount"] == 6


async def test_a_page_without_rows_has_the_total_count(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "a", [Ran("c", None)]), Held(NEMO, "b", []))
    page = await cases(gateway, ids, first=0)
    assert (page["totalCount"], page["edges"], page["pageInfo"]["hasNextPage"]) == (1, [], True)
    assert page["pageInfo"]["endCursor"] is None


async def test_a_cursor_is_valid_for_its_own_cases_only(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "a", [Ran("c", "x")] * 2), Held(NEMO, "b", [Ran("c", "x")]))
    cursor = (await cases(gateway, ids))["edges"][0]["cursor"]
    other_list = "{ experiments(first: 1) { pageInfo { endCursor } } }"
    foreign = (await gateway.ask(other_list)).data["experiments"]["pageInfo"]["endCursor"]
    for changed in (
        {"ids": ids[::-1]},
        {"ids": [*ids, ids[0]]},
        {"baseline": ids[1]},
        {"joinOn": "INPUT"},
        {"metric": {"kind": "COST"}},
        {"outcome": "EQUAL"},
        {"after": foreign},
        {"after": cursor[:-3] + "AAA"},
        {"after": "nonsense"},
        {"after": ""},
    ):
        variables = {"ids": ids, "metric": LATENCY, "after": cursor} | changed
        assert (await gateway.ask(CASES, **variables)).codes == ["INVALID_CURSOR"], changed
    assert (await cases(gateway, ids, after=cursor))["edges"] == []


@pytest.mark.parametrize("first", [-1, 1001])
async def test_an_invalid_page_size_is_rejected(vendors: Vendors, gateway: Gateway, first: int) -> None:
    ids = put(vendors, Held(NEMO, "a", []), Held(NEMO, "b", []))
    answer = await gateway.ask(CASES, ids=ids, metric=LATENCY, first=first)
    assert answer.codes == ["BAD_USER_INPUT"]


async def test_cases_of_an_incomplete_read_have_no_total(vendors: Vendors, open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(limits={"computed_pages": 1})
    sessions = [Ran(None, f"question {index:03}") for index in range(120)]
    ids = put(vendors, Held(MEIBEL, "long", sessions), Held(MEIBEL, "short", sessions[:3]))
    page = await cases(gateway, ids, joinOn="INPUT", first=200)
    assert page["totalCount"] is None
    assert 90 < len(page["edges"]) <= 100


# -- failures --------------------------------------------------------------------------------------------


async def test_a_source_that_fails_leaves_nulls_in_its_entries(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "a", [Ran("c", "x")]), Held(LANGSMITH, "b", [Ran("c", "x")]))
    vendors.langsmith.fail(Fault("status", status=403, path="/api/v1/runs/query", times=None))
    query = CASES.replace("outcome }", "outcome sessions { vendorId } }")
    answer = await gateway.ask(query, ids=ids, metric=LATENCY)
    page = answer.data["comparison"]["cases"]
    (edge,) = page["edges"]
    up, down = edge["node"]["entries"]
    assert (up["value"], up["outcome"]) == (1000, None)
    assert (down["value"], down["delta"], down["outcome"], down["sessions"]) == (None, None, None, None)
    assert page["totalCount"] is None
    assert answer.troubles == {LANGSMITH: "UNAUTHORIZED"}


async def test_a_baseline_whose_source_fails_has_null_for_its_cases(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(LANGSMITH, "a", [Ran("c", "x")]), Held(NEMO, "b", [Ran("c", "x")]))
    vendors.langsmith.fail(Fault("status", status=403, path="/api/v1/runs/query", times=None))
    answer = await gateway.ask(CASES, ids=ids, metric=LATENCY)
    assert answer.data["comparison"]["cases"] is None
    assert answer.troubles == {LANGSMITH: "UNAUTHORIZED"}


# -- by ID -----------------------------------------------------------------------------------------------

BY_ID = """query($id: ID!) {
  node(id: $id) { __typename ... on CaseComparison { id key input entries { value delta outcome } } }
}"""


@pytest.mark.parametrize("metric", [LATENCY, SCORE], ids=["latency", "score"])
@pytest.mark.parametrize("join_on", ["TEST_CASE_ID", "INPUT"])
async def test_the_id_of_a_case_finds_it_again(
    vendors: Vendors, gateway: Gateway, join_on: str, metric: Row
) -> None:
    ids = put(vendors, *pair(Random(11), NEMO, LANGSMITH))
    (edge, *_) = (await cases(gateway, ids, metric, joinOn=join_on, baseline=ids[1]))["edges"]
    found = (await gateway.ask(BY_ID, id=edge["node"]["id"])).data["node"]
    assert found["__typename"] == "CaseComparison"
    assert (found["id"], found["key"]) == (edge["node"]["id"], edge["node"]["key"])
    assert found["entries"] == [
        {name: entry[name] for name in ("value", "delta", "outcome")} for entry in edge["node"]["entries"]
    ]


async def test_the_id_of_a_deleted_case_or_experiment_is_null(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "a", [Ran("c", "x")]), Held(NEMO, "b", [Ran("c", "x")]))
    identity = (await cases(gateway, ids))["edges"][0]["node"]["id"]
    vendors.nemo.world.sessions["a"].clear()
    assert (await gateway.ask(BY_ID, id=identity)).data == {"node": None}
    vendors.nemo.world.experiments.clear()
    assert (await gateway.ask(BY_ID, id=identity)).data == {"node": None}


async def test_the_id_of_a_case_whose_source_fails_is_an_error(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "a", [Ran("c", "x")]), Held(NEMO, "b", [Ran("c", "x")]))
    identity = (await cases(gateway, ids))["edges"][0]["node"]["id"]
    await vendors.nemo.stop()
    answer = await gateway.ask(BY_ID, id=identity)
    assert (answer.partial, answer.codes) == ({"node": None}, ["SOURCE_UNAVAILABLE"])


@pytest.mark.parametrize(
    "last",
    ["CASE:0:LATENCY::00", "INPUT:2:LATENCY::00", "INPUT:-1:COST::00", "INPUT:0:SPEED::00", "INPUT:0:COST::xyz"],
)
async def test_a_malformed_id_of_a_case_is_rejected(gateway: Gateway, last: str) -> None:
    text = f"CaseComparison:nemo:a:nemo:b:{last}"
    answer = await gateway.ask(BY_ID, id=base64.b64encode(text.encode()).decode())
    assert answer.codes == ["INVALID_ID"]
