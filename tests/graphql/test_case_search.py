"""The text filter of compared cases: what is searched, what it costs, and sources that fail."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.side_by_side import Held, Ran, by_case, by_input, made_up, put
from tracegraph.simulators.core.faults import Fault

CASES = """query($ids: [ID!]!, $joinOn: CaseKey! = TEST_CASE_ID, $text: String) {
  comparison(experimentIds: $ids, joinOn: $joinOn) {
    cases(metric: {kind: LATENCY}, text: $text, first: 100) { totalCount nodes { key entries { value } } }
    sources { source { name } status fetched upstreamRequests }
  }
}"""


async def found(gateway: Gateway, ids: list[str], text: str | None, **variables: Any) -> list[str]:
    answer = await gateway.ask(CASES, ids=ids, text=text, **variables)
    page = answer.data["comparison"]["cases"]
    assert page["totalCount"] == len(page["nodes"])
    return [node["key"] for node in page["nodes"]]


# -- what is searched ------------------------------------------------------------------------------------


async def test_the_key_the_inputs_and_the_outputs_of_every_experiment_are_searched(
    vendors: Vendors, gateway: Gateway
) -> None:
    ids = put(
        vendors,
        Held(LANGSMITH, "a", [Ran(f"key-{index}", f"Frage {index}", output="Antwort") for index in range(5)]),
        Held(NEMO, "b", [Ran("key-1", "STRASSE")]),
        Held(LANGSMITH, "c", [Ran("key-2", "y", output="Große straße")]),
    )
    assert await found(gateway, ids, "KEY-3") == ["key-3"], "the key"
    assert await found(gateway, ids, "frage 4") == ["key-4"], "the baseline's input"
    assert await found(gateway, ids, "straße") == ["key-1", "key-2"], "another's input, another's output"
    assert await found(gateway, ids, "antwort") == [f"key-{index}" for index in range(5)]
    assert await found(gateway, ids, "nowhere") == []


async def test_every_repetition_is_searched(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(
        vendors,
        Held(NEMO, "a", [Ran("c1", "x"), Ran("c2", "x"), Ran("c1", "needle")]),
        Held(LANGSMITH, "b", [Ran("c2", "x"), Ran("c2", "x", output="a needle")]),
    )
    assert await found(gateway, ids, "needle") == ["c1", "c2"]


async def test_cases_that_the_baseline_did_not_run_stay_out(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(vendors, Held(NEMO, "a", [Ran("c1", "x")]), Held(NEMO, "b", [Ran("c2", "needle")]))
    assert await found(gateway, ids, "needle") == []


@pytest.mark.parametrize("text", [None, ""])
async def test_no_text_and_an_empty_one_keep_every_case(
    vendors: Vendors, gateway: Gateway, text: str | None
) -> None:
    ids = put(vendors, Held(NEMO, "a", [Ran("c1", None), Ran("c2", "x")]), Held(NEMO, "b", []))
    assert await found(gateway, ids, text) == ["c1", "c2"]


async def test_a_long_key_is_searched_to_its_end(vendors: Vendors, gateway: Gateway) -> None:
    keys = [f"{'long ' * 40}{ending}" for ending in ("one", "two")]
    ids = put(vendors, Held(NEMO, "a", [Ran(key, None) for key in keys]), Held(NEMO, "b", []))
    assert await found(gateway, ids, "G TWO") == [keys[1]]
    inputs = put(vendors, Held(NEMO, "c", [Ran(None, key) for key in keys]), Held(NEMO, "d", []))
    assert await found(gateway, inputs, "G TWO", joinOn="INPUT") == [keys[1]]


@pytest.mark.parametrize("join_on", ["TEST_CASE_ID", "INPUT"])
async def test_the_cases_found_are_those_of_brute_force_over_every_vendor(
    vendors: Vendors, gateway: Gateway, join_on: str
) -> None:
    random, key_of = Random(31), by_case if join_on == "TEST_CASE_ID" else by_input
    held = []
    for source in NAMES:
        sessions = made_up(random, source, source, sessions=30).sessions
        said = [replace(ran, output=random.choice(["Yes.", "No.", "Perhaps."])) for ran in sessions]
        held.append(Held(source, source, said))
    ids = put(vendors, *held)
    whole = await found(gateway, ids, None, joinOn=join_on)
    for text in ("7", "WHAT IS 1", "perhaps", "case-1", "s. "):
        expected = []
        for case in whole:
            ran = [(one.source, session) for one in held for session in one.sessions if key_of(session) == case]
            outputs = [session.output for source, session in ran if source != NEMO]  # NeMo 0.2 has none
            texts = [case, *(session.text for _, session in ran), *outputs]
            if any(text.casefold() in (one or "").casefold() for one in texts):
                expected.append(case)
        assert await found(gateway, ids, text, joinOn=join_on) == expected, text


# -- calls -----------------------------------------------------------------------------------------------


async def test_a_list_with_texts_serves_the_cases_and_their_search(vendors: Vendors, gateway: Gateway) -> None:
    """Also beside figures, and for several texts at once."""
    sessions = [Ran(f"c{index}", f"text {index}", 500 * index) for index in range(20)]
    ids = put(vendors, *(Held(source, source, sessions) for source in (NEMO, LANGSMITH)))
    query = """query($ids: [ID!]!) {
      comparison(experimentIds: $ids, basis: COMPUTED, metrics: [{kind: LATENCY}]) {
        sources { source { name } fetched upstreamRequests }
        metrics { entries { value cases { equal } } }
        a: cases(metric: {kind: LATENCY}, text: "text 1") { totalCount }
        b: cases(metric: {kind: LATENCY}, text: "c2") { totalCount }
      }
    }"""
    compared = (await gateway.ask(query, ids=ids)).data["comparison"]
    assert (compared["a"], compared["b"]) == ({"totalCount": 11}, {"totalCount": 1})
    assert [report["fetched"] for report in compared["sources"]] == [20, 20]
    assert [report["upstreamRequests"] for report in compared["sources"]] == [1, 1]
    paths = [call.path for vendor in (vendors.nemo, vendors.langsmith) for call in vendor.calls]
    assert len([path for path in paths if path.endswith(("nemo/sessions", "runs/query"))]) == 2, paths


@pytest.mark.parametrize("join_on", ["TEST_CASE_ID", "INPUT"])
async def test_texts_that_a_list_leaves_out_are_looked_up_once(
    vendors: Vendors, open_gateway: OpenGateway, join_on: str
) -> None:
    """Meibel's texts take a call for each session, for the join and for the search together."""
    gateway = await open_gateway(cache={"url": "off"})
    sessions = [Ran(None, f"text {index}") for index in range(12)]
    ids = put(vendors, Held(MEIBEL, "a", sessions), Held(MEIBEL, "b", sessions[:6]))
    await found(gateway, ids, "text 1", joinOn=join_on)
    looked_up = [call.path for call in vendors.meibel.calls if call.path.startswith("/v2/sessions/")]
    assert len(looked_up) == len(set(looked_up)) == 18


async def test_the_report_of_a_source_counts_every_read_once(vendors: Vendors, gateway: Gateway) -> None:
    sessions = [Ran(None, f"text {index}") for index in range(5)]
    ids = put(vendors, Held(MEIBEL, "a", sessions), Held(MEIBEL, "b", sessions))
    plain = (await gateway.ask(CASES, ids=ids, joinOn="TEST_CASE_ID", text=None)).data["comparison"]
    (report,) = (await gateway.ask(CASES, ids=ids, joinOn="TEST_CASE_ID", text="x")).data["comparison"]["sources"]
    assert report["fetched"] == plain["sources"][0]["fetched"] == 10
    assert report["status"] == "OK"


# -- failures --------------------------------------------------------------------------------------------


async def test_a_source_that_fails_takes_only_its_own_texts_with_it(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(
        vendors,
        Held(NEMO, "a", [Ran("c1", "needle"), Ran("c2", "x"), Ran("c3", "x")]),
        Held(LANGSMITH, "b", [Ran("c2", "needle")]),
        Held(NEMO, "c", [Ran("c3", "needle")]),
    )
    vendors.langsmith.fail(Fault("status", status=403, path="/api/v1/runs/query", times=None))
    answer = await gateway.ask(CASES, ids=ids, text="needle")
    page = answer.data["comparison"]["cases"]
    assert [node["key"] for node in page["nodes"]] == ["c1", "c3"]
    assert page["totalCount"] is None
    assert answer.troubles == {LANGSMITH: "UNAUTHORIZED"}


async def test_a_source_whose_texts_cannot_be_read_is_reported(vendors: Vendors, gateway: Gateway) -> None:
    ids = put(
        vendors, Held(NEMO, "a", [Ran(None, "q 1"), Ran(None, "q 2")]), Held(MEIBEL, "b", [Ran(None, "q 1")])
    )
    vendors.meibel.fail(Fault("status", status=500, path="/v2/sessions/", times=None))
    answer = await gateway.ask(CASES, ids=ids, text="q 1", joinOn="INPUT")
    page = answer.data["comparison"]["cases"]
    assert [node["key"] for node in page["nodes"]] == ["q 1"]
    assert page["totalCount"] is None
    statuses = {one["source"]["name"]: one["status"] for one in answer.data["comparison"]["sources"]}
    assert statuses == {NEMO: "OK", MEIBEL: "FAILED"}
