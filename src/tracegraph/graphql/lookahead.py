"""Lookahead: the costly fields that a document selects, so that vendors need not send the others."""

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

from tracegraph.graphql.compiler.resolver_info import look_ahead

_SESSION = {
    **{name: name for name in ("input", "output", "metadata", "url", "models", "providers")},
    "vendorFields": "raw",
    "inputCostUsd": "input_cost_usd",
    "outputCostUsd": "output_cost_usd",
}
"""Schema names of fields, with their names in `protocol.COSTLY_SESSION_FIELDS`."""

_SCORE_TEXTS = frozenset({"label", "explanation"})
"""The fields of Score that are `score_texts` in `protocol.COSTLY_SESSION_FIELDS`."""

_EXPERIMENT = {"datasetName": "dataset_name"}
"""Schema names of fields, with their names in `protocol.COSTLY_EXPERIMENT_FIELDS`."""

_SPAN = {name: name for name in ("input", "output", "error", "metadata", "scores")} | {"vendorFields": "raw"}
"""Schema names of fields, with their names in `protocol.COSTLY_SPAN_FIELDS`."""

_CONDITIONAL = frozenset({"skip", "include"})
"""The directives that leave out a selection. A deferred fragment is always selected."""


_PATHS = ("nodes", "edges/node")


def session_fields(info: Info[Any, Any]) -> frozenset[str]:
    """Return the costly fields that the document selects on the sessions of this connection field."""
    return look_ahead(info, _selected_of_sessions)


def selects_score_texts(info: Info[Any, Any]) -> bool:
    """Return whether the document selects the words of the scores of this field."""
    return look_ahead(info, _selects_texts)


def experiment_fields(info: Info[Any, Any]) -> frozenset[str]:
    """Return the costly fields that the document selects on the experiments of this connection field."""
    return look_ahead(info, _selected_of_experiments)


def span_fields(info: Info[Any, Any]) -> frozenset[str]:
    """Return the costly fields that the document selects on the spans of this connection field."""
    return look_ahead(info, _selected_of_spans)


def span_fields_of_node(info: Info[Any, Any]) -> frozenset[str]:
    """Return the costly fields that the document selects on the span that this field is."""
    return look_ahead(info, _selected_of_node)


def _selected_of_sessions(info: GraphQLResolveInfo[Any]) -> frozenset[str]:
    words = _names_at(info, *(f"{path}/scores" for path in _PATHS)) & _SCORE_TEXTS
    return _selected(info, _SESSION) | (frozenset({"score_texts"}) if words else frozenset())


def _selects_texts(info: GraphQLResolveInfo[Any]) -> bool:
    return not _SCORE_TEXTS.isdisjoint(_names_at(info, ""))


def _selected_of_experiments(info: GraphQLResolveInfo[Any]) -> frozenset[str]:
    return _selected(info, _EXPERIMENT)


def _selected_of_spans(info: GraphQLResolveInfo[Any]) -> frozenset[str]:
    return _selected(info, _SPAN)


def _selected_of_node(info: GraphQLResolveInfo[Any]) -> frozenset[str]:
    return frozenset(_SPAN[name] for name in _names_at(info, "") if name in _SPAN)


def _selected(info: GraphQLResolveInfo[Any], costly: Mapping[str, str]) -> frozenset[str]:
    return frozenset(costly[name] for name in _names_at(info, *_PATHS) if name in costly)


def _names_at(info: GraphQLResolveInfo[Any], *paths: str) -> frozenset[str]:
    """Return the names of the fields that the document selects at any of these paths below the field."""
    names: set[str] = set()
    for path in paths:
        sets: list[SelectionSetNode | None] = [node.selection_set for node in info.field_nodes]
        for name in filter(None, path.split("/")):
            sets = [field.selection_set for field in _fields(sets, info) if field.name.value == name]
        names |= {field.name.value for field in _fields(sets, info)}
    return frozenset(names)


def _fields(sets: Iterable[SelectionSetNode | None], info: GraphQLResolveInfo[Any]) -> Iterator[FieldNode]:
    """Yield the selected fields, through fragments of any type."""
    for selection_set in sets:
        for selection in () if selection_set is None else selection_set.selections:
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
        if directive.name.value not in _CONDITIONAL:
            continue
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
    coerced: Mapping[str, Any] = getattr(values, "coerced", values)
    return coerced


def fields_at(selections: Iterable[Selection], *path: str) -> Iterator[SelectedField]:
    """Yield every selected field at a path of field names, through fragments; apply @skip and @include."""
    if not path:
        return
    for selection in selections:
        if not _included(selection):
            continue
        if not isinstance(selection, SelectedField):
            yield from fields_at(selection.selections, *path)
        elif selection.name == path[0]:
            if len(path) == 1:
                yield selection
            else:
                yield from fields_at(selection.selections, *path[1:])


def _included(selection: Selection) -> bool:
    skip, include = selection.directives.get("skip"), selection.directives.get("include")
    return (skip is None or skip["if"] is False) and (include is None or include["if"] is True)
