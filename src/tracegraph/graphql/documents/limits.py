"""How large a document is: its text before it is parsed, its tree before it is validated.

Parsing costs time with every token, validating with every pair of fields that have one name in one place. Both
measures are taken in one pass that stops at the limit, so that a hostile document costs no more than a large one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from tracegraph.errors import Forbidden, QueryTooComplex

_TOKEN = re.compile(
    r'"""(?:\\"""|[^"]|"(?!""))*"""|"(?:\\.|[^"\\\n\r])*"|#[^\n\r]*|[A-Za-z_][A-Za-z_0-9]*'
    r"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.\.\.|[^\s,\ufeff]"
)


_CHARACTERS_A_TOKEN = 25


_SELECTIONS_A_TOKEN = 5


_MOST_FRAGMENTS = 50


_MOST_REPEATS = 2000


_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What a document may hold: `depth` and `aliases` with its fragments spread out; comments are tokens, too."""

    tokens: int = 2000
    depth: int = 20
    aliases: int = 100
    introspection: bool = True


def check_length(text: str, limits: DocumentLimits) -> None:
    """Raises QueryTooComplex for a text that is longer than its tokens can be; that takes no reading."""
    most = limits.tokens * _CHARACTERS_A_TOKEN
    if len(text) > most:
        raise QueryTooComplex(
            f"The document has {len(text)} characters, and the limit is {most}: send values as variables."
        )


def check_tokens(text: str, limits: DocumentLimits) -> None:
    """Raises QueryTooComplex for more tokens than the limits let parse; reads no further than that."""
    if next(islice(_TOKEN.finditer(text), limits.tokens, None), None) is not None:
        raise QueryTooComplex(
            f"The document has more than {limits.tokens} tokens: ask for less, and send values as variables."
        )


def check_tree(document: DocumentNode, limits: DocumentLimits) -> None:
    """Raises QueryTooComplex for a document beyond the limits, Forbidden for introspection that is off."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    definitions = sum(isinstance(one, FragmentDefinitionNode) for one in document.definitions)
    if definitions > _MOST_FRAGMENTS:
        raise QueryTooComplex(f"The document has {definitions} fragments, and the limit is {_MOST_FRAGMENTS}.")
    walk = _Walk(limits, fragments)
    for one in document.definitions:
        if isinstance(one, OperationDefinitionNode | FragmentDefinitionNode):
            walk.measure(one.selection_set)


@dataclass(frozen=True, slots=True)
class _Place:
    """One place of the response, where fields of one name meet; `fragments` are those already spread there."""

    depth: int
    fields: dict[str, tuple[_Place, list[int]]]
    fragments: set[str]

    @classmethod
    def at(cls, depth: int) -> _Place:
        return cls(depth, {}, set())


class _Walk:
    """Over all definitions of one document, without recursion, with fragments spread out."""

    def __init__(self, limits: DocumentLimits, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._limits = limits
        self._fragments = fragments
        self._selections_left = limits.tokens * _SELECTIONS_A_TOKEN

    def measure(self, root: SelectionSetNode) -> None:
        """Check one definition."""
        aliases = repeats = 0
        stack = [(root, _Place.at(0))]
        while stack:
            selections, place = stack.pop()
            for field in self._fields(selections, place):
                aliases += field.alias is not None
                below, times = self._below(field, place)
                repeats += times[0]
                times[0] += 1
                if field.selection_set is not None:
                    stack.append((field.selection_set, below))
            if aliases > self._limits.aliases:
                raise QueryTooComplex(f"The document has more than {self._limits.aliases} aliases.")
            if repeats > _MOST_REPEATS:
                raise QueryTooComplex("The document asks for the same fields at the same place too often.")

    def _below(self, field: FieldNode, place: _Place) -> tuple[_Place, list[int]]:
        if not self._limits.introspection and field.name.value in _INTROSPECTION:
            raise Forbidden("This gateway does not answer introspection; its schema comes from who runs it.")
        if place.depth >= self._limits.depth:
            raise QueryTooComplex(f"The document is nested deeper than {self._limits.depth} fields.")
        name = (field.alias or field.name).value
        return place.fields.setdefault(name, (_Place.at(place.depth + 1), [0]))

    def _fields(self, selections: SelectionSetNode, place: _Place) -> Iterator[FieldNode]:
        """The fields of one place, through its fragments; a fragment counts once there, as it is run once."""
        stack = [selections]
        while stack:
            for one in stack.pop().selections:
                self._selections_left -= 1
                if self._selections_left < 0:
                    raise QueryTooComplex("The document's fragments spread out to too many fields.")
                if isinstance(one, FieldNode):
                    yield one
                elif isinstance(one, InlineFragmentNode):
                    stack.append(one.selection_set)
                elif (
                    isinstance(one, FragmentSpreadNode)
                    and one.name.value in self._fragments
                    and one.name.value not in place.fragments
                ):
                    place.fragments.add(one.name.value)
                    stack.append(self._fragments[one.name.value].selection_set)
