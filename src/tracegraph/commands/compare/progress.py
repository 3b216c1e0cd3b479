"""How many sessions were read so far: counted between the gateway and its adapters, shown as a bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.models import Experiment, Session
from tracegraph.errors import SourceError


class SessionProgress:
    """A bar on standard error while sessions are read, when that is a terminal."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("Reading sessions", total=None)
        self._read = 0
        self._held: dict[tuple[str, str], int] = {}

    def holds(self, source: str, experiment_ref: str, sessions: int | None) -> None:
        """An experiment is known to hold so many sessions."""
        if sessions is not None:
            self._held[source, experiment_ref] = sessions
            self._show()

    def read(self, sessions: int) -> None:
        """So many more were read."""
        self._read += sessions
        self._show()

    def _show(self) -> None:
        total = sum(self._held.values())
        self._bar.update(
            self._task, completed=min(self._read, total) if total else self._read, total=total or None
        )


@contextmanager
def session_progress() -> Iterator[SessionProgress]:
    """Show a bar while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_stderr(), transient=True, disable=not sys.stderr.isatty()) as bar:
        yield SessionProgress(bar)


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """Show a spinner on standard error while the block runs, when that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    with _stderr().status(words):
        yield


def _stderr() -> Console:
    return Console(stderr=True)


def counted(adapter: Adapter, progress: SessionProgress) -> Adapter:
    """The adapter, telling of every session that it lists."""
    return cast("Adapter", _Counted(adapter, progress))


class _Counted:
    def __init__(self, adapter: Adapter, progress: SessionProgress) -> None:
        self._adapter = adapter
        self._progress = progress

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        found = await self._adapter.get_experiments(refs)
        for ref, one in found.items():
            if isinstance(one, Experiment):
                self._progress.holds(self._adapter.name, ref, one.session_count)
        return found

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        pages = await self._adapter.list_sessions(asks)
        for ask, page in zip(asks, pages, strict=True):
            if not isinstance(page, SourceError):
                self._progress.holds(self._adapter.name, ask.experiment_refs[0], page.total)
                self._progress.read(len(page.items))
        return pages
