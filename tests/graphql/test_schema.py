"""The schema equals the design but for descriptions and order: names, types, nullability and defaults."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    lexicographic_sort_schema,
)
from graphql.utilities import print_schema, print_type

from tracegraph.graphql.schema import schema_text

DESIGN = build_schema(Path(__file__).with_name("design.graphql").read_text(encoding="utf-8"))
SCHEMA = build_schema(schema_text())


def promises(schema: GraphQLSchema) -> dict[str, str]:
    """Return every name of the schema with its kind, type, nullability and default."""
    return {
        name: promise
        for one in schema.type_map.values()
        if not one.name.startswith("__")
        for name, promise in _promises_of(one)
    }


def _promises_of(one: GraphQLNamedType) -> Iterator[tuple[str, str]]:
    yield one.name, type(one).__name__
    if isinstance(one, GraphQLScalarType):
        yield f"{one.name} specified by", str(one.specified_by_url)
    if isinstance(one, GraphQLEnumType):
        for value in one.values:
            yield f"{one.name}.{value}", "value"
    elif isinstance(one, GraphQLInputObjectType):
        for name, field in one.fields.items():
            yield f"{one.name}.{name}", _input(field)
    elif isinstance(one, GraphQLObjectType | GraphQLInterfaceType):
        for interface in one.interfaces:
            yield f"{one.name} implements {interface.name}", "interface"
        for name, member in one.fields.items():
            yield from _promises_of_field(f"{one.name}.{name}", member)
    elif isinstance(one, GraphQLUnionType):
        for member_type in one.types:
            yield f"{one.name} = {member_type.name}", "member"


def _promises_of_field(path: str, field: GraphQLField) -> Iterator[tuple[str, str]]:
    yield path, str(field.type)
    for name, argument in field.args.items():
        yield f"{path}({name})", _input(argument)


def _input(value: GraphQLArgument | GraphQLInputField) -> str:
    """Return the type and the default; a null default equals no default for clients."""
    (printed,) = [line for line in _printed(value).splitlines() if line.strip().startswith("x:")]
    return printed.strip().removeprefix("x: ").removesuffix(" = null")


def _printed(value: GraphQLArgument | GraphQLInputField) -> str:
    field = GraphQLInputField(value.type, default=value.default)
    return print_type(GraphQLInputObjectType("Holder", {"x": field}))


DESIGNED = promises(DESIGN)


def test_the_schema_has_the_names_of_the_design_and_no_others() -> None:
    own = promises(SCHEMA)
    assert (sorted(DESIGNED.keys() - own.keys()), sorted(own.keys() - DESIGNED.keys())) == ([], [])


def test_schema_graphql_at_the_root_equals_the_design() -> None:
    """But for descriptions and order; a null default equals none."""
    exported = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text(encoding="utf-8"))
    assert promises(exported) == DESIGNED


@pytest.mark.parametrize("name", sorted({re.split(r"[. ]", name, maxsplit=1)[0] for name in DESIGNED}))
def test_a_type_matches_the_design(name: str) -> None:
    own = promises(SCHEMA)
    of_it = [one for one in DESIGNED if one == name or one.startswith((f"{name}.", f"{name} "))]
    assert {one: own.get(one) for one in of_it} == {one: DESIGNED[one] for one in of_it}


def test_every_type_has_a_description() -> None:
    """The playground's documentation starts with the description."""
    own = [one for one in SCHEMA.type_map.values() if not one.name.startswith("__") and one.name != "JSON"]
    assert [one.name for one in own if not one.description] == []


def test_the_printed_schema_is_the_same_in_every_process() -> None:
    assert schema_text() == schema_text()
    assert print_schema(lexicographic_sort_schema(SCHEMA)) == print_schema(
        lexicographic_sort_schema(build_schema(schema_text()))
    )
