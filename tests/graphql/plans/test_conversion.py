"""Arguments are converted as strawberry converts them."""

from __future__ import annotations

import random
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, Undefined, parse_value
from graphql.utilities import coerce_input_literal
from hypothesis import assume, given
from hypothesis import strategies as st
from strawberry.types.arguments import convert_arguments

from tests.graphql.plans.documents import Writer
from tracegraph.graphql.compiler.arguments import build_converters, convert_values
from tracegraph.graphql.schema import library_schema

SCHEMA = library_schema()
FIELDS = [
    field
    for one in SCHEMA._schema.type_map.values()
    if isinstance(one, GraphQLObjectType) and not one.name.startswith("__")
    for field in one.fields.values()
    if field.args
]


@given(st.sampled_from(FIELDS), st.integers(0, 2**64))
def test_conversion_equals_the_librarys_conversion(field: GraphQLField, seed: int) -> None:
    writer = Writer(SCHEMA._schema, random.Random(seed), ids=["an ID"])
    values: dict[str, Any] = {
        name: coerce_input_literal(parse_value(writer.literal(one.type)), one.type)
        for name, one in field.args.items()
        if writer.chance(0.6)
    }
    assume(Undefined not in values.values())
    converter = SCHEMA.schema_converter
    expected = convert_arguments(
        values, field.extensions["strawberry-definition"].arguments, converter.scalar_registry, converter.config
    )
    assert convert_values(values, build_converters(field.args)) == expected
