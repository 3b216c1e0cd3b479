"""Runs in an order that the dialect lacks, for requests that were planned for the other dialect.

The gateway plans with the capabilities that it knows. While a deployment drops v1, a request for the oldest runs
may meet v2, which lists the newest first. Then all runs of the request are read and returned in one page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tracegraph.adapter import (
    CursorRequest,
    Key,
    Page,
    PageRequest,
    RangeRequest,
    SessionPageRequest,
    gather_outcomes,
    read_pages,
    total_cost,
)
from tracegraph.domain.models import Session
from tracegraph.errors import SourceBadRequest, SourceError, SourceUnavailable
from tracegraph_langsmith.runs import RunsReader

_MAX_PAGES = 20


async def list_in_order(
    reader: RunsReader, requests: Sequence[SessionPageRequest]
) -> Sequence[Page[Session] | SourceError]:
    """Return a page or an error for each request, in the order of the requests.

    Args:
        reader: The reader of one dialect.
        requests: Requests for either direction of the order by start.
    """
    directions = reader.api.directions
    reversed_indices = [index for index, one in enumerate(requests) if one.order.direction not in directions]
    if not reversed_indices:
        return await reader.list_pages(requests)
    direct_indices = [index for index in range(len(requests)) if index not in reversed_indices]
    direct = await reader.list_pages([requests[index] for index in direct_indices])
    turned = await gather_outcomes(_read_all(reader, requests[index]) for index in reversed_indices)
    outcomes = dict(zip([*direct_indices, *reversed_indices], [*direct, *turned], strict=True))
    return [outcomes[index] for index in range(len(requests))]


async def _read_all(reader: RunsReader, request: SessionPageRequest) -> Page[Session]:
    """Return all runs of a request in the other direction. Raise SourceError."""
    start = _opposite(request.page, reader)
    order = replace(request.order, direction=request.order.direction.opposite)

    async def fetch(hint: int | str | None) -> Page[Session]:
        page = start if hint is None else CursorRequest(reader.api.page_max, str(hint))
        (outcome,) = await reader.list_pages([replace(request, page=page, order=order)])
        if isinstance(outcome, SourceError):
            raise outcome
        return outcome

    pages = [page async for page in read_pages(fetch, _MAX_PAGES)]
    cost = total_cost(pages)
    if pages[-1].next_hint is not None:
        raise SourceUnavailable(
            reader.source,
            f"Source {reader.source!r} changed its interface during the request: send the request again.",
            upstream_requests=cost.upstream_requests,
        )
    rows = [row for page in pages for row in page.items]
    skipped = (0,) * sum(len(page.skipped) for page in pages)
    error = next((page.error for page in pages if page.error is not None), None)
    return Page(rows[::-1], None, None, provenance=cost, skipped=skipped, error=error)


def _opposite(page: PageRequest, reader: RunsReader) -> PageRequest:
    """Return the request for the same runs in the other direction. Raise SourceBadRequest for one with a token."""
    if isinstance(page, CursorRequest | RangeRequest) and page.token is not None:
        message = f"Source {reader.source!r} cannot resume its list at this position: start from the first page."
        raise SourceBadRequest(reader.source, message)
    if not isinstance(page, RangeRequest):
        return CursorRequest(reader.api.page_max)
    from_end = None if page.until is None else Key(page.until, "")
    return RangeRequest(reader.api.page_max, from_end, None if page.after is None else page.after.value)
