"""Connections as values: a page of a merged list in the shape that the schema's connections are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tracegraph.federation.listing import Listing, Wanted
from tracegraph.federation.merge import Merged, MergedRow
from tracegraph.federation.report import SourceReport
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.cursor import CursorBinding, decode_cursor, encode_cursor
from tracegraph.graphql.inputs import parse_first

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageArguments:
    """`first` and `after` of a field, and the list that its cursors are bound to."""

    first: int | None
    after: str | None
    binding: CursorBinding

    def wanted(self, context: RequestContext) -> Wanted:
        """The stretch that is asked for. Raises BadUserInput and InvalidCursor."""
        limits = context.page_limits
        first = parse_first(self.first, limits.default_first, limits.max_first)
        if self.after is None:
            return Wanted(first, budgets=context.budgets)
        return Wanted(first, decode_cursor(self.binding, self.after), context.budgets)


class EdgeValue(Generic[T]):
    """A row with its cursor, which is made when it is asked for."""

    __slots__ = ("_binding", "_merged", "_row", "node")

    def __init__(self, merged: Merged[T], row: MergedRow[T], binding: CursorBinding) -> None:
        self.node = row.row.node
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

    def __init__(self, connection: ConnectionValue[Any], *, has_previous_page: bool) -> None:
        self._connection = connection
        self.has_previous_page = has_previous_page

    @property
    def has_next_page(self) -> bool:
        """Whether the sources that answered have more."""
        return self._connection.merged.has_next

    @property
    def start_cursor(self) -> str | None:
        """The first edge's cursor."""
        edges = self._connection.edges
        return edges[0].cursor if edges else None

    @property
    def end_cursor(self) -> str | None:
        """Resumes after this page; on a page without rows only when the list goes on or a source failed."""
        return self._connection.end_cursor()


class ConnectionValue(Generic[T]):
    """One page of a list."""

    __slots__ = ("_arguments", "all_failed", "edges", "merged", "sources", "total_count")

    def __init__(self, listing: Listing[T], arguments: PageArguments) -> None:
        self.merged = listing.merged
        self.sources: Sequence[SourceReport] = listing.reports
        self.total_count = listing.total_count
        self.all_failed = listing.all_failed
        self._arguments = arguments
        self.edges = [EdgeValue(self.merged, row, arguments.binding) for row in self.merged.rows]

    @property
    def page_info(self) -> PageInfoValue:
        """Made when it is asked for: kept, the two would keep each other until the garbage collector comes."""
        return PageInfoValue(self, has_previous_page=self._arguments.after is not None)

    @property
    def nodes(self) -> list[T]:
        """The rows without their cursors."""
        return [edge.node for edge in self.edges]

    def end_cursor(self) -> str | None:
        """See PageInfoValue."""
        if self.edges:
            return self.edges[-1].cursor
        if self.merged.has_next:
            return encode_cursor(self._arguments.binding, self.merged.positions_at_end())
        return self._arguments.after
