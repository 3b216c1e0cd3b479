"""Figures of the sessions that started in each interval of a time range."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from tracegraph.domain.models import Aggregate, Metric
from tracegraph.domain.sort_values import microseconds
from tracegraph.federation.analytics.parts import figures_of_parts
from tracegraph.federation.analytics.session_columns import SessionScan


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """The figures of the sessions that started from `start` up to but not including `end`."""

    start: datetime
    end: datetime
    session_count: int
    error_count: int
    aggregates: Sequence[Aggregate]


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Consecutive intervals, the oldest first. `complete`: every session of the range was read."""

    complete: bool
    buckets: Sequence[TimeBucket]


def time_series(scan: SessionScan, metrics: Sequence[Metric], bounds: Sequence[datetime]) -> TimeSeries:
    """Return the figures of each interval, without the metrics whose values could not be read.

    Args:
        scan: The sessions that started between the first and the last of the bounds.
        metrics: The metrics.
        bounds: The bounds of the intervals, from `intervals.boundaries`.
    """
    starts = [microseconds(bound) for bound in bounds[:-1]]
    part_of = [bisect_right(starts, start) - 1 for start in scan.starts]
    parts = figures_of_parts(scan, metrics, part_of, len(starts))
    buckets = [
        TimeBucket(start, end, part.session_count, part.error_count, part.aggregates)
        for (start, end), part in zip(pairwise(bounds), parts, strict=True)
    ]
    return TimeSeries(scan.complete, buckets)
