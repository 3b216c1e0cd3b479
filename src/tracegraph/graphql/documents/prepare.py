"""Admission of a request: a valid document within the limits, one query of the document, an acceptable cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType

from tracegraph.errors import BadUserInput, QueryTooComplex
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.documents.cache import Document, DocumentCache
from tracegraph.graphql.documents.cost import Sizes


class InvalidDocument(Exception):
    """The document is invalid. `errors` are the validation errors."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(slots=True)
class Admission:
    """Admission control of requests, with the cache of documents."""

    schema: GraphQLSchema
    documents: DocumentCache

    async def admit(self, text: str, name: str | None, context: RequestContext) -> Document:
        """Return the document of a request, and store in its context what the document determines.

        Args:
            text: The GraphQL document.
            name: The requested operation name, or None.
            context: The context of the request.

        Raises:
            RequestError: When the document is rejected, or does not contain the requested query.
            GraphQLError: For a syntax error.
            InvalidDocument: When the document does not match the schema.
        """
        if not text:
            raise BadUserInput("The request must contain a query.")
        document = await self.documents.get(text, self.schema)
        operations = document.operations()
        operation = _select_operation(operations, name)
        context.operation = name if len(operations) > 1 or operation.name is None else operation.name.value
        if document.errors:
            raise InvalidDocument(document.errors)
        if name is None and len(operations) > 1:
            raise BadUserInput("The document contains several operations: operationName must name the one to run.")
        context.has_deferred = document.has_deferred(operation)
        in_parts = context.incremental and context.has_deferred
        context.rounds_below = document.rounds_below(self.schema, in_parts=in_parts)
        context.cacheable = document.is_cacheable(self.schema)
        if context.admitted is not None:
            context.admitted(context.cacheable)
        return document

    def check_cost(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        context: RequestContext,
    ) -> None:
        """Compute the cost of an operation and store the cost in the context of the request.

        Args:
            document: The document.
            operation: The operation of the document that is to run.
            variables: The coerced variable values.
            context: The context of the request.

        Raises:
            QueryTooComplex: When the cost exceeds the limit.
        """
        limits, budgets = context.page_limits, context.budgets
        sizes = Sizes(
            variables,
            limits.default_first,
            limits.max_first,
            len(context.adapters),
            budgets.active_experiments,
            budgets.computed_pages,
            frozenset(kind.name for adapter in context.adapters for kind in adapter.capabilities.deferred_metrics),
            budgets.pages,
        )
        context.cost = document.cost(self.schema, operation, sizes)
        if context.cost > limits.max_cost:
            raise QueryTooComplex(
                f"The query cost is {context.cost}, and the limit is {limits.max_cost}: "
                "request fewer rows with `first`, or select fewer fields."
            )


def _select_operation(operations: list[OperationDefinitionNode], name: str | None) -> OperationDefinitionNode:
    """Return the operation of that name, or the first operation without a name. Raise BadUserInput for none."""
    matching = [node for node in operations if name is None or (node.name is not None and node.name.value == name)]
    if not matching:
        raise BadUserInput(
            "The document must contain an operation, and operationName must name one of its operations."
        )
    if matching[0].operation is not OperationType.QUERY:
        raise BadUserInput("This gateway supports queries only: no mutations, no subscriptions.")
    return matching[0]
