"""The info argument of resolvers, equal for a compiled plan and for graphql-core's executor.

Strawberry's `Info` has no public access to the field nodes. These functions are the only code that reads its
private attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from graphql import FieldNode, GraphQLResolveInfo
from graphql.execution.executor import Executor
from graphql.pyutils import Path
from strawberry.types import Info

from tracegraph.graphql.context import RequestContext
from tracegraph.upstream.request_scope import time_share

T = TypeVar("T")


Arguments = Mapping[str, Any]


@dataclass(slots=True)
class ExecutionState:
    """One execution: graphql-core's executor, the context, the converted arguments.

    `delivery_groups` are graphql-core's deferred fragments that began at or above the current object.
    """

    executor: Executor[Any]
    context: Any
    arguments: dict[int, Arguments] = field(default_factory=dict)
    delivery_groups: Any = None


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


def graphql_info(info: Info[Any, Any]) -> GraphQLResolveInfo[Any]:
    """Return graphql-core's info, with the field nodes and their locations."""
    return info._raw_info  # noqa: SLF001 - strawberry has no public access


def look_ahead(info: Info[Any, Any], analyze: Callable[[GraphQLResolveInfo[Any]], T]) -> T:
    """Return the result of `analyze` for the document below the field, computed once per field of a plan."""
    return info.look_ahead(analyze) if isinstance(info, LazyInfo) else analyze(graphql_info(info))


def nested_time_share(info: Info[RequestContext, None]) -> AbstractContextManager[None]:
    """Limit a field's own calls to a share of the remaining time, where nested fields make further calls."""
    return time_share(rounds_below_field(info))


def rounds_below_field(info: Info[RequestContext, None]) -> int:
    """Return the rounds of calls below the field."""
    if isinstance(info, LazyInfo):
        return info.rounds_below
    return _rounds_below(graphql_info(info).field_nodes, info.context)


def _rounds_below(nodes: Sequence[FieldNode], context: RequestContext) -> int:
    rounds_below = context.rounds_below
    return max([rounds_below.get(id(node), 0) for node in nodes], default=0)
