"""Reading all pages of a short list in v2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from tracegraph.adapter import CallCost, FetchInfo, Reply
from tracegraph_langsmith.filters import Query
from tracegraph_langsmith.progress import MAX_IDLE_PAGES, no_progress_error


class HasCursor(Protocol):
    """A page of v2: without a cursor it is the last one, however few rows it has."""

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the next page."""
        ...


P = TypeVar("P", bound=HasCursor)


async def all_pages(
    fetch: Callable[[Query], Awaitable[Reply[P]]], query: Query
) -> tuple[list[Reply[P]], FetchInfo]:
    """Return all pages of a list that fits into one page, and their cost. Mostly that is one call.

    Args:
        fetch: Fetches a page.
        query: The parameters of every page.

    Raises:
        SourceError: A call failed, or the pages do not end.
    """
    pages: list[Reply[P]] = []
    cost, after = CallCost(), Query()
    for _ in range(MAX_IDLE_PAGES):
        with cost:
            page = cost.add(await fetch([*query, *after]))
        pages.append(page)
        if not page.value.next_cursor:
            return pages, cost.total
        after = [("cursor", page.value.next_cursor)]
    raise no_progress_error(page.response).with_cost(cost.total.upstream_requests)
