"""Calls of resolvers, equal to strawberry's calls but without repeated work for every object of a list.

Arguments are converted once per execution, or once per plan when they contain no variable. Graphql-core's info is
built only when a resolver reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLResolveInfo,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
)
from graphql.execution.executor import Executor
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from strawberry.types import Info

from tracegraph.graphql.compiler.arguments import build_converters, convert_values
from tracegraph.graphql.compiler.codegen import Details
from tracegraph.graphql.context import RequestContext
from tracegraph.upstream.request_scope import time_share

T = TypeVar("T")


Arguments = Mapping[str, Any]


@dataclass(slots=True)
class ExecutionState:
    """One execution: graphql-core's executor, the context, the converted arguments."""

    executor: Executor[Any]
    context: Any
    arguments: dict[int, Arguments] = field(default_factory=dict)


BuildInfo = Callable[[Path, ExecutionState], GraphQLResolveInfo[Any]]
"""Builds graphql-core's info for a field."""


class LazyInfo(Info[RequestContext, None]):
    """Info for a resolver that has the context at once and builds graphql-core's info on first use."""

    def __init__(
        self,
        state: ExecutionState,
        build_info: BuildInfo,
        path: Path,
        field_nodes: Sequence[FieldNode],
        lookahead: dict[Any, Any],
    ) -> None:
        self.field_nodes = field_nodes
        self._state = state
        self._build_info = build_info
        self._path = path
        self._lookahead = lookahead

    def look_ahead(self, analyze: Callable[[GraphQLResolveInfo[Any]], T]) -> T:
        """Return the result of `analyze` for the document below the field, computed once per field of a plan."""
        if analyze not in self._lookahead:
            self._lookahead[analyze] = analyze(self._raw_info)
        result: T = self._lookahead[analyze]
        return result

    @property
    def rounds_below(self) -> int:
        """The rounds of calls below the field, counted once per field of a plan."""
        rounds = self._lookahead.get(_rounds_below)
        if rounds is None:
            rounds = self._lookahead[_rounds_below] = _rounds_below(self.field_nodes, self.context)
        return cast("int", rounds)

    @property
    def context(self) -> RequestContext:
        """The context of the request."""
        context: RequestContext = self._state.context
        return context

    @cached_property
    def _raw_info(self) -> GraphQLResolveInfo[Any]:  # type: ignore[override]  # the base class never sets it
        return self._build_info(self._path, self._state)


def nested_time_share(info: Info[RequestContext, None]) -> AbstractContextManager[None]:
    """Limit a field's own calls to a share of the remaining time, where nested fields make further calls."""
    return time_share(rounds_below_field(info))


def rounds_below_field(info: Info[RequestContext, None]) -> int:
    """Return the rounds of calls below the field."""
    if isinstance(info, LazyInfo):
        return info.rounds_below
    return _rounds_below(info._raw_info.field_nodes, info.context)  # noqa: SLF001 - strawberry's info has no public access to the nodes


def _rounds_below(nodes: Sequence[FieldNode], context: RequestContext) -> int:
    rounds_below = context.rounds_below
    return max([rounds_below.get(id(node), 0) for node in nodes], default=0)


class ResolverCall:
    """The resolver call of one field of a document, for fields without extensions and permissions."""

    def __init__(self, definition: GraphQLField, details: Details) -> None:
        resolver = definition.extensions["strawberry-definition"].base_resolver
        self._function: Callable[..., Any] = resolver.wrapped_func
        self._parent = None if resolver.parent_parameter is None else resolver.parent_parameter.name
        self._info = None if resolver.info_parameter is None else resolver.info_parameter.name
        self._converters = build_converters(definition.args)
        self._definition = definition
        self._first = details[0]
        self._nodes = [detail.node for detail in details]
        self._constant: Arguments | None = None
        self._lookahead: dict[Any, Any] = {}
        self._may_vary = any(_has_variable(argument.value) for argument in self._first.node.arguments or ())

    def value(self, source: Any, state: ExecutionState, build_info: BuildInfo, path: Path) -> Any:
        """Return the resolver's value, or an awaitable of the value.

        Args:
            source: The object of the field.
            state: The execution.
            build_info: Builds graphql-core's info.
            path: The path of the field.
        """
        constant = self._constant
        arguments = dict(self._arguments(state) if constant is None else constant)
        if self._parent is not None:
            arguments[self._parent] = source
        if self._info is not None:
            arguments[self._info] = LazyInfo(state, build_info, path, self._nodes, self._lookahead)
        return self._function(**arguments)

    def _arguments(self, state: ExecutionState) -> Arguments:
        arguments = state.arguments.get(id(self))
        if arguments is None:
            arguments = state.arguments[id(self)] = self._convert(state.executor)
            if not self._may_vary:
                self._constant = arguments
        return arguments

    def _convert(self, executor: Executor[Any]) -> Arguments:
        coerced = get_argument_values(
            self._definition,
            self._first.node,
            executor.variable_values,
            self._first.fragment_variable_values,
            executor.hide_suggestions,
        )
        return convert_values(coerced, self._converters)


def _has_variable(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return any(map(_has_variable, value.values))
    if isinstance(value, ObjectValueNode):
        return any(_has_variable(node.value) for node in value.fields)
    return isinstance(value, VariableNode)
