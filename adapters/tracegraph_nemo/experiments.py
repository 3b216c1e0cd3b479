"""Experiments of one workspace: pages of their list, and look-ups by name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from tracegraph.adapter import (
    CallCost,
    ExperimentQuery,
    OffsetRequest,
    Page,
    PageRequest,
    cost_of,
    gather_by_key,
)
from tracegraph.domain.filters import ExperimentOrder, OrderDirection
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceError, SourceObjectNotFound
from tracegraph_nemo.client import HTTP_TOO_MANY, ListResponse, NemoClient, PathNotFound
from tracegraph_nemo.filters import is_by_time, is_expressible, names_implied_by, push_experiments, sort_parameter
from tracegraph_nemo.mapping import Origin, to_experiment
from tracegraph_nemo.outage_check import OutageCheck
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage, vendor_page
from tracegraph_nemo.time_partitions import PartitionedLists
from tracegraph_nemo.wire import ExperimentRow

_OLDEST_FIRST = ExperimentOrder(direction=OrderDirection.ASC)


FILTER_REJECTED_STATUSES = frozenset({400, 422})
"""The statuses of a filter that the service does not support (docs/vendors/nemo.md#filters)."""


_MAX_NAMES_LENGTH = 5000  # characters of the escaped names in one call: the URL stays below 6 kB


_SINGLE_NAME_STATUSES = frozenset({403, 500})
"""Statuses that may concern only one of several names. The adapter then looks up each name separately."""


_BATCHABLE_NAME = re.compile(r"[\w\-@.+]+", re.ASCII)


class Experiments:
    """Reads experiments of one release.

    The reader learns two features from responses: whether lists of 0.1.2 and 0.2.0 can be filtered by agent, and
    whether one call accepts several names. For a minute it also remembers which lists are too long.
    """

    def __init__(
        self, client: NemoClient, origin: Origin, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._source = client.source
        self._client = client
        self._origin = origin
        self._supports_agent_filters = client.release.filters_agents is not False
        self._supports_name_lists = True
        self._partitioned = PartitionedLists(
            client.source, self._page_by_offset, clock, wall_clock, shares_slices=client.upstream.is_cached
        )
        self.outage_check = OutageCheck(client, clock)

    async def list_page(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of experiments: see `NemoAdapter.list_experiments`."""
        # NeMo returns all fields whichever are needed, so hints apply to lists with any fields.
        result = await self._list_page(replace(query, fields=None), page)
        items, probe_cost = await self.outage_check.verify_empty(result.items)
        return replace(result, items=items, provenance=result.provenance + probe_cost)

    async def _list_page(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        if names_implied_by(query.filter) == frozenset():
            return Page((), offset=0, next_hint=None, total=0)
        # A list that is too long is read by time. The gateway sees that the rows are in no other order.
        by_time = query if is_by_time(query.order) else replace(query, order=_OLDEST_FIRST)
        if (isinstance(page, OffsetRequest) and page.token is not None) or self._partitioned.is_too_long(by_time):
            return await self._partitioned.read(by_time, page)
        try:
            return await self._page_by_offset(query, page)
        except SourceBadRequest as error:
            if error.http_status != HTTP_TOO_MANY:
                raise
            cost = CallCost(cost_of(error))
        self._partitioned.mark_too_long(by_time)
        with cost:
            result = cost.add(await self._partitioned.read(by_time, page))
        return replace(result, provenance=cost.total)

    async def _page_by_offset(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        sort = ("sort", sort_parameter(query.order, self._client.release))
        pushed = push_experiments(query.filter, self._client.release, agents=self._supports_agent_filters)
        cost = CallCost()
        try:
            response = await self._client.experiments(vendor_page(page), (sort, *pushed.query))
        except SourceBadRequest as error:
            if error.http_status not in FILTER_REJECTED_STATUSES or not pushed.by_agent:
                raise
            cost.add_outcomes([error])
            pushed = push_experiments(query.filter, self._client.release, agents=False)
            with cost:
                response = await self._retry_without_agents(vendor_page(page), (sort, *pushed.query))
        items = self._experiments(response)
        result = response.page_of(items, pushed.total(response.stated_total, items, query.filter.matches))
        return replace(result, provenance=cost.total + response.provenance)

    async def _retry_without_agents(
        self, page: VendorPage, query: Sequence[tuple[str, str]]
    ) -> ListResponse[ExperimentRow]:
        """Repeat a rejected call without its conditions on agents.

        If the service accepts the call, it rejected these conditions, and later queries leave them out.
        """
        try:
            response = await self._client.experiments(page, query)
        except SourceBadRequest as error:
            if error.http_status == HTTP_TOO_MANY:
                self._supports_agent_filters = False
            raise
        self._supports_agent_filters = False
        return response

    async def get_by_name(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return experiments by name: see `NemoAdapter.get_experiments`."""
        # NeMo's names consist of [a-z0-9-@.+_] (docs/vendors/nemo.md#access), so no experiment has a name
        # that a filter cannot express.
        expressible = [ref for ref in dict.fromkeys(refs) if is_expressible(ref)]
        batchable = [ref for ref in expressible if _BATCHABLE_NAME.fullmatch(ref)]
        single = [ref for ref in expressible if not _BATCHABLE_NAME.fullmatch(ref)]
        parts = await asyncio.gather(
            self._find_each(single), *(self._find_batch(names) for names in _batches(batchable))
        )
        outcomes = {ref: experiment for part in parts for ref, experiment in part.items()}
        for outcome in outcomes.values():
            if isinstance(outcome, PathNotFound):
                raise outcome
        verified, _ = await self.outage_check.verify_empty(
            [experiment for experiment in outcomes.values() if isinstance(experiment, Experiment)]
        )
        return outcomes | {experiment.ref: experiment for experiment in verified}

    async def _find_batch(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        if len(refs) == 1 or not self._supports_name_lists:
            return await self._find_each(refs)
        names = ("filter[name][$in]", ",".join(refs))
        try:
            response = await self._client.experiments(VendorPage(1, len(refs)), (names,))
        except SourceError as error:
            if error.http_status in _SINGLE_NAME_STATUSES:
                return await self._find_each(refs)
            if error.http_status not in FILTER_REJECTED_STATUSES:
                return dict.fromkeys(refs, error)
        else:
            if all(row.name in refs for row in response.rows):
                outcomes: dict[str, Experiment | SourceError] = {
                    experiment.ref: experiment for experiment in self._experiments(response)
                }
                if len(outcomes) == len(response.rows):
                    return outcomes
                # A repeated row may have displaced another experiment's row.
                return {**outcomes, **await self._find_each([ref for ref in refs if ref not in outcomes])}
        self._supports_name_lists = False
        return await self._find_each(refs)

    async def _find_each(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        return await gather_by_key({ref: self._find_one(ref) for ref in refs})

    async def _find_one(self, ref: str) -> Experiment:
        response = await self._client.experiments(VendorPage(1, 1), (("filter[name]", ref),))
        for experiment in self._experiments(response):
            if experiment.ref == ref:
                return experiment
        calls = response.provenance.upstream_requests
        if not response.rows:
            message = f"Source {self._source!r} has no experiment with that name."
            raise SourceObjectNotFound(self._source, message, upstream_requests=calls)
        message = f"Source {self._source!r} returned other experiments for a look-up by name."
        raise SourceBadResponse(self._source, message, http_status=200, upstream_requests=calls)

    def _experiments(self, response: ListResponse[ExperimentRow]) -> Sequence[Experiment]:
        return [to_experiment(row, self._origin, raw) for row, raw in response.raw_rows]


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split the names into batches that fit a URL and a page."""
    batch: list[str] = []
    length = 0
    for name in names:
        size = len(quote(name, safe="")) + len("%2C")
        if batch and (length + size > _MAX_NAMES_LENGTH or len(batch) == MAX_PAGE_SIZE):
            yield batch
            batch, length = [], 0
        batch.append(name)
        length += size
    if batch:
        yield batch
