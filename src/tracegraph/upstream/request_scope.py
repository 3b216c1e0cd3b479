"""The moment by which a request's answer must leave; ambient, so that every call gets what is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import SecretStr

from tracegraph.errors import (
    SourceError,
)

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


def detached_context(seconds: float, *, alone: bool = False) -> Context:
    """A copy of the present context whose deadline is `seconds` from now, whatever the present one is.

    For work that may outlive who asked first, since others wait for it, too. `alone`: nothing else of the present
    context is in it, for work that nobody asked for.
    """
    context = Context() if alone else copy_context()
    context.run(_ends_at.set, asyncio.get_running_loop().time() + seconds)
    return context


F = TypeVar("F", bound="asyncio.Future[Any]")


_tasks: ContextVar[list[asyncio.Future[Any]] | None] = ContextVar("tracegraph_tasks", default=None)


@contextmanager
def request_tasks() -> Iterator[None]:
    """At its end, whatever `belongs` to it and has not ended yet is cancelled."""
    tasks: list[asyncio.Future[Any]] = []
    token = _tasks.set(tasks)
    try:
        yield
    finally:
        _tasks.reset(token)
        for task in tasks:
            task.cancel()
        tasks.clear()  # each keeps its context, which keeps this list


def register_task(task: F) -> F:
    """The task, which nobody awaits who would be cancelled with the request: cancel it, too."""
    tasks = _tasks.get()
    if tasks is not None:
        tasks.append(task)
    return task


def register_current_task() -> None:
    """The same for the task that runs now, where a library made it."""
    task = asyncio.current_task()
    if task is not None:
        register_task(task)


@dataclass(slots=True)
class CallMeter:
    """Calls made to vendors so far, those in vain included."""

    requests: int = 0


_meter: ContextVar[CallMeter | None] = ContextVar("tracegraph_meter", default=None)


@contextmanager
def count_calls() -> Iterator[CallMeter]:
    """Everything within, tasks included, counts its calls here."""
    meter = CallMeter()
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


STAND_IN = SecretStr("{the key of whoever asks}")
"""What the adapter gets as its `api_key`."""


_NO_KEYS: Mapping[str, SecretStr] = {}


_keys: ContextVar[Mapping[str, SecretStr]] = ContextVar("tracegraph_callers_keys", default=_NO_KEYS)


@contextmanager
def pass_through_credentials(by_source: Mapping[str, SecretStr]) -> Iterator[None]:
    """Calls within, tasks included, are made with these keys where their source passes keys through."""
    token = _keys.set(by_source)
    try:
        yield
    finally:
        _keys.reset(token)


def pass_through_credential(source: str) -> SecretStr | None:
    """The current caller's key for that source."""
    return _keys.get().get(source)


def with_key(headers: Mapping[str, SecretStr], key: SecretStr) -> dict[str, SecretStr | None]:
    """The headers with the key in the place of the stand-in."""
    stand_in, real = STAND_IN.get_secret_value(), key.get_secret_value()
    return {name: SecretStr(value.get_secret_value().replace(stand_in, real)) for name, value in headers.items()}


_past_cache: ContextVar[bool] = ContextVar("tracegraph_past_cache", default=False)


@contextmanager
def bypass_cache(wanted: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002 - it reads as a sentence
    """Calls within, if wanted, ask the vendor itself; what it answers is kept all the same."""
    token = _past_cache.set(_past_cache.get() or wanted)
    try:
        yield
    finally:
        _past_cache.reset(token)


def bypasses_cache() -> bool:
    """Whether the calls made now go past the cache."""
    return _past_cache.get()


_stale: ContextVar[list[SourceError] | None] = ContextVar("tracegraph_stale", default=None)


@contextmanager
def stale_answers() -> Iterator[list[SourceError]]:
    """Gathers why older answers were served within, tasks included; once for each.

    What is around this gathers them, too.
    """
    gathered: list[SourceError] = []
    around = _stale.get()
    token = _stale.set(gathered)
    try:
        yield gathered
    finally:
        _stale.reset(token)
        if around is not None:
            around += gathered
