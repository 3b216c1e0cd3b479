"""Concurrent calls with separate outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceError
from tracegraph_meibel.client import DecodedResponse

T = TypeVar("T")


async def gather_outcomes(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T | SourceError]:
    """Run the calls concurrently and return their outcomes in order.

    The outcome of a failed call is its SourceError.
    """
    return await asyncio.gather(*map(_outcome, calls))


async def _outcome(call: Coroutine[Any, Any, T]) -> T | SourceError:
    try:
        return await call
    except SourceError as error:
        return error


@contextmanager
def add_cost_on_error(before: FetchInfo) -> Iterator[None]:
    """Add the cost of the previous calls to a SourceError of the block."""
    try:
        yield
    except SourceError as error:
        error.upstream_requests += before.upstream_requests
        raise


def total_cost(outcomes: Iterable[DecodedResponse[Any] | SourceError]) -> FetchInfo:
    """Return the total cost of the calls, including failed calls."""
    total = FetchInfo()
    for outcome in outcomes:
        if isinstance(outcome, SourceError):
            total += FetchInfo(outcome.upstream_requests)
        else:
            total += outcome.provenance
    return total
