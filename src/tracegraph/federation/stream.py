"""One source's part of a merged list: rows that pass the filter, in order, read as they are needed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, NamedTuple, TypeVar

from tracegraph.errors import SourceError
from tracegraph.federation.full_scan import NOTHING, Earlier, WholeListReader
from tracegraph.federation.keyset import KeysetReader, RowBatch
from tracegraph.federation.pages import PLACE, Fetch, PageSource, Row, ScanStats
from tracegraph.federation.progress import OrderBroken
from tracegraph.federation.range_bounds import Bounds
from tracegraph.federation.sort_key import ComparableKey, Ordering, SortKey

T = TypeVar("T")


WHOLE_LIST = -1
"""The hint of a list that the gateway orders itself because the vendor's order turned out to be another."""


class Position(NamedTuple):
    """From where a stream goes on: after `mark` (None: from the start), with the vendor's offset as a hint."""

    mark: SortKey | None = None
    hint: int | None = None


@dataclass(slots=True)
class StreamSpec(Generic[T]):
    """What a stream is made of.

    `name` is the source's, `key` tells the streams of one list apart. `orders` says whether the vendor lists
    in the asked order, `admits` is the filter where any condition is set, `on_grid` whether pages are asked for
    so that other requests can share them.
    """

    name: str
    key: str
    fetch: Fetch[T]
    ordering: Ordering[T]
    admits: Callable[[T], bool] | None
    orders: bool
    page_max: int
    page_budget: int
    bounds: Bounds = Bounds()
    on_grid: bool = False


class Stream(Generic[T]):
    """Buffers admitted rows. After `fill`: rows are there, or it ended, or its budget did, or it failed."""

    def __init__(self, spec: StreamSpec[T], start: Position) -> None:
        self.spec = spec
        self.start = start
        self.ended = False
        self.error: SourceError | None = None
        self.tally = ScanStats()
        self.duration_ms = 0.0
        self._open_admitted = False
        self._more_pages = False
        self._read_rows: Sequence[Row[T]] = ()
        """The stretch that was read last, also what the filter dropped of it."""
        self._admitted: Sequence[int] = ()
        """Which of it the filter admits."""
        self._taken = 0
        """How many of these were taken."""
        self.waiting = 0
        """How many can be taken."""
        self._last_before: Row[T] | None = None
        """The last row that was read before the stretch."""
        self._dropped_before = 0
        """How many rows the filter dropped since the last one that it admitted, up to the stretch."""
        mark, hint = start.mark, start.hint
        if mark is None and spec.bounds.starts_after is not None:
            mark, hint = spec.bounds.starts_after, None
        self._pages = PageSource(
            spec.fetch,
            spec.ordering,
            spec.page_max,
            self.tally,
            page_budget=spec.page_budget,
            on_grid=spec.on_grid,
        )
        self._whole = not spec.orders or hint == WHOLE_LIST
        self._mark = mark
        self._reader: KeysetReader[T] | WholeListReader[T] = (
            self._whole_list(mark) if self._whole else KeysetReader(self._pages, mark, hint)
        )

    def _whole_list(self, after: SortKey | None, earlier: Earlier = NOTHING) -> WholeListReader[T]:
        budget, orders = self.spec.page_budget, self.spec.orders
        return WholeListReader(self._pages, after, page_budget=budget, orders=orders, earlier=earlier)

    # -- what is known ---------------------------------------------------------------------------------

    @property
    def limited(self) -> bool:
        """Whether the page budget ended before a row was found."""
        return self._has_no_row_yet and self.tally.pages >= self.spec.page_budget

    @property
    def needs_fill(self) -> bool:
        """Whether nothing is known of the next row."""
        return self._has_no_row_yet and self.tally.pages < self.spec.page_budget

    @property
    def _has_no_row_yet(self) -> bool:
        return not (self.waiting or self.ended or self.error)

    @property
    def surely_goes_on(self) -> bool:
        """Whether a further row is known to be there, though perhaps not yet which."""
        return bool(self.waiting) or self._open_admitted or (self._more_pages and self.spec.admits is None)

    # -- how far it was read ---------------------------------------------------------------------------

    @property
    def scanned(self) -> Position:
        """How far the list was read; every row up to there waits, was taken, or was dropped."""
        return self._position_after(self._read_rows[-1] if self._read_rows else self._last_before)

    @property
    def before_next(self) -> tuple[Position, int]:
        """How far the list is done with, where nothing of it waits, and how many rows were dropped up to there."""
        last_taken = self._admitted[self._taken - 1] if self._taken else -1
        dropped = 0 if self._taken else self._dropped_before
        following = self._admitted[self._taken] if self.waiting else len(self._read_rows)
        before = self._read_rows[following - 1] if following else self._last_before
        return self._position_after(before), dropped + following - last_taken - 1

    def _position_after(self, row: Row[T] | None) -> Position:
        return self.start if row is None else Position(row.mark, self._hint_of(row))

    def _hint_of(self, row: Row[T]) -> int | None:
        """The hint for going on after the row itself."""
        if self._whole:
            return WHOLE_LIST if self.spec.orders else None
        return row.anchor

    def hint_behind(self, row: Row[T], place: ComparableKey) -> int | None:
        """The hint for going on after a place that this row is the last one before."""
        if not self._whole and row.offset is not None and row.place[:2] < place[:2]:
            return row.offset
        return self._hint_of(row)

    # -- reading and taking ----------------------------------------------------------------------------

    async def fill(self, want: int) -> None:
        """Read until there is a row or none can come; a SourceError is kept, not raised."""
        began = perf_counter()
        try:
            while self.needs_fill:
                self._keep(await self._read(want))
                want = self.spec.page_max  # the filter drops much: look at as much as a page may hold
        except SourceError as error:
            self.error = error
            self.tally.upstream_requests += error.upstream_requests
        finally:
            self.duration_ms += (perf_counter() - began) * 1000

    async def _read(self, want: int) -> RowBatch[T]:
        try:
            return await self._reader.read(want)
        except OrderBroken as broken:
            self._whole = True
            self._reader = self._whole_list(self.scanned.mark or self._mark, Earlier(self._mark, broken.handed_on))
            return await self._reader.read(want)

    def _keep(self, stretch: RowBatch[T]) -> None:
        rows, ends_at, admits = stretch.rows, self.spec.bounds.ends_at, self.spec.admits
        self.ended = stretch.ended
        if ends_at is not None and rows and rows[-1].place >= ends_at:
            rows = rows[: bisect_left(rows, ends_at, key=PLACE)]
            self.ended = True
        self._dropped_before = self.before_next[1] if admits else 0
        self._last_before = self._read_rows[-1] if self._read_rows else self._last_before
        self._read_rows, self._taken = rows, 0
        if admits is None:
            self._admitted = range(len(rows))
            self._open_admitted = not self.ended and bool(stretch.open_rows)
        else:
            self._admitted = [index for index, row in enumerate(rows) if admits(row.node)]
            self._open_admitted = not self.ended and any(admits(row.node) for row in stretch.open_rows)
        self.waiting = len(self._admitted)
        self._more_pages = not self.ended

    @property
    def last_place(self) -> ComparableKey:
        """The place of the last row that waits."""
        return self._read_rows[self._admitted[-1]].place

    def count_up_to(self, place: ComparableKey) -> int:
        """How many of the rows that wait stand up to a place."""
        end = bisect_right(self._admitted, place, self._taken, key=lambda index: self._read_rows[index].place)
        return end - self._taken

    def rows(self, most: int) -> list[Row[T]]:
        """The first rows that wait."""
        if self.spec.admits is None:
            return list(self._read_rows[self._taken : self._taken + most])
        return [self._read_rows[index] for index in self._admitted[self._taken : self._taken + most]]

    def take(self, most: int) -> list[Row[T]]:
        """The first rows that wait, which do so no longer."""
        taken = self.rows(most)
        self._taken += len(taken)
        self.waiting -= len(taken)
        return taken
