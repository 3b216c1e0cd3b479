"""Whether an operation has deferred fragments."""

from __future__ import annotations

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

DEFER = "defer"
"""The name of the directive."""


_INTROSPECTION = frozenset({"__schema", "__type"})


def is_deferred(fragment: FragmentSpreadNode | InlineFragmentNode) -> bool:
    """Return whether a fragment has `@defer`, whatever the directive's condition is."""
    return any(directive.name.value == DEFER for directive in fragment.directives or ())


def has_deferred(document: DocumentNode, operation: OperationDefinitionNode) -> bool:
    """Return whether an operation has a deferred fragment, and no introspection, which costs nothing.

    With introspection, all fragments stay in the one response: a small document can defer all types of the schema.

    Args:
        document: A valid document.
        operation: The operation of the document.
    """
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    pending: list[SelectionSetNode] = [operation.selection_set]
    found = False
    while pending:
        for node in pending.pop().selections:
            if isinstance(node, FragmentSpreadNode | InlineFragmentNode):
                found = found or is_deferred(node)
            elif isinstance(node, FieldNode) and node.name.value in _INTROSPECTION:
                return False
            below: SelectionSetNode | None = None
            if isinstance(node, FragmentSpreadNode):
                fragment = fragments.pop(node.name.value, None)  # each fragment is visited once
                below = None if fragment is None else fragment.selection_set
            elif isinstance(node, FieldNode | InlineFragmentNode):
                below = node.selection_set
            if below is not None:
                pending.append(below)
    return found
