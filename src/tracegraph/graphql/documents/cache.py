"""Cache of documents: a document is parsed, checked against the limits and validated once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)

from tracegraph.domain.lru import SegmentedLRU
from tracegraph.errors import RequestError
from tracegraph.graphql.call_levels import rounds_below
from tracegraph.graphql.documents.cacheability import is_cacheable
from tracegraph.graphql.documents.cost import Sizes, Step, steps_of, total
from tracegraph.graphql.documents.deferral import has_deferred
from tracegraph.graphql.documents.finite_floats import FiniteFloats
from tracegraph.graphql.documents.limits import DocumentLimits, check_length, check_tokens, check_tree
from tracegraph.graphql.documents.parse_queue import ParseQueue
from tracegraph.graphql.errors import to_client_error

_MAX_CHARACTERS = 150_000
"""The capacity of the cache in characters of dense text.

A parsed character takes up to 230 bytes, and 0.4 us of each garbage collection.
"""


_ENTRY_OVERHEAD = 20
"""The fixed overhead of a document, 4 kB, in characters."""


_MAX_SHORT_LENGTH = 2000
"""The maximum length of a short document. Parsing one takes a few ms, the longest allowed document 80 ms."""


_IDLE_RATIO_SHORT, _IDLE_RATIO_LONG = 9, 4
"""The idle time after a job, as a multiple of its duration.

Both queues together use at most three tenths of the processor, however many new documents arrive. Ten long
documents that arrive together are still parsed within seconds on a slow machine.
"""


_RULES = (*specified_rules, FiniteFloats)


_MAX_ERRORS = 20


@dataclass(slots=True)
class Document:
    """A document within the limits. `errors` are its validation errors."""

    tree: DocumentNode
    errors: list[GraphQLError]
    _steps: dict[int, tuple[Step, ...]] = field(default_factory=dict)
    _rounds_below: dict[bool, Mapping[int, int]] = field(default_factory=dict)
    _is_cacheable: bool | None = None
    _has_deferred: dict[int, bool] = field(default_factory=dict)

    def operations(self) -> list[OperationDefinitionNode]:
        """Return the operations of the document, of which a request runs one."""
        return [node for node in self.tree.definitions if isinstance(node, OperationDefinitionNode)]

    def cost(self, schema: GraphQLSchema, operation: OperationDefinitionNode, sizes: Sizes) -> int:
        """Return the cost of an operation of a valid document (see `cost.py`).

        Args:
            schema: The schema.
            operation: The operation of this document.
            sizes: The variables and limits of the request.
        """
        steps = self._steps.get(id(operation))
        if steps is None:
            steps = self._steps[id(operation)] = steps_of(schema, self.tree, operation)
        return total(steps, sizes)

    def has_deferred(self, operation: OperationDefinitionNode) -> bool:
        """Return whether an operation of a valid document has `@defer` (see `deferral.py`)."""
        if id(operation) not in self._has_deferred:
            self._has_deferred[id(operation)] = has_deferred(self.tree, operation)
        return self._has_deferred[id(operation)]

    def rounds_below(self, schema: GraphQLSchema, *, in_parts: bool) -> Mapping[int, int]:
        """Return the rounds of calls below each field node of a valid document (see `call_levels.py`).

        Args:
            schema: The schema.
            in_parts: Whether deferred fragments have parts of their own.
        """
        if in_parts not in self._rounds_below:
            self._rounds_below[in_parts] = rounds_below(schema, self.tree, in_parts=in_parts)
        return self._rounds_below[in_parts]

    def is_cacheable(self, schema: GraphQLSchema) -> bool:
        """Return whether the response of a valid document may be reused (see `cacheability.py`)."""
        if self._is_cacheable is None:
            self._is_cacheable = is_cacheable(schema, self.tree)
        return self._is_cacheable


_Entry = Document | GraphQLError | RequestError
"""A document, or the error that rejected it: repeating a rejected document costs less than parsing."""


class DocumentCache:
    """Cache of parsed documents, bounded by total source length. Each document is charged a fixed overhead.

    New documents wait in a queue to be parsed. Short ones have a queue of their own, because the pause after a
    long document is long. `parsed_count` is the number of documents parsed so far.
    """

    def __init__(self, limits: DocumentLimits, max_characters: int = _MAX_CHARACTERS) -> None:
        self.parsed_count = 0
        self._limits = limits
        self._cached = SegmentedLRU[str, _Entry](max_characters, _weight)
        self._short, self._long = (
            ParseQueue[_Entry](idle_ratio=_IDLE_RATIO_SHORT),
            ParseQueue[_Entry](idle_ratio=_IDLE_RATIO_LONG),
        )

    @property
    def queued_count(self) -> int:
        """The number of documents that wait to be parsed."""
        return len(self._short) + len(self._long)

    async def get(self, text: str, schema: GraphQLSchema) -> Document:
        """Return the document of a text.

        Raises:
            QueryTooComplex: When the document exceeds a limit.
            Forbidden: When introspection is disabled and the document uses it.
            GraphQLError: For a syntax error.
            RateLimited: When the queue is full.
        """
        check_length(text, self._limits)
        entry = self._cached.get(text)
        if entry is None:
            check_tokens(text, self._limits)
            queue = self._short if len(text) <= _MAX_SHORT_LENGTH else self._long
            entry = await queue.submit(text, lambda: self._parse_and_store(text, schema))
        if isinstance(entry, Document):
            return entry
        raise entry.with_traceback(None)

    def touch(self, text: str) -> None:
        """Mark a document as used when its response came from the response cache."""
        self._cached.get(text)

    def _parse_and_store(self, text: str, schema: GraphQLSchema) -> _Entry:
        self.parsed_count += 1
        entry = self._parse(text, schema)
        self._cached.put(text, entry)
        return entry

    def _parse(self, text: str, schema: GraphQLSchema) -> _Entry:
        try:
            tree = parse(text)
            _unlink_tokens(tree)
            check_tree(tree, self._limits)
        except GraphQLError as rejection:
            return to_client_error(rejection)
        except RequestError as rejection:
            return rejection
        hides_names = not self._limits.introspection
        errors = validate(schema, tree, _RULES, max_errors=_MAX_ERRORS, hide_suggestions=hides_names)
        if hides_names:
            for error in errors:  # one rule of graphql-core ignores hide_suggestions
                error.message = error.message.partition(" Did you mean ")[0]
        return Document(tree, [to_client_error(error) for error in errors])


def _unlink_tokens(tree: DocumentNode) -> None:
    """Remove the links between the tokens of a document, which only the parser reads.

    They are reference cycles. In a flood of new documents, one garbage collection spent up to 240 ms on them.
    """
    token = tree.loc.start_token if tree.loc else None
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following


def _weight(text: str, _: _Entry) -> int:
    return len(text) + _ENTRY_OVERHEAD
