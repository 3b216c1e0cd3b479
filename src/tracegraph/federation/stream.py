"""One source's part of a merged list: matching rows, in order, read on demand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from tracegraph.adapter.paging import Paging
from tracegraph.errors import SourceError
from tracegraph.federation.faults import bad_response, log_broken_order
from tracegraph.federation.full_scan import NO_ROWS, EmittedRows, FullScanReader
from tracegraph.federation.keyset import KeysetReader, RowBatch
from tracegraph.federation.pages import COMPARABLE_KEY, Fetch, PageSource, Row, ScanStats
from tracegraph.federation.position import Position
from tracegraph.federation.progress import OrderBroken, OrderUnknown
from tracegraph.federation.range_bounds import Bounds
from tracegraph.federation.sort_key import ComparableKey, Ordering, SortKey
from tracegraph.federation.token_reader import TokenReader
from tracegraph.federation.window_reader import WindowReader

T = TypeVar("T")


FULL_SCAN = -1
"""The hint of a list that the gateway sorts itself because the vendor broke the requested order."""


@dataclass(slots=True)
class StreamSpec(Generic[T]):
    """The definition of a stream.

    `name` is the source's name, `key` is unique among the streams of a list. `vendor_orders`: the vendor lists in
    the requested order; `backwards`: in the other direction of it, and takes ranges. `matches` is the filter, None
    without conditions. `align_to_cache_pages`: request the same pages as other requests. `least_rows`: the fewest
    rows of a request, because the filter drops rows of the vendor's list.
    """

    name: str
    key: str
    fetch: Fetch[T]
    ordering: Ordering[T]
    matches: Callable[[T], bool] | None
    vendor_orders: bool
    page_max: int
    page_budget: int
    bounds: Bounds = Bounds()
    align_to_cache_pages: bool = False
    paging: Paging = Paging.OFFSET
    ranges: bool = False
    backwards: bool = False
    least_rows: int = 0


Reader = KeysetReader[T] | TokenReader[T] | WindowReader[T] | FullScanReader[T]


class Stream(Generic[T]):
    """Buffers matching rows.

    After `fill`, rows are buffered, or the list ended, or the budget is used up, or it failed.
    """

    def __init__(self, spec: StreamSpec[T], start: Position, *, is_turned: bool = False) -> None:
        """Create the stream. `is_turned`: earlier requests read the list in the other direction only."""
        self.spec = spec
        self._is_turned = is_turned
        self.start = start
        self.ended = False
        self.error: SourceError | None = None
        self.stats = ScanStats()
        self.duration_ms = 0.0
        self._has_open_match = False
        self._more_pages = False
        self._read_rows: Sequence[Row[T]] = ()
        """The last batch, including the rows that the filter dropped."""
        self._matching: Sequence[int] = ()
        """The indices in the batch of the rows that match the filter."""
        self._popped = 0
        """How many matching rows were popped."""
        self.buffered = 0
        """How many rows can be popped."""
        self._checked = self._matched = 0
        """How many rows the filter was applied to, and how many of them matched."""
        self._last_before: Row[T] | None = None
        """The last row before the batch."""
        self._dropped_before = 0
        """How many rows the filter dropped between the last match and the batch."""
        if start.sort_key is None and spec.bounds.starts_after is not None:
            start = Position(spec.bounds.starts_after)
        self._pages = PageSource(
            spec.fetch,
            spec.ordering,
            spec.page_max,
            self.stats,
            stream=spec.key,
            page_budget=spec.page_budget,
            paging=spec.paging,
            align_to_cache_pages=spec.align_to_cache_pages,
        )
        self._sort_key = start.sort_key
        self._reader: Reader[T] = self._reader_from(start)
        self.resumes_by_token = isinstance(self._reader, TokenReader)
        """Whether the stream has positions of its own, which no other stream's sort key replaces."""

    def _reader_from(self, start: Position) -> Reader[T]:
        spec, pages, budget = self.spec, self._pages, self.spec.page_budget
        is_ordered = spec.vendor_orders and spec.paging is not Paging.WHOLE and start.hint != FULL_SCAN
        if not is_ordered:
            return self._full_scan_reader(start.sort_key)
        if spec.backwards:
            return WindowReader(pages, start, page_budget=budget)
        if spec.paging is Paging.CURSOR:
            return TokenReader(pages, start, page_budget=budget, ranges=spec.ranges)
        return KeysetReader(pages, start.sort_key, start.hint)

    def _full_scan_reader(self, after: SortKey | None, emitted: EmittedRows = NO_ROWS) -> FullScanReader[T]:
        self._pages.keeps_vendor_ties = False
        budget, vendor_orders = self.spec.page_budget, self.spec.vendor_orders
        return FullScanReader(self._pages, after, page_budget=budget, vendor_orders=vendor_orders, emitted=emitted)

    # -- state -----------------------------------------------------------------------------------------

    @property
    def budget_exhausted(self) -> bool:
        """Return whether the page budget was used up before a row was found."""
        return self._has_no_row_yet and self.stats.pages >= self.spec.page_budget

    @property
    def scan_limited(self) -> bool:
        """Return whether the page budget ended before the list did."""
        is_cut = isinstance(self._reader, FullScanReader) and self._reader.is_limited
        return is_cut or self.budget_exhausted

    @property
    def needs_fetch(self) -> bool:
        """Return whether the next row is unknown and may still be read."""
        return self._has_no_row_yet and self.stats.pages < self.spec.page_budget

    @property
    def _has_no_row_yet(self) -> bool:
        return not (self.buffered or self.ended or self.error)

    @property
    def has_known_next(self) -> bool:
        """Return whether a further row exists, although the row itself may not be read yet."""
        return bool(self.buffered) or self._has_open_match or (self._more_pages and self.spec.matches is None)

    # -- positions -------------------------------------------------------------------------------------

    @property
    def scan_position(self) -> Position:
        """Return the position after the last row read: each row before it is buffered, popped or dropped."""
        return self._position_after(self._read_rows[-1] if self._read_rows else self._last_before)

    @property
    def before_next(self) -> tuple[Position, int]:
        """Return the position before the next buffered row, and how many rows were dropped up to it."""
        last_taken = self._matching[self._popped - 1] if self._popped else -1
        dropped = 0 if self._popped else self._dropped_before
        following = self._matching[self._popped] if self.buffered else len(self._read_rows)
        before = self._read_rows[following - 1] if following else self._last_before
        return self._position_after(before), dropped + following - last_taken - 1

    def position_after(self, rows: Sequence[Row[T]], edge: ComparableKey) -> Position:
        """Return where the stream resumes after an edge of the merged list, by its own rows.

        Args:
            rows: The rows of the stream that were popped, in order.
            edge: The key of the edge.
        """
        count = bisect_right(rows, edge, key=COMPARABLE_KEY)
        return (
            self.before_next[0] if count == len(rows) else self._position_after(rows[count - 1] if count else None)
        )

    def _position_after(self, row: Row[T] | None) -> Position:
        if row is None:
            if not isinstance(self._reader, FullScanReader):
                return self._reader.reached
            return Position(self.start.sort_key, FULL_SCAN) if self.spec.vendor_orders else self.start
        if row.keeps_vendor_ties:
            token, done = row.token_position
            return Position(row.sort_key, done, token)
        return Position(row.sort_key, self._hint_of(row))

    def _hint_of(self, row: Row[T]) -> int | None:
        """Return the hint to resume after the row itself."""
        if isinstance(self._reader, FullScanReader):
            return FULL_SCAN if self.spec.vendor_orders else None
        return self._reader.width if isinstance(self._reader, WindowReader) else row.anchor

    def hint_after(self, row: Row[T], key: ComparableKey) -> int | None:
        """Return the hint to resume after a key, of which this row is the last one before it."""
        if isinstance(self._reader, KeysetReader) and row.offset is not None and row.comparable_key[:2] < key[:2]:
            return row.offset
        return self._hint_of(row)

    # -- reading ---------------------------------------------------------------------------------------

    async def fill(self, count: int) -> None:
        """Read until a row is buffered or none can follow. Store a SourceError in `error` and do not raise it."""
        began = perf_counter()
        try:
            while self.needs_fetch:
                self._buffer(await self._read(max(self.spec.least_rows, self._rows_for(count))))
                count = self.spec.page_max  # the filter drops most rows: read full pages
        except SourceError as error:
            self.error = error
            self.stats.upstream_requests += error.upstream_requests
        finally:
            self.duration_ms += (perf_counter() - began) * 1000

    def _rows_for(self, count: int) -> int:
        """Return how many rows to read for so many matching ones, by the share that matched so far."""
        if self._matched == self._checked:
            return count
        return min(self.spec.page_max, -(-count * self._checked // max(1, self._matched)))

    async def _read(self, count: int) -> RowBatch[T]:
        try:
            return await self._reader.read(count)
        except OrderBroken as broken:
            if not isinstance(broken, OrderUnknown):
                log_broken_order(self.spec.name, self.spec.key)
            relied_on_order = self.start.sort_key is not None and not self._is_turned
            if isinstance(self._reader, TokenReader) and relied_on_order:
                # Rows before the position may never have been emitted.
                name = self.spec.name
                raise bad_response(
                    name, f"Source {name!r} gave rows out of the requested order: start from the first page."
                ) from None
            self._reader = self._full_scan_reader(
                self.scan_position.sort_key or self._sort_key, EmittedRows(self._sort_key, broken.emitted_ids)
            )
            return await self._reader.read(count)

    def _buffer(self, batch: RowBatch[T]) -> None:
        rows, ends_at, matches = batch.rows, self.spec.bounds.ends_at, self.spec.matches
        self.ended = batch.ended
        if ends_at is not None and rows and rows[-1].comparable_key >= ends_at:
            rows = rows[: bisect_left(rows, ends_at, key=COMPARABLE_KEY)]
            self.ended = True
        self._dropped_before = self.before_next[1] if matches else 0
        self._last_before = self._read_rows[-1] if self._read_rows else self._last_before
        self._read_rows, self._popped = rows, 0
        if matches is None:
            self._matching = range(len(rows))
            self._has_open_match = not self.ended and bool(batch.open_rows)
        else:
            self._matching = [index for index, row in enumerate(rows) if matches(row.node)]
            self._checked += len(rows)
            self._matched += len(self._matching)
            self._has_open_match = not self.ended and any(matches(row.node) for row in batch.open_rows)
        self.buffered = len(self._matching)
        # Further pages hold a row; further windows may be empty.
        self._more_pages = not self.ended and not isinstance(self._reader, WindowReader)

    @property
    def last_key(self) -> ComparableKey:
        """Return the key of the last buffered row."""
        return self._read_rows[self._matching[-1]].comparable_key

    def count_up_to(self, key: ComparableKey) -> int:
        """Return how many buffered rows are at or before a key."""
        end = bisect_right(
            self._matching, key, self._popped, key=lambda index: self._read_rows[index].comparable_key
        )
        return end - self._popped

    def peek(self, limit: int) -> list[Row[T]]:
        """Return the first buffered rows."""
        if self.spec.matches is None:
            return list(self._read_rows[self._popped : self._popped + limit])
        return [self._read_rows[index] for index in self._matching[self._popped : self._popped + limit]]

    def pop(self, limit: int) -> list[Row[T]]:
        """Remove and return the first buffered rows."""
        popped = self.peek(limit)
        self._popped += len(popped)
        self.buffered -= len(popped)
        return popped
