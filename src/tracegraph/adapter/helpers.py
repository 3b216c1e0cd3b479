"""Helpers for adapters: concurrent calls with separate outcomes, their cost, and pages that follow one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from tracegraph.adapter.paging import Page
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import SessionRef
from tracegraph.errors import SourceBadResponse, SourceError, SourceObjectNotFound

T = TypeVar("T")


K = TypeVar("K")


Hint = int | str | None
"""What a page's `next_hint` may be."""


FetchPage = Callable[[Hint], Awaitable[Page[T]]]
"""Fetches the page at a hint, None for the first page."""


MAX_EMPTY_PAGES = 20
"""The number of pages without a row that an adapter reads in one call of the port."""


_MILLISECOND = timedelta(milliseconds=1)


class HasProvenance(Protocol):
    """The result of vendor calls: a reply of the client, or a page."""

    @property
    def provenance(self) -> FetchInfo:
        """Return the cost and origin of the result."""
        ...


R = TypeVar("R", bound=HasProvenance)


async def gather_outcomes(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T | SourceError]:
    """Run the calls concurrently and return their outcomes in order.

    The outcome of a failed call is its SourceError.
    """
    # Each call is a task of its own: a call that is cancelled before it starts leaves no coroutine behind.
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, SourceError):
            raise outcome
    return cast("list[T | SourceError]", outcomes)


async def gather_by_key(calls: Mapping[K, Coroutine[Any, Any, T]]) -> dict[K, T | SourceError]:
    """Run the calls concurrently and return their outcomes by key, without the objects that do not exist."""
    outcomes = await gather_outcomes(calls.values())
    return {
        key: outcome
        for key, outcome in zip(calls, outcomes, strict=True)
        if not isinstance(outcome, SourceObjectNotFound)
    }


def cost_of(outcome: HasProvenance | SourceError) -> FetchInfo:
    """Return the cost of a call, which may have failed."""
    return FetchInfo(outcome.upstream_requests) if isinstance(outcome, SourceError) else outcome.provenance


def total_cost(outcomes: Iterable[HasProvenance | SourceError]) -> FetchInfo:
    """Return the total cost of the calls, including failed calls."""
    return sum(map(cost_of, outcomes), FetchInfo())


def failure_of(outcome: HasProvenance | SourceError) -> SourceError | None:
    """Return the error of a call, or the error that a stale reply stands for; None for a current reply."""
    return outcome if isinstance(outcome, SourceError) else outcome.provenance.stale


@contextmanager
def add_cost_on_error(previous: FetchInfo) -> Iterator[None]:
    """Add the cost of the previous calls to a SourceError of the block."""
    try:
        yield
    except SourceError as error:
        error.upstream_requests += previous.upstream_requests
        raise


class CallCost:
    """The cost of one call of the port that makes several vendor calls.

    `add` counts each result. A SourceError that leaves a `with cost:` block then carries all earlier calls, too:

        cost = CallCost()
        with cost:
            first = cost.add(await client.get(...))
            second = cost.add(await client.get(...))
        return Page(..., provenance=cost.total)
    """

    def __init__(self, total: FetchInfo | None = None) -> None:
        self.total = total or FetchInfo()

    def add(self, result: R) -> R:
        """Count the calls of a result, and return it."""
        self.total += result.provenance
        return result

    def add_outcomes(self, outcomes: Iterable[HasProvenance | SourceError]) -> None:
        """Count the calls of several results and errors."""
        self.total += total_cost(outcomes)

    def __enter__(self) -> CallCost:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, SourceError):
            error.upstream_requests += self.total.upstream_requests


async def read_pages(fetch: FetchPage[T], max_pages: int, start: Hint = None) -> AsyncIterator[Page[T]]:
    """Yield the pages of a list from a hint on: at most this number of pages, each for one call of `fetch`.

    Args:
        fetch: Fetches the page at a hint.
        max_pages: The bound.
        start: The hint of the first page.

    Raises:
        SourceError: A call failed. The error carries the cost of the pages before.
    """
    cost = CallCost()
    hint = start
    for _ in range(max_pages):
        with cost:
            page = cost.add(await fetch(hint))
        yield page
        hint = page.next_hint
        if hint is None:
            return


async def first_page_with_rows(
    fetch: FetchPage[T], source: str, start: Hint = None, max_pages: int = MAX_EMPTY_PAGES
) -> Page[T]:
    """Return the first page that has a row or ends the list, with the cost of all pages that were read.

    The port has no empty page that goes on.

    Args:
        fetch: Fetches the page at a hint.
        source: The configured name of the source.
        start: The hint of the first page.
        max_pages: The bound.

    Raises:
        SourceBadResponse: The vendor repeats a hint, or all pages within the bound are empty.
        SourceError: A call failed. The error carries the cost of the pages before.
    """
    cost, failure, hint = CallCost(), None, start
    seen = {start}
    for _ in range(max_pages):
        with cost:
            page = cost.add(await fetch(hint))
        failure = failure or page.error
        hint = page.next_hint
        if page.items or hint is None:
            return replace(page, provenance=cost.total, error=failure)
        if hint in seen:
            break
        seen.add(hint)
    raise SourceBadResponse(
        source,
        f"Source {source!r} returned only pages without a row: its pages do not advance.",
        http_status=200,
        upstream_requests=cost.total.upstream_requests,
    )


def refs_by_experiment(refs: Iterable[SessionRef]) -> dict[str, list[str]]:
    """Return the ids of sessions by the ref of their experiment, each id once."""
    grouped: dict[str, dict[str, None]] = {}
    for ref in refs:
        grouped.setdefault(ref.experiment_ref, {})[ref.session_id] = None
    return {experiment_ref: list(session_ids) for experiment_ref, session_ids in grouped.items()}


def latency_ms(started_at: datetime | None, ended_at: datetime | None) -> float | None:
    """Return the milliseconds between two times, or None if one is unknown or the end precedes the start."""
    if started_at is None or ended_at is None or ended_at < started_at:
        return None
    return (ended_at - started_at) / _MILLISECOND


def distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    """Return the texts in their order, each once, without empty ones."""
    return tuple(dict.fromkeys([value for value in values if value]))
