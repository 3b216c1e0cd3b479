"""How each source fared in answering one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from tracegraph.domain.value_objects import value_object
from tracegraph.errors import SourceError
from tracegraph.federation.stream import Stream


class SourceReportStatus(Enum):
    """Whether a source answered whole, with older rows, only in part, or not at all."""

    OK = "OK"
    STALE = "STALE"
    FAILED = "FAILED"
    SCAN_LIMITED = "SCAN_LIMITED"


@value_object(frozen=True, slots=True)
class SourceReport:
    """One source's part in one list; `fetched` and `upstream_requests` count what this page took."""

    source: str
    status: SourceReportStatus = SourceReportStatus.OK
    error: SourceError | None = None
    total_count: int | None = None
    fetched: int = 0
    upstream_requests: int = 0
    duration_ms: float = 0.0


def not_asked(source: str) -> SourceReport:
    """The report of a source of which no row can match: it holds none under this filter."""
    return SourceReport(source, total_count=0)


def report(source: str, streams: Sequence[Stream[Any]], *, truncated: bool = False) -> SourceReport:
    """The report of a source from all its streams; `truncated` when not all its lists were looked at."""
    error: SourceError | None = None
    stale: SourceError | None = None
    limited, total, duration_ms = truncated, None if truncated else 0, 0.0
    fetched = upstream_requests = 0
    for stream in streams:
        tally = stream.tally
        error = error or stream.error or tally.error
        stale = stale or tally.stale
        limited = limited or stream.limited
        total = None if total is None or tally.total is None else total + tally.total
        fetched += tally.fetched
        upstream_requests += tally.upstream_requests
        duration_ms = max(duration_ms, stream.duration_ms)
    status = SourceReportStatus.OK
    if error is not None:
        status, total = SourceReportStatus.FAILED, None
    elif stale is not None:
        status = SourceReportStatus.STALE
    elif limited:
        status = SourceReportStatus.SCAN_LIMITED
    return SourceReport(source, status, error or stale, total, fetched, upstream_requests, duration_ms)


_FROM_BAD_TO_GOOD = (
    SourceReportStatus.FAILED,
    SourceReportStatus.STALE,
    SourceReportStatus.SCAN_LIMITED,
    SourceReportStatus.OK,
)


def combined_in_sequence(reports: Sequence[SourceReport]) -> SourceReport:
    """Several reports of one source, about work that was done one after the other, as one; the worst speaks."""
    return replace(
        _worst(reports),
        total_count=reports[0].total_count,
        fetched=sum(one.fetched for one in reports),
        upstream_requests=sum(one.upstream_requests for one in reports),
        duration_ms=sum(one.duration_ms for one in reports),
    )


def _worst(reports: Sequence[SourceReport]) -> SourceReport:
    return min(reports, key=lambda one: _FROM_BAD_TO_GOOD.index(one.status))


def total_count(reports: Sequence[SourceReport]) -> int | None:
    """The exact number of rows in the list, None unless every source told its own."""
    total = 0
    for one in reports:
        if one.total_count is None:
            return None
        total += one.total_count
    return total


def combined_in_parallel(source: str, reports: Sequence[SourceReport]) -> SourceReport:
    """One report of a source's parts in several lists that were read side by side: the worst status, the sums."""
    if not reports:
        return SourceReport(source)
    worst = _worst(reports)
    return SourceReport(
        source,
        worst.status,
        worst.error,
        total_count(reports),
        sum(one.fetched for one in reports),
        sum(one.upstream_requests for one in reports),
        max(one.duration_ms for one in reports),
    )
