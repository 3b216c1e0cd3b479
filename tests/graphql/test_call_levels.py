"""Rounds of calls below each field of a document, and a field's share of the time for them."""

import pytest
from graphql import FieldNode, Visitor, parse, visit

from tracegraph.graphql.call_levels import rounds_below
from tracegraph.graphql.documents.limits import DocumentLimits
from tracegraph.graphql.schema import build_schema
from tracegraph.upstream.request_scope import deadline, remaining_s, time_share

SCHEMA = build_schema(DocumentLimits())._schema


def counted(query: str, *, in_parts: bool = False) -> dict[str, int]:
    """Return the rounds below each field that makes calls, by response name; the maximum of repeated fields."""
    document = parse(query)
    below = rounds_below(SCHEMA, document, in_parts=in_parts)
    found: dict[str, int] = {}

    class Names(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            if id(node) in below:
                name = (node.alias or node.name).value
                found[name] = max(found.get(name, 0), below[id(node)])

    visit(document, Names())
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ experiments { nodes { name } } }", {"experiments": 0}),
        ("{ experiments { nodes { sessions { nodes { id } } } } }", {"experiments": 1, "sessions": 0}),
        (
            "{ experiments { nodes { sessions { nodes { input experiment { sessionCount } } } } } }",
            {"experiments": 3, "sessions": 2, "input": 0, "experiment": 1, "sessionCount": 0},
        ),
        (
            '{ session(id: "a") { spans { nodes { name } } } }',
            {"session": 1, "spans": 0},
        ),
        (
            '{ session(id: "a") { spans { nodes { input scores { value } } } } }',
            {"session": 2, "spans": 1, "input": 0, "scores": 0},
        ),
        ("{ experiments { nodes { aggregates { mean } } } }", {"experiments": 1, "aggregates": 0}),
        (
            "{ experiments { nodes { aggregates(basis: REPORTED) { mean } } } }",
            {"experiments": 1, "aggregates": 0},
        ),
        (
            "{ experiments { nodes { aggregates(basis: COMPUTED) { mean } } } }",
            {"experiments": 2, "aggregates": 0},
        ),
        (
            "{ experiments { nodes { sessionGroups(by: NAME, metrics: []) { otherCount } } } }",
            {"experiments": 2, "sessionGroups": 0},
        ),
        (
            "query($b: AggregateBasis!) "
            "{ experiments { nodes { aggregate(metric: {kind: COST}, basis: $b) { sum } } } }",
            {"experiments": 2, "aggregate": 0},
        ),
        (
            '{ comparison(experimentIds: ["a", "b"]) { metrics { statistic } sources { status } '
            "cases(metric: {kind: COST}) { nodes { entries { sessions { output } } } } } }",
            {"comparison": 4, "metrics": 0, "cases": 2, "sessions": 1, "output": 0},
        ),
        (
            "{ sources { health { status } experiments { nodes { createdAt } } } }",
            {"health": 0, "experiments": 1, "createdAt": 0},
        ),
        (
            'query { nodes(ids: ["a"]) { ... on Experiment { ...E } } } '
            "fragment E on Experiment { sessions { nodes { id } } }",
            {"nodes": 1, "sessions": 0},
        ),
        (
            "query A { experiments { nodes { name } } } query B { b: experiments { nodes { sessionCount } } }",
            {"experiments": 0, "b": 1, "sessionCount": 0},
        ),
    ],
)
def test_rounds_below_a_field_are_counted(query: str, expected: dict[str, int]) -> None:
    assert counted(query) == expected


def test_a_fragment_with_many_spreads_is_counted_in_one_pass() -> None:
    spreads = "".join(f"fragment F{index} on Query {{ ...F{index + 1} ...F{index + 1} }} " for index in range(60))
    query = "{ ...F0 } " + spreads + "fragment F60 on Query { experiments { nodes { sessionCount } } }"
    assert counted(query) == {"experiments": 1, "sessionCount": 0}


async def test_each_round_has_an_equal_share_of_the_remaining_time() -> None:
    with deadline(1000.0):
        with time_share(3):
            assert remaining_s(9999.0) == pytest.approx(250.0, abs=5)
            with time_share(1):
                assert remaining_s(9999.0) == pytest.approx(125.0, abs=5)
        assert remaining_s(9999.0) == pytest.approx(1000.0, abs=5)


async def test_without_a_deadline_or_a_round_below_nothing_is_divided() -> None:
    with time_share(3):
        assert remaining_s(50.0) == 50.0
    with deadline(1000.0), time_share(0):
        assert remaining_s(9999.0) == pytest.approx(1000.0, abs=5)


SPANS = "sessions { nodes { spans { nodes { output } } } }"


@pytest.mark.parametrize(
    ("query", "in_parts", "in_place"),
    [
        pytest.param(
            f"{{ experiments {{ nodes {{ ... @defer {{ {SPANS} }} }} }} }}",
            {"experiments": 1, "sessions": 2, "spans": 1, "output": 0},
            {"experiments": 3, "sessions": 2, "spans": 1, "output": 0},
            id="a fragment of three rounds takes one share of the first part",
        ),
        pytest.param(
            f"{{ experiments {{ nodes {{ sessionCount ... @defer {{ {SPANS} }} }} }} }}",
            {"experiments": 2, "sessionCount": 1, "sessions": 2, "spans": 1, "output": 0},
            {"experiments": 3, "sessionCount": 0, "sessions": 2, "spans": 1, "output": 0},
            id="every field of the first part reserves that share",
        ),
        pytest.param(
            "{ experiments { nodes { name } } ... @defer { sources { health { status } } } }",
            {"experiments": 1, "health": 0},
            {"experiments": 0, "health": 0},
            id="also for fragments beside it, which start after it",
        ),
        pytest.param(
            "{ experiments { nodes { name ... @defer { id name } } } }",
            {"experiments": 0},
            {"experiments": 0},
            id="a fragment without calls takes no time",
        ),
        pytest.param(
            "{ ... @defer { experiments { nodes { ...S @defer } } } } "
            "fragment S on Experiment { sessions { nodes { ... @defer { spans { nodes { name } } } } } }",
            {"experiments": 1, "sessions": 1, "spans": 0},
            {"experiments": 2, "sessions": 1, "spans": 0},
            id="fragments within fragments",
        ),
        pytest.param(
            "{ experiments { nodes { ...S @defer } } one: experiments { nodes { ...S } } } "
            "fragment S on Experiment { sessions { nodes { input } } }",
            {"experiments": 1, "one": 3, "sessions": 2, "input": 1},
            {"experiments": 2, "one": 2, "sessions": 1, "input": 0},
            id="a fragment that is deferred at one place only",
        ),
    ],
)
def test_deferred_fragments_do_not_hold_up_the_first_part(
    query: str, in_parts: dict[str, int], in_place: dict[str, int]
) -> None:
    assert counted(query, in_parts=True) == in_parts
    assert counted(query) == in_place
