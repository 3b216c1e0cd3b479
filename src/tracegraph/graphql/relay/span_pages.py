"""Pages of a session's spans, cut from the complete tree, with a cursor for every edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph.errors import InvalidCursor
from tracegraph.federation.merge import Positions
from tracegraph.federation.sort_key import SortKey
from tracegraph.federation.spans import PlacedSpan
from tracegraph.graphql.relay.connections import Connection, Edge
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor


class SpanEdge(Edge[PlacedSpan]):
    """A span with its cursor, which holds the span's id and its index in the tree."""

    __slots__ = ("_binding", "_index")

    def __init__(self, node: PlacedSpan, index: int, binding: CursorBinding) -> None:
        super().__init__(node)
        self._index = index
        self._binding = binding

    @property
    def cursor(self) -> str:
        """The cursor that continues right after this edge."""
        return encode_cursor(self._binding, Positions(SortKey(self._index, "", self.node.span.vendor_id)))


@dataclass(frozen=True, slots=True)
class PageOfSpans:
    """So many spans after a place, or before it; without a place from the start or end of the tree."""

    count: int
    place: tuple[int, str] | None = None
    backwards: bool = False

    def bounds(self, spans: Sequence[PlacedSpan]) -> tuple[int, int]:
        """Return the index of the first span of the page, and that behind its last one."""
        if self.backwards:
            end = len(spans) if self.place is None else self._index(spans)
            return max(0, end - self.count), end
        start = 0 if self.place is None else min(self._index(spans) + 1, len(spans))
        return start, min(start + self.count, len(spans))

    def _index(self, spans: Sequence[PlacedSpan]) -> int:
        """Return the index of the cursor's span; where the vendor lacks it now, the index that it had."""
        if self.place is None:
            return 0
        index, span_id = self.place
        if index < len(spans) and spans[index].span.vendor_id == span_id:
            return index
        found = (at for at, placed in enumerate(spans) if placed.span.vendor_id == span_id)
        return next(found, min(index, len(spans)))


class SpanConnection(Connection[PlacedSpan]):
    """A page of the spans of one session."""

    __slots__ = ("_binding", "_end", "_spans", "_start")

    def __init__(self, spans: Sequence[PlacedSpan], page: PageOfSpans, binding: CursorBinding) -> None:
        self._spans = spans
        self._start, self._end = page.bounds(spans)
        super().__init__(has_previous_page=self._start > 0)
        self._binding = binding

    @property
    def edges(self) -> list[SpanEdge]:
        """The spans with their cursors."""
        return [SpanEdge(span, index, self._binding) for index, span in enumerate(self.nodes, self._start)]

    @property
    def nodes(self) -> Sequence[PlacedSpan]:
        """The spans without cursors."""
        return self._spans[self._start : self._end]

    @property
    def total_count(self) -> int:
        """The number of spans of the session."""
        return len(self._spans)

    @property
    def has_next_page(self) -> bool:
        """Whether more spans follow."""
        return self._end < len(self._spans)


def decode_span_cursor(binding: CursorBinding, cursor: str | None) -> tuple[int, str] | None:
    """Return the index and the id of a cursor's span, None without a cursor.

    Raises:
        InvalidCursor: When the cursor is not a cursor of this list.
    """
    if cursor is None:
        return None
    sort_key = decode_cursor(binding, cursor).sort_key
    if sort_key is None or not isinstance(sort_key.value, int) or sort_key.value < 0:
        raise InvalidCursor("This cursor is damaged.")
    return sort_key.value, sort_key.id
