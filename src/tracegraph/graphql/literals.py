"""Values as a document writes them."""

from __future__ import annotations

from graphql import ListValueNode, ObjectValueNode, ValueNode, VariableNode


def has_variable(value: ValueNode) -> bool:
    """Return whether a value in a document contains a variable."""
    if isinstance(value, ListValueNode):
        return any(map(has_variable, value.values))
    if isinstance(value, ObjectValueNode):
        return any(has_variable(node.value) for node in value.fields)
    return isinstance(value, VariableNode)
