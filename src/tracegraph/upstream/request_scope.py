"""The state of the current request, as one object in one context variable.

A block that changes a field replaces the scope by a copy. The tasks that the block starts inherit the copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, ContextVar, Token, copy_context
from typing import Any, TypeVar

import msgspec
from pydantic import SecretStr

from tracegraph.errors import SourceError, SourceTimeout
from tracegraph.upstream.cache.dependencies import CacheDependencies

_FAIR_TIME_S = 1.0


class CallMeter(msgspec.Struct):
    """The number of requests sent to vendors so far, failed ones included."""

    requests: int = 0


class RequestScope(msgspec.Struct, frozen=True):
    """What holds for the calls of a request, and what they record. Without a record, None, nothing is recorded.

    Attributes:
        ends_at: The deadline in seconds of the event loop, or None without one.
        bypass_cache: Whether calls go to the vendor although a reply is cached.
        credentials: The caller's own vendor credentials, by source.
        tasks: The tasks that end with the operation.
        timeouts: The first timeout of each source. A request waits for a timeout of one source at most once.
        meter: Counts the requests to vendors.
        stale: The reasons for stale replies.
        dependencies: The cache entries behind the response.
    """

    ends_at: float | None = None
    bypass_cache: bool = False
    credentials: Mapping[str, SecretStr] = {}
    tasks: list[asyncio.Future[Any]] | None = None
    timeouts: dict[str, SourceTimeout] | None = None
    meter: CallMeter | None = None
    stale: list[SourceError] | None = None
    dependencies: CacheDependencies | None = None

    def earlier_end(self, seconds: float) -> float:
        """Return the deadline `seconds` from now, or the scope's own if that is earlier."""
        ends_at = asyncio.get_running_loop().time() + seconds
        return ends_at if self.ends_at is None else min(self.ends_at, ends_at)

    def add_stale(self, errors: list[SourceError]) -> None:
        """Record the reasons for stale replies of a block within."""
        if self.stale is not None:
            self.stale.extend(errors)


_NO_SCOPE = RequestScope()


_current: ContextVar[RequestScope] = ContextVar("tracegraph_request_scope", default=_NO_SCOPE)


def _enter(outer: RequestScope, **changes: Any) -> Token[RequestScope]:
    """Replace the scope by a copy with these fields."""
    return _current.set(msgspec.structs.replace(outer, **changes))


# -- the scopes of a request ---------------------------------------------------------------------------


@contextmanager
def response_scope(
    credentials: Mapping[str, SecretStr] | None = None, *, bypass_cache: bool = False
) -> Iterator[CacheDependencies]:
    """Collect the cache entries behind the response that the block builds.

    Args:
        credentials: The caller's own vendor credentials, by source.
        bypass_cache: Whether every vendor is called. Replies are cached nevertheless.
    """
    outer, dependencies = _current.get(), CacheDependencies()
    token = _enter(
        outer,
        credentials={} if credentials is None else credentials,
        bypass_cache=outer.bypass_cache or bypass_cache,
        dependencies=dependencies,
    )
    try:
        yield dependencies
    finally:
        _current.reset(token)


@contextmanager
def operation_scope(seconds: float) -> Iterator[list[SourceError]]:
    """Run an operation with a deadline, and collect the reasons for its stale replies.

    When the block ends, the registered tasks that still run are cancelled. Within the block, a source that timed
    out once is not waited for again.

    Args:
        seconds: The time until the deadline; an earlier deadline stays.
    """
    outer = _current.get()
    tasks: list[asyncio.Future[Any]] = []
    stale: list[SourceError] = []
    token = _enter(outer, ends_at=outer.earlier_end(seconds), tasks=tasks, timeouts={}, stale=stale)
    try:
        yield stale
    finally:
        _current.reset(token)
        outer.add_stale(stale)
        for task in tasks:
            task.cancel()
        tasks.clear()  # each task references its context, and the context references this list


def detached_context(seconds: float, *, inherit: bool = True) -> Context:
    """Return a context whose deadline is `seconds` from now, whatever the current deadline is.

    It is for work that may outlive its first caller because others wait for it. With `inherit` it is a copy of the
    current context. Without, it is empty otherwise: background work serves no caller.
    """
    context = copy_context() if inherit else Context()
    scope = _current.get() if inherit else _NO_SCOPE
    context.run(_enter, scope, ends_at=asyncio.get_running_loop().time() + seconds)
    return context


# -- deadlines -----------------------------------------------------------------------------------------


_NO_LIMIT: AbstractContextManager[None] = nullcontext()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Set the deadline of the block and of the tasks it starts; an earlier deadline stays."""
    outer = _current.get()
    token = _enter(outer, ends_at=outer.earlier_end(seconds))
    try:
        yield
    finally:
        _current.reset(token)


def time_share(rounds_below: int) -> AbstractContextManager[None]:
    """Limit the block to an equal share of the remaining time; `rounds_below` more rounds of calls follow."""
    ends_at = _current.get().ends_at
    if not rounds_below or ends_at is None:
        return _NO_LIMIT
    return deadline(max(0.0, ends_at - asyncio.get_running_loop().time()) / (rounds_below + 1))


def remaining_s(at_most: float) -> float:
    """Return the seconds until the deadline, at most `at_most`; never negative."""
    ends_at = _current.get().ends_at
    if ends_at is None:
        return at_most
    return max(0.0, min(at_most, ends_at - asyncio.get_running_loop().time()))


def is_fair_time(allowed_s: float, timeout_s: float) -> bool:
    """Return whether a timeout after `allowed_s` seconds counts as a failure of the vendor.

    It does from one second on, or from the source's `timeout_s` on if that is less.
    """
    return allowed_s >= min(timeout_s, _FAIR_TIME_S)


# -- tasks ---------------------------------------------------------------------------------------------


F = TypeVar("F", bound="asyncio.Future[Any]")


def register_task(task: F) -> F:
    """Tie the task to the lifetime of the operation, and return it.

    This is for tasks that nobody awaits: a cancellation of the request would not reach them.
    """
    tasks = _current.get().tasks
    if tasks is not None:
        tasks.append(task)
    return task


def register_current_task() -> None:
    """Tie the current task to the lifetime of the operation, where a library started the task."""
    task = asyncio.current_task()
    if task is not None:
        register_task(task)


# -- records of calls ----------------------------------------------------------------------------------


@contextmanager
def count_calls() -> Iterator[CallMeter]:
    """Count the requests of the block and of the tasks it starts; a surrounding block counts them as well."""
    outer, meter = _current.get(), CallMeter()
    token = _enter(outer, meter=meter)
    try:
        yield meter
    finally:
        _current.reset(token)
        if outer.meter is not None:
            outer.meter.requests += meter.requests


def count_request() -> None:
    """Count one request to a vendor."""
    meter = _current.get().meter
    if meter is not None:
        meter.requests += 1


@contextmanager
def collect_stale_errors() -> Iterator[list[SourceError]]:
    """Collect the reasons for stale replies in the block and in the tasks it starts.

    A surrounding block collects them as well.
    """
    outer = _current.get()
    errors: list[SourceError] = []
    token = _enter(outer, stale=errors)
    try:
        yield errors
    finally:
        _current.reset(token)
        outer.add_stale(errors)


def record_stale_reply(error: SourceError) -> None:
    """Record the reason for a stale reply."""
    _current.get().add_stale([error])


def remember_timeout(source: str, error: SourceError) -> None:
    """Remember a timeout of the source; other errors have no effect (408 and 504 are responses).

    A stale reply in place of a timed-out call lets its list continue with the next call. So without this record a
    hanging source would cost one timeout per call.
    """
    timeouts = _current.get().timeouts
    if timeouts is not None and isinstance(error, SourceTimeout) and error.http_status is None:
        timeouts.setdefault(source, error)


def earlier_timeout(source: str) -> SourceTimeout | None:
    """Return the timeout after which the request does not wait for this source, None without one."""
    timeouts = _current.get().timeouts
    return None if timeouts is None else timeouts.get(source)


# -- cache and credentials -----------------------------------------------------------------------------


@contextmanager
def bypass_cache(enabled: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002 - bypass_cache(condition) reads well
    """Send the calls of the block to the vendor, if `enabled`; their replies are cached nevertheless."""
    outer = _current.get()
    token = _enter(outer, bypass_cache=outer.bypass_cache or enabled)
    try:
        yield
    finally:
        _current.reset(token)


def bypasses_cache() -> bool:
    """Return whether calls bypass the cache now."""
    return _current.get().bypass_cache


def current_dependencies() -> CacheDependencies | None:
    """Return the dependencies of the current response, None outside of `response_scope`."""
    return _current.get().dependencies


def mark_uncacheable() -> None:
    """Record that the current response holds data that is not cached."""
    dependencies = current_dependencies()
    if dependencies is not None:
        dependencies.mark_uncacheable()


def pass_through_credential(source: str) -> SecretStr | None:
    """Return the caller's key for that source, None without one."""
    return _current.get().credentials.get(source)
