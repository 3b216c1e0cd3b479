"""Pages of compared cases, cut from the complete list, with a cursor for every edge."""

from __future__ import annotations

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph.errors import InvalidCursor
from tracegraph.federation.analytics.case_order import CaseOrder, CasePlace, CaseSorting
from tracegraph.federation.analytics.cases import CaseId
from tracegraph.federation.merge import Positions
from tracegraph.federation.sort_key import SortKey
from tracegraph.graphql.comparison.cases import CaseRow, PairedCases, SelectedCases
from tracegraph.graphql.relay.connections import Connection, Edge
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor


class CaseEdge(Edge[CaseRow]):
    """A case with its cursor."""

    __slots__ = ("_binding", "_place")

    def __init__(self, node: CaseRow, place: CasePlace, binding: CursorBinding) -> None:
        super().__init__(node)
        self._place = place
        self._binding = binding

    @property
    def cursor(self) -> str:
        """The cursor that continues right after this edge."""
        return encode_case_cursor(self._binding, self._place)


@dataclass(frozen=True, slots=True)
class PageOfCases:
    """So many cases after a place, or before it; without a place from the list's start or end."""

    count: int
    place: CasePlace | None = None
    backwards: bool = False

    def bounds(self, cases: Sequence[CaseId], sorting: CaseSorting) -> tuple[int, int]:
        """Return the index of the first case of the page, and that behind its last one."""
        key = None if self.place is None else sorting.sort_key(self.place)
        if self.backwards:
            end = len(cases) if key is None else bisect_left(cases, key, key=sorting.case_key)
            return max(0, end - self.count), end
        start = 0 if key is None else bisect_right(cases, key, key=sorting.case_key)
        return start, start + self.count


class CaseConnection(Connection[CaseRow]):
    """A page of the cases. `total_count` is None when not every session was read."""

    __slots__ = ("_binding", "_cases", "_end", "_paired", "_selected", "_sorting", "_start")

    def __init__(
        self,
        paired: PairedCases,
        selected: SelectedCases,
        order: CaseOrder,
        page: PageOfCases,
        binding: CursorBinding,
    ) -> None:
        self._sorting = CaseSorting(selected.table, order)
        self._cases = sorted(selected.cases, key=self._sorting.case_key)
        self._start, self._end = page.bounds(self._cases, self._sorting)
        super().__init__(has_previous_page=self._start > 0)
        self._paired = paired
        self._selected = selected
        self._binding = binding

    @property
    def edges(self) -> list[CaseEdge]:
        """The cases with their cursors."""
        return [CaseEdge(row, self._sorting.place(row.case), self._binding) for row in self.nodes]

    @property
    def nodes(self) -> Sequence[CaseRow]:
        """The cases without cursors."""
        return [CaseRow(self._paired, self._selected.table, case) for case in self._cases[self._start : self._end]]

    @property
    def total_count(self) -> int | None:
        """The number of cases in the list, or None."""
        return len(self._cases) if self._selected.complete else None

    @property
    def has_next_page(self) -> bool:
        """Whether more cases follow."""
        return self._end < len(self._cases)


def encode_case_cursor(binding: CursorBinding, place: CasePlace) -> str:
    """Return the cursor that continues right after a case. A list by keys has keys as its sort values."""
    head, identity = place.case.head, str(uuid.UUID(bytes=place.case.digest))
    sort_key = SortKey(head, "", identity) if binding.values is str else SortKey(place.value, head, identity)
    return encode_cursor(binding, Positions(sort_key))


def decode_case_cursor(binding: CursorBinding, cursor: str | None) -> CasePlace | None:
    """Return the place of the case that a cursor was made for, None without a cursor.

    Raises:
        InvalidCursor: When the cursor is not a cursor of this list.
    """
    if cursor is None:
        return None
    sort_key = decode_cursor(binding, cursor).sort_key
    if sort_key is None or (binding.values is str) is not isinstance(sort_key.value, str):
        raise InvalidCursor("This cursor is damaged.")
    try:
        digest = uuid.UUID(sort_key.id).bytes
    except ValueError:
        raise InvalidCursor("This cursor is damaged.") from None
    if isinstance(sort_key.value, str):
        return CasePlace(None, CaseId(sort_key.value, digest))
    return CasePlace(sort_key.value, CaseId(sort_key.source, digest))
