"""Several streams as one list: rows by the one order, cut to a page, resumable after any of them.

In a merge by a total order one mark resumes every stream: the last row's. Streams keep a position of their own
only where they stand elsewhere: behind, because they failed, or ahead, because a filter dropped many rows.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tracegraph.federation.pages import PLACE, Row
from tracegraph.federation.sort_key import AFTER_ALL, BEFORE_ALL, ComparableKey, SortKey
from tracegraph.federation.stream import Position, Stream

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Positions:
    """Where a merged list goes on: after `mark` (None: from the start), and which streams stand elsewhere.

    `own` is by `StreamSpec.key` and holds a stream's position where it differs or has a hint. A key is a source's
    name, or begins with it and a slash; what stands under the name alone is for all of the source's other streams.
    """

    mark: SortKey | None = None
    own: Mapping[str, Position] = field(default_factory=dict)

    def of(self, key: str) -> Position:
        """Where that stream goes on."""
        if not self.own:
            return Position(self.mark)
        return self.own.get(key) or self.own.get(_source_of(key)) or Position(self.mark)

    def of_source(self, name: str) -> Mapping[str, Position]:
        """Where the streams of a source go on, also those that are not known yet."""
        own = {key: position for key, position in self.own.items() if _source_of(key) == name}
        return {name: Position(self.mark)} | own


def _source_of(key: str) -> str:
    return key.partition("/")[0]


_WORTH_A_MARK = 50
"""Dropped rows from which on a stream's own mark in the cursor is cheaper than reading them again."""


@dataclass(slots=True)
class Merged(Generic[T]):
    """A page of the merged list from `start` on; the streams of `unknown` sources could not be found out.

    `taken` are the rows of each stream, `rows` those of all in their order.
    """

    streams: Sequence[Stream[T]]
    taken: Sequence[Sequence[Row[T]]]
    rows: Sequence[Row[T]]
    has_next: bool
    start: Positions = Positions()
    unknown: Sequence[str] = ()

    def positions_after(self, edge: Row[T]) -> Positions:
        """Where to go on after that row."""
        mark, place = edge.mark, edge.place
        own = {
            stream.spec.key: self._position(stream, taken, mark, place)
            for stream, taken in zip(self.streams, self.taken, strict=True)
        }
        return self._positions(mark, own)

    def positions_at_end(self) -> Positions:
        """Where to go on after this page, also when it holds no row."""
        if self.rows:
            return self.positions_after(self.rows[-1])
        own = {stream.spec.key: stream.before_next[0] for stream in self.streams}
        return self._positions(self.start.mark, own)

    def _positions(self, mark: SortKey | None, own: Mapping[str, Position]) -> Positions:
        common = Position(mark)
        stayed = {key: at for name in self.unknown for key, at in self.start.of_source(name).items()}
        return Positions(mark, {key: at for key, at in own.items() if at != common} | stayed)

    def _position(
        self, stream: Stream[T], taken: Sequence[Row[T]], mark: SortKey, edge: ComparableKey
    ) -> Position:
        direction = stream.spec.ordering.direction
        if stream.error is not None:
            scanned = stream.scanned
            if scanned.mark is None or scanned.mark.place(direction) < edge:
                return scanned
        if stream.start.mark is not None and stream.start.mark.place(direction) > edge:
            return stream.start
        up_to = bisect_right(taken, edge, key=PLACE)
        ahead = self._ahead(stream, edge) if up_to == len(taken) else None
        if ahead is not None:
            return ahead
        return Position(mark, stream.hint_behind(taken[up_to - 1], edge) if up_to else stream.start.hint)

    def _ahead(self, stream: Stream[T], edge: ComparableKey) -> Position | None:
        """The stream's own position, when it dropped many rows right after the edge."""
        before, dropped = stream.before_next
        if stream.ended or (dropped < _WORTH_A_MARK and not stream.limited) or before.mark is None:
            return None
        return before if before.mark.place(stream.spec.ordering.direction) > edge else None


async def merge(
    streams: Sequence[Stream[T]], first: int, start: Positions = Positions(), unknown: Sequence[str] = ()
) -> Merged[T]:
    """The next `first` rows of all streams, or fewer when all ended, failed or used up their budget.

    A stream whose budget ended holds back the rows of the others that come after the place that it has
    reached, so that the order stays whole; one that failed does not: its rows come late.
    """
    rows: list[Row[T]] = []
    taken: list[list[Row[T]]] = [[] for _ in streams]
    while len(rows) < first:
        await fill(streams, first - len(rows))
        following = _take(streams, taken, first - len(rows))
        if not following:
            break
        rows += following
    return Merged(streams, taken, rows, await _has_next(streams), start, unknown)


async def fill(streams: Sequence[Stream[T]], want: int) -> None:
    """Let every stream that has no row yet read until it has some, all of them at once."""
    empty = [stream for stream in streams if stream.needs_fill]
    if len(empty) == 1:
        await empty[0].fill(want)
    elif empty:
        await asyncio.gather(*(stream.fill(want) for stream in empty))


def _take(streams: Sequence[Stream[T]], taken: Sequence[list[Row[T]]], most: int) -> Sequence[Row[T]]:
    """The next rows in their order, as far as it is known; each stream's are added to what was taken of it."""
    waiting = [(stream, rows) for stream, rows in zip(streams, taken, strict=True) if stream.waiting]
    if len(waiting) == 1 and not any(stream.limited for stream in streams):
        stream, rows = waiting[0]
        alone = stream.take(most)
        rows.extend(alone)
        return alone
    known_up_to = min(map(_known_up_to, streams), default=BEFORE_ALL)
    following = [row for stream, _ in waiting for row in stream.rows(min(most, stream.count_up_to(known_up_to)))]
    following.sort(key=PLACE)
    del following[most:]
    if following:
        for stream, rows in waiting:
            rows.extend(stream.take(stream.count_up_to(following[-1].place)))
    return following


def _known_up_to(stream: Stream[T]) -> ComparableKey:
    """The place up to which every row of the stream waits: where it must be read on, or its budget ended."""
    if stream.ended or stream.error is not None:
        return AFTER_ALL
    if stream.waiting:
        return stream.last_place
    reached = stream.scanned.mark
    return BEFORE_ALL if reached is None else reached.place(stream.spec.ordering.direction)


async def _has_next(streams: Sequence[Stream[T]]) -> bool:
    if not _goes_on(streams):
        await fill(streams, 1)
    return _goes_on(streams)


def _goes_on(streams: Sequence[Stream[T]]) -> bool:
    return any(stream.surely_goes_on or stream.limited for stream in streams)
