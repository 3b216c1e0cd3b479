"""Pages of compared cases, cut from the complete table, with a cursor for every edge."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Sequence

from tracegraph.errors import InvalidCursor
from tracegraph.federation.analytics.cases import CaseId
from tracegraph.federation.merge import Positions
from tracegraph.federation.sort_key import SortKey
from tracegraph.graphql.comparison.cases import CaseRow
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor


class CaseEdge:
    """A case with its cursor. The cursor is computed on access."""

    __slots__ = ("_binding", "node")

    def __init__(self, node: CaseRow, binding: CursorBinding) -> None:
        self.node = node
        self._binding = binding

    @property
    def cursor(self) -> str:
        """The cursor that continues right after this edge."""
        case = self.node.case
        sort_key = SortKey(case.head, "", str(uuid.UUID(bytes=case.digest)))
        return encode_cursor(self._binding, Positions(sort_key))


class CasePage:
    """The first cases after a position. `total_count` is None when not every session was read."""

    __slots__ = ("edges", "has_next_page", "has_previous_page", "total_count")

    def __init__(
        self, rows: Sequence[CaseRow], first: int, after: CaseId | None, binding: CursorBinding, *, complete: bool
    ) -> None:
        start = 0 if after is None else bisect_right(rows, after, key=lambda row: row.case)
        self.edges = [CaseEdge(row, binding) for row in rows[start : start + first]]
        self.has_next_page = start + first < len(rows)
        self.has_previous_page = after is not None
        self.total_count = len(rows) if complete else None

    @property
    def nodes(self) -> list[CaseRow]:
        """The cases without cursors."""
        return [edge.node for edge in self.edges]

    @property
    def page_info(self) -> CasePage:
        """The page itself, which has the fields of the page info."""
        return self

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first edge."""
        return self.edges[0].cursor if self.edges else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the last edge."""
        return self.edges[-1].cursor if self.edges else None


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
