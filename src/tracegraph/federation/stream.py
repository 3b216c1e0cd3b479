"""One source's part of a merged list: rows that pass the filter, in order, read as they are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from tracegraph.adapter import Provenance
from tracegraph.errors import SourceError
from tracegraph.federation.bounds import Bounds
from tracegraph.federation.keyset import KeysetReader, OrderBroken, Stretch
from tracegraph.federation.order import Mark, Place
from tracegraph.federation.pages import Fetch, MarkOf, PageSource, Row, Tally
from tracegraph.federation.whole import WholeListReader
from tracegraph.query import OrderDirection

T = TypeVar("T")

WHOLE_LIST = -1
"""The hint of a list that the gateway orders itself because the vendor's order turned out to be another."""


@dataclass(frozen=True, slots=True)
class Position:
    """From where a stream goes on: after `mark` (None: from the start), with the vendor's offset as a hint."""

    mark: Mark | None = None
    hint: int | None = None


@dataclass(frozen=True, slots=True)
class StreamSpec(Generic[T]):
    """What a stream is made of.

    `name` is the source's, `key` tells the streams of one list apart. `orders` says whether the vendor lists
    in the asked order, `filtered` whether any condition is set, `on_grid` whether pages are asked for so that
    other requests can share them.
    """

    name: str
    key: str
    fetch: Fetch[T]
    mark_of: MarkOf[T]
    admits: Callable[[T], bool]
    filtered: bool
    orders: bool
    direction: OrderDirection
    page_max: int
    page_budget: int
    bounds: Bounds = Bounds()
    on_grid: bool = False


@dataclass(frozen=True, slots=True)
class Admitted(Generic[T]):
    """A row that passes the filter, and how far the list was read before it, dropping how many."""

    row: Row[T]
    before: Position
    dropped: int


class Stream(Generic[T]):
    """Buffers admitted rows. After `fill`: rows are there, or it ended, or its budget did, or it failed."""

    def __init__(self, spec: StreamSpec[T], start: Position) -> None:
        self.spec = spec
        self.start = start
        self.rows: deque[Admitted[T]] = deque()
        self.scanned = start
        """How far the list was read; every row up to there is in `rows`, was taken, or was dropped."""
        self.dropped = 0
        """Rows that the filter dropped since the last one that it admitted."""
        self.ended = False
        self.error: SourceError | None = None
        self.tally = Tally()
        self.duration_ms = 0.0
        self._open_admitted = False
        self._more_pages = False
        mark, hint = start.mark, start.hint
        if mark is None and spec.bounds.starts_after is not None:
            mark, hint = spec.bounds.starts_after, None
        pages = PageSource(
            spec.fetch, spec.mark_of, spec.direction, spec.page_max, self.tally, on_grid=spec.on_grid
        )
        self._pages = pages
        self._whole = not spec.orders or hint == WHOLE_LIST
        self._mark = mark
        self._reader: KeysetReader[T] | WholeListReader[T] = (
            self._whole_list(mark) if self._whole else KeysetReader(pages, mark, hint)
        )

    def _whole_list(self, after: Mark | None) -> WholeListReader[T]:
        return WholeListReader(self._pages, after, name=self.spec.name, page_budget=self.spec.page_budget)

    @property
    def before_buffered(self) -> Position:
        """How far the list is done with: read, and nothing of it still waits in `rows`."""
        return self.rows[0].before if self.rows else self.scanned

    @property
    def limited(self) -> bool:
        """Whether the page budget ended before a row was found."""
        return not (self.rows or self.ended or self.error) and self.tally.pages >= self.spec.page_budget

    @property
    def needs_fill(self) -> bool:
        """Whether nothing is known of the next row."""
        return not (self.rows or self.ended or self.error or self.limited)

    @property
    def surely_goes_on(self) -> bool:
        """Whether a further row is known to be there, though perhaps not yet which."""
        return bool(self.rows) or self._open_admitted or (self._more_pages and not self.spec.filtered)

    async def fill(self, want: int) -> None:
        """Read until there is a row or none can come; a SourceError is kept, not raised."""
        began = perf_counter()
        try:
            while self.needs_fill:
                self._take(await self._read(want))
                want = self.spec.page_max  # the filter drops much: look at as much as a page may hold
        except SourceError as error:
            self.error = error
            self.tally.provenance += Provenance(error.upstream_requests)
        finally:
            self.duration_ms += (perf_counter() - began) * 1000

    async def _read(self, want: int) -> Stretch[T]:
        try:
            return await self._reader.read(want)
        except OrderBroken:
            self._whole = True
            self._reader = self._whole_list(self.scanned.mark or self._mark)
            return await self._reader.read(want)

    def _take(self, stretch: Stretch[T]) -> None:
        ends_at = self.spec.bounds.ends_at
        for row in stretch.rows:
            if ends_at is not None and row.place >= ends_at:
                self.ended = True
                break
            if self.spec.admits(row.node):
                self.rows.append(Admitted(row, self.scanned, self.dropped))
                self.dropped = 0
            else:
                self.dropped += 1
            self.scanned = Position(row.mark, self.hint_of(row))
        self.ended = self.ended or stretch.ended
        self._open_admitted = not self.ended and any(self.spec.admits(row.node) for row in stretch.open_rows)
        self._more_pages = not self.ended

    def hint_of(self, row: Row[T]) -> int | None:
        """The hint for going on after the row itself."""
        return WHOLE_LIST if self._whole and self.spec.orders else row.anchor

    def hint_behind(self, row: Row[T], place: Place) -> int | None:
        """The hint for going on after a place that this row is the last one before."""
        if row.offset is not None and row.place[:2] < place[:2]:
            return row.offset
        return self.hint_of(row)
