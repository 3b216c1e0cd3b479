"""An experiment's sessions: a stretch of their list from either end, and look-ups by id."""

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
from tracegraph_nemo.filters import Pushed, push_sessions
from tracegraph_nemo.mapping import to_session
from tracegraph_nemo.paging import LARGEST_PAGE, VendorPage, covering_page
from tracegraph_nemo.session_end import CALLS_MAX, EndSearch, KnownEnd, KnownEnds
from tracegraph_nemo.totals import add_cost_on_error, offset_of, total_of
from tracegraph_nemo.wire import SessionRow

_LOOKUP_PAGES = 50


class Sessions:
    """Reads sessions. The service lists them oldest first and in no other order (docs/vendors/nemo.md#paging)."""

    def __init__(self, source: str, client: NemoClient) -> None:
        self._source = source
        self._client = client
        self._ends = KnownEnds()

    async def stretches(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """See `NemoAdapter.list_sessions`."""
        return await asyncio.gather(*(self._stretch(ask) for ask in asks))

    async def _stretch(self, ask: SessionPageRequest) -> Page[Session] | SourceError:
        try:
            if ask.order.direction is OrderDirection.ASC:
                return await self._oldest_first(ask)
            return await self._newest_first(ask)
        except SourceError as error:
            return error

    async def _oldest_first(self, ask: SessionPageRequest) -> Page[Session]:
        (ref,) = ask.experiment_refs
        pushed = push_sessions(ask.filter)
        wanted = covering_page(offset_of(ask.page), ask.page.limit, LARGEST_PAGE)
        answer = await self._client.sessions(ref, wanted, pushed.query)
        items = self._sessions(answer, ref)
        return Page(
            items,
            offset=answer.start,
            next_hint=answer.next,
            total=total_of(answer.total, pushed, items, ask.filter.matches),
            provenance=answer.provenance,
            skipped=unreadable_places(answer.sent),
        )

    async def _newest_first(self, ask: SessionPageRequest) -> Page[Session]:
        """Read from the end: of `total` rows, the offset `skip` from the end is `total - skip` from the start.

        Rows that are appended meanwhile are taken for appended after the page: the gateway drops what a next page
        repeats, and would not miss what it skips. Raises SourceBadResponse when the end cannot be found.
        """
        (ref,) = ask.experiment_refs
        pushed = push_sessions(ask.filter)
        listed = ref, pushed.query
        expected = None if pushed.query else ask.total_hint
        search = EndSearch(ask.page.limit, offset_of(ask.page), expected, self._ends.of(listed))
        spent = FetchInfo()
        for _ in range(CALLS_MAX):
            with add_cost_on_error(spent):
                answer = await self._client.sessions(ref, search.page, pushed.query)
            spent += answer.provenance
            done = search.take(answer)
            if answer.shows_end:
                self._ends.add(listed, KnownEnd(answer.stated_total, answer.end))
            if done:
                return self._reversed(ask, answer, pushed, search, spent)
        raise SourceBadResponse(
            self._source,
            f"Source {self._source!r} does not show where an experiment's sessions end: "
            "they cannot be read newest first.",
            http_status=200,
            upstream_requests=spent.upstream_requests,
        )

    def _reversed(
        self,
        ask: SessionPageRequest,
        answer: ListResponse[SessionRow],
        pushed: Pushed,
        search: EndSearch,
        spent: FetchInfo,
    ) -> Page[Session]:
        skip, end = offset_of(ask.page), search.end or 0
        if search.target <= 0:
            beyond = total_of(_agreed(answer, end), pushed, (), ask.filter.matches)
            return Page((), offset=skip, next_hint=None, total=beyond, provenance=spent)
        items = self._sessions(answer, ask.experiment_refs[0])[::-1]
        sent = answer.sent[::-1]
        start = max(0, min(end - answer.end, skip))
        return Page(
            items,
            offset=start,
            next_hint=start + length(sent) if answer.start > 0 else None,
            total=total_of(_agreed(answer, end), pushed, items, ask.filter.matches),
            provenance=spent,
            skipped=unreadable_places(sent),
        )

    async def by_id(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """See `NemoAdapter.get_sessions`."""
        wanted: dict[str, set[SessionRef]] = {}
        for ref in refs:
            if ref.session_id:
                wanted.setdefault(ref.experiment_ref, set()).add(ref)
        parts = await asyncio.gather(*(self._look_through(name, those) for name, those in wanted.items()))
        return {ref: found for part in parts for ref, found in part.items()}

    async def _look_through(
        self, experiment: str, wanted: set[SessionRef]
    ) -> Mapping[SessionRef, Session | SourceError]:
        found: dict[SessionRef, Session | SourceError] = {}
        spent = FetchInfo()
        try:
            for number in range(1, _LOOKUP_PAGES + 1):
                with add_cost_on_error(spent):
                    answer = await self._client.sessions(experiment, VendorPage(number, LARGEST_PAGE))
                spent += answer.provenance
                found |= self._those_of(answer, experiment, wanted)
                if len(found) == len(wanted) or answer.next is None:
                    return found
        except SourceObjectNotFound:
            return found
        except SourceError as error:
            return dict.fromkeys(wanted, error) | found
        beyond = SourceBadRequest(
            self._source,
            f"The session is not among the first {_LOOKUP_PAGES * LARGEST_PAGE} of its experiment, which is all "
            f"that one look-up reads from source {self._source!r}.",
            upstream_requests=spent.upstream_requests,
        )
        return dict.fromkeys(wanted, beyond) | found

    def _those_of(
        self, answer: ListResponse[SessionRow], experiment: str, wanted: set[SessionRef]
    ) -> Mapping[SessionRef, Session]:
        at: dict[SessionRef, tuple[int, SessionRow]] = {}
        for index, row in readable_rows(answer.sent):
            at.setdefault(SessionRef(experiment, row.session_id), (index, row))
        return {ref: self._session(answer, experiment, *at[ref]) for ref in wanted & at.keys()}

    def _sessions(self, answer: ListResponse[SessionRow], experiment: str) -> Sequence[Session]:
        source, document = self._source, answer.document
        return [
            to_session(row, source, experiment, RawRow(document, ("data", index)))
            for index, row in readable_rows(answer.sent)
        ]

    def _session(self, answer: ListResponse[SessionRow], experiment: str, index: int, row: SessionRow) -> Session:
        raw = RawRow(answer.document, ("data", index))
        return to_session(row, self._source, experiment, raw)


def _agreed(answer: ListResponse[SessionRow], end: int) -> int | None:
    """The number of rows, unless the service states another one."""
    return end if answer.stated_total in {None, end} else None
