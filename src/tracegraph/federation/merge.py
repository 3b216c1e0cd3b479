"""Merges several streams into one list: rows in one order, cut to a page, resumable after any row.

In a merge by a total order, the last row's sort key resumes every stream. A stream has its own position only where
it differs: behind, because the stream failed, or ahead, because a filter dropped many rows.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tracegraph.federation.pages import COMPARABLE_KEY, Row
from tracegraph.federation.position import Position
from tracegraph.federation.sort_key import AFTER_ALL, BEFORE_ALL, ComparableKey, Direction, SortKey
from tracegraph.federation.stream import Stream

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Positions:
    """The resume position of a merged list: after `sort_key` (None: from the start), with exceptions by stream.

    With `backwards` the list is read from its end, and the position is before `sort_key`. `is_turned` says that
    the cursor is of a page in the other direction.

    `overrides` is by `StreamSpec.key`, and holds each position that differs or has a hint. A key is a source's
    name, or begins with that name and a slash. The position of the name alone, without its token, applies to all
    other streams of the source.
    """

    sort_key: SortKey | None = None
    overrides: Mapping[str, Position] = field(default_factory=dict)
    backwards: bool = False
    is_turned: bool = False

    def for_stream(self, key: str) -> Position:
        """Return the resume position of a stream."""
        own = self.overrides.get(key)
        if own is not None:
            return own
        of_source = self.overrides.get(_source_of(key))
        return Position(self.sort_key) if of_source is None else of_source._replace(token=None)

    def for_source(self, name: str) -> Mapping[str, Position]:
        """Return the resume positions of all streams of a source, including streams not known yet."""
        overrides = {key: position for key, position in self.overrides.items() if _source_of(key) == name}
        return {name: Position(self.sort_key)} | overrides


def _source_of(key: str) -> str:
    return key.partition("/")[0]


_MIN_DROPPED_ROWS = 50
"""From this number of dropped rows on, a sort key in the cursor is cheaper than reading them again."""


@dataclass(slots=True)
class Merged(Generic[T]):
    """A page of the merged list from `start` on.

    `rows_by_stream` are the rows of each stream, `rows` are all rows in order. The streams of `unknown` sources
    could not be determined.
    """

    streams: Sequence[Stream[T]]
    rows_by_stream: Sequence[Sequence[Row[T]]]
    rows: Sequence[Row[T]]
    has_next: bool
    start: Positions = Positions()
    unknown: Sequence[str] = ()

    def positions_after(self, edge: Row[T]) -> Positions:
        """Return the positions to resume after a row."""
        sort_key = edge.sort_key
        positions = {
            stream.spec.key: self._position(stream, rows, edge, sort_key)
            for stream, rows in zip(self.streams, self.rows_by_stream, strict=True)
        }
        return self._positions(sort_key, positions)

    def positions_at_end(self) -> Positions:
        """Return the positions to resume after this page, which may be empty."""
        if self.rows:
            return self.positions_after(self.rows[-1])
        positions = {stream.spec.key: stream.before_next[0] for stream in self.streams}
        return self._positions(self.start.sort_key, positions)

    def _positions(self, sort_key: SortKey | None, positions: Mapping[str, Position]) -> Positions:
        common = Position(sort_key)
        unresolved = {
            key: position for name in self.unknown for key, position in self.start.for_source(name).items()
        }
        return Positions(
            sort_key,
            {key: position for key, position in positions.items() if position != common} | unresolved,
            self.start.backwards,
        )

    def _position(
        self, stream: Stream[T], rows: Sequence[Row[T]], edge_row: Row[T], sort_key: SortKey
    ) -> Position:
        direction = stream.spec.ordering.direction
        is_of_source = sort_key.source == stream.spec.name
        if stream.resumes_by_token or (is_of_source and edge_row.keeps_vendor_ties):
            own = stream.position_after(rows, edge_row.comparable_key)
            # Among equal values, ids do not order the streams of this source: each goes on after its own rows.
            passed = SortKey(sort_key.value, "", "") if is_of_source else sort_key
            return own if stream.error is not None else _at_least(own, passed, direction)
        edge = sort_key.comparable(direction)
        if stream.error is not None:
            scanned = stream.scan_position
            if scanned.sort_key is None or scanned.sort_key.comparable(direction) < edge:
                return scanned
        if stream.start.sort_key is not None and stream.start.sort_key.comparable(direction) > edge:
            return stream.start
        count = bisect_right(rows, edge, key=COMPARABLE_KEY)
        ahead = self._ahead(stream, edge) if count == len(rows) else None
        if ahead is not None:
            return ahead
        return Position(sort_key, stream.hint_after(rows[count - 1], edge) if count else stream.start.hint)

    def _ahead(self, stream: Stream[T], edge: ComparableKey) -> Position | None:
        """Return the stream's own position, when the stream dropped many rows right after the edge."""
        before, dropped = stream.before_next
        if (
            stream.ended
            or (dropped < _MIN_DROPPED_ROWS and not stream.budget_exhausted)
            or before.sort_key is None
        ):
            return None
        return before if before.sort_key.comparable(stream.spec.ordering.direction) > edge else None


def _at_least(position: Position, sort_key: SortKey, direction: Direction) -> Position:
    """Return the position, after the sort key where that is later: rows added before the key are passed."""
    own = position.sort_key
    is_later = own is None or own.comparable(direction) < sort_key.comparable(direction)
    return position._replace(sort_key=sort_key) if is_later else position


async def merge(
    streams: Sequence[Stream[T]], first: int, start: Positions = Positions(), unknown: Sequence[str] = ()
) -> Merged[T]:
    """Return the next `first` rows of all streams; fewer when all streams ended, failed or used up their budget.

    A stream without budget holds back later rows of the other streams, so that the order stays correct. A failed
    stream does not hold them back: its rows come late.

    Args:
        streams: The streams to merge.
        first: The number of rows.
        start: The positions that the streams began at.
        unknown: The sources whose streams could not be determined.
    """
    rows: list[Row[T]] = []
    rows_by_stream: list[list[Row[T]]] = [[] for _ in streams]
    while len(rows) < first:
        await fill(streams, first - len(rows))
        following = _pop_rows(streams, rows_by_stream, first - len(rows))
        if not following:
            break
        rows += following
    return Merged(streams, rows_by_stream, rows, await _has_next(streams), start, unknown)


async def fill(streams: Sequence[Stream[T]], count: int) -> None:
    """Fill all empty streams concurrently."""
    empty = [stream for stream in streams if stream.needs_fetch]
    if len(empty) == 1:
        await empty[0].fill(count)
    elif empty:
        await asyncio.gather(*(stream.fill(count) for stream in empty))


def _pop_rows(
    streams: Sequence[Stream[T]], rows_by_stream: Sequence[list[Row[T]]], limit: int
) -> Sequence[Row[T]]:
    """Pop the next rows in order as far as the order is known, and append them to the rows of their stream."""
    buffered = [(stream, rows) for stream, rows in zip(streams, rows_by_stream, strict=True) if stream.buffered]
    if len(buffered) == 1 and not any(stream.budget_exhausted for stream in streams):
        stream, rows = buffered[0]
        popped = stream.pop(limit)
        rows.extend(popped)
        return popped
    complete_up_to = min(map(_complete_up_to, streams), default=BEFORE_ALL)
    following = [
        row for stream, _ in buffered for row in stream.peek(min(limit, stream.count_up_to(complete_up_to)))
    ]
    following.sort(key=COMPARABLE_KEY)
    del following[limit:]
    if following:
        for stream, rows in buffered:
            rows.extend(stream.pop(stream.count_up_to(following[-1].comparable_key)))
    return following


def _complete_up_to(stream: Stream[T]) -> ComparableKey:
    """Return the key up to which every row of the stream is buffered."""
    if stream.ended or stream.error is not None:
        return AFTER_ALL
    if stream.buffered:
        return stream.last_key
    reached = stream.scan_position.sort_key
    return BEFORE_ALL if reached is None else reached.comparable(stream.spec.ordering.direction)


async def _has_next(streams: Sequence[Stream[T]]) -> bool:
    if not _any_has_next(streams):
        await fill(streams, 1)
    return _any_has_next(streams)


def _any_has_next(streams: Sequence[Stream[T]]) -> bool:
    return any(stream.has_known_next or stream.budget_exhausted for stream in streams)
