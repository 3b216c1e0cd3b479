"""Pages of compared cases, cut from the complete table, with a cursor for every edge."""

from __future__ import annotations

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph.errors import InvalidCursor
from tracegraph.federation.analytics.cases import CaseId
from tracegraph.federation.merge import Positions
from tracegraph.federation.sort_key import SortKey
from tracegraph.graphql.comparison.cases import CaseRow
from tracegraph.graphql.relay.connections import Connection, Edge
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor


class CaseEdge(Edge[CaseRow]):
    """A case with its cursor."""

    __slots__ = ("_binding",)

    def __init__(self, node: CaseRow, binding: CursorBinding) -> None:
        super().__init__(node)
        self._binding = binding

    @property
    def cursor(self) -> str:
        """The cursor that continues right after this edge."""
        case = self.node.case
        sort_key = SortKey(case.head, "", str(uuid.UUID(bytes=case.digest)))
        return encode_cursor(self._binding, Positions(sort_key))


@dataclass(frozen=True, slots=True)
class PageOfCases:
    """So many cases after a place, or before it; without a place from the list's start or end."""

    count: int
    place: CaseId | None = None
    backwards: bool = False

    def bounds(self, rows: Sequence[CaseRow]) -> tuple[int, int]:
        """Return the index of the first case of the page, and that behind its last one."""
        if self.backwards:
            end = len(rows) if self.place is None else bisect_left(rows, self.place, key=_case)
            return max(0, end - self.count), end
        start = 0 if self.place is None else bisect_right(rows, self.place, key=_case)
        return start, start + self.count


def _case(row: CaseRow) -> CaseId:
    return row.case


class CaseConnection(Connection[CaseRow]):
    """A page of the cases. `total_count` is None when not every session was read."""

    __slots__ = ("_binding", "_complete", "_end", "_rows", "_start")

    def __init__(
        self, rows: Sequence[CaseRow], page: PageOfCases, binding: CursorBinding, *, complete: bool
    ) -> None:
        self._rows = rows
        self._start, self._end = page.bounds(rows)
        super().__init__(has_previous_page=self._start > 0)
        self._binding = binding
        self._complete = complete

    @property
    def edges(self) -> list[CaseEdge]:
        """The cases with their cursors."""
        return [CaseEdge(row, self._binding) for row in self.nodes]

    @property
    def nodes(self) -> Sequence[CaseRow]:
        """The cases without cursors."""
        return self._rows[self._start : self._end]

    @property
    def total_count(self) -> int | None:
        """The number of cases in the list, or None."""
        return len(self._rows) if self._complete else None

    @property
    def has_next_page(self) -> bool:
        """Whether more cases follow."""
        return self._end < len(self._rows)


def decode_case_cursor(binding: CursorBinding, cursor: str | None) -> CaseId | None:
    """Return the case before the page, None without a cursor.

    Raises:
        InvalidCursor: When the cursor is not a cursor of this list.
    """
    if cursor is None:
        return None
    sort_key = decode_cursor(binding, cursor).sort_key
    if sort_key is None or not isinstance(sort_key.value, str):
        raise InvalidCursor("This cursor is damaged.")
    try:
        return CaseId(sort_key.value, uuid.UUID(sort_key.id).bytes)
    except ValueError:
        raise InvalidCursor("This cursor is damaged.") from None
