"""Documents for each field of the schema, with each argument and each value that a client might try.

The documents are generated from the schema, so that they include new fields. A new argument without values fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

_DEPTH = 1

Values = Mapping[str, Sequence[Any]]
"""The values of an argument by its name, or by `name: InputType` where the name alone is ambiguous."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Generates the documents of a schema."""

    schema: GraphQLSchema
    values: Values

    def documents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each document with its variables."""
        for kind, way in self._ways().items():
            for name, field in kind.fields.items():
                if field.args or is_leaf_type(get_named_type(field.type)) is False:
                    yield self._document(way, name, field, {})
                for argument, definition in field.args.items():
                    for value in self._tried(argument, definition):
                        yield self._document(way, name, field, {argument: value})

    def _document(
        self, way: Sequence[tuple[str, GraphQLField]], name: str, field: GraphQLField, given: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        declared: list[str] = []
        arguments: list[str] = []
        for argument, definition in field.args.items():
            if argument in given:
                declared.append(f"${argument}: {definition.type}")
                arguments.append(f"{argument}: ${argument}")
            elif is_required_argument(definition):
                arguments.append(f"{argument}: {self._literal(argument, definition)}")
        selection = name + (f"({', '.join(arguments)})" if arguments else "") + self._everything(field, _DEPTH)
        for step, on in reversed(way):
            selection = f"{step}{self._required(on)} {{ __typename {selection} }}"
        head = f"query Walk({', '.join(declared)}) " if declared else ""
        return f"{head}{{ {selection} }}", given

    def _ways(self) -> dict[GraphQLObjectType, list[tuple[str, GraphQLField]]]:
        """Return the shortest path of fields to each object type."""
        root = self.schema.query_type
        assert root is not None
        ways: dict[GraphQLObjectType, list[tuple[str, GraphQLField]]] = {root: []}
        queue = deque([root])
        while queue:
            kind = queue.popleft()
            for name, field in kind.fields.items():
                within = get_named_type(field.type)
                if isinstance(within, GraphQLObjectType) and within not in ways:
                    ways[within] = [*ways[kind], (name, field)]
                    queue.append(within)
        return ways

    def _everything(self, field: GraphQLField, depth: int) -> str:
        kind = get_named_type(field.type)
        if is_leaf_type(kind):
            return ""
        if isinstance(kind, GraphQLInterfaceType):
            parts = [
                f"... on {member.name} {self._fields(member, depth)}"
                for member in self.schema.get_possible_types(kind)
            ]
            return " { __typename " + " ".join(parts) + " }"
        return self._fields(kind, depth)

    def _fields(self, kind: GraphQLNamedType, depth: int) -> str:
        assert isinstance(kind, GraphQLObjectType)
        chosen = [
            f"{kind.name}_{name}: {name}{self._required(field)}{self._everything(field, depth - 1)}"
            for name, field in kind.fields.items()
            if depth > 0 or is_leaf_type(get_named_type(field.type))
        ]
        return " { " + " ".join(["__typename", *chosen]) + " }"

    def _required(self, field: GraphQLField) -> str:
        needed = [
            f"{name}: {self._literal(name, definition)}"
            for name, definition in field.args.items()
            if is_required_argument(definition)
        ]
        return f"({', '.join(needed)})" if needed else ""

    def _tried(self, name: str, argument: GraphQLArgument) -> Sequence[Any]:
        kind = get_named_type(argument.type)
        if isinstance(kind, GraphQLEnumType):
            is_list = isinstance(_without_null(argument.type), GraphQLList)
            return [[value] if is_list else value for value in kind.values]
        for key in (f"{name}: {kind.name}", name):
            if key in self.values:
                return self.values[key]
        raise AssertionError(f"the walk has no values for the argument {name} of type {argument.type}: give some")

    def _literal(self, name: str, argument: GraphQLArgument) -> str:
        return _written(self._tried(name, argument)[0], _without_null(argument.type))


def _without_null(kind: Any) -> Any:
    return kind.of_type if isinstance(kind, GraphQLNonNull) else kind


def _written(value: Any, kind: Any) -> str:
    """Return a value as a GraphQL literal."""
    kind = _without_null(kind)
    if isinstance(kind, GraphQLList):
        return "[" + ", ".join(_written(one, kind.of_type) for one in value) + "]"
    if isinstance(kind, GraphQLEnumType):
        return str(value)
    if isinstance(value, dict):
        fields = (f"{name}: {_written(one, kind.fields[name].type)}" for name, one in value.items())
        return "{" + ", ".join(fields) + "}"
    return orjson.dumps(value).decode()
