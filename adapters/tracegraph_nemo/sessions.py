"""Sessions of one experiment: pages of their list in both directions, and look-ups by id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.models import Session, SessionRef
from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceError, SourceObjectNotFound
from tracegraph.upstream.lenient_decoder import length, readable_rows, unreadable_places
from tracegraph.upstream.raw import RawRow
from tracegraph_nemo.client import ListResponse, NemoClient
from tracegraph_nemo.filters import PushedFilter, push_sessions
from tracegraph_nemo.mapping import to_session
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage, covering_page
from tracegraph_nemo.session_end import MAX_CALLS, EndSearch, ListEnd, ListEndCache
from tracegraph_nemo.totals import add_cost_on_error, offset_of, total_of
from tracegraph_nemo.wire import SessionRow

_MAX_LOOKUP_PAGES = 50


class Sessions:
    """Reads sessions. The service lists them only oldest first (docs/vendors/nemo.md#paging)."""

    def __init__(self, source: str, client: NemoClient) -> None:
        self._source = source
        self._client = client
        self._ends = ListEndCache()

    async def list_pages(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return a page of sessions for each request: see `NemoAdapter.list_sessions`."""
        return await asyncio.gather(*(self._list_page(request) for request in requests))

    async def _list_page(self, request: SessionPageRequest) -> Page[Session] | SourceError:
        try:
            if request.order.direction is OrderDirection.ASC:
                return await self._oldest_first(request)
            return await self._newest_first(request)
        except SourceError as error:
            return error

    async def _oldest_first(self, request: SessionPageRequest) -> Page[Session]:
        (ref,) = request.experiment_refs
        pushed = push_sessions(request.filter)
        vendor_page = covering_page(offset_of(request.page), request.page.limit, MAX_PAGE_SIZE)
        response = await self._client.sessions(ref, vendor_page, pushed.query)
        items = self._sessions(response, ref)
        return Page(
            items,
            offset=response.offset,
            next_hint=response.next_offset,
            total=total_of(response.total, pushed, items, request.filter.matches),
            provenance=response.provenance,
            skipped=unreadable_places(response.sent_rows),
        )

    async def _newest_first(self, request: SessionPageRequest) -> Page[Session]:
        """Read from the end: of `total` rows, the offset `skip` from the end is `total - skip` from the start.

        Rows that are appended during the read are taken as appended after the page. The gateway drops rows that a
        next page repeats, but cannot detect rows that a next page skips. Raises SourceBadResponse if the end
        cannot be found.
        """
        (ref,) = request.experiment_refs
        pushed = push_sessions(request.filter)
        list_key = ref, pushed.query
        total_hint = None if pushed.query else request.total_hint
        search = EndSearch(request.page.limit, offset_of(request.page), total_hint, self._ends.get(list_key))
        cost = FetchInfo()
        for _ in range(MAX_CALLS):
            with add_cost_on_error(cost):
                response = await self._client.sessions(ref, search.page, pushed.query)
            cost += response.provenance
            done = search.accept(response)
            if response.reaches_end:
                self._ends.put(list_key, ListEnd(response.stated_total, response.end_offset))
            if done:
                return self._newest_first_page(request, response, pushed, search, cost)
        raise SourceBadResponse(
            self._source,
            f"The end of an experiment's sessions in source {self._source!r} cannot be found, "
            "so they cannot be read newest first: request them oldest first.",
            http_status=200,
            upstream_requests=cost.upstream_requests,
        )

    def _newest_first_page(
        self,
        request: SessionPageRequest,
        response: ListResponse[SessionRow],
        pushed: PushedFilter,
        search: EndSearch,
        cost: FetchInfo,
    ) -> Page[Session]:
        skip, end = offset_of(request.page), search.end or 0
        if search.target <= 0:
            total = total_of(_consistent_total(response, end), pushed, (), request.filter.matches)
            return Page((), offset=skip, next_hint=None, total=total, provenance=cost)
        items = self._sessions(response, request.experiment_refs[0])[::-1]
        sent_rows = response.sent_rows[::-1]
        start = max(0, min(end - response.end_offset, skip))
        return Page(
            items,
            offset=start,
            next_hint=start + length(sent_rows) if response.offset > 0 else None,
            total=total_of(_consistent_total(response, end), pushed, items, request.filter.matches),
            provenance=cost,
            skipped=unreadable_places(sent_rows),
        )

    async def get_by_id(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Return sessions by id: see `NemoAdapter.get_sessions`."""
        refs_by_experiment: dict[str, set[SessionRef]] = {}
        for ref in refs:
            if ref.session_id:
                refs_by_experiment.setdefault(ref.experiment_ref, set()).add(ref)
        parts = await asyncio.gather(
            *(self._scan_experiment(name, session_refs) for name, session_refs in refs_by_experiment.items())
        )
        return {ref: session for part in parts for ref, session in part.items()}

    async def _scan_experiment(
        self, experiment: str, refs: set[SessionRef]
    ) -> Mapping[SessionRef, Session | SourceError]:
        sessions: dict[SessionRef, Session | SourceError] = {}
        cost = FetchInfo()
        try:
            for number in range(1, _MAX_LOOKUP_PAGES + 1):
                with add_cost_on_error(cost):
                    response = await self._client.sessions(experiment, VendorPage(number, MAX_PAGE_SIZE))
                cost += response.provenance
                sessions |= self._matching_sessions(response, experiment, refs)
                if len(sessions) == len(refs) or response.next_offset is None:
                    return sessions
        except SourceObjectNotFound:
            return sessions
        except SourceError as error:
            return dict.fromkeys(refs, error) | sessions
        not_found = SourceBadRequest(
            self._source,
            f"The session is not among the first {_MAX_LOOKUP_PAGES * MAX_PAGE_SIZE} of its experiment. "
            f"One look-up reads no more from source {self._source!r}.",
            upstream_requests=cost.upstream_requests,
        )
        return dict.fromkeys(refs, not_found) | sessions

    def _matching_sessions(
        self, response: ListResponse[SessionRow], experiment: str, refs: set[SessionRef]
    ) -> Mapping[SessionRef, Session]:
        rows_by_ref: dict[SessionRef, tuple[int, SessionRow]] = {}
        for index, row in readable_rows(response.sent_rows):
            rows_by_ref.setdefault(SessionRef(experiment, row.session_id), (index, row))
        return {ref: self._session(response, experiment, *rows_by_ref[ref]) for ref in refs & rows_by_ref.keys()}

    def _sessions(self, response: ListResponse[SessionRow], experiment: str) -> Sequence[Session]:
        source, document = self._source, response.document
        return [
            to_session(row, source, experiment, RawRow(document, ("data", index)))
            for index, row in readable_rows(response.sent_rows)
        ]

    def _session(
        self, response: ListResponse[SessionRow], experiment: str, index: int, row: SessionRow
    ) -> Session:
        raw = RawRow(response.document, ("data", index))
        return to_session(row, self._source, experiment, raw)


def _consistent_total(response: ListResponse[SessionRow], end: int) -> int | None:
    """Return the number of rows, or None if the service states another total."""
    return end if response.stated_total in {None, end} else None
