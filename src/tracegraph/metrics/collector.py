"""The metrics of a gateway: of this process, or the sum over all processes that share its port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from tracegraph.metrics.exposition import render_metrics
from tracegraph.metrics.http_requests import HttpRequests
from tracegraph.metrics.multiprocess import WRITE_INTERVAL_S, SnapshotDirectory
from tracegraph.metrics.operations import Operations
from tracegraph.metrics.snapshot import MetricsSource, Snapshot
from tracegraph.sources import Sources

_log = structlog.get_logger("tracegraph.metrics")


class Metrics:
    """Counts GraphQL requests in `operations`, and renders all metrics."""

    def __init__(self, source: MetricsSource, directory: SnapshotDirectory | None = None) -> None:
        self.operations = source.operations
        self._source = source
        self._directory = directory

    async def render(self) -> bytes:
        """Return all metrics in Prometheus's text format. Those of other processes may be a second old."""
        return await asyncio.to_thread(self._render, self._source.snapshot())

    def _render(self, snapshot: Snapshot) -> bytes:
        if self._directory is not None:
            self._directory.merge_peers(snapshot)
        return render_metrics(snapshot)


@asynccontextmanager
async def open_metrics(
    sources: Sources, http: HttpRequests, operation_names: int, folder: Path | None
) -> AsyncIterator[Metrics]:
    """Open the metrics of these sources.

    Args:
        sources: The sources with their counters.
        http: The counters of HTTP requests.
        operation_names: The maximum number of operation names as labels.
        folder: The folder that the processes of one gateway share. None for a single process.
    """
    call_kinds = {adapter.name: adapter.capabilities.call_kinds for adapter in sources.adapters}
    shared = None if sources.shared is None else sources.shared.counters
    source = MetricsSource(
        Operations(operation_names), sources.pipelines, call_kinds, http, sources.memory, shared
    )
    measuring = asyncio.create_task(source.lag.measure())
    try:
        async with _open_directory(source, folder) as opened:
            yield opened
    finally:
        measuring.cancel()


@asynccontextmanager
async def _open_directory(source: MetricsSource, folder: Path | None) -> AsyncIterator[Metrics]:
    if folder is None:
        yield Metrics(source)
        return
    directory = SnapshotDirectory(folder)
    over = asyncio.Event()
    writing = asyncio.create_task(_write_periodically(directory, source, over))
    try:
        yield Metrics(source, directory)
    finally:
        over.set()
        await writing


async def _write_periodically(directory: SnapshotDirectory, source: MetricsSource, over: asyncio.Event) -> None:
    while not over.is_set():
        await _write(directory.write, source)
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITE_INTERVAL_S):
                await over.wait()
    await _write(directory.retire, source)


async def _write(write: Callable[[Snapshot], None], source: MetricsSource) -> None:
    try:
        await asyncio.to_thread(write, source.snapshot())
    except OSError as error:
        _log.warning("metrics.not_written", cause=type(error).__name__)
