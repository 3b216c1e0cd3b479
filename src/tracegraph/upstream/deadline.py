"""The moment by which a request's answer must leave; ambient, so that every call gets what is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context

_FAIR_TIME_S = 1.0

_ends_at: ContextVar[float | None] = ContextVar("tracegraph_deadline", default=None)
_WHOLE: AbstractContextManager[None] = nullcontext()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Everything within, tasks included, shares this deadline; an earlier one that is set already holds."""
    now = asyncio.get_running_loop().time()
    earlier = _ends_at.get()
    ends_at = now + seconds if earlier is None else min(earlier, now + seconds)
    token = _ends_at.set(ends_at)
    try:
        yield
    finally:
        _ends_at.reset(token)


def time_share(rounds_below: int) -> AbstractContextManager[None]:
    """Everything within gets an equal part of the remaining time: as many rounds of calls follow."""
    return _share(rounds_below) if rounds_below else _WHOLE


@contextmanager
def _share(rounds_below: int) -> Iterator[None]:
    ends_at = _ends_at.get()
    if ends_at is None:
        yield
        return
    now = asyncio.get_running_loop().time()
    token = _ends_at.set(now + max(0.0, ends_at - now) / (rounds_below + 1))
    try:
        yield
    finally:
        _ends_at.reset(token)


def remaining_s(at_most: float) -> float:
    """Seconds until the deadline, `at_most` when there is none or it is further off; never negative."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return at_most
    return max(0.0, min(at_most, ends_at - asyncio.get_running_loop().time()))


def is_fair_time(allowed_s: float, timeout_s: float) -> bool:
    """Whether a call that runs out of `allowed_s` says something about its vendor.

    It does with one second, or with the source's `timeout_s` if that is less.
    """
    return allowed_s >= min(timeout_s, _FAIR_TIME_S)


def apart(seconds: float, *, alone: bool = False) -> Context:
    """A copy of the present context whose deadline is `seconds` from now, whatever the present one is.

    For work that may outlive who asked first, since others wait for it, too. `alone`: nothing else of the present
    context is in it, for work that nobody asked for.
    """
    context = Context() if alone else copy_context()
    context.run(_ends_at.set, asyncio.get_running_loop().time() + seconds)
    return context
