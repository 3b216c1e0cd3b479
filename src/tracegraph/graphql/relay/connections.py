"""Values behind the schema's connections: one page of a list, with edges, cursors and page info."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from tracegraph.errors import InvalidCursor
from tracegraph.federation.lists import Listing, MergeRequest
from tracegraph.federation.merge import Merged, Positions
from tracegraph.federation.pages import Row
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor
from tracegraph.graphql.relay.cursor_layout import SortValueType
from tracegraph.graphql.relay.page_arguments import PageArguments

T = TypeVar("T")


class Edge(ABC, Generic[T]):
    """A node with its cursor. The cursor is computed on access."""

    __slots__ = ("node",)

    def __init__(self, node: T) -> None:
        self.node = node

    @property
    @abstractmethod
    def cursor(self) -> str:
        """The cursor that continues right after this edge."""


class Connection(ABC, Generic[T]):
    """One page of a list."""

    __slots__ = ("has_previous_page",)

    def __init__(self, *, has_previous_page: bool) -> None:
        self.has_previous_page = has_previous_page

    @property
    @abstractmethod
    def edges(self) -> Sequence[Edge[T]]:
        """The rows with their cursors."""

    @property
    @abstractmethod
    def nodes(self) -> Sequence[T]:
        """The rows without cursors."""

    @property
    @abstractmethod
    def total_count(self) -> int | None:
        """The exact number of rows in the list, or None."""

    @property
    @abstractmethod
    def has_next_page(self) -> bool:
        """Whether the list continues after the page."""

    @property
    def page_info(self) -> PageInfo:
        """The page info, built on access: storing it here would create a reference cycle."""
        return PageInfo(self)

    def start_cursor(self) -> str | None:
        """Return the cursor of the first edge."""
        edges = self.edges
        return edges[0].cursor if edges else None

    def end_cursor(self) -> str | None:
        """Return the cursor after the page."""
        edges = self.edges
        return edges[-1].cursor if edges else None


class PageInfo:
    """The boundaries of a page. Cursors are computed on access."""

    __slots__ = ("_page",)

    def __init__(self, page: Connection[Any]) -> None:
        self._page = page

    @property
    def has_next_page(self) -> bool:
        """Whether the list continues after the page."""
        return self._page.has_next_page

    @property
    def has_previous_page(self) -> bool:
        """Whether the page begins after a cursor; of a page that is read backwards, whether rows precede it."""
        return self._page.has_previous_page

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first edge."""
        return self._page.start_cursor()

    @property
    def end_cursor(self) -> str | None:
        """The cursor after the page."""
        return self._page.end_cursor()


class ConnectionArguments:
    """The page of a field, and the list that its cursors are bound to.

    The field's path in the schema and its parsed filter and order identify a list. `values` is the type of its
    sort values.
    """

    def __init__(self, page: PageArguments, field: str, *list_of: object, values: SortValueType = int) -> None:
        self.page = page
        self._list = (field, list_of)
        self._values = values

    @cached_property
    def binding(self) -> CursorBinding:
        """The binding of the list's cursors, computed on first use."""
        field, arguments = self._list
        return CursorBinding.of(field, arguments, self._values)

    def merge_request(self, context: RequestContext) -> MergeRequest:
        """Return the requested page of the merged list.

        Raises:
            BadUserInput: When `first` or `last` is out of range, or the arguments are for both directions.
            InvalidCursor: When `after` or `before` is not a cursor of this list.
        """
        page = self.page
        count = page.count(context.page_limits)
        if page.cursor is None:
            return MergeRequest(count, Positions(backwards=page.backwards), context.budgets)
        positions = decode_cursor(self.binding, page.cursor)
        if positions.backwards is not page.backwards:
            positions = _turned(positions)
        return MergeRequest(count, positions, context.budgets)


def _turned(positions: Positions) -> Positions:
    """Return the positions in the other direction: the row of the cursor alone decides.

    Raises:
        InvalidCursor: When the cursor is of a page without rows.
    """
    if positions.sort_key is None:
        raise InvalidCursor(
            "This cursor is of a page without rows: it continues only in the direction of that page."
        )
    return Positions(positions.sort_key, backwards=not positions.backwards, is_turned=True)


class MergedEdge(Edge[T]):
    """A row of a merged list."""

    __slots__ = ("_binding", "_merged", "_row")

    def __init__(self, merged: Merged[T], row: Row[T], binding: CursorBinding) -> None:
        self.node = row.node
        self._merged = merged
        self._row = row
        self._binding = binding

    @property
    def cursor(self) -> str:
        """The cursor of the edge: `after` continues right after it, `before` right before it."""
        return encode_cursor(self._binding, self._merged.positions_after(self._row))


class MergedConnection(Connection[T]):
    """One page of a merged list. A page that is read backwards has its rows in the order of the list, too."""

    __slots__ = ("_arguments", "_backwards", "_listing", "_merged", "_rows")

    def __init__(self, listing: Listing[T], arguments: ConnectionArguments) -> None:
        backwards = self._backwards = arguments.page.backwards
        merged = self._merged = listing.merged
        has_cursor = arguments.page.cursor is not None
        super().__init__(has_previous_page=merged.has_next if backwards else has_cursor)
        self._rows = merged.rows[::-1] if backwards else merged.rows
        self._listing = listing
        self._arguments = arguments

    @property
    def sources(self) -> Sequence[SourceReport]:
        """The report of each source."""
        return self._listing.reports

    @property
    def is_complete(self) -> bool:
        """Whether no source failed on this page."""
        return all(report.status is not SourceReportStatus.FAILED for report in self._listing.reports)

    @property
    def all_failed(self) -> bool:
        """Whether sources were called and every source failed completely."""
        return self._listing.all_failed

    @property
    def total_count(self) -> int | None:
        """The exact number of rows in the list, or None."""
        return self._listing.total_count

    @property
    def has_next_page(self) -> bool:
        """Whether a source that did not fail has more rows; on a page before a cursor, whether there is one."""
        return self._arguments.page.cursor is not None if self._backwards else self._merged.has_next

    @property
    def edges(self) -> list[Edge[T]]:
        """The rows with their cursors."""
        return [self._edge(row) for row in self._rows]

    @property
    def nodes(self) -> list[T]:
        """The rows without cursors."""
        return [row.node for row in self._rows]

    def start_cursor(self) -> str | None:
        """Return the cursor of the first edge. A page without rows has one if it is read backwards and goes on."""
        if self._rows:
            return self._edge(self._rows[0]).cursor
        return self._cursor_without_rows() if self._backwards else None

    def end_cursor(self) -> str | None:
        """Return the cursor after the page.

        A page without rows has one only if the list continues or a source failed.
        """
        if self._rows:
            return self._edge(self._rows[-1]).cursor
        return None if self._backwards else self._cursor_without_rows()

    def _cursor_without_rows(self) -> str | None:
        if self._merged.has_next:
            return encode_cursor(self._arguments.binding, self._merged.positions_at_end())
        return self._arguments.page.cursor

    def _edge(self, row: Row[T]) -> Edge[T]:
        return MergedEdge(self._merged, row, self._arguments.binding)
