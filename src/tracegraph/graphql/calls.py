"""Calling the function behind a field as the library does, less what it does anew for every object of a list.

Arguments are converted once in an execution, or once for all where the document holds them whole; what a resolver
is told of its field is made when it looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLResolveInfo,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
)
from graphql.execution.executor import Executor
from graphql.execution.values import get_argument_values
from strawberry.types import Info
from strawberry.types.arguments import convert_arguments

from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.readers import Details

Arguments = Mapping[str, Any]


class LateInfo(Info[RequestContext, None]):
    """What a resolver is told of its field: the context at once, all else when it looks."""

    def __init__(self, context: RequestContext, told: Callable[[], GraphQLResolveInfo[Any]]) -> None:
        self._context = context
        self._told = told

    @property
    def context(self) -> RequestContext:
        """The request's."""
        return self._context

    @cached_property
    def _raw_info(self) -> GraphQLResolveInfo[Any]:  # type: ignore[override]  # the base class never sets it
        return self._told()


@dataclass(frozen=True, slots=True)
class Resolver:
    """A field's own function, and the names of the parameters that are not arguments of the schema."""

    function: Callable[..., Any]
    parent: str | None
    info: str | None

    @classmethod
    def of(cls, definition: GraphQLField) -> Resolver:
        """The function behind a field that has one, and neither extensions nor permissions."""
        found = _strawberry_field(definition).base_resolver
        parent, info = found.parent_parameter, found.info_parameter
        return cls(
            found.wrapped_func, None if parent is None else parent.name, None if info is None else info.name
        )

    def call(self, source: Any, arguments: Arguments, info: Callable[[], LateInfo]) -> Any:
        """The field's value, or an awaitable of it."""
        given = dict(arguments)
        if self.parent is not None:
            given[self.parent] = source
        if self.info is not None:
            given[self.info] = info()
        return self.function(**given)


class FieldArguments:
    """The arguments of one field of a document, as its function takes them."""

    def __init__(self, schema: GraphQLSchema, definition: GraphQLField, details: Details) -> None:
        self._converter = schema._strawberry_schema.schema_converter  # type: ignore[attr-defined]  # noqa: SLF001
        self._definition = definition
        self._first = details[0]
        self._always: Arguments | None = None
        self._may_vary = any(_has_variable(one.value) for one in self._first.node.arguments or ())

    def of(self, executor: Executor[Any], converted: dict[int, Arguments]) -> Arguments:
        """Those of an execution, which keeps in `converted` what it has got already."""
        if self._always is not None:
            return self._always
        found = converted.get(id(self))
        if found is None:
            found = converted[id(self)] = self._converted(executor)
            if not self._may_vary:
                self._always = found
        return found

    def _converted(self, executor: Executor[Any]) -> Arguments:
        """As the library does it: see `get_arguments` in strawberry's schema_converter."""
        coerced = get_argument_values(
            self._definition,
            self._first.node,
            executor.variable_values,
            self._first.fragment_variable_values,
            executor.hide_suggestions,
        )
        arguments = _strawberry_field(self._definition).arguments
        return convert_arguments(coerced, arguments, self._converter.scalar_registry, self._converter.config)


def _strawberry_field(definition: GraphQLField) -> Any:
    return definition.extensions["strawberry-definition"]


def _has_variable(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return any(map(_has_variable, value.values))
    if isinstance(value, ObjectValueNode):
        return any(_has_variable(one.value) for one in value.fields)
    return isinstance(value, VariableNode)
