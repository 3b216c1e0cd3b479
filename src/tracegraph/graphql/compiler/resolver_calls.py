"""Calls of resolvers, equal to strawberry's calls but without repeated work for every object of a list.

Arguments are converted once per execution, or once per plan when they contain no variable. Graphql-core's info is
built only when a resolver reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLField
from graphql.execution.executor import Executor
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from tracegraph.graphql.compiler.arguments import build_converters, convert_values
from tracegraph.graphql.compiler.resolver_info import Arguments, BuildInfo, ExecutionState, LazyInfo
from tracegraph.graphql.compiler.selection import Details
from tracegraph.graphql.literals import has_variable


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
        self._may_vary = any(has_variable(argument.value) for argument in self._first.node.arguments or ())

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
