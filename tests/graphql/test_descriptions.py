"""Every element of the schema has a description, which says unit, null, default and order where there is one."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLScalarType,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_specified_scalar_type,
)

from tracegraph.graphql.schema import schema_text
from tracegraph.graphql.types.descriptions import described, elements

SCHEMA = build_schema(schema_text())
"""The schema as clients read it: the printed text has every description."""

ELEMENTS = dict(elements(SCHEMA))


def fields() -> Iterator[tuple[str, GraphQLField, str]]:
    """Every field of an object or interface, with its coordinate and its description in lower case."""
    for coordinate, element in ELEMENTS.items():
        if isinstance(element, GraphQLField):
            yield coordinate, element, (element.description or "").lower()


def test_every_type_has_a_description() -> None:
    types = [one for one in SCHEMA.type_map.values() if not one.name.startswith("__")]
    assert [one.name for one in types if not one.description and not is_specified_scalar_type(one)] == []


def test_every_field_argument_input_field_and_enum_value_has_a_description() -> None:
    assert [coordinate for coordinate, element in ELEMENTS.items() if not element.description] == []


def test_every_description_belongs_to_an_element() -> None:
    assert sorted(set(described()) - ELEMENTS.keys()) == []


def test_a_description_is_a_sentence() -> None:
    texts = {coordinate: element.description or "" for coordinate, element in ELEMENTS.items()}
    assert {coordinate: text for coordinate, text in texts.items() if not text.endswith(".")} == {}


def test_a_field_that_may_be_null_says_when() -> None:
    assert [one for one, field, text in fields() if not is_non_null_type(field.type) and "null" not in text] == []


def test_a_list_says_its_order() -> None:
    lists = [one for one in fields() if is_list_type(get_nullable_type(one[1].type))]
    assert [coordinate for coordinate, _, text in lists if "order" not in text] == []


def test_a_duration_and_a_cost_say_their_unit() -> None:
    units = {"Ms": "milliseconds", "Usd": "us dollars", "Seconds": "seconds"}
    assert [
        coordinate
        for coordinate, field, text in fields()
        for ending, unit in units.items()
        if coordinate.endswith(ending) and is_leaf_type(get_named_type(field.type)) and unit not in text
    ] == []


def test_an_optional_argument_without_a_declared_default_says_its_default() -> None:
    arguments = [(one, element) for one, element in ELEMENTS.items() if isinstance(element, GraphQLArgument)]
    assert [
        coordinate
        for coordinate, argument in arguments
        if not is_non_null_type(argument.type) and "default" not in (argument.description or "").lower()
    ] == []


def test_the_description_of_the_query_has_the_vocabulary_of_the_vendors() -> None:
    assert SCHEMA.query_type is not None
    text = SCHEMA.query_type.description or ""
    terms = ["Source", "Experiment", "Session", "Aggregate", "LangSmith", "tracer session", "Null", "isComplete"]
    assert [term for term in terms if term not in text] == []


def test_the_time_names_its_specification() -> None:
    time = SCHEMA.get_type("DateTime")
    assert isinstance(time, GraphQLScalarType)
    assert time.specified_by_url == "https://scalars.graphql.org/chillicream/date-time.html"


def test_the_error_rate_is_deprecated_in_favour_of_the_aggregate() -> None:
    field = ELEMENTS["Experiment.errorRate"]
    assert isinstance(field, GraphQLField)
    assert "aggregate(metric: {kind: ERROR_RATE}" in (field.deprecation_reason or "")
