"""A document that is too large, too deep or too expensive is rejected cheaply, with the limit in the message."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from graphql import GraphQLError, Lexer, Source, TokenKind, get_introspection_query
from graphql.execution.values import VariableValues, get_variable_values
from hypothesis import given
from hypothesis import strategies as st

from tests.graphql.test_call_counts import BENCH
from tracegraph.commands.compare.query import QUERY as COMPARE
from tracegraph.errors import Forbidden, QueryTooComplex
from tracegraph.graphql.documents.cache import Document, DocumentCache
from tracegraph.graphql.documents.cost import Sizes
from tracegraph.graphql.documents.limits import DocumentLimits, check_tokens
from tracegraph.graphql.schema import build_schema

SCHEMA = build_schema()._schema
LIMITS = DocumentLimits()
LONGEST_CPU_S = 1.0
"""Generous: the slowest takes a tenth of it. Without the limits, seconds to hours."""


def document(text: str, **limits: Any) -> Document:
    return asyncio.run(DocumentCache(DocumentLimits(**limits)).get(text, SCHEMA))


def cost(text: str, variables: dict[str, Any] | None = None) -> int:
    found = document(text)
    assert found.errors == []
    operation = found.operations()[0]
    coerced = get_variable_values(SCHEMA, operation.variable_definitions or (), variables or {})
    assert isinstance(coerced, VariableValues), coerced
    return found.cost(SCHEMA, operation, Sizes(coerced.coerced, 20, 1000, 3))


def fragments(count: int, body: str) -> str:
    return " ".join(f"fragment F{index} on Source {{ {body.format(next=index + 1)} }}" for index in range(count))


HOSTILE = {
    "50,000 aliases": "{" + "".join(f"a{index}: __typename " for index in range(50_000)) + "}",
    "101 aliases": "{" + "".join(f"a{index}: __typename " for index in range(101)) + "}",
    "nested 100,000 deep": "{ sources " * 100_000,
    "nested 48,000 deep": "{" * 48_000,
    "nested 21 deep": "{ sources { experiments "
    + "{ nodes { source { experiments " * 7
    + "{ totalCount "
    + "}" * 24,
    "10,000 directives": "{ sources { name " + "@skip(if: false) " * 10_000 + "} }",
    "2,000 repeated fields": "{ sources {" + "name " * 2000 + "} }",
    "500 repeated fields": "{ sources {" + "name " * 500 + "} }",
    "300 repeated objects": "{" + "sources { name } " * 300 + "}",
    "100 fragments": "{ sources { " + " ".join(f"...F{i}" for i in range(100)) + " } } " + fragments(100, "name"),
    "fragments that double 40 times": (
        "{ sources { ...F0 } } "
        + fragments(40, "a: experiments {{ nodes {{ source {{ ...F{next} }} }} }} b: name ...F{next}")
        + " fragment F40 on Source { name }"
    ),
    "a text of 100,000 characters": '{ node(id: "' + "x" * 100_000 + '") { id } }',
    "50,000 comments": "#\n" * 50_000 + "{ sources { name } }",
    "numbers without space": "{ nodes(ids: [" + "1-1" * 5000 + "]) { id } }",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_document_is_rejected_quickly(text: str) -> None:
    began = time.process_time()
    with pytest.raises(QueryTooComplex):
        document(text)
    assert time.process_time() - began < LONGEST_CPU_S


@pytest.mark.parametrize(
    "text",
    [
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ ...A } fragment A on Query { ...A }",
        "{ sources { name " + "@x" * 900 + " } }",
        "{" + " ".join(f"x{index}" for index in range(1500)) + "}",
        "query(" + " ".join(f"$a{index}: Int" for index in range(450)) + ") { sources { name } }",
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
    ],
    ids=lambda text: text[:40],
)
def test_an_invalid_document_within_the_limits_has_few_errors(text: str) -> None:
    began = time.process_time()
    assert 1 <= len(document(text).errors) <= 21
    assert time.process_time() - began < LONGEST_CPU_S


def test_circular_fragments_terminate() -> None:
    text = "{ sources { ...A } } fragment A on Source { experiments { nodes { source { ...A } } } }"
    with pytest.raises(QueryTooComplex, match="deeper than 20"):
        document(text)


def test_a_rejection_names_its_limit() -> None:
    with pytest.raises(QueryTooComplex, match="more than 30 tokens"):
        document("{ sources { name } }" * 6, tokens=30)
    with pytest.raises(QueryTooComplex, match="deeper than 1 fields"):
        document("{ sources { name } }", depth=1)
    with pytest.raises(QueryTooComplex, match="more than 0 aliases"):
        document("{ a: sources { name } }", aliases=0)


words = st.sampled_from(
    [
        '"""',
        '"',
        "\\",
        '\\"',
        "#",
        "\n",
        "...",
        "..",
        "1",
        "-",
        "1.5",
        "2e3",
        "a",
        "_b9",
        "{",
        "}",
        "$",
        "@",
        ",",
        " ",
    ]
)


@given(st.lists(words, max_size=40).map("".join))
def test_no_text_has_more_tokens_than_are_counted(text: str) -> None:
    """The library's lexer is the reference; a text that the lexer rejects is not parsed either."""
    lexer = Lexer(Source(text))
    count = 0
    try:
        while lexer.advance().kind is not TokenKind.EOF:
            count += 1
    except GraphQLError:
        return
    if count:
        with pytest.raises(QueryTooComplex):
            check_tokens(text, DocumentLimits(tokens=count - 1))


def test_disabled_introspection_is_rejected_and_typename_is_allowed() -> None:
    for text in (
        get_introspection_query(),
        '{ a: __type(name: "Query") { name } }',
        "{ ...F } fragment F on Query { __schema { types { name } } }",
    ):
        with pytest.raises(Forbidden, match="Introspection is disabled"):
            document(text, introspection=False)
        assert document(text).errors == []
    assert document("{ __typename sources { __typename } }", introspection=False).errors == []


# -- what a query costs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_worth"),
    [
        ("{ __typename }", 0),
        ("{ sources { name } }", 3),
        ("{ sources { health { status } } }", 3 * (1 + 1 + 10)),
        ("{ experiments { nodes { name } } }", 20 + 30),
        ("{ experiments(first: 5) { edges { cursor node { name } } } }", 5 + 30),
        ("{ experiments(first: null) { totalCount } }", 20 + 30),
        ("{ experiments(first: 5) { nodes { createdAt metadata } } }", 5 * (1 + 10) + 30),
        ("{ experiments(first: 5) { nodes { datasetName datasetId } } }", 5 * (1 + 10) + 30),
        ("{ experiments(first: 5) { nodes { aggregate(metric: {kind: COST}) { sum } } } }", 5 + 30),
        (
            "{ experiments(first: 5) { nodes { a: aggregate(metric: {kind: COST}, basis: BEST) { sum }"
            " b: aggregates(basis: COMPUTED) { sum } } } }",
            5 * (1 + 200) + 30,
        ),
        ("{ sessions(first: 5, filter: {experimentIds: []}) { nodes { models } } }", 5 * (1 + 10)),
        (
            "{ sessions(first: 5, filter: {experimentIds: []}) { nodes"
            " { models providers inputCostUsd outputCostUsd scores { explanation } } } }",
            5 * (1 + 10 + 10),
        ),
        ('{ sessions(first: 5, filter: {experimentIds: [], model: {eq: "a"}}) { nodes { id } } }', 5 * (1 + 10)),
        (
            '{ experiment(id: "a") { sessionGroups(by: NAME, metrics: [{kind: COST}], first: 5) { complete } } }',
            1 + 10 + 5 + 200,
        ),
        (
            '{ experiment(id: "a") { sessionGroups(by: MODEL, metrics: [{kind: COST}], first: 5) { complete } } }',
            1 + 10 + 5 + 400,
        ),
        ("{ experiments(first: 5) { nodes { sessions(first: 4) { nodes { id } } } } }", 5 * (1 + 10 + 4) + 30),
        ('{ nodes(ids: ["a", "b"]) { id ... on Experiment { sessions(first: 4) { totalCount } } } }', 2 * 25),
        ("{ experiments(first: 1001) { totalCount } }", 30),
        ('{ comparison(experimentIds: ["a", "b", "c"]) { metrics { entries { value } } } }', 3 * 211 + 3),
        (
            'query($i: [ID!]! = ["a", "b"]) { comparison(experimentIds: $i) { experiments { name }'
            " cases(metric: {kind: COST}, first: 10) { nodes { key input entries { sessions { id } } } } } }",
            2 * 211 + 2 + 10 * (1 + 10 + 2 * (1 + 11)),
        ),
        (
            '{ comparison(experimentIds: ["a", "b", "c"]) {'
            ' a: cases(metric: {kind: COST}, first: 1, text: "x") { totalCount }'
            ' b: cases(metric: {kind: COST}, first: 1, text: "x") { totalCount }'
            ' c: cases(metric: {kind: COST}, first: 1, text: "") { totalCount }'
            ' d: cases(metric: {kind: COST}, first: 1, text: "y", orderBy: {field: DELTA}) { totalCount } } }',
            3 * 211 + 4 + 2 * 3 * 200,
        ),
        ("{ ...A ...A } fragment A on Query { experiments(first: 5) { totalCount } }", 5 + 30),
        ("{ experiments(first: 5) { totalCount } experiments(first: 5) { nodes { sessionCount } } }", 5 * 11 + 30),
    ],
)  # fmt: skip
def test_rows_multiply_and_calls_count_ten(text: str, is_worth: int) -> None:
    assert cost(text) == is_worth


@pytest.mark.parametrize(
    ("text", "is_worth"),
    [
        ("{ ... @defer { experiments(first: 5) { totalCount } } }", 5 + 30 + 20),
        ("{ experiments(first: 5) { nodes { name ... @defer { id } } } }", 5 * (1 + 20) + 30),
        ("{ experiments(first: 5) { nodes { ... @defer(if: false) { id ... @defer { name } } } } }", 5 * 41 + 30),
        (
            "{ experiments(first: 5) { nodes { ...E @defer ...E } } } fragment E on Experiment "
            "{ sessions(first: 4) { totalCount ... @defer { isComplete } } }",
            5 * (1 + 10 + 4 + 4 * 20 + 20) + 30,
        ),
        ("{ node(id: \"a\") { ... on Session { scores { ... @defer { value } } } } }", 1 + 10 + 10 + 20),
    ],
)  # fmt: skip
def test_a_deferred_fragment_costs_twenty_rows_for_each_object_beside_its_fields(text: str, is_worth: int) -> None:
    assert cost(text) == is_worth


SESSIONS = "sessions(first: 5, filter: {%s}) { totalCount }"
BY_IDS = "query($ids: [ID!]) { " + SESSIONS % "experimentIds: $ids" + " }"
BY_FILTER = """query($f: SessionFilter = {experimentIds: ["a", "b"]}) {
  sessions(first: 5, filter: $f) { totalCount }
}"""


@pytest.mark.parametrize(
    ("text", "variables", "calls"),
    [
        ("{ sessions(first: 5) { totalCount } }", {}, 3 * 11),
        ("{ " + SESSIONS % "statuses: [ERROR]" + " }", {}, 3 * 11),
        ("{ " + SESSIONS % 'experimentIds: ["a", "b"]' + " }", {}, 2),
        ("{ " + SESSIONS % 'experimentIds: "a"' + " }", {}, 1),
        ("{ " + SESSIONS % "experimentIds: []" + " }", {}, 0),
        (BY_IDS, {"ids": ["a"] * 7}, 7),
        (BY_IDS, {"ids": None}, 3 * 11),
        (BY_FILTER, {}, 2),
        (BY_FILTER, {"f": {"experimentIds": ["a"] * 40}}, 40),
        (BY_FILTER, {"f": None}, 3 * 11),
        (BY_FILTER, {"f": {"experimentIds": "a"}}, 1),
        (BY_IDS, {"ids": "a"}, 1),
        (BY_IDS, {"ids": 7}, 1),
        (BY_IDS, {}, 3 * 11),
        ("query($id: ID!) { " + SESSIONS % 'experimentIds: ["a", $id]' + " }", {"id": "b"}, 2),
        ("{ " + SESSIONS % f"experimentIds: {'7' * 5000}" + " }", {}, 1),
    ],
)
def test_merged_sessions_count_a_call_for_each_named_or_active_experiment(
    text: str, variables: dict[str, Any], calls: int
) -> None:
    assert cost(text, variables) == 5 + 10 * calls


@given(sources=st.integers(0, 50), active=st.integers(1, 100), pages=st.integers(1, 1000))
def test_calls_follow_the_sources_and_the_settings(sources: int, active: int, pages: int) -> None:
    def cost_of(text: str) -> int:
        found = COUNTED.setdefault(text, document(text))
        return found.cost(SCHEMA, found.operations()[0], Sizes({}, 20, 1000, sources, active, pages))

    read = -(-pages // 6)
    assert cost_of("{ experiments(first: 5) { totalCount } }") == 5 + 10 * sources
    assert cost_of("{ sessions(first: 5) { totalCount } }") == 5 + 10 * sources * (1 + active)
    assert cost_of('{ experiment(id: "a") { aggregates(basis: BEST) { sum } } }') == 11 + 10 * read
    assert cost_of('{ comparison(experimentIds: ["a", "b"]) { baseline { id } } }') == 2 * (1 + 10 * (1 + read))


COUNTED: dict[str, Document] = {}


@given(first=st.none() | st.integers(0, 1000))
def test_a_variable_costs_what_the_same_literal_costs(first: int | None) -> None:
    written = "null" if first is None else str(first)
    by_variable = cost("query($n: Int) { experiments(first: $n) { totalCount } }", {"n": first})
    assert by_variable == cost(f"{{ experiments(first: {written}) {{ totalCount }} }}")
    assert cost(f"query($n: Int = {written}) {{ experiments(first: $n) {{ totalCount }} }}") == by_variable


@given(value=st.integers(-(2**31), 2**31 - 1))
def test_any_variable_has_a_cost(value: int) -> None:
    """The field itself rejects values beyond the maximum."""
    assert 0 <= cost("query($n: Int) { experiments(first: $n) { totalCount } }", {"n": value}) <= 1030


def test_typical_queries_are_within_the_limit_and_products_of_thousands_are_not() -> None:
    most = 100_000
    assert cost(BENCH) < most
    assert cost(get_introspection_query()) == 0
    compared = {"ids": ["id"] * 20, "statistic": "MEAN", "basis": "BEST", "joinOn": "INPUT"}
    assert cost(COMPARE, compared) < most
    assert cost("{ experiments(first: 1000) { nodes { name createdAt } } }") < most
    assert cost("{ sessions(first: 1000) { nodes { input output scores { value } } } }") < most
    assert cost("{ experiments(first: 1000) { nodes { sessions(first: 1000) { nodes { id } } } } }") > 1_000_000


ERRORS, TEXT = "filter: {statuses: [ERROR]}", 'filter: {text: "x"}'
HOURS = 'interval: HOUR, range: {gte: "2026-05-01T00:00:00Z", lt: "2026-05-02T00:00:00Z"}'
MINUTES = 'interval: MINUTE, range: {gte: "2026-05-01T00:00:00Z", lt: "2027-05-02T00:00:00Z"}'
WITHIN = 'filter: {startedAt: {gte: "2026-05-01T00:00:00Z", lt: "2026-05-02T00:00:00Z"}}'
TWO = "metrics: [{kind: COST}, {kind: LATENCY}]"


@pytest.mark.parametrize(
    ("fields", "is_worth"),
    [
        ([f"aggregates(basis: COMPUTED, {ERRORS}) {{ sum }}"], 200),
        ([f"aggregates({ERRORS}) {{ sum }}"], 0),
        ([f"aggregates(basis: BEST, {ERRORS}) {{ sum }}"] * 3, 200),
        ([f"aggregates(basis: BEST, {ERRORS}) {{ sum }}", f"aggregates(basis: BEST, {TEXT}) {{ sum }}"], 3 * 200),
        ([f"aggregates(basis: BEST, {one}) {{ sum }}" for one in (ERRORS, WITHIN, "filter: {}")], 200),
        ([f"timeSeries({TWO}, {HOURS}) {{ complete }}"], 200 + 2 * 26),
        ([f"timeSeries(metrics: [], {HOURS}) {{ complete }}"], 200 + 26),
        ([f"timeSeries(metrics: [], {MINUTES}) {{ complete }}"], 200 + 1000),
        ([f"timeSeries(metrics: [], {HOURS}) {{ complete }}", f"aggregates(basis: COMPUTED, {WITHIN}) {{ sum }}"],
         200 + 26),
        ([f"sessionGroups({TWO}, by: NAME) {{ complete }}"], 200 + 2 * 20),
        ([f"sessionGroups({TWO}, by: NAME, first: 3, {TEXT}) {{ complete }}"], 2 * 200 + 2 * 3),
        ([f"aggregates({TWO}, basis: COMPUTED) {{ histogram {{ count }} }}"], 200 + 2 * 20),
        (["aggregates(basis: COMPUTED) { histogram(bins: 5) { count } }"], 200 + 9 * 5),
        (["aggregate(metric: {kind: COST}, basis: COMPUTED) { histogram(bins: 5) { count } }"], 200 + 5),
        ([f"timeSeries({TWO}, {HOURS}) {{ buckets {{ aggregates {{ histogram {{ count }} }} }} }}"],
         200 + 2 * 26 * (1 + 20)),
        ([f"sessionGroups({TWO}, by: NAME, first: 3) {{ groups {{ aggregates {{ histogram {{ count }} }} }} }}"],
         200 + 2 * 3 * (1 + 20)),
    ],
)  # fmt: skip
def test_each_filter_of_computed_figures_may_take_a_list_and_each_interval_group_and_bin_is_a_row(
    fields: list[str], is_worth: int
) -> None:
    """A list of an experiment's sessions takes 20 calls, and so do the look-ups of a filter by text."""
    aliased = " ".join(f"f{index}: {field}" for index, field in enumerate(fields))
    assert cost(f'{{ experiment(id: "a") {{ {aliased} }} }}') == 11 + is_worth


def test_a_thousand_intervals_of_many_histograms_are_beyond_the_limit() -> None:
    metrics = "metrics: [" + "{kind: COST}" * 10 + "]"
    series = f"timeSeries({metrics}, {MINUTES}) {{ buckets {{ aggregates {{ histogram {{ count }} }} }} }}"
    assert cost(f'{{ experiment(id: "a") {{ {series} }} }}') > 100_000


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        ("$i: TimeInterval = DAY", f"timeSeries(metrics: [], {HOURS.replace('HOUR', '$i')}) {{ complete }}"),
        ("$i: Int = 3", "sessionGroups(metrics: [], by: NAME, first: $i) { complete }"),
        ("$i: Int = 3", "aggregates { histogram(bins: $i) { count } }"),
    ],
)
def test_a_null_that_the_field_rejects_has_a_cost(declared: str, field: str) -> None:
    assert cost(f'query({declared}) {{ experiment(id: "a") {{ {field} }} }}', {"i": None}) > 0


def test_every_field_of_the_table_is_one_of_the_schema() -> None:
    from tracegraph.graphql.documents.cost import _FIELD_COSTS  # noqa: PLC0415

    for of, name in _FIELD_COSTS:
        assert name in getattr(SCHEMA.get_type(of), "fields", {}), (of, name)


# -- cached documents ------------------------------------------------------------------------------------


async def test_a_repeated_document_is_neither_parsed_nor_validated_again() -> None:
    documents = DocumentCache(LIMITS)
    first = await documents.get("{ sources { name } }", SCHEMA)
    assert await documents.get("{ sources { name } }", SCHEMA) is first
    assert documents.parsed_count == 1


@pytest.mark.parametrize("text", ["{ sources {" + "name " * 500 + "} }", "{ sources", "{ a { b } } }"])
async def test_a_repeated_rejected_document_is_rejected_from_the_cache(text: str) -> None:
    documents = DocumentCache(LIMITS)
    for _ in range(3):
        with pytest.raises((QueryTooComplex, GraphQLError)):
            await documents.get(text, SCHEMA)
    assert documents.parsed_count == 1


async def test_documents_are_cached_up_to_a_total_length_least_recent_evicted_first() -> None:
    """A quarter of the capacity is for documents used once."""
    documents = DocumentCache(LIMITS, max_characters=4 * 140)
    for name in ("a" * 30, "b" * 30, "c" * 30):
        await documents.get(f"{{ {name} }}", SCHEMA)
    await documents.get(f"{{ {'b' * 30} }}", SCHEMA)
    assert documents.parsed_count == 3
    await documents.get(f"{{ {'a' * 30} }}", SCHEMA)
    assert documents.parsed_count == 4


async def test_a_touched_document_counts_as_used() -> None:
    documents = DocumentCache(LIMITS, max_characters=1000)
    await documents.get("{ sources { name } }", SCHEMA)
    documents.touch("{ sources { name } }")
    for index in range(100):
        await documents.get(f"{{a{index}}}", SCHEMA)
    await documents.get("{ sources { name } }", SCHEMA)
    assert documents.parsed_count == 101


async def test_short_documents_have_a_fixed_overhead() -> None:
    """A document takes memory beyond its text, so it counts for more than its characters."""
    documents = DocumentCache(LIMITS, max_characters=1000)
    for index in range(100):
        await documents.get(f"{{a{index}}}", SCHEMA)
    assert documents.parsed_count == 100
    await documents.get("{a99}", SCHEMA)
    assert documents.parsed_count == 100
    await documents.get("{a50}", SCHEMA)
    assert documents.parsed_count == 101


@pytest.mark.parametrize(
    ("arguments", "variables", "calls"),
    [
        ("", {}, 1),
        ("(metrics: null)", {}, 1),
        ("(metrics: [{kind: LATENCY}, {kind: COST}])", {}, 1),
        ("(metrics: {kind: COST})", {}, 1),
        ("(metrics: [{kind: LATENCY}])", {}, 0),
        ("(metrics: $metrics)", {"metrics": [{"kind": "COST"}]}, 1),
        ("(metrics: $metrics)", {"metrics": [{"kind": "SCORE", "evaluator": "a"}]}, 0),
        ("(metrics: $metrics)", {}, 1),
        ("(basis: COMPUTED, metrics: [{kind: LATENCY}])", {}, 2),
    ],
)
def test_reported_figures_that_take_a_call_are_charged_where_they_are_selected(
    arguments: str, variables: dict[str, Any], calls: int
) -> None:
    declared = "query($metrics: [MetricInput!])" if "$" in arguments else ""
    found = document(f"{declared} {{ experiments(first: 3) {{ nodes {{ aggregates{arguments} {{ sum }} }} }} }}")
    operation = found.operations()[0]
    coerced = get_variable_values(SCHEMA, operation.variable_definitions or (), variables)
    assert isinstance(coerced, VariableValues)
    sizes = Sizes(coerced.coerced, 20, 1000, 1, computed_pages=10, deferred_metrics=frozenset({"COST"}))
    assert found.cost(SCHEMA, operation, sizes) == 3 + 10 + 3 * 10 * calls


def test_reported_figures_cost_no_call_where_every_row_has_them() -> None:
    assert cost("{ experiments(first: 3) { nodes { aggregates { sum } } } }") == 3 + 30


def test_the_tokens_of_a_parsed_document_are_no_reference_cycle() -> None:
    location = document("{ sources { name } }").tree.loc
    assert location is not None
    assert (location.start_token.next, location.end_token.prev) == (None, None)
