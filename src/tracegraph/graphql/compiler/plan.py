"""Compiled plans: an operation turned once into functions that give what the library's executor would give.

Fields that are there without waiting are read by compiled readers, whole objects and lists at once. Fields with
resolvers are called as the library calls them, siblings together, so that loaders batch alike. And wherever a
value is not as it mostly is, the library's own executor completes it: errors, paths and nulls are always its.
"""

from __future__ import annotations

from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType, OperationType
from graphql.execution.collect_fields import collect_fields, collect_subfields
from graphql.execution.executor import Executor
from graphql.execution.values import VariableValues

from tracegraph.graphql.compiler.codegen import AccessorCodegen, Details, Selection
from tracegraph.graphql.compiler.resolver_calls import ExecutionState
from tracegraph.graphql.compiler.steps import ObjectPlan, StepCompiler, is_awaitable

_INTROSPECTION = frozenset({"__schema", "__type"})


class Unplannable(Exception):
    """The operation holds what plans do not take on; the library executes it."""


class Plan:
    """One operation under one set of conditions, compiled."""

    def __init__(self, root: ObjectPlan) -> None:
        self._root = root

    @classmethod
    def compiled(cls, executor: Executor[Any], conditions: tuple[str, ...]) -> Plan:
        """The plan of the executor's operation, for these values of the variables that its conditions name.

        Raises Unplannable for anything but a query, and for introspection.
        """
        schema, fragments, operation = executor.schema, executor.fragments, executor.operation
        root_type = schema.query_type
        if operation.operation is not OperationType.QUERY or root_type is None:
            raise Unplannable
        variables = _only(conditions, executor.variable_values)
        fields = collect_fields(schema, fragments, variables, root_type, operation).grouped_field_set
        if any(details[0].node.name.value in _INTROSPECTION for details in fields.values()):
            raise Unplannable

        def collect(of: GraphQLObjectType, details: Details) -> Selection:
            return collect_subfields(schema, fragments, variables, operation, of, details).grouped_field_set

        compiler = StepCompiler(schema, AccessorCodegen(schema, collect), collect)
        return cls(ObjectPlan(compiler, root_type, fields))

    async def execute(self, executor: Executor[Any]) -> ExecutionResult:
        """What `executor.execute_operation` would give."""
        run = ExecutionState(executor, executor.context_value)
        try:
            completed = self._root.complete_root(run)
            data = await completed if is_awaitable(completed) else completed
        except GraphQLError as error:
            executor.collected_errors.add(error, None)
            data = None
        result = executor.build_response(data)
        if not isinstance(result, ExecutionResult):
            raise TypeError("a plan has no incremental results")
        if not result.errors:  # nothing runs any more, and they keep the executor with all that it made
            del executor.async_helpers
        return result


def _only(names: tuple[str, ...], variables: VariableValues) -> VariableValues:
    """Those variables and no others: a plan outlives the request, whose data it must not keep."""
    sources = {name: source for name, source in variables.sources.items() if name in names}
    return VariableValues(sources, {name: value for name, value in variables.coerced.items() if name in names})
