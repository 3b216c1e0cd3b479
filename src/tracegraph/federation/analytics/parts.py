"""Figures of the parts into which the sessions of a scan fall: intervals of time, or groups."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph.domain.models import ERROR_RATE, Aggregate, Metric
from tracegraph.federation.analytics.session_columns import SessionScan
from tracegraph.federation.analytics.statistics import computed


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of some sessions, in the order of the requested metrics. `error_count` counts status ERROR."""

    session_count: int
    error_count: int
    aggregates: Sequence[Aggregate]


def figures_of_parts(
    scan: SessionScan, metrics: Sequence[Metric], part_of: Sequence[int | None], count: int
) -> list[Part]:
    """Return the figures of each part, without the metrics whose values could not be read.

    Args:
        scan: The sessions.
        metrics: The metrics.
        part_of: The number of each session's part, None for a session that is in none.
        count: How many parts there are.
    """
    sizes = [0] * count
    for part in part_of:
        if part is not None:
            sizes[part] += 1
    errors = [sum(values) for values in _split(scan.column(ERROR_RATE), part_of, count)]
    split = {metric: _split(scan.column(metric), part_of, count) for metric in metrics if scan.covers(metric)}
    return [
        Part(
            sizes[part],
            int(errors[part]),
            [
                computed(metric, split[metric][part], complete=scan.complete)
                for metric in metrics
                if metric in split
            ],
        )
        for part in range(count)
    ]


def _split(column: Sequence[float], part_of: Sequence[int | None], count: int) -> list[array[float]]:
    """Return the values of each part, without those of the sessions that have none."""
    values = [array("d") for _ in range(count)]
    for part, value in zip(part_of, column, strict=True):
        if part is not None and not math.isnan(value):
            values[part].append(value)
    return values
