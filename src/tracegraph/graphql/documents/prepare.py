"""What a request must pass before it runs: a document within the limits, one query of it, a cost it may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType

from tracegraph.errors import BadUserInput, QueryTooComplex
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.documents.cache import Document, DocumentCache
from tracegraph.graphql.documents.cost import Sizes


class Invalid(Exception):
    """The document is not valid; `errors` say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(slots=True)
class Admission:
    """Admits operations of documents that are kept."""

    schema: GraphQLSchema
    documents: DocumentCache

    async def document(self, text: str, name: str | None, request: RequestContext) -> Document:
        """The document, one of whose operations may run if its cost may; the request is told its name.

        Raises RequestError, GraphQLError and Invalid.
        """
        if not text:
            raise BadUserInput("The request must hold a query.")
        document = await self.documents.of(text, self.schema)
        operations = document.operations()
        operation = _chosen(operations, name)
        request.operation = name if len(operations) > 1 or operation.name is None else operation.name.value
        if document.errors:
            raise Invalid(document.errors)
        if name is None and len(operations) > 1:
            raise BadUserInput("The document holds several operations: operationName must name the one to run.")
        request.rounds_below = document.rounds_below(self.schema)
        return document

    def check_cost(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        request: RequestContext,
    ) -> None:
        """Tell the request what the operation can cost with these coerced variables. Raises QueryTooComplex."""
        limits, budgets = request.page_limits, request.budgets
        sizes = Sizes(
            variables,
            limits.default_first,
            limits.max_first,
            len(request.adapters),
            budgets.active_experiments,
            budgets.computed_pages,
        )
        request.cost = document.cost(self.schema, operation, sizes)
        if request.cost > limits.max_cost:
            raise QueryTooComplex(
                f"The query can cost {request.cost}, and the limit is {limits.max_cost}: "
                "ask for fewer rows with `first`, or for less of each."
            )


def _chosen(operations: list[OperationDefinitionNode], name: str | None) -> OperationDefinitionNode:
    """The operation of that name, the first one without a name. Raises BadUserInput."""
    named = [one for one in operations if name is None or (one.name is not None and one.name.value == name)]
    if not named:
        raise BadUserInput(
            "The document must hold an operation, and the one that operationName names if it names any."
        )
    if named[0].operation is not OperationType.QUERY:
        raise BadUserInput("This gateway answers queries only.")
    return named[0]
