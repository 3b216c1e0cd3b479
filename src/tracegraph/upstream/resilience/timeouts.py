"""Which sources ran out of time within a request: where older answers are kept, it waits for each of them once.

An older answer in the place of a call that ran out of time lets its list go on to the next call. Without this, a
source that hangs would cost one time-out for each of its calls, and the request's whole time with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tracegraph.errors import SourceError, SourceTimeout

_timeouts: ContextVar[dict[str, SourceTimeout] | None] = ContextVar("tracegraph_timeouts", default=None)


@contextmanager
def remembered_timeouts() -> Iterator[None]:
    """Everything within, tasks included, shares what it learns about sources that do not answer in time."""
    token = _timeouts.set({})
    try:
        yield
    finally:
        _timeouts.reset(token)


def remember_timeout(source: str, error: SourceError) -> None:
    """The source failed with this; without effect unless it gave no answer in time (408 and 504 are answers)."""
    found = _timeouts.get()
    if found is not None and isinstance(error, SourceTimeout) and error.http_status is None:
        found.setdefault(source, error)


def earlier_timeout(source: str) -> SourceTimeout | None:
    """Why the request need not wait for this source again; None where it may answer in time."""
    found = _timeouts.get()
    return None if found is None else found.get(source)
