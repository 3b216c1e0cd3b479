"""What lists of experiments and of sessions have in common: offsets, totals, counted calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tracegraph.adapter.paging import PageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceError
from tracegraph_nemo.filters import Pushed

T = TypeVar("T")


REFUSED = frozenset({400, 422})
"""How the service answers a filter that it does not know (docs/vendors/nemo.md#filters)."""


def offset_of(page: PageRequest) -> int:
    """Where the wanted stretch of a list begins."""
    return max(0, page.hint) if isinstance(page.hint, int) else 0


def total_of(told: int | None, pushed: Pushed, rows: Iterable[T], admits: Callable[[T], bool]) -> int | None:
    """The vendor's count, where it is the count of what was asked.

    A row that does not pass a filter that was pushed as a whole tells of a service that did not heed it
    (docs/vendors/nemo.md#session-filters): then its count is that of another question.
    """
    return told if pushed.exact and (pushed.is_empty or all(map(admits, rows))) else None


@contextmanager
def add_cost_on_error(earlier: FetchInfo) -> Iterator[None]:
    """Add the calls that were made before to those of a failure."""
    try:
        yield
    except SourceError as error:
        error.upstream_requests += earlier.upstream_requests
        raise
