"""Sessions of one experiment: pages of their list in both directions, and look-ups by id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import Session, SessionRef
from tracegraph.errors import SourceBadRequest, SourceError, SourceObjectNotFound
from tracegraph.upstream.lenient_decoder import readable_rows, unreadable_places
from tracegraph.upstream.raw import RawRow
from tracegraph_nemo.client import ListResponse, NemoClient
from tracegraph_nemo.filters import push_sessions
from tracegraph_nemo.mapping import to_session
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage, covering_page
from tracegraph_nemo.totals import add_cost_on_error, offset_of, total_of
from tracegraph_nemo.wire import SessionRow

_MAX_LOOKUP_PAGES = 50


class Sessions:
    """Reads sessions. The service lists them only oldest first (docs/vendors/nemo.md#paging)."""

    def __init__(self, source: str, client: NemoClient) -> None:
        self._source = source
        self._client = client

    async def list_pages(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return a page of sessions for each request: see `NemoAdapter.list_sessions`."""
        return await asyncio.gather(*(self._list_page(request) for request in requests))

    async def _list_page(self, request: SessionPageRequest) -> Page[Session] | SourceError:
        try:
            return await self._oldest_first(request)
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
