"""Strawberry's executor as the gateway runs it, with and without compiled plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry
import structlog
from graphql import DocumentNode, GraphQLError, GraphQLOutputType, GraphQLResolveInfo, GraphQLSchema, is_leaf_type
from graphql.execution import ExecutionResult, ExperimentalIncrementalExecutionResults
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import Executor
from graphql.pyutils import Path
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

Executed = ExecutionResult | ExperimentalIncrementalExecutionResults
"""The result of an operation: whole, or in parts where the operation has deferred fragments."""

_log = structlog.get_logger("tracegraph.graphql")


class GatewayExecutor(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's executor, except that a value outside the range of its leaf type becomes null.

    Such a value comes from a vendor, for example an integer that does not fit an Int. Graphql-core's error would
    blame the client. Compiled plans fall back to this executor, so plans behave the same.

    Deferred fragments have parts of their own if `is_incremental`.
    """

    is_incremental = True

    def complete_value(  # noqa: PLR0917 - graphql-core's signature
        self,
        return_type: GraphQLOutputType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Complete a value as graphql-core does, but return None where a leaf type rejects the value."""
        complete = super().complete_value
        if not is_leaf_type(return_type) or isinstance(result, Exception):
            return complete(return_type, field_details_list, info, path, result, position_context)
        try:
            return complete(return_type, field_details_list, info, path, result, position_context)
        except Exception:
            field = f"{info.parent_type.name}.{info.field_name}"
            _log.warning(
                "graphql.integer_too_large" if type(result) is int else "graphql.unusable_value",
                field=field,
                path=path.as_list(),
                type=type(result).__name__,
            )
            return None


class InPlaceExecutor(GatewayExecutor):
    """The executor that executes deferred fragments in place, for clients that read one response."""

    is_incremental = False
    execute_collected_root_fields: Any = Executor.execute_collected_root_fields
    execute_collected_subfields: Any = Executor.execute_collected_subfields


def is_incremental(executor: Executor[Any]) -> bool:
    """Return whether deferred fragments have parts of their own."""
    return isinstance(executor, GatewayExecutor) and executor.is_incremental


def core_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """Return the schema of graphql-core behind strawberry's schema."""
    return schema._schema  # noqa: SLF001 - strawberry has no public access


def build_executor(
    schema: GraphQLSchema,
    document: DocumentNode,
    context: object,
    variables: Mapping[str, Any],
    operation_name: str | None,
    *,
    hide_suggestions: bool,
    incremental: bool = False,
) -> GatewayExecutor | list[GraphQLError]:
    """Return an executor of the operation, or the errors of its variables.

    Args:
        schema: The schema.
        document: The valid document.
        context: The context that resolvers get.
        variables: The raw variable values.
        operation_name: The name of the operation, or None.
        hide_suggestions: Whether errors hide the names in the schema.
        incremental: Whether deferred fragments have parts of their own. Otherwise they are executed in place.
    """
    executor_class = GatewayExecutor if incremental else InPlaceExecutor
    built: Any = executor_class.build(
        schema,
        document,
        context_value=context,
        raw_variable_values=dict(variables),
        operation_name=operation_name,
        hide_suggestions=hide_suggestions,
        is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # graphql-core declares it as a bool
    )
    executor: GatewayExecutor | list[GraphQLError] = built
    return executor


async def execute_by_library(executor: Executor[Any]) -> Executed:
    """Return the result of the executor's operation, executed by graphql-core."""
    pending: Any = executor.execute_operation()
    result: Executed = await pending if hasattr(pending, "__await__") else pending
    return result
