"""LRU cache of compiled plans, in front of graphql-core's executor."""

from __future__ import annotations

from typing import Any

from graphql import (
    DirectiveNode,
    GraphQLError,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.executor import Executor

from tracegraph.domain.lru import LRU
from tracegraph.graphql.compiler.executor import Executed, execute_by_library, is_incremental
from tracegraph.graphql.compiler.plan import Plan, Unplannable

_MAX_PLANS = 256


_CONDITIONS = frozenset({"skip", "include", "defer"})


class PlanCache:
    """LRU cache of compiled operations.

    An operation with variables in `@skip`, `@include` or `@defer` has one plan for each combination of their
    values. Deferred fragments in place and in parts of their own have different plans.
    """

    def __init__(self, max_plans: int = _MAX_PLANS) -> None:
        self._conditions = LRU[int, tuple[OperationDefinitionNode, tuple[str, ...] | None]](max_plans)
        self._plans = LRU[tuple[Any, ...], tuple[OperationDefinitionNode, Plan | None]](max_plans)

    def __len__(self) -> int:
        return len(self._plans)

    async def execute(self, executor: Executor[Any]) -> Executed:
        """Return the result of the executor's operation, from its plan or from graphql-core."""
        try:
            plan = self.get(executor)
        except (GraphQLError, RecursionError):  # graphql-core reports why the fields cannot be collected
            plan = None
        if plan is not None:
            return await plan.execute(executor)
        return await execute_by_library(executor)

    def get(self, executor: Executor[Any]) -> Plan | None:
        """Return the plan of the executor's operation, or None when graphql-core must execute it."""
        names = self._conditions_of(executor)
        if names is None:
            return None
        values = executor.variable_values.coerced
        key = (id(executor.operation), is_incremental(executor), *(values.get(name) for name in names))
        cached = self._plans.get(key)
        if cached is None:
            try:
                cached = (executor.operation, Plan.compile(executor, names))
            except Unplannable:
                cached = (executor.operation, None)
            self._plans.put(key, cached)
        return cached[1]

    def _conditions_of(self, executor: Executor[Any]) -> tuple[str, ...] | None:
        """Return the variables in conditions, or None for directives that plans do not support."""
        operation = executor.operation
        cached = self._conditions.get(id(operation))
        if cached is None:
            directives = _Directives()
            for node in (operation, *executor.fragment_definitions.values()):
                visit(node, directives)
            cached = (operation, tuple(sorted(directives.variables)) if directives.all_supported else None)
            self._conditions.put(id(operation), cached)
        return cached[1]


class _Directives(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.all_supported = True

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        self.all_supported = self.all_supported and node.name.value in _CONDITIONS
        self.variables |= {
            argument.value.name.value
            for argument in node.arguments or ()
            if isinstance(argument.value, VariableNode)
        }
