"""Resolvers of figures of the parts of an experiment's sessions: intervals of time, and groups."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any

import strawberry

from tracegraph.domain.conditions import TimeRange
from tracegraph.domain.filters import SessionFilter
from tracegraph.domain.models import Experiment, Metric
from tracegraph.errors import BadUserInput
from tracegraph.federation.analytics.dimensions import SessionDimension
from tracegraph.federation.analytics.intervals import TimeInterval, boundaries, zone_named
from tracegraph.federation.analytics.scan_filters import within
from tracegraph.federation.analytics.session_groups import SessionGroups, session_groups
from tracegraph.federation.analytics.session_scan import SessionScan, needs_of_all
from tracegraph.federation.analytics.time_series import TimeSeries, time_series
from tracegraph.graphql.resolvers.aggregates import parsed_filter
from tracegraph.graphql.resolvers.sources import TracegraphInfo
from tracegraph.graphql.types.filter_inputs import ClosedDateTimeRange, ExperimentSessionFilter
from tracegraph.graphql.types.inputs import MetricInput

_DEFAULT_GROUPS = 20


def experiment_time_series(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    metrics: list[MetricInput],
    interval: TimeInterval,
    range: ClosedDateTimeRange,  # noqa: A002 - the schema's name
    time_zone: str = "UTC",
    filter: ExperimentSessionFilter | None = None,  # noqa: A002 - the schema's name
) -> Any:
    """Return figures of the sessions that started in each interval of a range.

    Args:
        root: The experiment.
        info: The info of the field.
        metrics: The requested metrics.
        interval: The width of the intervals.
        range: The range of starts.
        time_zone: The name of the time zone in which the intervals are aligned.
        filter: Further conditions on the sessions.

    Raises:
        BadUserInput: When the range is empty or has too many intervals, or the time zone is unknown.
        SourceError: When the sessions could not be read, or no requested metric of them.
    """
    bounds = boundaries(range.gte, range.lt, interval, zone_named(time_zone))
    wanted = within(parsed_filter(info, filter), TimeRange(range.gte, range.lt))
    requested = [metric.parsed for metric in metrics]
    return _time_series(_scan(root, info, requested, wanted), requested, bounds)


async def _time_series(
    reading: Awaitable[SessionScan], metrics: Sequence[Metric], bounds: Sequence[datetime]
) -> TimeSeries:
    return time_series(await reading, metrics, bounds)


def experiment_session_groups(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    by: SessionDimension,
    metrics: list[MetricInput],
    first: int = _DEFAULT_GROUPS,
    filter: ExperimentSessionFilter | None = None,  # noqa: A002 - the schema's name
) -> Any:
    """Return figures of the sessions by a property that they share.

    Args:
        root: The experiment.
        info: The info of the field.
        by: The property.
        metrics: The requested metrics.
        first: The number of groups.
        filter: The conditions on the sessions.

    Raises:
        BadUserInput: When `first` is out of range.
        SourceError: When the sessions could not be read, or no requested metric of them.
    """
    most = max(_DEFAULT_GROUPS, info.context.page_limits.max_first)
    if not 0 <= first <= most:
        raise BadUserInput(f"first is {first}, and must be 0 to {most}.")
    wanted, requested = parsed_filter(info, filter), [metric.parsed for metric in metrics]
    return _session_groups(_scan(root, info, requested, wanted, by), by, requested, first)


async def _session_groups(
    reading: Awaitable[SessionScan], by: SessionDimension, metrics: Sequence[Metric], first: int
) -> SessionGroups:
    return session_groups(await reading, by, metrics, first)


async def _scan(
    experiment: Experiment,
    info: TracegraphInfo,
    metrics: Sequence[Metric],
    wanted: SessionFilter,
    by: SessionDimension | None = None,
) -> SessionScan:
    """Return the sessions that match, with the values of all metrics that could be read.

    Raises:
        SourceError: When the sessions could not be read, or the values of none of the metrics.
    """
    scans, needs = info.context.scans, needs_of_all(metrics)
    scan, error = await scans.partial_scan(experiment.source, experiment.ref, needs, wanted, by)
    if error is not None and not any(map(scan.covers, metrics)):
        raise error
    return scan
