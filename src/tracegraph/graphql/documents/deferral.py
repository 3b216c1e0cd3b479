"""Whether an operation has deferred fragments."""

from __future__ import annotations

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

DEFER = "defer"
"""The name of the directive."""


def is_deferred(fragment: FragmentSpreadNode | InlineFragmentNode) -> bool:
    """Return whether a fragment has `@defer`, whatever the directive's condition is."""
    return any(directive.name.value == DEFER for directive in fragment.directives or ())


def has_deferred(document: DocumentNode, operation: OperationDefinitionNode) -> bool:
    """Return whether an operation has a deferred fragment.

    Args:
        document: A valid document.
        operation: The operation of the document.
    """
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    pending: list[SelectionSetNode] = [operation.selection_set]
    while pending:
        for node in pending.pop().selections:
            if isinstance(node, FragmentSpreadNode | InlineFragmentNode) and is_deferred(node):
                return True
            if isinstance(node, FragmentSpreadNode):
                fragment = fragments.pop(node.name.value, None)  # each fragment is visited once
                pending += [] if fragment is None else [fragment.selection_set]
            elif node.selection_set is not None:  # type: ignore[attr-defined]
                pending.append(node.selection_set)  # type: ignore[attr-defined]
    return False
