"""DataLoaders of one request: what sibling fields ask for at one moment goes to a source as one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar, cast

from strawberry.dataloader import DataLoader

from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.models import Experiment, Session, SessionRef
from tracegraph.errors import SourceError
from tracegraph.federation.lists import FetchSessions
from tracegraph.upstream.request_scope import bypass_cache, register_current_task

K = TypeVar("K")


T = TypeVar("T")


class SharedLoader(DataLoader[K, T]):
    """A loader whose answers many wait for: one that is given up takes nothing from the others.

    The library gives all of them one future, which would be cancelled with any of them.
    """

    def load(self, key: K) -> Awaitable[T]:
        """What is behind the key, asked for together with other keys of the moment, and once in a request."""
        answer = cast("asyncio.Future[T]", super().load(key))
        answer.add_done_callback(_look_at)
        return asyncio.shield(answer)


def _look_at(answer: asyncio.Future[Any]) -> None:
    """A failure that nobody waits for any more is no bug: unseen, asyncio would log it as one."""
    if not answer.cancelled():
        answer.exception()


class SourceLoaders:
    """The loaders of one source; each batch is one call of its adapter.

    The library runs a batch in a task of its own, which would outlive the request. Batches are functions of the
    adapter: methods and loaders would keep each other, and all that was loaded, until the garbage collector comes.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._session_pages: dict[tuple[bool, int], DataLoader[SessionPageRequest, Page[Session]]] = {}

    @cached_property
    def experiments(self) -> DataLoader[str, Experiment | None]:
        """Experiments by ref; None for one that is not there."""
        return SharedLoader(partial(_experiments, self._adapter))

    @cached_property
    def sessions(self) -> DataLoader[SessionRef, Session | None]:
        """Sessions by ref; None for one that is not there."""
        return SharedLoader(partial(_sessions, self._adapter))

    def session_pages(self, *, fresh: bool, level: int) -> DataLoader[SessionPageRequest, Page[Session]]:
        """Pages of sessions, past the cache or not, for lists with so many rounds of calls below them.

        A batch has the time of its first request, so that only requests of one level share a batch. Pages are not
        cached here: reading a page again is how a stream finds out what has moved.
        """
        loader = self._session_pages.get((fresh, level))
        if loader is None:
            loader = DataLoader(partial(_session_pages, self._adapter, fresh), cache=False)
            self._session_pages[fresh, level] = loader
        return loader


async def _experiments(adapter: Adapter, refs: list[str]) -> Sequence[Experiment | BaseException | None]:
    register_current_task()
    return _in_order(refs, await adapter.get_experiments(refs))


async def _sessions(adapter: Adapter, refs: list[SessionRef]) -> Sequence[Session | BaseException | None]:
    register_current_task()
    return _in_order(refs, await adapter.get_sessions(refs))


async def _session_pages(
    adapter: Adapter,
    fresh: bool,  # noqa: FBT001 - bound by position
    asks: list[SessionPageRequest],
) -> Sequence[Page[Session] | BaseException]:
    """A page for each ask; equal asks are one."""
    register_current_task()
    numbers: dict[SessionPageRequest, int] = {}
    of_asks = [numbers.setdefault(ask, len(numbers)) for ask in asks]
    with bypass_cache(fresh):
        pages = await adapter.list_sessions(list(numbers))
    return [pages[number] for number in of_asks]


def _in_order(keys: Sequence[K], found: Mapping[K, T | SourceError]) -> Sequence[T | BaseException | None]:
    return [found.get(key) for key in keys]


class Loaders:
    """The loaders of every source, by its name."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        self._by_source = {adapter.name: SourceLoaders(adapter) for adapter in adapters}

    def of(self, source: str) -> SourceLoaders | None:
        """The loaders of a source, None when there is no source of that name."""
        return self._by_source.get(source)

    def __getitem__(self, source: str) -> SourceLoaders:
        return self._by_source[source]

    async def session_page(self, source: str, ask: SessionPageRequest, *, level: int = 0) -> Page[Session]:
        """A page of sessions, requested together with others of the same moment: `listing.FetchSessions`."""
        pages = self._by_source[source].session_pages(fresh=ask.page.bypass_cache, level=level)
        return await pages.load(ask)

    def session_pages_at(self, level: int) -> FetchSessions:
        """The same for a list with so many rounds of calls below it."""
        return partial(self.session_page, level=level)
