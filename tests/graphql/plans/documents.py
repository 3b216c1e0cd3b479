"""Random documents over a schema, as clients write them: aliases, fragments, conditions, variables, arguments."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
)

UNEQUAL = frozenset({"durationMs", "upstreamRequests", "checkedAt", "fetched"})
"""Fields whose values depend on the time or on earlier requests."""
LITERALS = {
    "Int": ("0", "1", "2", "3", "4", "-1"),
    "Float": ("1.5",),
    "Boolean": ("true", "false"),
    "String": ('"a"', '"name 1"', '""'),
    "DateTime": ('"2026-01-01T01:00:00Z"', '"2026-02-01T00:03:00Z"', '"no time"'),
    "JSON": ("{k: [1, null]}",),
}
FEW, SOME, OFTEN = 0.08, 0.25, 0.6


@dataclass(frozen=True, slots=True)
class Document:
    """A query with the values of its variables."""

    text: str
    variables: dict[str, Any]


@dataclass(slots=True)
class Writer:
    """Writes one document; `ids` are IDs of existing objects. `defers` is the share of fragments with `@defer`."""

    schema: GraphQLSchema
    rng: random.Random
    ids: list[str]
    fragments: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    defers: float = 0.0
    labels: int = 0

    def document(self, depth: int) -> Document:
        """A query of at most that depth."""
        query = self.schema.query_type
        assert query is not None
        selection = self.selection(query, depth)
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        return Document("\n".join([f"query Q{declared} {selection}", *self.fragments]), self.variables)

    def selection(self, of: Any, depth: int) -> str:
        """Fields of a type in braces."""
        chosen = [one for one in of.fields.items() if depth or is_leaf_type(get_named_type(one[1].type))]
        if isinstance(of, GraphQLObjectType) and of is self.schema.query_type:
            picked = self.rng.sample(chosen, min(len(chosen), self.rng.randrange(1, 4)))
        else:
            picked = [one for one in chosen if self.rng.random() < SOME] or [self.rng.choice(chosen or [None])]
        parts = [self.field(name, definition, depth) for name, definition in filter(None, picked)]
        if not parts or self.chance(SOME):
            parts.insert(self.rng.randrange(len(parts) + 1), "__typename")
        if is_abstract_type(of):
            parts += [
                self.fragment(one, depth) for one in self.schema.get_possible_types(of) if self.chance(OFTEN)
            ]
        elif self.chance(SOME):
            parts.append(self.fragment(of, depth))
        return f"{{ {' '.join(parts)} }}"

    def field(self, name: str, definition: GraphQLField, depth: int) -> str:
        """A field with its arguments, perhaps under another name or a condition."""
        given = [
            f"{key}: {self.argument(key, argument)}"
            for key, argument in definition.args.items()
            if is_required_argument(argument) or self.chance(SOME)
        ]
        alias = f"a{self.rng.randrange(10**6)}: " if given or self.chance(FEW) else ""
        inner = get_named_type(definition.type)
        selection = "" if is_leaf_type(inner) else " " + self.selection(inner, depth - 1)
        arguments = f"({', '.join(given)})" if given else ""
        return f"{alias}{name}{arguments}{self.condition(FEW)}{selection}"

    def fragment(self, of: Any, depth: int) -> str:
        """Part of a selection in a fragment, named or not; fields may come twice, in both."""
        selection = self.selection(of, max(0, depth - 1))
        if self.chance(OFTEN):
            return f"... on {of.name}{self.condition(SOME)}{self.defer()} {selection}"
        self.fragments.append(f"fragment F{len(self.fragments)} on {of.name} {selection}")
        name = f"F{len(self.fragments) - 1}"
        again = f" ...{name}{self.defer()}" if self.defers and self.chance(FEW) else ""
        return f"...{name}{self.condition(SOME)}{self.defer()}{again}"

    def defer(self) -> str:
        """`@defer` with or without its arguments; or nothing."""
        if not self.defers or not self.chance(self.defers):
            return ""
        arguments: list[str] = []
        if self.chance(SOME):
            self.labels += 1
            arguments.append(f'label: "l{self.labels}"')
        if self.chance(SOME):
            arguments.append(f"if: {self.variable('Boolean!', self.rng.random() < OFTEN)}")
        return f" @defer({', '.join(arguments)})" if arguments else " @defer"

    def condition(self, likely: float) -> str:
        """`@skip` or `@include`, by a literal or a variable; or nothing."""
        if not self.chance(likely):
            return ""
        word = self.rng.choice(["skip", "include"])
        if self.chance(SOME):
            return f" @{word}(if: {self.rng.choice(['true', 'false'])})"
        return f" @{word}(if: {self.variable('Boolean!', self.rng.random() < 0.5)})"

    def argument(self, name: str, argument: GraphQLArgument) -> str:
        """A value for the argument, at times by a variable."""
        if name in {"after", "before", "last"} and not self.chance(FEW):
            return "null"
        if name == "first" and self.chance(SOME):
            return self.variable("Int", self.rng.randrange(5))
        return self.literal(argument.type)

    def variable(self, of: str, value: Any) -> str:
        """A new variable of that type; its value is given, or is its default."""
        name = f"v{len(self.declared)}"
        if self.chance(SOME):
            self.declared.append(f"${name}: {of} = {str(value).lower()}")
        else:
            self.declared.append(f"${name}: {of}")
            self.variables[name] = value
        return f"${name}"

    def literal(self, of: Any) -> str:
        """A value of an input type."""
        if is_non_null_type(of):
            return self.literal(of.of_type)
        if is_list_type(of):
            return f"[{', '.join(self.literal(of.of_type) for _ in range(self.rng.randrange(1, 4)))}]"
        if isinstance(of, GraphQLEnumType):
            names: Sequence[str] = list(of.values)
            return self.rng.choice(names)
        if isinstance(of, GraphQLInputObjectType):
            fields = [
                f"{name}: {self.literal(one.type)}"
                for name, one in of.fields.items()
                if is_non_null_type(one.type) or self.chance(FEW)
            ]
            return f"{{{', '.join(fields)}}}"
        if of.name == "ID":
            return f'"{self.rng.choice(self.ids)}"' if self.ids and not self.chance(FEW) else '"no ID"'
        literals: Sequence[str] = LITERALS[of.name]
        return self.rng.choice(literals)

    def chance(self, likely: float) -> bool:
        """Whether it comes so this time."""
        return self.rng.random() < likely
