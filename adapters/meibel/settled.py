"""Several calls side by side, each with its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from adapters.meibel.client import Answer
from tracegraph.adapter import Provenance
from tracegraph.errors import SourceError

T = TypeVar("T")


async def settled(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T | SourceError]:
    """The outcome of every call, in their order; one that failed is its SourceError."""
    return await asyncio.gather(*map(_outcome, calls))


async def _outcome(call: Coroutine[Any, Any, T]) -> T | SourceError:
    try:
        return await call
    except SourceError as error:
        return error


@contextmanager
def charged(before: Provenance) -> Iterator[None]:
    """A SourceError from within also counts the calls made before."""
    try:
        yield
    except SourceError as error:
        error.upstream_requests += before.upstream_requests
        raise


def spent(outcomes: Iterable[Answer[Any] | SourceError]) -> Provenance:
    """What the calls cost together, those in vain included."""
    total = Provenance()
    for outcome in outcomes:
        if isinstance(outcome, SourceError):
            total += Provenance(outcome.upstream_requests)
        else:
            total += outcome.provenance
    return total
