"""A page of compared cases: cut out of the whole table, resumable after any of its edges."""

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


class CaseEdgeValue:
    """A case with its cursor, which is made when it is asked for."""

    __slots__ = ("_binding", "node")

    def __init__(self, node: CaseRow, binding: CursorBinding) -> None:
        self.node = node
        self._binding = binding

    @property
    def cursor(self) -> str:
        """Resumes right after this edge."""
        case = self.node.case
        mark = SortKey(case.head, "", str(uuid.UUID(bytes=case.digest)))
        return encode_cursor(self._binding, Positions(mark))


class CasePage:
    """`first` of the cases after a place; `total_count` is None when not every session was read."""

    __slots__ = ("edges", "has_next_page", "has_previous_page", "total_count")

    def __init__(
        self, rows: Sequence[CaseRow], first: int, after: CaseId | None, binding: CursorBinding, *, complete: bool
    ) -> None:
        start = 0 if after is None else bisect_right(rows, after, key=lambda row: row.case)
        self.edges = [CaseEdgeValue(row, binding) for row in rows[start : start + first]]
        self.has_next_page = start + first < len(rows)
        self.has_previous_page = after is not None
        self.total_count = len(rows) if complete else None

    @property
    def nodes(self) -> list[CaseRow]:
        """The cases without their cursors."""
        return [edge.node for edge in self.edges]

    @property
    def page_info(self) -> CasePage:
        """A page tells of itself."""
        return self

    @property
    def start_cursor(self) -> str | None:
        """The first edge's cursor."""
        return self.edges[0].cursor if self.edges else None

    @property
    def end_cursor(self) -> str | None:
        """The last edge's cursor."""
        return self.edges[-1].cursor if self.edges else None


def place_of(binding: CursorBinding, cursor: str | None) -> CaseId | None:
    """Where a cursor stands, None without one. Raises InvalidCursor."""
    if cursor is None:
        return None
    mark = decode_cursor(binding, cursor).sort_key
    if mark is None or not isinstance(mark.value, str):
        raise InvalidCursor("That cursor is damaged.")
    try:
        return CaseId(mark.value, uuid.UUID(mark.id).bytes)
    except ValueError:
        raise InvalidCursor("That cursor is damaged.") from None
