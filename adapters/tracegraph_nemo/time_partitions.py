"""Lists of more experiments than the service lists, read in slices of time (docs/vendors/nemo.md#paging)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from tracegraph.adapter import LRU, CallCost, ExperimentQuery, FetchInfo, OffsetRequest, Page, PageRequest, cost_of
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceBadRequest, SourceBadResponse
from tracegraph_nemo.client import HTTP_TOO_MANY, too_many_message
from tracegraph_nemo.paging import MAX_PAGE_SIZE
from tracegraph_nemo.partition_search import PartitionHints, SliceCursor, Timeline, TimeSlice

Fetch = Callable[[ExperimentQuery, PageRequest], Awaitable[Page[Experiment]]]


_REFUSAL_TTL_S = 60.0


_MAX_LISTS = 64


# A slice of few rows still costs a call, and the vendor may refuse a slice of nearly 1000.
_MIN_SLICE_ROWS, _MAX_SLICE_ROWS = 100, 900


_CACHED_SLICE_ROWS = 800
"""The target where a cache holds slices for other requests."""


class PartitionedLists:
    """Remembers which lists the service refuses, and reads them slice by slice.

    The cost of a slice depends on the number of its rows, whatever the page size
    (docs/vendors/nemo.md#response-times). So a slice is sized for about twice the requested rows and read
    completely. Where a cache holds replies, slices are larger, and every page that begins in a listed slice
    requests the same slice again.
    """

    def __init__(
        self,
        source: str,
        fetch: Fetch,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        *,
        shares_slices: bool,
    ) -> None:
        self._source = source
        self._fetch = fetch
        self._shares_slices = shares_slices
        self._clock = clock
        self._wall_clock = wall_clock
        self._hints = LRU[ExperimentQuery, PartitionHints](_MAX_LISTS)

    def is_too_long(self, query: ExperimentQuery) -> bool:
        """Return whether the service refused the list within the last minute."""
        hints = self._hints.get(query)
        return hints is not None and self._clock() < hints.refused_until

    def mark_too_long(self, query: ExperimentQuery) -> None:
        """Record that the service has just refused the list."""
        self._hints_for(query).refused_until = self._clock() + _REFUSAL_TTL_S

    async def read(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return at least half of the requested rows, or fewer at the end of the list.

        Raises:
            SourceBadRequest: More than 1000 experiments share a microsecond.
            SourceError: A call failed.
        """
        timeline = Timeline.for_query(query)
        hints = self._hints_for(query)
        own_rows = min(_MAX_SLICE_ROWS, max(_MIN_SLICE_ROWS, 2 * page.limit))
        target_rows = _CACHED_SLICE_ROWS if self._shares_slices else own_rows
        cursor = SliceCursor(
            timeline, timeline.start_position(page), hints, target_rows, int(self._wall_clock() * 1_000_000)
        )
        items: list[Experiment] = []
        cost = CallCost()
        while not cursor.ended:
            if 2 * len(items) >= page.limit and items:
                return Page(items, None, str(cursor.position), None, cost.total)
            cached_slice = hints.slice_at(cursor.position) if self._shares_slices else None
            time_slice = cached_slice or cursor.next_slice()
            with cost:
                fetched = cost.add(await self._fetch_slice(query, timeline, time_slice))
            if fetched.next_hint is None:
                hints.add_slice(time_slice)
                items += self._rows_from_position(cursor, timeline, time_slice, fetched.items, cost.total)
            elif cached_slice is not None:
                hints.remove_slice(cached_slice)
            else:
                cursor.mark_too_large(time_slice)
        return Page(items, None, None, None, cost.total)

    def _rows_from_position(
        self,
        cursor: SliceCursor,
        timeline: Timeline,
        time_slice: TimeSlice,
        experiments: Sequence[Experiment],
        cost: FetchInfo,
    ) -> Sequence[Experiment]:
        """Return the rows of the slice from the cursor's position on, and advance the cursor past the slice."""
        positions = self._positions(timeline, time_slice, experiments, cost)
        rows = [
            experiment
            for position, experiment in zip(positions, experiments, strict=True)
            if position >= cursor.position
        ]
        cursor.advance(time_slice, sorted(positions))
        return rows

    async def _fetch_slice(
        self, query: ExperimentQuery, timeline: Timeline, time_slice: TimeSlice
    ) -> Page[Experiment]:
        """Return all rows of a slice, or an empty page that goes on if the service does not list that many."""
        slice_query = replace(query, filter=timeline.restrict(query.filter, time_slice))
        cost = CallCost()
        try:
            page = cost.add(await self._fetch(slice_query, OffsetRequest(MAX_PAGE_SIZE)))
        except SourceBadRequest as error:
            if error.http_status != HTTP_TOO_MANY or time_slice.first == time_slice.last:
                raise
            return _too_large(cost_of(error))
        if page.next_hint is None:
            return page
        with cost:
            next_page = cost.add(await self._fetch(slice_query, OffsetRequest(1, int(page.next_hint))))
        if not next_page.items:  # the full page holds all rows of the slice
            return replace(page, next_hint=None, provenance=cost.total)
        if time_slice.first == time_slice.last:
            raise SourceBadRequest(
                self._source, too_many_message(self._source), upstream_requests=cost.total.upstream_requests
            )
        return _too_large(cost.total)

    def _positions(
        self, timeline: Timeline, time_slice: TimeSlice, experiments: Sequence[Experiment], cost: FetchInfo
    ) -> Sequence[int]:
        positions = [
            position for experiment in experiments if (position := timeline.position_of(experiment)) is not None
        ]
        if len(positions) < len(experiments) or any(
            not time_slice.first <= position <= time_slice.last for position in positions
        ):
            raise SourceBadResponse(
                self._source,
                f"Source {self._source!r} returned experiments from outside the requested range of times.",
                http_status=200,
                upstream_requests=cost.upstream_requests,
            )
        return positions

    def _hints_for(self, query: ExperimentQuery) -> PartitionHints:
        hints = self._hints.get(query)
        if hints is None:
            hints = PartitionHints()
            self._hints.put(query, hints)
        return hints


def _too_large(cost: FetchInfo) -> Page[Experiment]:
    return Page((), None, MAX_PAGE_SIZE, None, cost)
