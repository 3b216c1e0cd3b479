"""Counting the calls that a piece of work makes, where its answer has no place for the count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Calls made to vendors so far, those in vain included."""

    requests: int = 0


_meter: ContextVar[Meter | None] = ContextVar("tracegraph_meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """Everything within, tasks included, counts its calls here."""
    meter = Meter()
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


def count_request() -> None:
    """A call is made."""
    meter = _meter.get()
    if meter is not None:
        meter.requests += 1
