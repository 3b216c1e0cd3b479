"""Connections as values: a page of a merged list in the shape that the schema's connections are read from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from tracegraph.federation.lists import Listing, MergeRequest
from tracegraph.federation.merge import Merged
from tracegraph.federation.pages import Row
from tracegraph.federation.report import SourceReport
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor
from tracegraph.graphql.types.inputs import parse_first

T = TypeVar("T")


class ConnectionArguments:
    """`first` and `after` of a field, and the list that its cursors are bound to.

    A list is its field's path in the schema with its (already parsed) filter and order; `by_text` says whether it
    is ordered by texts.
    """

    def __init__(
        self, first: int | None, after: str | None, field: str, *list_of: object, by_text: bool = False
    ) -> None:
        self.first = first
        self.after = after
        self._list = (field, list_of)
        self._by_text = by_text

    @cached_property
    def binding(self) -> CursorBinding:
        """What cursors of the list hold of it; made for the first of them."""
        field, arguments = self._list
        return CursorBinding.of(field, arguments, by_text=self._by_text)

    def wanted(self, context: RequestContext) -> MergeRequest:
        """The stretch that is asked for. Raises BadUserInput and InvalidCursor."""
        limits = context.page_limits
        first = parse_first(self.first, limits.default_first, limits.max_first)
        if self.after is None:
            return MergeRequest(first, budget=context.budgets)
        return MergeRequest(first, decode_cursor(self.binding, self.after), context.budgets)


class Edge(Generic[T]):
    """A row with its cursor, which is made when it is asked for."""

    __slots__ = ("_binding", "_merged", "_row", "node")

    def __init__(self, merged: Merged[T], row: Row[T], binding: CursorBinding) -> None:
        self.node: T = row.node
        self._merged = merged
        self._row = row
        self._binding = binding

    @property
    def cursor(self) -> str:
        """Resumes right after this edge."""
        return encode_cursor(self._binding, self._merged.positions_after(self._row))


class PageInfoValue:
    """Where the page begins and ends; its cursors are made when they are asked for."""

    __slots__ = ("_connection", "has_previous_page")

    def __init__(self, connection: Connection[Any], *, has_previous_page: bool) -> None:
        self._connection = connection
        self.has_previous_page = has_previous_page

    @property
    def has_next_page(self) -> bool:
        """Whether the sources that answered have more."""
        return self._connection.merged.has_next

    @property
    def start_cursor(self) -> str | None:
        """The first edge's cursor."""
        return self._connection.start_cursor()

    @property
    def end_cursor(self) -> str | None:
        """Resumes after this page; on a page without rows only when the list goes on or a source failed."""
        return self._connection.end_cursor()


class Connection(Generic[T]):
    """One page of a list."""

    __slots__ = ("_arguments", "_listing", "merged")

    def __init__(self, listing: Listing[T], arguments: ConnectionArguments) -> None:
        self.merged = listing.merged
        self._listing = listing
        self._arguments = arguments

    @property
    def sources(self) -> Sequence[SourceReport]:
        """How each source fared."""
        return self._listing.reports

    @property
    def all_failed(self) -> bool:
        """Whether sources were asked and none of them answered, not even in part."""
        return self._listing.all_failed

    @property
    def total_count(self) -> int | None:
        """The exact number of rows in the whole list, or None."""
        return self._listing.total_count

    @property
    def page_info(self) -> PageInfoValue:
        """Made when it is asked for: kept, the two would keep each other until the garbage collector comes."""
        return PageInfoValue(self, has_previous_page=self._arguments.after is not None)

    @property
    def edges(self) -> list[Edge[T]]:
        """The rows, each with its cursor."""
        return [self._edge(row) for row in self.merged.rows]

    @property
    def nodes(self) -> list[T]:
        """The rows without their cursors."""
        return [row.node for row in self.merged.rows]

    def start_cursor(self) -> str | None:
        """See PageInfoValue."""
        rows = self.merged.rows
        return self._edge(rows[0]).cursor if rows else None

    def end_cursor(self) -> str | None:
        """See PageInfoValue."""
        rows = self.merged.rows
        if rows:
            return self._edge(rows[-1]).cursor
        if self.merged.has_next:
            return encode_cursor(self._arguments.binding, self.merged.positions_at_end())
        return self._arguments.after

    def _edge(self, row: Row[T]) -> Edge[T]:
        return Edge(self.merged, row, self._arguments.binding)
