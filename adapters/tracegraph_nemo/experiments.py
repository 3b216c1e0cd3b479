"""The workspace's experiments: a stretch of their list, and look-ups by name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import ExperimentOrder
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceError, SourceObjectNotFound
from tracegraph.upstream.lenient_decoder import readable_rows, unreadable_places
from tracegraph.upstream.raw import RawRow
from tracegraph_nemo.client import TOO_MANY, ListResponse, NemoClient
from tracegraph_nemo.filters import is_expressible, names_implied_by, push_experiments, vendor_sort
from tracegraph_nemo.mapping import to_experiment
from tracegraph_nemo.outage_check import OutageCheck
from tracegraph_nemo.paging import LARGEST_PAGE, VendorPage, covering_page
from tracegraph_nemo.time_partitions import PartitionedLists
from tracegraph_nemo.totals import REFUSED, add_cost_on_error, offset_of, total_of
from tracegraph_nemo.wire import ExperimentRow

_LONGEST_NAMES = 5000  # characters of an escaped list of names: a URL stays below 6 kB


_OF_ONE_NAME = frozenset({403, 500})
"""How the service may answer for one of several names: each is asked for by itself then."""


_BATCHABLE = re.compile(r"[\w\-@.+]+", re.ASCII)


class Experiments:
    """Reads experiments.

    It learns two things while it lives, since releases differ in them and none tells its version: whether
    experiments can be filtered by agent, and whether several can be had by name in one call. And for a minute
    it remembers which lists are too long for the service.
    """

    def __init__(
        self, source: str, client: NemoClient, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._client = client
        self._filters_agents = True
        self._takes_several_names = True
        self._overlong = PartitionedLists(source, self._by_offset, clock, wall_clock)
        self._telemetry = OutageCheck(client, clock)

    async def stretch(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """See `NemoAdapter.list_experiments`."""
        found = await self._stretch(query, page)
        items, spent = await self._telemetry.believed(found.items)
        return replace(found, items=items, provenance=found.provenance + spent)

    async def _stretch(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        if names_implied_by(query.filter) == frozenset():
            return Page((), offset=0, next_hint=None, total=0)
        if isinstance(page.hint, str) or self._overlong.knows(query):
            return await self._overlong.read(query, page)
        try:
            return await self._by_offset(query, page)
        except SourceBadRequest as error:
            if error.http_status != TOO_MANY:
                raise
            refused = FetchInfo(error.upstream_requests)
        self._overlong.learn(query)
        with add_cost_on_error(refused):
            found = await self._overlong.read(query, page)
        return replace(found, provenance=refused + found.provenance)

    async def _by_offset(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        wanted = covering_page(offset_of(page), page.limit, LARGEST_PAGE)
        pushed = push_experiments(query.filter, agents=self._filters_agents)
        sort = ("sort", _sort(query.order))
        earlier = FetchInfo()
        try:
            answer = await self._client.experiments(wanted, (sort, *pushed.query))
        except SourceBadRequest as error:
            if error.http_status not in REFUSED or not pushed.by_agent:
                raise
            earlier = FetchInfo(error.upstream_requests)
            pushed = push_experiments(query.filter, agents=False)
            with add_cost_on_error(earlier):
                answer = await self._without_agents(wanted, (sort, *pushed.query))
        items = self._experiments(answer)
        return Page(
            items,
            offset=answer.start,
            next_hint=answer.next,
            total=total_of(answer.total, pushed, items, query.filter.matches),
            provenance=earlier + answer.provenance,
            skipped=unreadable_places(answer.sent),
        )

    async def _without_agents(
        self, page: VendorPage, query: Sequence[tuple[str, str]]
    ) -> ListResponse[ExperimentRow]:
        """The page that was refused with conditions on agents; when it is not now, these were the reason."""
        try:
            answer = await self._client.experiments(page, query)
        except SourceBadRequest as error:
            if error.http_status == TOO_MANY:
                self._filters_agents = False
            raise
        self._filters_agents = False
        return answer

    async def by_name(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """See `NemoAdapter.get_experiments`."""
        # A name that no filter can write is none of NeMo's either: its names are of [a-z0-9-@.+_]
        # (docs/vendors/nemo.md#access).
        askable = [ref for ref in dict.fromkeys(refs) if is_expressible(ref)]
        together = [ref for ref in askable if _BATCHABLE.fullmatch(ref)]
        alone = [ref for ref in askable if not _BATCHABLE.fullmatch(ref)]
        parts = await asyncio.gather(
            self._one_by_one(alone), *(self._together(names) for names in _batches(together))
        )
        found = {ref: one for part in parts for ref, one in part.items()}
        experiments, _ = await self._telemetry.believed(
            [one for one in found.values() if isinstance(one, Experiment)]
        )
        return found | {one.ref: one for one in experiments}

    async def _together(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        if len(refs) == 1 or not self._takes_several_names:
            return await self._one_by_one(refs)
        names = ("filter[name][$in]", ",".join(refs))
        try:
            answer = await self._client.experiments(VendorPage(1, len(refs)), (names,))
        except SourceError as error:
            if error.http_status in _OF_ONE_NAME:
                return await self._one_by_one(refs)
            if error.http_status not in REFUSED:
                return dict.fromkeys(refs, error)
        else:
            if all(row.name in refs for row in answer.rows):
                found: dict[str, Experiment | SourceError] = {one.ref: one for one in self._experiments(answer)}
                if len(found) == len(answer.rows):
                    return found
                # A row that comes twice may have taken the place of another one.
                return {**found, **await self._one_by_one([ref for ref in refs if ref not in found])}
        self._takes_several_names = False
        return await self._one_by_one(refs)

    async def _one_by_one(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        found = await asyncio.gather(*(self._find(ref) for ref in refs))
        return {ref: one for ref, one in zip(refs, found, strict=True) if one is not None}

    async def _find(self, ref: str) -> Experiment | SourceError | None:
        try:
            answer = await self._client.experiments(VendorPage(1, 1), (("filter[name]", ref),))
        except SourceError as error:
            return error
        for found in self._experiments(answer):
            if found.ref == ref:
                return found
        if not answer.rows:
            return None
        return SourceBadResponse(
            self._source,
            f"Source {self._source!r} answered a look-up by name with other experiments.",
            http_status=200,
            upstream_requests=answer.provenance.upstream_requests,
        )

    async def check(self) -> tuple[int | None, SourceError | None]:
        """How many there are, where the vendor tells, and why sessions cannot be read; one call or two."""
        answer = await self._client.experiments(VendorPage(1, 1))
        error = await self._sessions_error(answer.rows[0].name) if answer.rows else None
        return answer.total, error

    async def _sessions_error(self, name: str) -> SourceError | None:
        try:
            answer = await self._client.sessions(name, VendorPage(1, 1))
        except SourceObjectNotFound:
            return None  # deleted meanwhile
        except SourceError as error:
            return error
        return answer.provenance.stale

    def _experiments(self, answer: ListResponse[ExperimentRow]) -> Sequence[Experiment]:
        return [
            to_experiment(row, self._source, RawRow(answer.document, ("data", index)))
            for index, row in readable_rows(answer.sent)
        ]


def _sort(order: ExperimentOrder) -> str:
    """The vendor's word for the order."""
    field, descending = vendor_sort(order)
    return f"-{field}" if descending else field


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """The names in stretches that fit a URL and a page."""
    batch: list[str] = []
    length = 0
    for name in names:
        size = len(quote(name, safe="")) + len("%2C")
        if batch and (length + size > _LONGEST_NAMES or len(batch) == LARGEST_PAGE):
            yield batch
            batch, length = [], 0
        batch.append(name)
        length += size
    if batch:
        yield batch
