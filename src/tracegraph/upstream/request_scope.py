"""State of the current request in context variables: deadline, tasks, calls, credentials, cache bypass."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import SecretStr

from tracegraph.errors import SourceError

_FAIR_TIME_S = 1.0


_ends_at: ContextVar[float | None] = ContextVar("tracegraph_deadline", default=None)


_NO_LIMIT: AbstractContextManager[None] = nullcontext()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Set the deadline of the block and of the tasks it starts; an earlier deadline stays."""
    now = asyncio.get_running_loop().time()
    earlier = _ends_at.get()
    ends_at = now + seconds if earlier is None else min(earlier, now + seconds)
    token = _ends_at.set(ends_at)
    try:
        yield
    finally:
        _ends_at.reset(token)


def time_share(rounds_below: int) -> AbstractContextManager[None]:
    """Limit the block to an equal share of the remaining time; `rounds_below` more rounds of calls follow."""
    return _share(rounds_below) if rounds_below else _NO_LIMIT


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
    """Return the seconds until the deadline, at most `at_most`; never negative."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return at_most
    return max(0.0, min(at_most, ends_at - asyncio.get_running_loop().time()))


def is_fair_time(allowed_s: float, timeout_s: float) -> bool:
    """Return whether a timeout after `allowed_s` seconds counts as a failure of the vendor.

    It does from one second on, or from the source's `timeout_s` on if that is less.
    """
    return allowed_s >= min(timeout_s, _FAIR_TIME_S)


def detached_context(seconds: float, *, inherit: bool = True) -> Context:
    """Return a context whose deadline is `seconds` from now, whatever the current deadline is.

    It is for work that may outlive its first caller because others wait for it. With `inherit` it is a copy of the
    current context. Without, it is empty otherwise: background work serves no caller.
    """
    context = copy_context() if inherit else Context()
    context.run(_ends_at.set, asyncio.get_running_loop().time() + seconds)
    return context


F = TypeVar("F", bound="asyncio.Future[Any]")


_tasks: ContextVar[list[asyncio.Future[Any]] | None] = ContextVar("tracegraph_tasks", default=None)


@contextmanager
def request_tasks() -> Iterator[None]:
    """Cancel the registered tasks that are still running when the block ends."""
    tasks: list[asyncio.Future[Any]] = []
    token = _tasks.set(tasks)
    try:
        yield
    finally:
        _tasks.reset(token)
        for task in tasks:
            task.cancel()
        tasks.clear()  # each task references its context, and the context references this list


def register_task(task: F) -> F:
    """Tie the task to the lifetime of the request, and return it.

    This is for tasks that nobody awaits: a cancellation of the request would not reach them.
    """
    tasks = _tasks.get()
    if tasks is not None:
        tasks.append(task)
    return task


def register_current_task() -> None:
    """Tie the current task to the lifetime of the request, where a library started the task."""
    task = asyncio.current_task()
    if task is not None:
        register_task(task)


@dataclass(slots=True)
class CallMeter:
    """The number of requests sent to vendors so far, failed ones included."""

    requests: int = 0


_meter: ContextVar[CallMeter | None] = ContextVar("tracegraph_meter", default=None)


@contextmanager
def count_calls() -> Iterator[CallMeter]:
    """Count the requests of the block and of the tasks it starts; a surrounding block counts them as well."""
    meter, outer = CallMeter(), _meter.get()
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)
        if outer is not None:
            outer.requests += meter.requests


def count_request() -> None:
    """Count one request to a vendor."""
    meter = _meter.get()
    if meter is not None:
        meter.requests += 1


API_KEY_PLACEHOLDER = SecretStr("{the key of the caller}")
"""The `api_key` that the adapter of a pass-through source gets."""


_NO_KEYS: Mapping[str, SecretStr] = {}


_keys: ContextVar[Mapping[str, SecretStr]] = ContextVar("tracegraph_pass_through_keys", default=_NO_KEYS)


@contextmanager
def pass_through_credentials(by_source: Mapping[str, SecretStr]) -> Iterator[None]:
    """Use these keys, by source, for pass-through calls in the block and in the tasks it starts."""
    token = _keys.set(by_source)
    try:
        yield
    finally:
        _keys.reset(token)


def pass_through_credential(source: str) -> SecretStr | None:
    """Return the caller's key for that source, None without one."""
    return _keys.get().get(source)


def with_key(headers: Mapping[str, SecretStr], key: SecretStr) -> dict[str, SecretStr | None]:
    """Return the headers with the key in place of the placeholder."""
    placeholder, real = API_KEY_PLACEHOLDER.get_secret_value(), key.get_secret_value()
    return {
        name: SecretStr(value.get_secret_value().replace(placeholder, real)) for name, value in headers.items()
    }


_bypass_cache: ContextVar[bool] = ContextVar("tracegraph_bypass_cache", default=False)


@contextmanager
def bypass_cache(enabled: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002 - bypass_cache(condition) reads well
    """Send the calls of the block to the vendor, if `enabled`; their replies are cached nevertheless."""
    token = _bypass_cache.set(_bypass_cache.get() or enabled)
    try:
        yield
    finally:
        _bypass_cache.reset(token)


def bypasses_cache() -> bool:
    """Return whether calls bypass the cache now."""
    return _bypass_cache.get()


_stale: ContextVar[list[SourceError] | None] = ContextVar("tracegraph_stale", default=None)


def record_stale_reply(error: SourceError) -> None:
    """Record the reason for a stale reply in the surrounding `collect_stale_errors`."""
    errors = _stale.get()
    if errors is not None:
        errors.append(error)


@contextmanager
def collect_stale_errors() -> Iterator[list[SourceError]]:
    """Collect the reasons for stale replies in the block and in the tasks it starts.

    A surrounding block collects them as well.
    """
    errors: list[SourceError] = []
    outer = _stale.get()
    token = _stale.set(errors)
    try:
        yield errors
    finally:
        _stale.reset(token)
        if outer is not None:
            outer += errors
