"""The schema, and the pipeline that runs an operation: document cache, compiled plans, graphql-core's executor."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import strawberry
from graphql import ExecutionResult, GraphQLError
from strawberry.schema.config import StrawberryConfig

from tracegraph.graphql.compiler import execution
from tracegraph.graphql.compiler.executor import Executed, build_executor, core_schema
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.documents.cache import DocumentCache
from tracegraph.graphql.documents.limits import DocumentLimits
from tracegraph.graphql.documents.prepare import Admission, InvalidDocument
from tracegraph.graphql.resolvers import comparison as comparison_resolvers
from tracegraph.graphql.resolvers.facets import query_experiment_facets
from tracegraph.graphql.resolvers.gateway import query_gateway
from tracegraph.graphql.resolvers.lists import query_experiments, query_sessions
from tracegraph.graphql.resolvers.nodes import query_experiment, query_node, query_nodes, query_session
from tracegraph.graphql.resolvers.sources import query_sources
from tracegraph.graphql.types.comparison import CaseComparison, Comparison
from tracegraph.graphql.types.descriptions import VOCABULARY, describe
from tracegraph.graphql.types.directives import DEFER_DIRECTIVE
from tracegraph.graphql.types.facets import ExperimentFacet
from tracegraph.graphql.types.gateway import Gateway
from tracegraph.graphql.types.objects import (
    Experiment,
    ExperimentConnection,
    Node,
    Session,
    SessionConnection,
    Source,
)
from tracegraph.graphql.types.scalars import DATE_TIME
from tracegraph.graphql.types.spans import Span


class GatewaySchema:
    """Strawberry's schema with document `limits` and a document cache. `execute` runs operations.

    Without `compiled_plans`, graphql-core executes every operation.
    """

    def __init__(self, schema: strawberry.Schema, limits: DocumentLimits, *, compiled_plans: bool = True) -> None:
        self.limits = limits
        self._schema = core_schema(schema)
        self._documents = DocumentCache(limits)
        self._hides_names = not limits.introspection
        self._admission = Admission(self._schema, self._documents)
        self._execute_operation = execution(compiled_plans=compiled_plans)

    async def execute(
        self, text: str, variables: dict[str, Any], name: str | None, context: RequestContext
    ) -> ExecutionResult:
        """Return the result that strawberry's `execute` would return, or errors only for a rejected document.

        Args as for `execute_incrementally`. The context is not `incremental`.
        """
        result = await self.execute_incrementally(text, variables, name, context)
        if not isinstance(result, ExecutionResult):
            raise TypeError("the context is incremental")
        return result

    async def execute_incrementally(
        self, text: str, variables: dict[str, Any], name: str | None, context: RequestContext
    ) -> Executed:
        """Return the result in parts if the operation has deferred fragments and the context is `incremental`.

        Any other result is whole: that of `execute`. Strawberry's own pipeline adds 0.2 ms per query, more than a
        small query takes to run.

        Args:
            text: The GraphQL document.
            variables: The raw variable values.
            name: The requested operation name, or None.
            context: The context of the request, which receives the operation's name and cost.
        """
        try:
            return await self._execute(text, variables, name, context)
        except InvalidDocument as invalid:
            return ExecutionResult(None, invalid.errors)
        except GraphQLError as error:
            return ExecutionResult(None, [error])
        except Exception as error:  # `errors.to_client_error` masks and logs unexpected errors
            return ExecutionResult(None, [GraphQLError(str(error), original_error=error)])

    def touch(self, text: str) -> None:
        """Mark a document as used when its response came from the response cache."""
        self._documents.touch(text)

    async def _execute(
        self, text: str, variables: dict[str, Any], name: str | None, context: RequestContext
    ) -> Executed:
        document = await self._admission.admit(text, name, context)
        executor = build_executor(
            self._schema,
            document.tree,
            context,
            variables,
            name,
            hide_suggestions=self._hides_names,
            incremental=context.incremental and context.has_deferred,
        )
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        self._admission.check_cost(document, executor.operation, executor.variable_values.coerced, context)
        if context.charge is not None:
            await context.charge(context.cost)
        return await self._execute_operation(executor)


@strawberry.type(description=VOCABULARY)
class Query:
    """The root type."""

    node: Node | None = strawberry.field(resolver=query_node, description="Null when no object has that ID.")
    nodes: list[Node | None] = strawberry.field(resolver=query_nodes)
    sources: list[Source] = strawberry.field(resolver=query_sources)
    gateway: Gateway = strawberry.field(
        resolver=query_gateway, description="The gateway's version, and what one request may ask for."
    )
    experiment: Experiment | None = strawberry.field(resolver=query_experiment)
    session: Session | None = strawberry.field(resolver=query_session)
    experiments: ExperimentConnection | None = strawberry.field(
        resolver=query_experiments,
        description=(
            "Experiments of all sources as one list. A cursor continues right after its edge. An experiment that "
            "exists during a whole traversal is returned exactly once, whatever is added or deleted meanwhile. "
            "Null with an error when every source failed."
        ),
    )
    sessions: SessionConnection | None = strawberry.field(
        resolver=query_sessions,
        description=(
            "Sessions of many experiments as one list. Without experimentIds, the list covers the most recently "
            "active experiments of each source, selected again for every page. SCAN_LIMITED reports that a "
            "source has more of them. Null with an error when every source failed."
        ),
    )
    experiment_facets: list[ExperimentFacet] | None = strawberry.field(
        resolver=query_experiment_facets,
        description=(
            "What the experiments have in common, for menus: the values of some fields with their counts, in the "
            "order of `of`. Null with an error when every source failed."
        ),
    )
    comparison: Comparison | None = strawberry.field(
        resolver=comparison_resolvers.query_comparison,
        description=(
            "2 to 20 experiments of any vendors side by side. The first is the baseline unless baselineId names "
            "another. BEST uses the vendor's own figure where it reports the statistic, else a computed one. Null "
            "with an error when the arguments are wrong."
        ),
    )


def build_schema(
    limits: DocumentLimits = DocumentLimits(),  # noqa: B008 - frozen
    *,
    compiled_plans: bool = True,
) -> GatewaySchema:
    """Return the schema with these document limits and with bounded caches of documents and plans.

    Args:
        limits: The limits of documents.
        compiled_plans: Whether operations are compiled. Otherwise graphql-core executes them.
    """
    return GatewaySchema(library_schema(), limits, compiled_plans=compiled_plans)


@cache
def library_schema() -> strawberry.Schema:
    """Return strawberry's schema, built once per process.

    The schema does not depend on the limits, and building takes up to 30 ms.
    """
    schema = strawberry.Schema(
        Query,
        types=[CaseComparison, Experiment, Session, Source, Span],
        config=StrawberryConfig(scalar_map={datetime: DATE_TIME}),
    )
    core = core_schema(schema)
    core.directives = (*core.directives, DEFER_DIRECTIVE)
    describe(core)
    return schema


def schema_text() -> str:
    """Return the schema in the schema definition language, as `tracegraph schema` prints it."""
    return library_schema().as_str() + "\n"
