"""Several streams as one list: rows by the one order, cut to a page, resumable after any of them.

In a merge by a total order one mark resumes every stream: the last row's. Streams keep a position of their own
only where they stand elsewhere: behind, because they failed, or ahead, because a filter dropped many rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tracegraph.federation.order import Mark, Place
from tracegraph.federation.pages import Row
from tracegraph.federation.stream import Position, Stream

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Positions:
    """Where a merged list goes on: after `mark` (None: from the start), and which streams stand elsewhere.

    `own` is by `StreamSpec.key` and holds a stream's position where it differs or has a hint. A key is a source's
    name, or begins with it and a slash; what stands under the name alone is for all of the source's other streams.
    """

    mark: Mark | None = None
    own: Mapping[str, Position] = field(default_factory=dict)

    def of(self, key: str) -> Position:
        """Where that stream goes on."""
        return self.own.get(key) or self.own.get(_source_of(key)) or Position(self.mark)

    def of_source(self, name: str) -> Mapping[str, Position]:
        """Where the streams of a source go on, also those that are not known yet."""
        own = {key: position for key, position in self.own.items() if _source_of(key) == name}
        return {name: Position(self.mark)} | own


def _source_of(key: str) -> str:
    return key.partition("/")[0]


_WORTH_A_MARK = 50
"""Dropped rows from which on a stream's own mark in the cursor is cheaper than reading them again."""


@dataclass(frozen=True, slots=True)
class MergedRow(Generic[T]):
    """A row of the merged list with the last row of every stream up to it."""

    row: Row[T]
    behind: tuple[Row[T] | None, ...]


@dataclass(frozen=True, slots=True)
class Merged(Generic[T]):
    """A page of the merged list from `start` on; the streams of `unknown` sources could not be found out."""

    streams: Sequence[Stream[T]]
    rows: Sequence[MergedRow[T]]
    has_next: bool
    start: Positions = Positions()
    unknown: Sequence[str] = ()

    def positions_after(self, merged: MergedRow[T]) -> Positions:
        """Where to go on after that row."""
        mark = merged.row.mark
        own = {
            stream.spec.key: self._position(stream, last, last_on_page, merged.row)
            for stream, last, last_on_page in zip(self.streams, merged.behind, self.rows[-1].behind, strict=True)
        }
        return self._positions(mark, own)

    def positions_at_end(self) -> Positions:
        """Where to go on after this page, also when it holds no row."""
        if self.rows:
            return self.positions_after(self.rows[-1])
        own = {stream.spec.key: stream.before_buffered for stream in self.streams}
        return self._positions(self.start.mark, own)

    def _positions(self, mark: Mark | None, own: Mapping[str, Position]) -> Positions:
        stayed = {key: at for name in self.unknown for key, at in self.start.of_source(name).items()}
        return Positions(mark, {key: at for key, at in own.items() if at != Position(mark)} | stayed)

    def _position(
        self, stream: Stream[T], last: Row[T] | None, last_on_page: Row[T] | None, edge: Row[T]
    ) -> Position:
        scanned = stream.scanned
        direction = stream.spec.direction
        start_hint = stream.start.hint
        if stream.error is not None and (scanned.mark is None or scanned.mark.place(direction) < edge.place):
            return scanned
        if stream.start.mark is not None and stream.start.mark.place(direction) > edge.place:
            return stream.start
        ahead = self._ahead(stream, edge) if last is last_on_page else None
        if ahead is not None:
            return ahead
        return Position(edge.mark, start_hint if last is None else stream.hint_behind(last, edge.place))

    def _ahead(self, stream: Stream[T], edge: Row[T]) -> Position | None:
        """The stream's own position, when it dropped many rows right after the edge."""
        if stream.rows:
            head = stream.rows[0]
            before, dropped = head.before, head.dropped
        else:
            before, dropped = stream.scanned, stream.dropped
        if stream.ended or (dropped < _WORTH_A_MARK and not stream.limited) or before.mark is None:
            return None
        return before if before.mark.place(stream.spec.direction) > edge.place else None


async def merge(
    streams: Sequence[Stream[T]], first: int, start: Positions = Positions(), unknown: Sequence[str] = ()
) -> Merged[T]:
    """The next `first` rows of all streams, or fewer when all ended, failed or used up their budget.

    A stream whose budget ended holds back the rows of the others that come after the place that it has
    reached, so that the order stays whole; one that failed does not: its rows come late.
    """
    rows: list[MergedRow[T]] = []
    behind: list[Row[T] | None] = [None] * len(streams)
    while len(rows) < first:
        await _fill(streams, first - len(rows))
        index = _next_stream(streams)
        if index is None:
            break
        row = streams[index].rows.popleft().row
        behind[index] = row
        rows.append(MergedRow(row, tuple(behind)))
    return Merged(streams, rows, await _has_next(streams), start, unknown)


async def _fill(streams: Sequence[Stream[T]], want: int) -> None:
    empty = [stream for stream in streams if stream.needs_fill]
    if len(empty) == 1:
        await empty[0].fill(want)
    elif empty:
        await asyncio.gather(*(stream.fill(want) for stream in empty))


def _next_stream(streams: Sequence[Stream[T]]) -> int | None:
    best: int | None = None
    best_place: Place | None = None
    for index, stream in enumerate(streams):
        if stream.rows and (best_place is None or stream.rows[0].row.place < best_place):
            best, best_place = index, stream.rows[0].row.place
    if best_place is None or any(_holds_back(stream, best_place) for stream in streams):
        return None
    return best


def _holds_back(stream: Stream[T], place: Place) -> bool:
    if not stream.limited:
        return False
    reached = stream.scanned.mark
    return reached is None or reached.place(stream.spec.direction) < place


async def _has_next(streams: Sequence[Stream[T]]) -> bool:
    if any(stream.surely_goes_on or stream.limited for stream in streams):
        return True
    await _fill(streams, 1)
    return any(stream.surely_goes_on or stream.limited for stream in streams)
