"""Documents that were parsed, limited and validated once, and are kept while they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, validate
from strawberry.extensions import SchemaExtension

from tracegraph.errors import QueryTooComplex, RequestError
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.cost import Sizes, Step, steps_of, total
from tracegraph.graphql.shape import DocumentLimits, check_text, check_tree

_MOST_CHARACTERS = 500_000
"""Of dense text: parsed, a character takes up to 230 bytes."""
_CHARACTERS_A_DOCUMENT = 20
"""What a document takes however short it is, 4 kB, in characters."""
_MOST_ERRORS = 20


@dataclass(slots=True)
class Document:
    """A document within the limits; `errors` say why it is not valid."""

    tree: DocumentNode
    errors: list[GraphQLError]
    _steps: dict[int, tuple[Step, ...]] = field(default_factory=dict)

    def operations(self) -> list[OperationDefinitionNode]:
        """Its operations, of which a request runs one."""
        return [one for one in self.tree.definitions if isinstance(one, OperationDefinitionNode)]

    def cost(self, schema: GraphQLSchema, operation: OperationDefinitionNode, sizes: Sizes) -> int:
        """What the operation can cost: see `cost.py`. The document must be valid."""
        steps = self._steps.get(id(operation))
        if steps is None:
            steps = self._steps[id(operation)] = steps_of(schema, self.tree, operation)
        return total(steps, sizes)


class Documents:
    """The documents that were asked for last, up to so many characters altogether, some for each as such."""

    def __init__(self, limits: DocumentLimits, most_characters: int = _MOST_CHARACTERS) -> None:
        self.made = 0
        self._limits = limits
        self._most_characters = most_characters
        self._characters = 0
        self._kept: OrderedDict[str, Document | GraphQLError | RequestError] = OrderedDict()

    def of(self, text: str, schema: GraphQLSchema) -> Document:
        """The document of that text. Raises QueryTooComplex, Forbidden, and GraphQLError for wrong syntax."""
        known = self._kept.get(text)
        if known is None:
            check_text(text, self._limits)
            known = self._made(text, schema)
            self._keep(text, known)
        else:
            self._kept.move_to_end(text)
        if isinstance(known, Document):
            return known
        raise known.with_traceback(None)

    def _made(self, text: str, schema: GraphQLSchema) -> Document | GraphQLError | RequestError:
        """The document, or why there is none: who repeats a refused one is refused for less."""
        self.made += 1
        try:
            tree = parse(text)
            check_tree(tree, self._limits)
        except (GraphQLError, RequestError) as refusal:
            return refusal
        return Document(tree, validate(schema, tree, max_errors=_MOST_ERRORS))

    def _keep(self, text: str, document: Document | GraphQLError | RequestError) -> None:
        self._kept[text] = document
        self._characters += len(text) + _CHARACTERS_A_DOCUMENT
        while self._characters > self._most_characters:
            oldest, _ = self._kept.popitem(last=False)
            self._characters -= len(oldest) + _CHARACTERS_A_DOCUMENT


class CheckedDocument(SchemaExtension):
    """One request's document, refused before it runs when it is not one that may."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._document: Document | None = None

    def on_parse(self) -> Iterator[None]:
        """Parse, limit and validate, or take what was kept."""
        context = self.execution_context
        if context.query:
            self._document = self._documents.of(context.query, context.schema._schema)  # noqa: SLF001
            context.graphql_document = self._document.tree
        yield

    def on_validate(self) -> Iterator[None]:
        """Tell what is not valid; refuse to choose an operation, and one that costs too much; note what is run."""
        if self._document is not None:
            self.execution_context.pre_execution_errors = self._errors(self._document)
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Have the cost taken from whoever asks."""
        request = self.execution_context.context
        if isinstance(request, RequestContext) and request.charge is not None:
            await request.charge(request.cost)
        yield

    def _errors(self, document: Document) -> list[GraphQLError]:
        context = self.execution_context
        asked = context._provided_operation_name  # noqa: SLF001
        operations = {None if one.name is None else one.name.value: one for one in document.operations()}
        name = next(iter(operations)) if asked is None and len(operations) == 1 else asked
        request = context.context
        if isinstance(request, RequestContext):
            request.operation = name
        if document.errors:
            return document.errors
        if asked is None and len(operations) > 1:
            message = "The document holds several operations: operationName must name the one to run."
            return [GraphQLError(message)]
        if isinstance(request, RequestContext):
            self._charge(document, operations[name], request)
        return []

    def _charge(self, document: Document, operation: OperationDefinitionNode, request: RequestContext) -> None:
        context, limits = self.execution_context, request.page_limits
        sizes = Sizes(context.variables or {}, limits.default_first, limits.max_first, len(request.adapters))
        request.cost = document.cost(context.schema._schema, operation, sizes)  # noqa: SLF001
        if request.cost > limits.max_cost:
            raise QueryTooComplex(
                f"The query can cost {request.cost}, and the limit is {limits.max_cost}: "
                "ask for fewer rows with `first`, or for less of each."
            )


def checked(limits: DocumentLimits) -> Callable[[], CheckedDocument]:
    """What makes the extension for each request; the documents are shared by all of them."""
    documents = Documents(limits)
    return lambda: CheckedDocument(documents)
