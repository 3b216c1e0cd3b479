"""The schema's filters: shared fields, IDs of sessions, and the cost of what they read."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLInputObjectType, build_schema, parse

from tests.gateway import MEIBEL, NEMO, Gateway, Vendors
from tests.worlds import fill
from tracegraph.graphql.documents.cost import Sizes, steps_of, total
from tracegraph.graphql.relay.ids import encode_id
from tracegraph.graphql.schema import schema_text

SCHEMA = build_schema(schema_text())
OF_MANY = {"sources", "vendors", "experimentIds"}


def fields_of(name: str) -> dict[str, str]:
    found = SCHEMA.get_type(name)
    assert isinstance(found, GraphQLInputObjectType)
    return {field: str(one.type) for field, one in found.fields.items()}


def test_the_filter_within_one_experiment_is_that_of_sessions_without_the_selection_of_experiments() -> None:
    shared = {name: of for name, of in fields_of("SessionFilter").items() if name not in OF_MANY}
    assert fields_of("ExperimentSessionFilter") == shared


def cost(query: str, **variables: Any) -> int:
    document = parse(query)
    (operation,) = document.definitions
    steps = steps_of(SCHEMA, document, operation)  # type: ignore[arg-type]  # an operation
    return total(steps, Sizes(variables, 20, 1000, 3, scan_pages=20))


def test_a_filter_that_reads_what_a_list_may_lack_costs_a_call_for_each_row() -> None:
    plain = cost('{ sessions(first: 5, filter: {name: {eq: "a"}}) { nodes { id } } }')
    for condition in ('text: "a"', 'score: {evaluator: "a"}'):
        assert cost(f"{{ sessions(first: 5, filter: {{{condition}}}) {{ nodes {{ id }} }} }}") == plain + 5 * 10
    asked = """query($f: ExperimentSessionFilter) {
      experiment(id: 1) { sessions(first: 5, filter: $f) { nodes { id } } }
    }"""
    assert cost(asked, f={"text": "a"}) == cost(asked) + 5 * 10


def test_named_sessions_cost_a_call_each() -> None:
    named = "query($ids: [ID!]) { sessions(first: 5, filter: {ids: $ids}) { nodes { id } } }"
    assert cost(named, ids=["a", "b"]) == 5 + 2 * 10
    nested = (
        "query($ids: [ID!]) { experiment(id: 1) { sessions(first: 5, filter: {ids: $ids}) { nodes { id } } } }"
    )
    assert cost(nested, ids=["a", "b"]) == 1 + 10 + 5 + 2 * 10


def test_facets_cost_the_calls_that_read_all_lists() -> None:
    """A sixth of 20 pages, for 3 sources; values cost nothing."""
    query = "{ experimentFacets(of: [KIND, MODEL]) { values { value count } } }"
    assert cost(query) == 2 + 3 * 4 * 10


SESSIONS = """query($filter: SessionFilter) {
  sessions(first: 50, filter: $filter) { nodes { vendorId source { name } } totalCount sources { status } }
}"""


async def test_ids_of_sessions_select_their_experiments(vendors: Vendors, gateway: Gateway) -> None:
    """Sessions of all sources are looked up, none that does not exist, and no other source is called."""
    fill(vendors)
    ids = [
        encode_id("Session", NEMO, "n1", "n1-2"),
        encode_id("Session", MEIBEL, "m0", "m0-0"),
        encode_id("Session", NEMO, "n2", "nobody"),
    ]
    found = (await gateway.ask(SESSIONS, filter={"ids": ids})).data["sessions"]
    assert {(row["source"]["name"], row["vendorId"]) for row in found["nodes"]} == {
        (NEMO, "n1-2"),
        (MEIBEL, "m0-0"),
    }
    assert not vendors.langsmith.calls
    assert {report["status"] for report in found["sources"]} == {"OK"}


async def test_an_experiment_that_the_ids_exclude_has_no_session(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors)
    wanted = {"ids": [encode_id("Session", NEMO, "n1", "n1-2")]}
    other = {"experimentIds": [encode_id("Experiment", NEMO, "n0")]}
    assert (await gateway.ask(SESSIONS, filter=wanted | other)).data["sessions"]["nodes"] == []
    assert not vendors.nemo.calls


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        (["no ID"], "INVALID_ID"),
        ([encode_id("Experiment", NEMO, "n0")], "INVALID_ID"),
        (["x"] * 1001, "BAD_USER_INPUT"),
    ],
    ids=["no ID", "an experiment's", "too many"],
)
async def test_ids_that_cannot_be_sessions_are_refused(gateway: Gateway, ids: list[str], code: str) -> None:
    assert (await gateway.ask(SESSIONS, filter={"ids": ids})).codes == [code]


async def test_an_empty_text_is_no_condition(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors)
    everything = (await gateway.ask(SESSIONS)).data["sessions"]["nodes"]
    assert (await gateway.ask(SESSIONS, filter={"text": ""})).data["sessions"]["nodes"] == everything


async def test_a_filter_by_text_reads_texts_only_where_the_list_lacks_them(
    vendors: Vendors, gateway: Gateway
) -> None:
    """Meibel's sessions are looked up; the pages of the others have the texts."""
    fill(vendors, experiments=1, sessions=2)
    await gateway.ask(SESSIONS, filter={"name": {"contains": "nothing of it"}, "sources": [NEMO]})
    vendors.forget_calls()
    await gateway.ask(SESSIONS, filter={"text": "nothing of it"})
    looked_up = [call for call in vendors.meibel.calls if "/sessions/" in call.path]
    assert len(looked_up) == 2
    assert len(vendors.nemo.calls) == 2
