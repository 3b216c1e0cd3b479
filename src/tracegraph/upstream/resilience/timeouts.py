"""The sources that timed out within a request: a request waits for a timeout of one source at most once.

A stale reply in place of a timed-out call lets its list continue with the next call. Without this module, a
hanging source would cost one timeout per call, and so the whole time of the request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tracegraph.errors import SourceError, SourceTimeout

_timeouts: ContextVar[dict[str, SourceTimeout] | None] = ContextVar("tracegraph_timeouts", default=None)


@contextmanager
def remembered_timeouts() -> Iterator[None]:
    """Share the timeouts of sources within the block and the tasks it starts."""
    token = _timeouts.set({})
    try:
        yield
    finally:
        _timeouts.reset(token)


def remember_timeout(source: str, error: SourceError) -> None:
    """Remember a timeout of the source; other errors have no effect (408 and 504 are responses)."""
    timeouts = _timeouts.get()
    if timeouts is not None and isinstance(error, SourceTimeout) and error.http_status is None:
        timeouts.setdefault(source, error)


def earlier_timeout(source: str) -> SourceTimeout | None:
    """Return the timeout after which the request does not wait for this source, None without one."""
    timeouts = _timeouts.get()
    return None if timeouts is None else timeouts.get(source)
