"""The metrics of a gateway: of this process, or the sum over all that share its port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from tracegraph.metrics.exposition import render_metrics
from tracegraph.metrics.multiprocess import WRITTEN_EVERY_S, SnapshotDirectory
from tracegraph.metrics.operations import Operations
from tracegraph.metrics.snapshot import MetricsSource, Snapshot
from tracegraph.sources import Sources

_log = structlog.get_logger("tracegraph.metrics")


class Metrics:
    """Counts requests in `operations`, and tells all that was counted."""

    def __init__(self, counted: MetricsSource, shelf: SnapshotDirectory | None = None) -> None:
        self.operations = counted.operations
        self._counted = counted
        self._shelf = shelf

    async def text(self) -> bytes:
        """Everything as Prometheus's text; what other processes counted in the last second may be missing."""
        return await asyncio.to_thread(self._text, self._counted.readings())

    def _text(self, readings: Snapshot) -> bytes:
        if self._shelf is not None:
            self._shelf.add_others(readings)
        return render_metrics(readings)


@asynccontextmanager
async def open_metrics(sources: Sources, operation_names: int, folder: Path | None) -> AsyncIterator[Metrics]:
    """The metrics over these sources; with a folder, together with the other processes that were given it."""
    kinds = {adapter.name: adapter.capabilities.call_kinds for adapter in sources.adapters}
    counted = MetricsSource(Operations(operation_names), sources.pipelines, kinds)
    if folder is None:
        yield Metrics(counted)
        return
    shelf = SnapshotDirectory(folder)
    over = asyncio.Event()
    writing = asyncio.create_task(_keep_writing(shelf, counted, over))
    try:
        yield Metrics(counted, shelf)
    finally:
        over.set()
        await writing


async def _keep_writing(shelf: SnapshotDirectory, counted: MetricsSource, over: asyncio.Event) -> None:
    while not over.is_set():
        await _written(shelf.put, counted)
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_EVERY_S):
                await over.wait()
    await _written(shelf.leave, counted)


async def _written(write: Callable[[Snapshot], None], counted: MetricsSource) -> None:
    try:
        await asyncio.to_thread(write, counted.readings())
    except OSError as error:
        _log.warning("metrics.not_written", cause=type(error).__name__)
