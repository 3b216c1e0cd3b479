"""Helpers for lists of experiments and of sessions: offsets, totals and cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tracegraph.adapter.paging import OffsetRequest, PageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceError
from tracegraph_nemo.filters import PushedFilter

T = TypeVar("T")


FILTER_REJECTED_STATUSES = frozenset({400, 422})
"""The statuses of a filter that the service does not support (docs/vendors/nemo.md#filters)."""


def offset_of(page: PageRequest) -> int:
    """Return the offset of the requested page."""
    return page.offset if isinstance(page, OffsetRequest) else 0


def total_of(
    stated_total: int | None, pushed: PushedFilter, rows: Iterable[T], matches: Callable[[T], bool]
) -> int | None:
    """Return the vendor's total if it is the total of the query.

    A row that does not match a completely pushed filter proves that the service ignored the filter
    (docs/vendors/nemo.md#session-filters). Then the total is that of another query.

    Args:
        stated_total: The vendor's total.
        pushed: The pushed part of the filter.
        rows: The rows of the page.
        matches: Tests a row against the filter.
    """
    return stated_total if pushed.covers_filter and (pushed.is_empty or all(map(matches, rows))) else None


@contextmanager
def add_cost_on_error(previous: FetchInfo) -> Iterator[None]:
    """Add the cost of the previous calls to a SourceError of the block."""
    try:
        yield
    except SourceError as error:
        error.upstream_requests += previous.upstream_requests
        raise
