"""Documents that were parsed, limited and validated once, and are kept while they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, validate

from tracegraph.errors import RequestError
from tracegraph.graphql.call_levels import rounds_below
from tracegraph.graphql.documents.cost import Sizes, Step, steps_of, total
from tracegraph.graphql.documents.limits import DocumentLimits, check_length, check_tokens, check_tree
from tracegraph.graphql.documents.parse_queue import ParseQueue
from tracegraph.graphql.documents.segmented_lru import SegmentedLRU
from tracegraph.graphql.errors import to_client_error

_MOST_CHARACTERS = 150_000
"""Of dense text: parsed, a character takes up to 230 bytes, and a garbage collector 0.4 us to look through."""


_SHORT = 2000
"""Characters. Reading that many takes a few ms, the longest text some 80."""


_REST_AFTER_SHORT, _REST_AFTER_LONG = 9, 4
"""So both lines together take three tenths of the processor at most, however many new documents come; and ten long
ones that come at once are read within seconds on a slow machine."""


_MOST_ERRORS = 20


@dataclass(slots=True)
class Document:
    """A document within the limits; `errors` say why it is not valid."""

    tree: DocumentNode
    errors: list[GraphQLError]
    _steps: dict[int, tuple[Step, ...]] = field(default_factory=dict)
    _rounds_below: Mapping[int, int] | None = None

    def operations(self) -> list[OperationDefinitionNode]:
        """Its operations, of which a request runs one."""
        return [one for one in self.tree.definitions if isinstance(one, OperationDefinitionNode)]

    def cost(self, schema: GraphQLSchema, operation: OperationDefinitionNode, sizes: Sizes) -> int:
        """What the operation can cost: see `cost.py`. The document must be valid."""
        steps = self._steps.get(id(operation))
        if steps is None:
            steps = self._steps[id(operation)] = steps_of(schema, self.tree, operation)
        return total(steps, sizes)

    def rounds_below(self, schema: GraphQLSchema) -> Mapping[int, int]:
        """The rounds of calls below each field node: see `call_levels.py`. The document must be valid."""
        if self._rounds_below is None:
            self._rounds_below = rounds_below(schema, self.tree)
        return self._rounds_below


_Known = Document | GraphQLError | RequestError
"""A document, or why there is none: who repeats a refused one is refused for less."""


class DocumentCache:
    """The documents that were asked for last, up to so many characters altogether, some for each as such.

    New ones wait in line to be read, short ones in a line of their own: after a long one the rest is long.
    """

    def __init__(self, limits: DocumentLimits, most_characters: int = _MOST_CHARACTERS) -> None:
        self.made = 0
        self._limits = limits
        self._kept = SegmentedLRU[_Known](most_characters)
        self._short, self._long = (
            ParseQueue[_Known](rest=_REST_AFTER_SHORT),
            ParseQueue[_Known](rest=_REST_AFTER_LONG),
        )

    @property
    def waiting(self) -> int:
        """How many wait to be read."""
        return len(self._short) + len(self._long)

    async def of(self, text: str, schema: GraphQLSchema) -> Document:
        """The document of that text.

        Raises QueryTooComplex, Forbidden, GraphQLError for wrong syntax, and RateLimited when too many wait.
        """
        check_length(text, self._limits)
        known = self._kept.get(text)
        if known is None:
            check_tokens(text, self._limits)
            line = self._short if len(text) <= _SHORT else self._long
            known = await line.outcome(text, lambda: self._made(text, schema))
        if isinstance(known, Document):
            return known
        raise known.with_traceback(None)

    def recall(self, text: str) -> None:
        """Count a document as asked for that was answered without it."""
        self._kept.get(text)

    def _made(self, text: str, schema: GraphQLSchema) -> _Known:
        self.made += 1
        known = self._read(text, schema)
        self._kept.put(text, known)
        return known

    def _read(self, text: str, schema: GraphQLSchema) -> _Known:
        try:
            tree = parse(text)
            check_tree(tree, self._limits)
        except GraphQLError as refusal:
            return to_client_error(refusal)
        except RequestError as refusal:
            return refusal
        hides_names = not self._limits.introspection
        errors = validate(schema, tree, max_errors=_MOST_ERRORS, hide_suggestions=hides_names)
        if hides_names:
            for error in errors:  # one rule of the library suggests all the same
                error.message = error.message.partition(" Did you mean ")[0]
        return Document(tree, [to_client_error(error) for error in errors])
