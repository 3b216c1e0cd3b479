"""The schema with all that its operations are run by: kept documents, compiled plans, the library's executor."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import strawberry
import structlog
from graphql import ExecutionResult, GraphQLError, GraphQLOutputType, GraphQLResolveInfo, is_leaf_type
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import Executor
from graphql.pyutils import Path
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from tracegraph.graphql.compiler.plan_cache import PlanCache
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.documents.cache import DocumentCache
from tracegraph.graphql.documents.limits import DocumentLimits
from tracegraph.graphql.documents.prepare import Admission, Invalid
from tracegraph.graphql.resolvers import comparison as comparison_resolvers
from tracegraph.graphql.resolvers.lists import query_experiments, query_sessions
from tracegraph.graphql.resolvers.nodes import query_experiment, query_node, query_nodes, query_session
from tracegraph.graphql.resolvers.sources import query_sources
from tracegraph.graphql.types.comparison import CaseComparison, Comparison
from tracegraph.graphql.types.objects import (
    Experiment,
    ExperimentConnection,
    Node,
    Session,
    SessionConnection,
    Source,
)
from tracegraph.graphql.types.scalars import DATE_TIME

_log = structlog.get_logger("tracegraph.graphql")


class GatewayExecutor(StrawberryGraphQLCoreExecutionContext):
    """The library's executor, for which a value that its type cannot hold is null where the library has an error.

    Plans hand on to it whatever is unusual, so that it is the same for them. The value is a vendor's, such as an
    integer beyond an Int, and the library's error would blame the client for it.
    """

    def complete_value(  # noqa: PLR0917 - the library's form
        self,
        return_type: GraphQLOutputType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """See the library's."""
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


class GatewaySchema:
    """The library's schema, whose operations `answer` runs within the limits, with caches of its own."""

    def __init__(self, library: strawberry.Schema, limits: DocumentLimits) -> None:
        self._schema = library._schema  # noqa: SLF001 - graphql-core's, which the library's pipeline would be run for
        self._documents = DocumentCache(limits)
        self._hides_names = not limits.introspection
        self._admission = Admission(self._schema, self._documents)
        self._plans = PlanCache()

    async def answer(
        self, text: str, variables: dict[str, Any], name: str | None, context: RequestContext
    ) -> ExecutionResult:
        """What the library's `execute` would give for a document that is admitted; errors alone for another.

        Its pipeline takes 0.2 ms a query, more than a small query takes to run.
        """
        try:
            return await self._admitted(text, variables, name, context)
        except Invalid as invalid:
            return ExecutionResult(None, invalid.errors)
        except GraphQLError as error:
            return ExecutionResult(None, [error])
        except Exception as error:  # `failures.shown` masks and logs bugs
            return ExecutionResult(None, [GraphQLError(str(error), original_error=error)])

    def recall(self, text: str) -> None:
        """Keep the document as one that is asked for, though an answer was had without it."""
        self._documents.recall(text)

    async def _admitted(
        self, text: str, variables: dict[str, Any], name: str | None, context: RequestContext
    ) -> ExecutionResult:
        document = await self._admission.document(text, name, context)
        executor = GatewayExecutor.build(
            self._schema,
            document.tree,
            context_value=context,
            raw_variable_values=variables,
            operation_name=name,
            hide_suggestions=self._hides_names,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # the library declares it as a bool
        )
        if not isinstance(executor, Executor):
            return ExecutionResult(None, executor)
        self._admission.check_cost(document, executor.operation, executor.variable_values.coerced, context)
        if context.charge is not None:
            await context.charge(context.cost)
        return await self._plans.execute(executor)


@strawberry.type(description="One question over every source.")
class Query:
    """The root."""

    node: Node | None = strawberry.field(resolver=query_node, description="Null when there is nothing of that ID.")
    nodes: list[Node | None] = strawberry.field(resolver=query_nodes)
    sources: list[Source] = strawberry.field(resolver=query_sources)
    experiment: Experiment | None = strawberry.field(resolver=query_experiment)
    session: Session | None = strawberry.field(resolver=query_session)
    experiments: ExperimentConnection = strawberry.field(
        resolver=query_experiments,
        description=(
            "Experiments of all sources as one list. A cursor resumes right after its edge: every experiment that "
            "is there throughout a traversal comes exactly once, whatever is added or deleted meanwhile."
        ),
    )
    sessions: SessionConnection = strawberry.field(
        resolver=query_sessions,
        description=(
            "Sessions of many experiments as one list. Without experimentIds: of the most recently active "
            "experiments of each source, which are chosen anew for every page; SCAN_LIMITED says that a source "
            "has more of them."
        ),
    )
    comparison: Comparison = strawberry.field(
        resolver=comparison_resolvers.query_comparison,
        description=(
            "2 to 20 experiments side by side, from whichever vendors; the first is the baseline unless another "
            "is named. BEST takes the vendor's own figure where it reports the statistic, else computes it."
        ),
    )


def build_schema(limits: DocumentLimits = DocumentLimits()) -> GatewaySchema:  # noqa: B008 - frozen
    """The schema, for documents within the limits; they, and plans, are kept in bounded caches."""
    return GatewaySchema(library_schema(), limits)


@cache
def library_schema() -> strawberry.Schema:
    """The library's schema, which is the same for all limits and takes up to 30 ms to build: once in a process."""
    return strawberry.Schema(
        Query,
        types=[CaseComparison, Experiment, Session, Source],
        config=StrawberryConfig(scalar_map={datetime: DATE_TIME}),
    )


def schema_text() -> str:
    """The schema definition language, as `tracegraph schema` prints it."""
    return library_schema().as_str() + "\n"
