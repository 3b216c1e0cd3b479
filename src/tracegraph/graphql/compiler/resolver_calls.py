"""Calling the function behind a field as the library does, less what it does anew for every object of a list.

Arguments are converted once in an execution, or once for all where the document holds them whole; what a resolver
is told of its field is made when it looks.
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

from tracegraph.graphql.compiler.arguments import converted, converters
from tracegraph.graphql.compiler.codegen import Details
from tracegraph.graphql.context import RequestContext
from tracegraph.upstream.request_scope import time_share

T = TypeVar("T")


Arguments = Mapping[str, Any]


@dataclass(slots=True)
class ExecutionState:
    """One execution: the library's executor, the context, and the arguments that were converted already."""

    executor: Executor[Any]
    context: Any
    arguments: dict[int, Arguments] = field(default_factory=dict)


BuildInfo = Callable[[Path, ExecutionState], GraphQLResolveInfo[Any]]
"""Makes what the library tells a resolver of its field."""


class LazyInfo(Info[RequestContext, None]):
    """What a resolver is told of its field: the context at once, all else when it looks."""

    def __init__(
        self,
        run: ExecutionState,
        tell: BuildInfo,
        path: Path,
        field_nodes: Sequence[FieldNode],
        looked_ahead: dict[Any, Any],
    ) -> None:
        self.field_nodes = field_nodes
        self._run = run
        self._tell = tell
        self._at = path
        self._looked_ahead = looked_ahead

    def ahead(self, look: Callable[[GraphQLResolveInfo[Any]], T]) -> T:
        """What `look` finds in the document below the field: it looks once for all calls of a plan's field."""
        if look not in self._looked_ahead:
            self._looked_ahead[look] = look(self._raw_info)
        found: T = self._looked_ahead[look]
        return found

    @property
    def level(self) -> int:
        """See `level_of`; counted once for all calls of a plan's field."""
        level = self._looked_ahead.get(_level)
        if level is None:
            level = self._looked_ahead[_level] = _level(self.field_nodes, self.context)
        return cast("int", level)

    @property
    def context(self) -> RequestContext:
        """The request's."""
        context: RequestContext = self._run.context
        return context

    @cached_property
    def _raw_info(self) -> GraphQLResolveInfo[Any]:  # type: ignore[override]  # the base class never sets it
        return self._tell(self._at, self._run)


def level_time(info: Info[RequestContext, None]) -> AbstractContextManager[None]:
    """The time of a field's own calls: its part of what remains, when further rounds of calls follow below it."""
    return time_share(level_of(info))


def level_of(info: Info[RequestContext, None]) -> int:
    """How many rounds of calls follow below the field."""
    if isinstance(info, LazyInfo):
        return info.level
    return _level(info._raw_info.field_nodes, info.context)  # noqa: SLF001 - where the library has them


def _level(nodes: Sequence[FieldNode], context: RequestContext) -> int:
    known = context.rounds_below
    return max([known.get(id(node), 0) for node in nodes], default=0)


class ResolverCall:
    """How one field of a document is called: a field with a resolver, and neither extensions nor permissions."""

    def __init__(self, definition: GraphQLField, details: Details) -> None:
        resolver = definition.extensions["strawberry-definition"].base_resolver
        self._function: Callable[..., Any] = resolver.wrapped_func
        self._parent = None if resolver.parent_parameter is None else resolver.parent_parameter.name
        self._info = None if resolver.info_parameter is None else resolver.info_parameter.name
        self._converters = converters(definition.args)
        self._definition = definition
        self._first = details[0]
        self._nodes = [detail.node for detail in details]
        self._always: Arguments | None = None
        self._looked_ahead: dict[Any, Any] = {}
        self._may_vary = any(_has_variable(one.value) for one in self._first.node.arguments or ())

    def value(self, source: Any, run: ExecutionState, tell: BuildInfo, path: Path) -> Any:
        """What the resolver gives, at times an awaitable."""
        always = self._always
        arguments = dict(self._arguments(run) if always is None else always)
        if self._parent is not None:
            arguments[self._parent] = source
        if self._info is not None:
            arguments[self._info] = LazyInfo(run, tell, path, self._nodes, self._looked_ahead)
        return self._function(**arguments)

    def _arguments(self, run: ExecutionState) -> Arguments:
        found = run.arguments.get(id(self))
        if found is None:
            found = run.arguments[id(self)] = self._converted(run.executor)
            if not self._may_vary:
                self._always = found
        return found

    def _converted(self, executor: Executor[Any]) -> Arguments:
        coerced = get_argument_values(
            self._definition,
            self._first.node,
            executor.variable_values,
            self._first.fragment_variable_values,
            executor.hide_suggestions,
        )
        return converted(coerced, self._converters)


def _has_variable(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return any(map(_has_variable, value.values))
    if isinstance(value, ObjectValueNode):
        return any(_has_variable(one.value) for one in value.fields)
    return isinstance(value, VariableNode)
