"""Compiled plans: an operation compiled once into functions that return the result of graphql-core's executor.

Compiled readers read fields that need no waiting, whole objects and lists at once. Sibling resolvers are called
together, as graphql-core calls them, so that loaders form the same batches. Graphql-core's executor completes
every unusual value, so errors, paths and nulls always come from graphql-core.
"""

from __future__ import annotations

from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType, OperationType
from graphql.execution.collect_fields import collect_fields, collect_subfields
from graphql.execution.executor import Executor
from graphql.execution.values import VariableValues

from tracegraph.graphql.compiler.codegen import ReaderCodegen
from tracegraph.graphql.compiler.executor import Executed, is_incremental
from tracegraph.graphql.compiler.resolver_info import ExecutionState
from tracegraph.graphql.compiler.selection import Details, Selection
from tracegraph.graphql.compiler.steps import ObjectPlan, StepCompiler, is_awaitable

_INTROSPECTION = frozenset({"__schema", "__type"})


class Unplannable(Exception):
    """The operation uses a feature that plans do not support; graphql-core executes it."""


class Plan:
    """One operation, compiled for one set of condition values."""

    def __init__(self, root: ObjectPlan) -> None:
        self._root = root

    @classmethod
    def compile(cls, executor: Executor[Any], conditions: tuple[str, ...]) -> Plan:
        """Compile the executor's operation for the current values of the condition variables.

        Args:
            executor: The executor of graphql-core.
            conditions: The names of the variables in @skip, @include and @defer.

        Raises:
            Unplannable: For an operation that is not a query, and for introspection.
        """
        schema, fragments, operation = executor.schema, executor.fragments, executor.operation
        root_type = schema.query_type
        if operation.operation is not OperationType.QUERY or root_type is None:
            raise Unplannable
        variables = _only(conditions, executor.variable_values)
        incremental = is_incremental(executor)
        collected = collect_fields(schema, fragments, variables, root_type, operation)
        if any(details[0].node.name.value in _INTROSPECTION for details in collected.grouped_field_set.values()):
            raise Unplannable

        def collect(object_type: GraphQLObjectType, details: Details) -> Selection:
            subfields = collect_subfields(schema, fragments, variables, operation, object_type, details)
            return Selection.of(subfields, incremental=incremental)

        compiler = StepCompiler(schema, ReaderCodegen(schema, collect), collect)
        return cls(ObjectPlan(compiler, root_type, Selection.of(collected, incremental=incremental)))

    async def execute(self, executor: Executor[Any]) -> Executed:
        """Return the result that `executor.execute_operation` would return."""
        state = ExecutionState(executor, executor.context_value)
        try:
            completed = self._root.complete_root(state)
            data = await completed if is_awaitable(completed) else completed
        except GraphQLError as error:
            executor.collected_errors.add(error, None)
            data = None
        result: Executed = executor.build_response(data)
        if isinstance(result, ExecutionResult) and not result.errors:
            # no task runs any more, and the helpers hold a reference cycle with the executor
            del executor.async_helpers
        return result


def _only(names: tuple[str, ...], variables: VariableValues) -> VariableValues:
    """Return only these variables: a plan outlives the request and must not retain its data."""
    sources = {name: source for name, source in variables.sources.items() if name in names}
    return VariableValues(sources, {name: value for name, value in variables.coerced.items() if name in names})
