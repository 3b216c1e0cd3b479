"""A progress bar of the sessions read, counted between the gateway and its adapters."""

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
    """A bar on standard error while sessions are read, if standard error is a terminal."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("Reading sessions", total=None)
        self._read = 0
        self._totals: dict[tuple[str, str], int] = {}

    def set_total(self, source: str, experiment_ref: str, sessions: int | None) -> None:
        """Record the number of sessions of an experiment.

        Args:
            source: The name of the source.
            experiment_ref: The ref of the experiment.
            sessions: The number of its sessions, or None when the vendor does not report it.
        """
        if sessions is not None:
            self._totals[source, experiment_ref] = sessions
            self._show()

    def add(self, sessions: int) -> None:
        """Add to the number of sessions read."""
        self._read += sessions
        self._show()

    def _show(self) -> None:
        total = sum(self._totals.values())
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
def spinner(label: str) -> Iterator[None]:
    """Show a spinner while the block runs, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    with _stderr().status(label):
        yield


def _stderr() -> Console:
    return Console(stderr=True)


def with_progress(adapter: Adapter, progress: SessionProgress) -> Adapter:
    """Return the adapter with a count of every session that it lists."""
    return cast("Adapter", _CountingAdapter(adapter, progress))


class _CountingAdapter:
    def __init__(self, adapter: Adapter, progress: SessionProgress) -> None:
        self._adapter = adapter
        self._progress = progress

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        experiments = await self._adapter.get_experiments(refs)
        for ref, experiment in experiments.items():
            if isinstance(experiment, Experiment):
                self._progress.set_total(self._adapter.name, ref, experiment.session_count)
        return experiments

    async def list_sessions(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        pages = await self._adapter.list_sessions(requests)
        for request, page in zip(requests, pages, strict=True):
            if not isinstance(page, SourceError):
                self._progress.set_total(self._adapter.name, request.experiment_refs[0], page.total)
                self._progress.add(len(page.items))
        return pages
