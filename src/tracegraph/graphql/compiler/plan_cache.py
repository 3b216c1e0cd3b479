"""Plans in front of the library's executor: each operation is compiled once, and kept while it is asked for."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from graphql import (
    DirectiveNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.executor import Executor

from tracegraph.graphql.compiler.plan import Plan, Unplannable
from tracegraph.graphql.compiler.steps import is_awaitable

_MOST_PLANS = 256


_CONDITIONS = frozenset({"skip", "include"})


class PlanCache:
    """Compiled operations, the least recently used of which goes first.

    An operation that is selected by variables (`@skip`, `@include`) has a plan for each of their values.
    """

    def __init__(self, most: int = _MOST_PLANS) -> None:
        self._most = most
        self._conditions: OrderedDict[int, tuple[OperationDefinitionNode, tuple[str, ...] | None]] = OrderedDict()
        self._plans: OrderedDict[tuple[Any, ...], tuple[OperationDefinitionNode, Plan | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._plans)

    async def execute(self, executor: Executor[Any]) -> ExecutionResult:
        """The result of the executor's operation, by its plan where there is one."""
        try:
            plan = self.of(executor)
        except (GraphQLError, RecursionError):  # what cannot be collected, the library tells
            plan = None
        if plan is not None:
            return await plan.execute(executor)
        found: Any = executor.execute_operation()
        result: ExecutionResult = await found if is_awaitable(found) else found
        return result

    def of(self, executor: Executor[Any]) -> Plan | None:
        """The plan of the executor's operation, None when the library is to execute it."""
        names = self._conditions_of(executor)
        if names is None:
            return None
        values = executor.variable_values.coerced
        key = (id(executor.operation), *(values.get(name) for name in names))
        known = self._plans.get(key)
        if known is None:
            try:
                known = (executor.operation, Plan.compiled(executor, names))
            except Unplannable:
                known = (executor.operation, None)
            _keep(self._plans, key, known, self._most)
        self._plans.move_to_end(key)
        return known[1]

    def _conditions_of(self, executor: Executor[Any]) -> tuple[str, ...] | None:
        """The variables that conditions name; None when there are directives that plans do not know."""
        operation = executor.operation
        known = self._conditions.get(id(operation))
        if known is None:
            found = _Directives()
            for node in (operation, *executor.fragment_definitions.values()):
                visit(node, found)
            known = (operation, tuple(sorted(found.variables)) if found.all_known else None)
            _keep(self._conditions, id(operation), known, self._most)
        self._conditions.move_to_end(id(operation))
        return known[1]


class _Directives(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.all_known = True

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        self.all_known = self.all_known and node.name.value in _CONDITIONS
        self.variables |= {
            one.value.name.value for one in node.arguments or () if isinstance(one.value, VariableNode)
        }


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)
