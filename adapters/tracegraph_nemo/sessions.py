"""Sessions of one experiment: pages of their list, and look-ups by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracegraph.adapter import CallCost, Page, SessionPageRequest
from tracegraph.domain.models import Session
from tracegraph.errors import SourceBadRequest, SourceError, SourceObjectNotFound
from tracegraph_nemo.client import NemoClient
from tracegraph_nemo.filters import push_sessions
from tracegraph_nemo.mapping import to_session
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage, vendor_page

_MAX_LOOKUP_PAGES = 50


class Sessions:
    """Reads sessions. The service lists them only oldest first (docs/vendors/nemo.md#paging)."""

    def __init__(self, client: NemoClient) -> None:
        self._client = client
        self._source = client.source

    async def list_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of sessions: see `NemoAdapter.list_session_page`."""
        (experiment,) = request.experiment_refs
        pushed = push_sessions(request.filter)
        response = await self._client.sessions(experiment, vendor_page(request.page), pushed.query)
        items = [to_session(row, self._source, experiment, raw) for row, raw in response.raw_rows]
        return response.page_of(items, pushed.total(response.stated_total, items, request.filter.matches))

    async def find(self, experiment: str, session_ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        """Return sessions by id: see `NemoAdapter.find_sessions`."""
        wanted = set(filter(None, session_ids))
        found: dict[str, Session | SourceError] = {}
        cost = CallCost()
        try:
            for number in range(1, _MAX_LOOKUP_PAGES + 1 if wanted else 1):
                with cost:
                    response = cost.add(await self._client.sessions(experiment, VendorPage(number, MAX_PAGE_SIZE)))
                for row, raw in response.raw_rows:
                    if row.session_id in wanted and row.session_id not in found:
                        found[row.session_id] = to_session(row, self._source, experiment, raw)
                if len(found) == len(wanted) or response.next_offset is None:
                    return found
        except SourceObjectNotFound:
            return found
        except SourceError as error:
            return dict.fromkeys(wanted, error) | found
        return dict.fromkeys(wanted, self._too_many_error(cost)) | found

    def _too_many_error(self, cost: CallCost) -> SourceError:
        return SourceBadRequest(
            self._source,
            f"The session is not among the first {_MAX_LOOKUP_PAGES * MAX_PAGE_SIZE} of its experiment. "
            f"One look-up reads no more from source {self._source!r}.",
            upstream_requests=cost.total.upstream_requests,
        )
