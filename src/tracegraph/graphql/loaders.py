"""DataLoaders of one request: keys that sibling fields load in the same tick go to a source as one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, TypeVar, cast

from strawberry.dataloader import DataLoader

from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, ListsSpans, ReadsSessionDetails, ReportsAggregates
from tracegraph.domain.models import Aggregate, Experiment, MetricKind, Session, SessionRef, Span, SpanRef
from tracegraph.errors import SourceError
from tracegraph.federation.lists import FetchSessions
from tracegraph.upstream.request_scope import bypass_cache, bypasses_cache, register_current_task

K = TypeVar("K")


T = TypeVar("T")


AggregatesKey = tuple[Experiment, frozenset[MetricKind] | None]
"""An experiment, and the kinds of metrics that a field needs, None for all."""


class SharedLoader(DataLoader[K, T]):
    """A loader whose results have several waiters: a waiter that is cancelled does not cancel the others.

    The library returns the same future to all waiters, and cancelling one waiter would cancel that future.
    """

    def load(self, key: K) -> Awaitable[T]:
        """Load the value of a key, batched with other keys of the same tick and once per request."""
        result = cast("asyncio.Future[T]", super().load(key))
        result.add_done_callback(_retrieve_exception)
        return asyncio.shield(result)


def _retrieve_exception(result: asyncio.Future[Any]) -> None:
    """Retrieve the exception of a result without waiters, which asyncio would otherwise log as a bug."""
    if not result.cancelled():
        result.exception()


class SourceLoaders:
    """The loaders of one source. Each batch is one call of its adapter.

    The library runs a batch in a task of its own, which would outlive the request. Batch functions are bound to
    the adapter only: a bound method would form a reference cycle with its loader and delay freeing the loaded
    rows.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._session_pages: dict[tuple[bool, int], DataLoader[SessionPageRequest, Page[Session]]] = {}
        self._details: dict[frozenset[str], SharedLoader[Session, Session | None]] = {}
        self._spans: dict[tuple[frozenset[str] | None, int], SharedLoader[SessionRef, Sequence[Span] | None]] = {}

    @cached_property
    def experiments(self) -> DataLoader[str, Experiment | None]:
        """Experiments by ref, None for an unknown ref."""
        return SharedLoader(partial(_experiments, self._adapter))

    @cached_property
    def aggregates(self) -> DataLoader[AggregatesKey, Sequence[Aggregate]]:
        """The deferred aggregates of experiments, none where the vendor has no such figures."""
        return SharedLoader(partial(_aggregates, self._adapter), cache_key_fn=lambda key: (key[0].ref, key[1]))

    @cached_property
    def sessions(self) -> DataLoader[SessionRef, Session | None]:
        """Sessions by ref, None for an unknown ref."""
        return SharedLoader(partial(_sessions, self._adapter))

    def session_details(self, group: frozenset[str]) -> DataLoader[Session, Session | None]:
        """Return the loader of sessions with a group of details, None for a session that does not exist any more.

        Args:
            group: One of `Capabilities.session_details`.
        """
        loader = self._details.get(group)
        if loader is None:
            read = partial(_session_details, self._adapter, group)
            loader = self._details[group] = SharedLoader(read, cache_key_fn=attrgetter("ref"))
        return loader

    @cached_property
    def complete_spans(self) -> DataLoader[SpanRef, Span | None]:
        """Spans with all fields by ref, None for an unknown ref."""
        return SharedLoader(partial(_complete_spans, self._adapter))

    def spans(self, fields: frozenset[str] | None, *, level: int) -> DataLoader[SessionRef, Sequence[Span] | None]:
        """Return the loader of the spans of sessions, for fields with `level` rounds of calls below.

        A session that the vendor lacks has None. A batch has the deadline of its first request.

        Args:
            fields: The costly fields that the spans must have, None for all.
            level: The rounds of calls below.
        """
        loader = self._spans.get((fields, level))
        if loader is None:
            loader = self._spans[fields, level] = SharedLoader(partial(_spans, self._adapter, fields))
        return loader

    def session_pages(self, *, bypass: bool, level: int) -> DataLoader[SessionPageRequest, Page[Session]]:
        """Return the loader of session pages for lists with `level` rounds of calls below.

        A batch has the deadline of its first request, so only requests of one level share a batch. Pages are not
        cached in the loader: a stream reads a page again to detect rows that moved.
        """
        loader = self._session_pages.get((bypass, level))
        if loader is None:
            loader = DataLoader(partial(_session_pages, self._adapter, bypass), cache=False)
            self._session_pages[bypass, level] = loader
        return loader


async def _experiments(adapter: Adapter, refs: list[str]) -> Sequence[Experiment | BaseException | None]:
    register_current_task()
    return _in_order(refs, await adapter.get_experiments(refs))


async def _aggregates(
    adapter: Adapter, keys: list[AggregatesKey]
) -> Sequence[Sequence[Aggregate] | BaseException]:
    """Return the aggregates of experiments in one read, of all kinds that any key needs."""
    register_current_task()
    experiments = {experiment.ref: experiment for experiment, _ in keys}
    wanted = [kinds for _, kinds in keys if kinds is not None]
    kinds = frozenset[MetricKind]().union(*wanted) if len(wanted) == len(keys) else None
    by_ref = await cast("ReportsAggregates", adapter).get_aggregates(list(experiments.values()), kinds)
    return [by_ref.get(experiment.ref, ()) for experiment, _ in keys]


async def _sessions(adapter: Adapter, refs: list[SessionRef]) -> Sequence[Session | BaseException | None]:
    register_current_task()
    return _in_order(refs, await adapter.get_sessions(refs))


async def _session_details(
    adapter: Adapter, group: frozenset[str], sessions: list[Session]
) -> Sequence[Session | BaseException | None]:
    register_current_task()
    detailed = await cast("ReadsSessionDetails", adapter).get_session_details(sessions, group)
    return _in_order([session.ref for session in sessions], detailed)


async def _spans(
    adapter: Adapter, fields: frozenset[str] | None, refs: list[SessionRef]
) -> Sequence[Sequence[Span] | BaseException | None]:
    register_current_task()
    return _in_order(refs, await cast("ListsSpans", adapter).list_spans(refs, fields))


async def _complete_spans(adapter: Adapter, refs: list[SpanRef]) -> Sequence[Span | BaseException | None]:
    register_current_task()
    return _in_order(refs, await cast("ListsSpans", adapter).get_spans(refs))


async def _session_pages(
    adapter: Adapter,
    bypass: bool,  # noqa: FBT001 - bound by position
    requests: list[SessionPageRequest],
) -> Sequence[Page[Session] | BaseException]:
    """Load one page per request; equal requests are loaded once."""
    register_current_task()
    indices: dict[SessionPageRequest, int] = {}
    positions = [indices.setdefault(request, len(indices)) for request in requests]
    with bypass_cache(bypass):
        pages = await adapter.list_sessions(list(indices))
    return [pages[index] for index in positions]


def _in_order(keys: Sequence[K], values: Mapping[K, T | SourceError]) -> Sequence[T | BaseException | None]:
    return [values.get(key) for key in keys]


class Loaders:
    """The loaders of every source, by its name."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        self._by_source = {adapter.name: SourceLoaders(adapter) for adapter in adapters}

    def get(self, source: str) -> SourceLoaders | None:
        """Return the loaders of a source, or None for an unknown name."""
        return self._by_source.get(source)

    def __getitem__(self, source: str) -> SourceLoaders:
        return self._by_source[source]

    async def session_page(self, source: str, request: SessionPageRequest, *, level: int = 0) -> Page[Session]:
        """Load a page of sessions, batched with others of the same tick. Implements `lists.FetchSessions`.

        Args:
            source: The name of the source.
            request: The page to load.
            level: The rounds of calls below the field.
        """
        pages = self._by_source[source].session_pages(bypass=bypasses_cache(), level=level)
        return await pages.load(request)

    def session_pages_at(self, level: int) -> FetchSessions:
        """Return `session_page` for a list with `level` rounds of calls below."""
        return partial(self.session_page, level=level)
