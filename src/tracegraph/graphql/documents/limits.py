"""Limits of documents: the text is checked before parsing, the tree before validation.

Parsing cost grows with tokens. Validation cost grows with pairs of fields that share a response name at one path.
Each check is one pass that stops at the limit, so a hostile document costs no more than a large one.
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


_MAX_TOKEN_LENGTH = 25


_MAX_EXPANSION = 5


_MAX_FRAGMENTS = 50


_MAX_REPEATS = 2000


_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """Limits of a document. `depth` and `aliases` count with fragments expanded; comments count as tokens."""

    tokens: int = 2000
    depth: int = 20
    aliases: int = 100
    introspection: bool = True


def check_length(text: str, limits: DocumentLimits) -> None:
    """Reject a text that is longer than its tokens can be, without reading the text.

    Raises:
        QueryTooComplex: When the text is too long.
    """
    max_length = limits.tokens * _MAX_TOKEN_LENGTH
    if len(text) > max_length:
        raise QueryTooComplex(
            f"The document has {len(text)} characters, and the limit is {max_length}: send values as variables."
        )


def check_tokens(text: str, limits: DocumentLimits) -> None:
    """Reject a text with too many tokens; reading stops at the limit.

    Raises:
        QueryTooComplex: When the text has more tokens than the limit.
    """
    if next(islice(_TOKEN.finditer(text), limits.tokens, None), None) is not None:
        raise QueryTooComplex(
            f"The document has more than {limits.tokens} tokens: select fewer fields, or send values as variables."
        )


def check_tree(document: DocumentNode, limits: DocumentLimits) -> None:
    """Check a parsed document against the limits.

    Raises:
        QueryTooComplex: When the document exceeds a limit.
        Forbidden: When introspection is disabled and the document uses it.
    """
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    definitions = sum(isinstance(node, FragmentDefinitionNode) for node in document.definitions)
    if definitions > _MAX_FRAGMENTS:
        raise QueryTooComplex(f"The document has {definitions} fragments, and the limit is {_MAX_FRAGMENTS}.")
    visitor = _DocumentVisitor(limits, fragments)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode):
            visitor.measure(node.selection_set)


@dataclass(frozen=True, slots=True)
class _ResponsePath:
    """One path of the response. `fragments` are the fragments that are already expanded at this path."""

    depth: int
    fields: dict[str, tuple[_ResponsePath, list[int]]]
    fragments: set[str]

    @classmethod
    def at(cls, depth: int) -> _ResponsePath:
        return cls(depth, {}, set())


class _DocumentVisitor:
    """Visits the definitions of one document without recursion and expands fragments."""

    def __init__(self, limits: DocumentLimits, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._limits = limits
        self._fragments = fragments
        self._selections_left = limits.tokens * _MAX_EXPANSION

    def measure(self, root: SelectionSetNode) -> None:
        """Check one definition."""
        aliases = repeats = 0
        stack = [(root, _ResponsePath.at(0))]
        while stack:
            selections, path = stack.pop()
            for field in self._fields(selections, path):
                aliases += field.alias is not None
                below, occurrences = self._below(field, path)
                repeats += occurrences[0]
                occurrences[0] += 1
                if field.selection_set is not None:
                    stack.append((field.selection_set, below))
            if aliases > self._limits.aliases:
                raise QueryTooComplex(f"The document has more than {self._limits.aliases} aliases.")
            if repeats > _MAX_REPEATS:
                raise QueryTooComplex("The document selects the same fields at the same path too often.")

    def _below(self, field: FieldNode, path: _ResponsePath) -> tuple[_ResponsePath, list[int]]:
        if not self._limits.introspection and field.name.value in _INTROSPECTION:
            raise Forbidden("Introspection is disabled on this gateway: get the schema from its operator.")
        if path.depth >= self._limits.depth:
            raise QueryTooComplex(f"The document is nested deeper than {self._limits.depth} fields.")
        name = (field.alias or field.name).value
        return path.fields.setdefault(name, (_ResponsePath.at(path.depth + 1), [0]))

    def _fields(self, selections: SelectionSetNode, path: _ResponsePath) -> Iterator[FieldNode]:
        """Yield the fields at one path. A fragment is expanded once per path, as in execution."""
        stack = [selections]
        while stack:
            for node in stack.pop().selections:
                self._selections_left -= 1
                if self._selections_left < 0:
                    raise QueryTooComplex("The document's fragments expand to too many fields.")
                if isinstance(node, FieldNode):
                    yield node
                elif isinstance(node, InlineFragmentNode):
                    stack.append(node.selection_set)
                elif (
                    isinstance(node, FragmentSpreadNode)
                    and node.name.value in self._fragments
                    and node.name.value not in path.fragments
                ):
                    path.fragments.add(node.name.value)
                    stack.append(self._fragments[node.name.value].selection_set)
