"""The cost of a query is the same for literals and variables in any spelling."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from graphql import (
    REMOVE,
    ArgumentNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    Visitor,
    ast_from_value,
    parse,
    print_ast,
    type_from_ast,
    visit,
)
from graphql.execution.values import VariableValues, get_variable_values
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import OpenGateway
from tests.gateway import Vendors
from tracegraph.graphql.documents.cache import DocumentCache
from tracegraph.graphql.documents.cost import Sizes
from tracegraph.graphql.documents.limits import DocumentLimits
from tracegraph.graphql.schema import build_schema

SCHEMA = build_schema()._schema


def cost(text: str, variables: Mapping[str, Any]) -> int:
    document = asyncio.run(DocumentCache(DocumentLimits()).get(text, SCHEMA))
    assert document.errors == []
    return document.cost(SCHEMA, document.operations()[0], Sizes(variables, 20, 1000, 3, 10, 100))


# -- the law -------------------------------------------------------------------------------------------

ID_TEXTS = st.sampled_from(["a", "b", 7, ""])
IDS = st.lists(ID_TEXTS, max_size=4) | ID_TEXTS
COUNTS = st.integers(-5, 1005).flatmap(lambda number: st.sampled_from([number, float(number)]))
BASES = st.sampled_from(["REPORTED", "COMPUTED", "BEST"])
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "experimentIds": st.none() | IDS,
        "statuses": st.just("ERROR"),
        "testCaseId": st.just({"eq": "x"}),
    },
)
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "statuses": st.sampled_from([["ERROR"], "ERROR", ["SUCCESS"]]),
        "text": st.sampled_from(["x", None]),
        "latencyMs": st.sampled_from([{"gte": 1}, {"gte": 1.0}]),
        "startedAt": st.just({"gte": "2026-05-01T00:00:00Z"}),
    },
)
TIMES = st.sampled_from(["2026-05-01T00:00:00Z", "2026-05-01T02:00:00+02:00", "2026-05-04T07:00:00Z"])
RANGES = st.fixed_dictionaries({"gte": TIMES, "lt": TIMES})
METRICS = st.sampled_from([{"kind": "COST"}, [{"kind": "COST"}, {"kind": "LATENCY"}], []])
KINDS_OF_VALUES = {
    "$n: Int": st.none() | COUNTS,
    "$n: Int = 7": st.none() | COUNTS,
    "$n: Int!": COUNTS,
    "$count: Int!": COUNTS,
    "$count: Int! = 7": COUNTS,
    "$ids: [ID!]!": IDS,
    '$ids: [ID!]! = ["a", "b", "c"]': IDS,
    '$ids: [ID!]! = "a"': IDS,
    "$some: [ID!]": st.none() | IDS,
    '$some: [ID!] = ["a"]': st.none() | IDS,
    "$id: ID!": ID_TEXTS,
    "$basis: AggregateBasis!": BASES,
    "$basis: AggregateBasis": BASES,
    "$basis: AggregateBasis! = BEST": BASES,
    "$filter: SessionFilter": st.none() | FILTERS,
    '$filter: SessionFilter = {experimentIds: ["a", "b"]}': st.none() | FILTERS,
    "$wanted: Boolean!": st.booleans(),
    "$part: ExperimentSessionFilter": st.none() | PARTS,
    "$part: ExperimentSessionFilter = {statuses: [ERROR]}": st.none() | PARTS,
    "$interval: TimeInterval!": st.sampled_from(["MINUTE", "HOUR", "DAY", "WEEK", "MONTH"]),
    "$interval: TimeInterval! = DAY": st.sampled_from(["HOUR", "MONTH"]),
    "$range: ClosedDateTimeRange!": RANGES,
    "$metrics: [MetricInput!]!": METRICS,
    "$text: String": st.sampled_from(["x", "", None]),
    '$text: String = "x"': st.sampled_from(["y", None]),
    "$by: CaseOrder": st.sampled_from([{"field": "DELTA"}, {"field": "KEY", "direction": "ASC"}, None]),
}
BODIES = {
    "experiments(first: $n) { totalCount }": "n",
    "sources { ...Some @include(if: $wanted) } } fragment Some on Source { experiments(first: $n) { totalCount }": "n wanted",  # noqa: E501
    "nodes(ids: $ids) { id ... on Experiment { sessions(first: $n) { nodes { input } } } }": "ids n",
    "nodes(ids: [$id, \"x\"]) { id }": "id",
    "sessions(first: $n, filter: $filter) { nodes { id } }": "n filter",
    "sessions(first: $n, filter: {experimentIds: $some}) { nodes { id } }": "n some",
    "sessions(filter: {experimentIds: [$id], statuses: ERROR}) { nodes { id } }": "id",
    "experiments { nodes { aggregates(basis: $basis) { sum } } }": "basis",
    "experiments { nodes { a: aggregates { sum } b: aggregate(metric: {kind: COST}, basis: $basis) { sum } } }": "basis",  # noqa: E501
    "experiments { nodes { aggregates(basis: $basis, filter: $part) { histogram(bins: $count) { count } } } }": "basis part count",  # noqa: E501
    "experiments { nodes { a: aggregates(basis: COMPUTED, filter: $part) { sum } b: aggregates(basis: COMPUTED, filter: {statuses: ERROR}) { sum } } }": "part",  # noqa: E501
    "experiments { nodes { timeSeries(metrics: $metrics, interval: $interval, range: $range, filter: $part) { buckets { aggregates { histogram { count } } } } } }": "metrics interval range part",  # noqa: E501
    "experiments { nodes { sessionGroups(by: STATUS, metrics: $metrics, first: $count, filter: $part) { groups { key } } } }": "metrics count part",  # noqa: E501
    "comparison(experimentIds: $ids) { cases(metric: {kind: COST}, first: $n) { nodes { key entries { sessions { id } } } } }": "ids n",  # noqa: E501
    "comparison(experimentIds: $ids) { a: cases(metric: {kind: COST}, text: $text, orderBy: $by) { nodes { key } } b: cases(metric: {kind: COST}, text: \"x\") { totalCount } }": "ids text by",  # noqa: E501
    "experiments(first: $n) { nodes { sessions(first: $n) @skip(if: $wanted) { nodes { id } } } }": "n wanted",
}  # fmt: skip


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A document of one field with variables, and values for some of them as a client may send them."""
    body, names = draw(st.sampled_from(sorted(BODIES.items())))
    declared, values = [], dict[str, Any]()
    for name in names.split():
        declaration = draw(st.sampled_from([one for one in KINDS_OF_VALUES if one.startswith(f"${name}:")]))
        declared.append(declaration)
        is_required = "!" in declaration[-1] and "=" not in declaration
        if is_required or draw(st.booleans()):
            values[name] = draw(KINDS_OF_VALUES[declaration])
    return f"query({', '.join(declared)}) {{ {body} }}", values


class _WithLiterals(Visitor):
    """Writes each variable's value in its place; what has none is left out."""

    def __init__(self, literals: Mapping[str, ValueNode]) -> None:
        super().__init__()
        self._literals = literals

    def enter_variable_definition(self, *_: Any) -> Any:
        return REMOVE

    def enter_argument(self, node: ArgumentNode, *_: Any) -> Any:
        return REMOVE if self._is_absent(node.value) else None

    enter_object_field = enter_argument

    def enter_variable(self, node: VariableNode, *_: Any) -> Any:
        return self._literals[node.name.value]

    def _is_absent(self, value: ValueNode) -> bool:
        return isinstance(value, VariableNode) and value.name.value not in self._literals


class Printed(datetime):
    """A time that the scalar writes as text, as a literal needs it."""


def printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: printable(inner) for name, inner in value.items()}
    return Printed.fromisoformat(value.isoformat()) if isinstance(value, datetime) else value


def written_out(text: str, coerced: Mapping[str, Any]) -> str:
    tree = parse(text)
    operation = tree.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    literals = {
        one.variable.name.value: ast_from_value(
            printable(coerced[one.variable.name.value]),
            type_from_ast(SCHEMA, one.type),  # type: ignore[arg-type]
        )
        for one in operation.variable_definitions or ()
        if one.variable.name.value in coerced
    }
    return print_ast(visit(tree, _WithLiterals(literals)))  # type: ignore[arg-type]


def coerced_values(text: str, values: dict[str, Any]) -> dict[str, Any]:
    operation = parse(text).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    coerced = get_variable_values(SCHEMA, operation.variable_definitions or (), values)
    assert isinstance(coerced, VariableValues), coerced
    return coerced.coerced


@given(operations())
def test_variables_cost_what_their_values_cost_as_literals(asked: tuple[str, dict[str, Any]]) -> None:
    text, values = asked
    coerced = coerced_values(text, values)
    assert cost(text, coerced) == cost(written_out(text, coerced), {})


# -- what it protects ----------------------------------------------------------------------------------

A_THOUSAND = "query($n: Int) { experiments(first: $n) { nodes { sessions(first: $n) { nodes { id } } } } }"
SAME_QUERIES = [
    (A_THOUSAND, {"n": 1000.0}),
    ("query($n: Int = 1000) { " + A_THOUSAND.partition("{ ")[2], {}),
    ("query($f: SessionFilter, $n: Int!) { sessions(first: $n, filter: $f) { nodes { id } } }", {"n": 1000.0}),
]


@pytest.mark.parametrize(("text", "values"), SAME_QUERIES)
async def test_a_query_beyond_the_limit_is_rejected_however_its_numbers_are_written(
    open_gateway: OpenGateway, vendors: Vendors, text: str, values: dict[str, Any]
) -> None:
    gateway = await open_gateway(limits={"max_cost": 1000})
    assert (await gateway.ask(text, **values)).codes == ["QUERY_TOO_COMPLEX"]
    assert vendors.call_counts == (0, 0, 0)


async def test_a_principal_is_charged_for_the_rows_that_a_variable_requests(open_gateway: OpenGateway) -> None:
    """A thousand rows and a call to each of three sources."""
    gateway = await open_gateway(auth={"cost_per_minute": 1100})
    query = "query($n: Int) { experiments(first: $n) { nodes { id } } }"
    assert (await gateway.ask(query, n=1000.0)).codes == []
    assert (await gateway.ask(query, n=100)).codes == ["RATE_LIMITED"]


@pytest.mark.parametrize("wrong", [{"n": "x"}, {"n": 1.5}, {"n": True}, {"n": [1]}, {"n": 2**31}, {"n": {}}])
async def test_variables_of_a_wrong_type_are_one_error_and_no_charge(
    open_gateway: OpenGateway, vendors: Vendors, wrong: dict[str, Any]
) -> None:
    """Of a bucket for one such query, another has enough."""
    gateway = await open_gateway(auth={"cost_per_minute": 40})
    query = "query($n: Int = 9) { experiments(first: $n) { nodes { id } } }"
    refused = await gateway.ask(query, **wrong)
    assert (refused.codes, "data" in refused.body) == (["BAD_USER_INPUT"], False)
    assert vendors.call_counts == (0, 0, 0)
    assert (await gateway.ask(query)).codes == []
