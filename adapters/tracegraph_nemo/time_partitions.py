"""Lists of more experiments than the service lists: read by ranges of time (docs/vendors/nemo.md#paging)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceBadRequest, SourceBadResponse
from tracegraph_nemo.client import TOO_MANY, too_many
from tracegraph_nemo.paging import LARGEST_PAGE
from tracegraph_nemo.partition_search import PartitionHints, SliceCursor, Timeline, TimeSlice
from tracegraph_nemo.totals import add_cost_on_error

Fetch = Callable[[ExperimentQuery, PageRequest], Awaitable[Page[Experiment]]]


_REMEMBERED_S = 60.0


_NOTES = 64


_LEAST, _MOST = 100, 900  # rows that a part is cut for: a part of few costs a call, one near 1000 may be refused


_SHARED = 800  # and where a cache holds them for other requests, too


class PartitionedLists:
    """Remembers which lists are refused, and reads them part by part.

    A part costs the service by the rows in it, whatever the page's size (docs/vendors/nemo.md#response-times): so
    parts are cut for about twice the rows that are wanted, and each is read whole. Where a cache holds answers,
    parts are larger, and one that answered is asked for again by every page that begins in it.
    """

    def __init__(
        self, source: str, fetch: Fetch, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._fetch = fetch
        self._clock = clock
        self._wall_clock = wall_clock
        self._notes: OrderedDict[ExperimentQuery, PartitionHints] = OrderedDict()

    def knows(self, query: ExperimentQuery) -> bool:
        """Whether the list was refused lately."""
        note = self._notes.get(query)
        return note is not None and self._clock() < note.refused_until

    def learn(self, query: ExperimentQuery) -> None:
        """The list was refused just now."""
        self._note(query).refused_until = self._clock() + _REMEMBERED_S

    async def read(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """At least half of the wanted rows, unless the list ends.

        Raises SourceBadRequest when more than 1000 share a microsecond, and SourceError.
        """
        line = Timeline.of(query)
        note = self._note(query)
        wanted = _SHARED if page.align_to_cache_pages else min(_MOST, max(_LEAST, 2 * page.limit))
        search = SliceCursor(line, line.begin(page), note, wanted, int(self._wall_clock() * 1_000_000))
        items: list[Experiment] = []
        made = FetchInfo()
        while not search.ended:
            if 2 * len(items) >= page.limit and items:
                return Page(items, None, str(search.at), None, made)
            shared = note.part_at(search.at) if page.align_to_cache_pages else None
            part = shared or search.part()
            with add_cost_on_error(made):
                found, provenance = await self._rows(query, line, part)
            made += provenance
            if found is not None:
                note.add_part(part)
                items += self._taken(search, line, part, found, made)
            elif shared is not None:
                note.drop_part(shared)
            else:
                search.refuse(part)
        return Page(items, None, None, None, made)

    def _taken(
        self, search: SliceCursor, line: Timeline, part: TimeSlice, found: Sequence[Experiment], made: FetchInfo
    ) -> Sequence[Experiment]:
        """The rows of the part from the search's place on; the search goes on behind it."""
        places = self._places(line, part, found, made)
        taken = [one for place, one in zip(places, found, strict=True) if place >= search.at]
        search.take(part, sorted(places))
        return taken

    async def _rows(
        self, query: ExperimentQuery, line: Timeline, part: TimeSlice
    ) -> tuple[Sequence[Experiment] | None, FetchInfo]:
        """All rows of a part, None when it holds more than the service lists."""
        one = replace(query, filter=line.narrowed(query.filter, part))
        try:
            page = await self._fetch(one, PageRequest(LARGEST_PAGE))
        except SourceBadRequest as error:
            if error.http_status != TOO_MANY or part.first == part.last:
                raise
            return None, FetchInfo(error.upstream_requests)
        made = page.provenance
        if page.next_hint is None:
            return page.items, made
        with add_cost_on_error(made):
            beyond = await self._fetch(one, PageRequest(1, hint=page.next_hint))
        made += beyond.provenance
        if not beyond.items:  # a full page was all
            return page.items, made
        if part.first == part.last:
            raise SourceBadRequest(self._source, too_many(self._source), upstream_requests=made.upstream_requests)
        return None, made

    def _places(
        self, line: Timeline, part: TimeSlice, found: Sequence[Experiment], made: FetchInfo
    ) -> Sequence[int]:
        places = [place for one in found if (place := line.place(one)) is not None]
        if len(places) < len(found) or any(not part.first <= place <= part.last for place in places):
            raise SourceBadResponse(
                self._source,
                f"Source {self._source!r} answered a range of times with experiments from outside it.",
                http_status=200,
                upstream_requests=made.upstream_requests,
            )
        return places

    def _note(self, query: ExperimentQuery) -> PartitionHints:
        note = self._notes.setdefault(query, PartitionHints())
        self._notes.move_to_end(query)
        if len(self._notes) > _NOTES:
            self._notes.popitem(last=False)
        return note
