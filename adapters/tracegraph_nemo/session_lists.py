"""Lists of what belongs to one session, read to their ends (docs/vendors/nemo.md#spans)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

import orjson

from tracegraph.adapter import CallCost, LenientStruct, add_cost_on_error
from tracegraph.errors import SourceBadRequest, SourceResponseTooLarge
from tracegraph_nemo.client import ListResponse, NemoClient
from tracegraph_nemo.filters import Query, is_expressible
from tracegraph_nemo.paging import VendorPage
from tracegraph_nemo.wire import ResultRow

_PAGE_SIZES = (1000, 500, 250, 125, 25, 5, 1)
"""Page sizes, for replies within the size limit. Each divides the one before: an offset begins a page of each."""


_MAX_ROWS = 20_000
"""The number of spans, or results, of a session that one request reads."""


_SINCE_EVER = "2000-01-01T00:00:00Z"
"""Before any span."""


R = TypeVar("R", bound=LenientStruct)


async def read_all(
    source: str, fetch: Callable[[VendorPage, Query], Awaitable[ListResponse[R]]], query: Query
) -> Sequence[ListResponse[R]]:
    """Return all pages of a list. A page that exceeds the size limit is read in smaller pages.

    Args:
        source: The name of the source.
        fetch: Reads a page of the list.
        query: The query parameters.

    Raises:
        SourceError: A call failed, or the list has more rows than one request reads.
    """
    responses: list[ListResponse[R]] = []
    sizes = iter(_PAGE_SIZES)
    size, offset, cost = next(sizes), 0, CallCost()
    while offset < _MAX_ROWS:
        try:
            with cost:
                response = cost.add(await fetch(VendorPage(offset // size + 1, size), query))
        except SourceResponseTooLarge:
            smaller = next(sizes, None)
            if smaller is None:
                raise
            size = smaller
            continue
        responses.append(response)
        if response.next_offset in {None, response.stated_total}:
            return responses
        offset = response.next_offset
    message = f"The session has more than {_MAX_ROWS} spans. One request reads no more from source {source!r}."
    with add_cost_on_error(cost.total):
        raise SourceBadRequest(source, message)


async def results_of(client: NemoClient, session_id: str) -> Sequence[ResultRow]:
    """Return the verdicts about the spans of a session, the oldest first.

    Raises:
        SourceError: A call failed.
    """
    if not session_id or not is_unicode(session_id):
        return []
    query = (("sort", "created_at"), *of_session(session_id))
    responses = await read_all(client.source, client.results, query)
    return [row for response in responses for row in response.rows]


def of_session(session_id: str, *, is_since_ever: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the filter by session.

    Args:
        session_id: The session.
        is_since_ever: Whether to add a lower bound, without which 0.2.0 lists the spans of 30 days.
    """
    if is_expressible(session_id):
        yield "filter[session_id]", session_id
        if is_since_ever:
            yield "filter[started_at][$gte]", _SINCE_EVER
        return
    conditions: dict[str, object] = {"session_id": session_id}
    if is_since_ever:
        conditions["started_at"] = {"$gte": _SINCE_EVER}
    yield "filter", orjson.dumps(conditions).decode()


def is_unicode(text: str) -> bool:
    """Return whether a URL can hold the text: it has no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
