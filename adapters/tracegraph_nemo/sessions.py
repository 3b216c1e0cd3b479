"""Sessions of one experiment: pages of their list, and look-ups by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tracegraph.adapter import CallCost, OffsetRequest, Page, SessionPageRequest
from tracegraph.domain.filters import OrderDirection, SessionOrderField
from tracegraph.domain.models import Session
from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceError, SourceObjectNotFound
from tracegraph_nemo.client import NemoClient, PathNotFound
from tracegraph_nemo.details import details_of
from tracegraph_nemo.filters import Query, push_sessions
from tracegraph_nemo.mapping import Origin, to_session
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage, vendor_page

_MAX_LOOKUP_PAGES = 50


class Sessions:
    """Reads sessions of one release. 0.2.0 lists them only oldest first (docs/vendors/nemo.md#paging)."""

    def __init__(self, client: NemoClient, origin: Origin) -> None:
        self._client = client
        self._origin = origin
        self._source = client.source
        self._details = frozenset().union(*details_of(client.release))

    async def list_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of sessions: see `NemoAdapter.list_session_page`."""
        is_descending = request.order.direction is OrderDirection.DESC
        if is_descending and not self._client.release.sorts_sessions:
            return await self._page_from_end(request)
        column = "latency_ms" if request.order.field is SessionOrderField.LATENCY else "started_at"
        sort = (("sort", f"-{column}" if is_descending else column),)
        return await self._page(request, vendor_page(request.page), sort if self._sorts else ())

    @property
    def _sorts(self) -> bool:
        return self._client.release.sorts_sessions

    async def _page(self, request: SessionPageRequest, page: VendorPage, sort: Query) -> Page[Session]:
        (experiment,) = request.experiment_refs
        pushed = push_sessions(request.filter, self._client.release)
        response = await self._client.sessions(experiment, page, (*sort, *pushed.query))
        deferred = self._details if request.fields is None else self._details & request.fields
        items = [to_session(row, self._origin, experiment, raw, deferred) for row, raw in response.raw_rows]
        return response.page_of(items, pushed.total(response.stated_total, items, request.filter.matches))

    async def _page_from_end(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of the list newest first, from a service that lists oldest first.

        The gateway asks for this only before the release is known. The page may be shorter than requested.

        Raises:
            SourceBadResponse: The service does not state the number of sessions.
            SourceError: A call failed.
        """
        (experiment,) = request.experiment_refs
        pushed, cost = push_sessions(request.filter, self._client.release), CallCost()
        with cost:
            counted = cost.add(await self._client.sessions(experiment, VendorPage(1, 1), pushed.query))
            count = counted.stated_total
            if count is None:
                message = f"Source {self._source!r} does not state the number of sessions: try again."
                raise SourceBadResponse(self._source, message, http_status=200)
            skip = request.page.offset if isinstance(request.page, OffsetRequest) else 0
            stop = max(count - skip, 1)
            size = max(1, min(request.page.limit, MAX_PAGE_SIZE))
            vendor = VendorPage((stop - 1) // size + 1, size)
            page = cost.add(await self._page(request, vendor, ()))
        return replace(_reversed(page, skip, stop - vendor.offset), provenance=cost.total)

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
                        found[row.session_id] = to_session(row, self._origin, experiment, raw, self._details)
                if len(found) == len(wanted) or response.next_offset is None:
                    return found
        except SourceObjectNotFound:
            return found
        except PathNotFound:
            raise
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


def _reversed(page: Page[Session], skip: int, count: int) -> Page[Session]:
    """Return the first rows of a page in reverse order.

    Args:
        page: The page, oldest first.
        skip: The number of newer sessions before it.
        count: The number of its rows that are not newer than the wanted ones.
    """
    count = min(count, len(page.items) + len(page.skipped))
    places = [place for place in range(len(page.items) + len(page.skipped)) if place not in page.skipped]
    items = [item for place, item in zip(places, page.items, strict=True) if place < count]
    skipped = tuple(sorted(count - 1 - place for place in page.skipped if place < count))
    return replace(
        page,
        items=items[::-1],
        offset=skip,
        next_hint=skip + count if page.offset and count else None,
        skipped=skipped,
    )
