"""Reports on how each source fared in one list."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec

from tracegraph.errors import SourceError
from tracegraph.federation.stream import Stream


class SourceReportStatus(Enum):
    """Whether a source answered completely, from stale replies, in part, or not at all."""

    OK = "OK"
    STALE = "STALE"
    FAILED = "FAILED"
    SCAN_LIMITED = "SCAN_LIMITED"


class SourceReport(msgspec.Struct, frozen=True):
    """One source's part in one list. `fetched` and `upstream_requests` are the cost of this page.

    `skipped` is the number of rows that could not be read and are left out.
    """

    source: str
    status: SourceReportStatus = SourceReportStatus.OK
    error: SourceError | None = None
    total_count: int | None = None
    fetched: int = 0
    upstream_requests: int = 0
    duration_ms: float = 0.0
    skipped: int = 0


def not_queried(source: str) -> SourceReport:
    """Return the report of a source that has no row under this filter and is not called."""
    return SourceReport(source, total_count=0)


def report(source: str, streams: Sequence[Stream[Any]], *, truncated: bool = False) -> SourceReport:
    """Return the report of a source from all its streams. `truncated`: some of its lists were not read."""
    error: SourceError | None = None
    stale: SourceError | None = None
    scan_limited, total, duration_ms = truncated, None if truncated else 0, 0.0
    fetched = upstream_requests = skipped = 0
    for stream in streams:
        stats = stream.stats
        error = error or stream.error or stats.error
        stale = stale or stats.stale
        scan_limited = scan_limited or stream.scan_limited
        total = None if total is None or stats.total is None else total + stats.total
        fetched += stats.fetched
        upstream_requests += stats.upstream_requests
        skipped += len(stats.unreadable)
        duration_ms = max(duration_ms, stream.duration_ms)
    status = SourceReportStatus.OK
    if error is not None:
        status, total = SourceReportStatus.FAILED, None
    elif stale is not None:
        status = SourceReportStatus.STALE
    elif scan_limited:
        status = SourceReportStatus.SCAN_LIMITED
    return SourceReport(source, status, error or stale, total, fetched, upstream_requests, duration_ms, skipped)


_SEVERITY_ORDER = (
    SourceReportStatus.FAILED,
    SourceReportStatus.STALE,
    SourceReportStatus.SCAN_LIMITED,
    SourceReportStatus.OK,
)


def combined_in_sequence(reports: Sequence[SourceReport]) -> SourceReport:
    """Combine reports of one source on consecutive work: the worst status, the summed costs."""
    return msgspec.structs.replace(
        _worst(reports),
        total_count=reports[0].total_count,
        fetched=sum(entry.fetched for entry in reports),
        upstream_requests=sum(entry.upstream_requests for entry in reports),
        duration_ms=sum(entry.duration_ms for entry in reports),
        skipped=sum(entry.skipped for entry in reports),
    )


def _worst(reports: Sequence[SourceReport]) -> SourceReport:
    return min(reports, key=lambda entry: _SEVERITY_ORDER.index(entry.status))


def total_count(reports: Sequence[SourceReport]) -> int | None:
    """Return the exact number of rows in the list, or None unless every source reports its own."""
    total = 0
    for entry in reports:
        if entry.total_count is None:
            return None
        total += entry.total_count
    return total


def combined_in_parallel(source: str, reports: Sequence[SourceReport]) -> SourceReport:
    """Combine reports of one source on lists read at the same time: the worst status, the summed counts."""
    if not reports:
        return SourceReport(source)
    worst = _worst(reports)
    return SourceReport(
        source,
        worst.status,
        worst.error,
        total_count(reports),
        sum(entry.fetched for entry in reports),
        sum(entry.upstream_requests for entry in reports),
        max(entry.duration_ms for entry in reports),
        sum(entry.skipped for entry in reports),
    )
