"""Whether the response of a document may be reused. Fields about their own execution are marked in the schema."""

from __future__ import annotations

from typing import Any

from graphql import (
    BREAK,
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    VisitorAction,
    visit,
)

from tracegraph.graphql.compiler.field_access import is_cacheable_field


def is_cacheable(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """Return whether a valid document, its unused operations included, selects no field that is UNCACHEABLE."""
    type_info = TypeInfo(schema)
    finder = _Finder(type_info)
    visit(document, TypeInfoVisitor(type_info, finder))
    return not finder.found


class _Finder(Visitor):
    def __init__(self, type_info: TypeInfo) -> None:
        super().__init__()
        self.found = False
        self._type_info = type_info

    def enter_field(self, _node: FieldNode, *_: Any) -> VisitorAction:
        definition = self._type_info.get_field_def()
        if definition is None or is_cacheable_field(definition):
            return None
        self.found = True
        return BREAK
