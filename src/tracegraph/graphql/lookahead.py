"""Lookahead: the large session fields that a document selects, so that vendors need not send the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
)
from strawberry.types import Info
from strawberry.types.nodes import SelectedField, Selection

from tracegraph.graphql.compiler.resolver_calls import LazyInfo

_LARGE = {"input": "input", "output": "output", "metadata": "metadata", "vendorFields": "raw"}
"""Schema names of fields, with their names in `adapter.LARGE_SESSION_FIELDS`."""


_PATHS = (("nodes",), ("edges", "node"))


def session_fields(info: Info[Any, Any]) -> frozenset[str]:
    """Return the large fields that the document selects on the sessions of this connection field."""
    return info.ahead(_selected) if isinstance(info, LazyInfo) else _selected(info._raw_info)  # noqa: SLF001


def _selected(info: GraphQLResolveInfo[Any]) -> frozenset[str]:
    below = [node.selection_set for node in info.field_nodes]
    found: set[str] = set()
    for path in _PATHS:
        sets = below
        for name in path:
            sets = [one.selection_set for one in _fields(sets, info) if one.name.value == name]
        found |= {_LARGE[one.name.value] for one in _fields(sets, info) if one.name.value in _LARGE}
    return frozenset(found)


def _fields(sets: Iterable[SelectionSetNode | None], info: GraphQLResolveInfo[Any]) -> Iterator[FieldNode]:
    """Yield the selected fields, through fragments of any type."""
    for one in sets:
        for selection in () if one is None else one.selections:
            if not _is_included(selection, info):
                continue
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, InlineFragmentNode):
                yield from _fields([selection.selection_set], info)
            elif isinstance(selection, FragmentSpreadNode):
                yield from _fields([info.fragments[selection.name.value].selection_set], info)


def _is_included(selection: SelectionNode, info: GraphQLResolveInfo[Any]) -> bool:
    for directive in selection.directives or ():
        for argument in directive.arguments or ():
            value = argument.value
            if isinstance(value, VariableNode):
                condition = _variables(info).get(value.name.value)
            else:
                condition = value.value if isinstance(value, BooleanValueNode) else None
            if condition is (directive.name.value == "skip"):
                return False
    return True


def _variables(info: GraphQLResolveInfo[Any]) -> Mapping[str, Any]:
    values: Any = info.variable_values  # a plain dict in strawberry's own info
    found: Mapping[str, Any] = getattr(values, "coerced", values)
    return found


def fields_at(selections: Iterable[Selection], *path: str) -> Iterator[SelectedField]:
    """Yield every selected field at a path of field names, through fragments; apply @skip and @include."""
    if not path:
        return
    for one in selections:
        if not _included(one):
            continue
        if not isinstance(one, SelectedField):
            yield from fields_at(one.selections, *path)
        elif one.name == path[0]:
            if len(path) == 1:
                yield one
            else:
                yield from fields_at(one.selections, *path[1:])


def _included(one: Selection) -> bool:
    skip, include = one.directives.get("skip"), one.directives.get("include")
    return (skip is None or skip["if"] is False) and (include is None or include["if"] is True)
