"""Rounds of vendor calls below a field, from which a list computes its share of the remaining time.

A field waits for its own calls before the fields below start. Where `n` rounds of calls follow, a field gives its
slowest source `1 / (n + 1)` of the remaining time. The rounds below share the rest.

Deferred fragments start after the part of the response that holds them. So they do not count as rounds below its
fields, however deep they are. The fields of the part reserve one share for all its fragments together, so that a
slow source costs no fragment of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
)

from tracegraph.graphql.documents.deferral import is_deferred

_ROUNDS: Mapping[tuple[str, str], int] = {
    ("Query", "node"): 1,
    ("Query", "nodes"): 1,
    ("Query", "experiment"): 1,
    ("Query", "session"): 1,
    ("Query", "experiments"): 1,
    ("Query", "sessions"): 1,
    ("Query", "comparison"): 1,
    ("Query", "experimentFacets"): 1,
    ("Source", "experiments"): 1,
    ("Source", "sessions"): 1,
    ("Source", "health"): 1,
    ("Experiment", "createdAt"): 1,
    ("Experiment", "metadata"): 1,
    ("Experiment", "models"): 1,
    ("Experiment", "sessionCount"): 1,
    ("Experiment", "sessions"): 1,
    ("Experiment", "aggregate"): 2,
    ("Experiment", "aggregates"): 2,
    ("Experiment", "timeSeries"): 2,
    ("Experiment", "sessionGroups"): 2,
    ("Session", "experiment"): 1,
    ("Session", "input"): 1,
    ("Session", "output"): 1,
    ("Session", "error"): 1,
    ("Session", "scores"): 1,
    ("Session", "models"): 1,
    ("Session", "providers"): 1,
    ("Session", "inputCostUsd"): 1,
    ("Session", "outputCostUsd"): 1,
    ("Session", "spans"): 1,
    ("Span", "input"): 1,
    ("Span", "output"): 1,
    ("Span", "error"): 1,
    ("Span", "metadata"): 1,
    ("Span", "scores"): 1,
    ("Span", "vendorFields"): 1,
    ("Comparison", "metrics"): 2,
    ("Comparison", "cases"): 2,
    ("CaseComparison", "key"): 1,
    ("CaseComparison", "input"): 1,
    ("CaseEntry", "sessions"): 1,
}
"""Consecutive rounds of calls of the field itself. Computed figures take two: sessions, then scores."""


_AGGREGATES = frozenset({"aggregate", "aggregates"})
"""Fields of an experiment that take one round without a basis or with REPORTED."""


def rounds_below(schema: GraphQLSchema, document: DocumentNode, *, in_parts: bool = False) -> Mapping[int, int]:
    """Return the rounds of calls below each field node that makes calls, keyed by the node's `id`.

    The document must be valid. Fields with `@skip` or `@include` count as selected, and fragments with a condition
    in `@defer` as deferred.

    Args:
        schema: The schema.
        document: The document.
        in_parts: Whether deferred fragments have parts of their own. Otherwise they count as other fragments.
    """
    counter = _RoundCounter(schema, document, in_parts=in_parts)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and definition.operation is OperationType.QUERY:
            counter.part_rounds(schema.query_type, definition.selection_set)
    return counter.below


@dataclass(slots=True)
class _PartRounds:
    """What is known of one part of the response.

    Attributes:
        counted: The longest chain of rounds within each selection, by type.
        below: The rounds below each field node, without deferred fragments.
        deferred: The deferred fragments.
    """

    counted: dict[tuple[str, int], int] = field(default_factory=dict)
    below: dict[int, int] = field(default_factory=dict)
    deferred: list[tuple[GraphQLNamedType | None, SelectionSetNode]] = field(default_factory=list)


class _RoundCounter:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, *, in_parts: bool) -> None:
        self.below: dict[int, int] = {}
        self._in_parts = in_parts
        self._parts: dict[tuple[str, int], int] = {}
        self._part = _PartRounds()
        self._schema = schema
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def part_rounds(self, parent: GraphQLNamedType | None, selections: SelectionSetNode | None) -> int:
        """Return the longest chain of rounds within a part of the response and the parts after it."""
        if parent is None or selections is None:
            return 0
        key = parent.name, id(selections)
        if key not in self._parts:
            outer, self._part = self._part, _PartRounds()
            part = self._part
            rounds = self._selection_rounds(parent, selections)
            rounds_after = [self.part_rounds(*fragment) for fragment in part.deferred]
            reserved = int(any(rounds_after))
            for node, below in part.below.items():
                self.below[node] = max(self.below.get(node, 0), below + reserved)
            self._part = outer
            self._parts[key] = rounds + reserved
        return self._parts[key]

    def _selection_rounds(self, parent: GraphQLNamedType | None, selections: SelectionSetNode | None) -> int:
        """Return the longest chain of rounds within the selections."""
        if parent is None or selections is None:
            return 0
        key = parent.name, id(selections)
        counted = self._part.counted
        if key not in counted:
            counted[key] = max((self._node_rounds(parent, node) for node in selections.selections), default=0)
        return counted[key]

    def _node_rounds(self, parent: GraphQLNamedType, selection: SelectionNode) -> int:
        if isinstance(selection, FieldNode):
            return self._field_rounds(parent, selection)
        fragment: InlineFragmentNode | FragmentDefinitionNode
        if isinstance(selection, InlineFragmentNode):
            fragment = selection
        elif isinstance(selection, FragmentSpreadNode):
            fragment = self._fragments[selection.name.value]
        else:
            return 0
        condition = fragment.type_condition
        within = self._schema.get_type(condition.name.value) if condition else parent
        if self._in_parts and is_deferred(selection):
            self._part.deferred.append((within, fragment.selection_set))
            return 0
        return self._selection_rounds(within, fragment.selection_set)

    def _field_rounds(self, parent: GraphQLNamedType, node: FieldNode) -> int:
        definition = getattr(parent, "fields", {}).get(node.name.value)
        if definition is None:
            return 0
        below = self._selection_rounds(get_named_type(definition.type), node.selection_set)
        own = _ROUNDS.get((parent.name, node.name.value), 0)
        if own and node.name.value in _AGGREGATES and not _is_computed(node):
            own = 1
        if own:
            self._part.below[id(node)] = below
        return own + below


def _is_computed(node: FieldNode) -> bool:
    basis = next((argument.value for argument in node.arguments or () if argument.name.value == "basis"), None)
    return basis is not None and not (isinstance(basis, EnumValueNode) and basis.value == "REPORTED")
