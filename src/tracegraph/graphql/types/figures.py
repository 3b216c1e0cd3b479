"""GraphQL types of figures: aggregates, and the parts of an experiment's sessions. A field reads its attribute."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry

from tracegraph.domain import models as domain_models
from tracegraph.federation.analytics.histogram import check_bins, histogram


@strawberry.type(description="A measured quantity, its unit, and its better direction.")
class Metric:
    """The GraphQL type of `domain.domain_models.Metric`."""

    kind: domain_models.MetricKind
    evaluator: str | None
    name: str
    unit: domain_models.MetricUnit
    better_when: domain_models.Better


@strawberry.type(
    description=(
        "How many values lie from lower up to but not including upper. The last bin includes its upper end."
    )
)
class HistogramBin:
    """The GraphQL type of `federation.analytics.histogram.HistogramBin`."""

    lower: float = strawberry.field(description="The lower end, in the metric's unit.")
    upper: float = strawberry.field(description="The upper end, in the metric's unit.")
    count: int = strawberry.field(description="The number of values.")


def _histogram(
    root: strawberry.Parent[domain_models.Aggregate],
    bins: Annotated[
        int,
        strawberry.argument(description="The number of classes, from 1 to 100. There is one for a single value."),
    ] = 20,
    lower: Annotated[
        float | None,
        strawberry.argument(description="The lower end of the first class. By default the smallest value."),
    ] = None,
    upper: Annotated[
        float | None,
        strawberry.argument(description="The upper end of the last class. By default the largest value."),
    ] = None,
) -> Any:
    check_bins(bins, lower, upper)
    if root.basis is not domain_models.AggregateBasis.COMPUTED:
        return None
    return histogram(root.values, bins, lower, upper)


@strawberry.type(
    description=(
        "Statistics of one metric over the sessions of one experiment. A statistic that the basis does not have "
        "is null. Means over different populations are not comparable."
    )
)
class Aggregate:
    """The GraphQL type of `domain.domain_models.Aggregate`."""

    metric: Metric
    basis: domain_models.AggregateBasis = strawberry.field(description="The actual basis: REPORTED or COMPUTED.")
    population: domain_models.AggregatePopulation = strawberry.field(
        description="The population of the statistics."
    )
    count: int | None
    sum: float | None
    mean: float | None
    stddev: float | None
    min: float | None
    p25: float | None
    median: float | None
    p75: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    complete: bool = strawberry.field(
        description="False for a COMPUTED aggregate when the page budget ended before the last session."
    )
    histogram: list[HistogramBin] | None = strawberry.field(
        resolver=_histogram,
        description=(
            "COMPUTED: how the values are distributed over classes of equal width, in ascending order. Values "
            "beyond lower and upper are in none. Null when REPORTED."
        ),
    )


@strawberry.type(description="The sessions that started from start up to but not including end.")
class TimeBucket:
    """The GraphQL type of `federation.analytics.time_series.TimeBucket`."""

    start: datetime = strawberry.field(description="The first moment of the interval.")
    end: datetime = strawberry.field(description="The first moment after the interval.")
    session_count: int = strawberry.field(description="The number of sessions.")
    error_count: int = strawberry.field(description="The number of sessions with status ERROR.")
    aggregates: list[Aggregate] = strawberry.field(
        description="The figures in the order of `metrics`, without metrics that could not be read."
    )


@strawberry.type(
    description=(
        "Consecutive intervals of a range, aligned in its time zone. The first and the last are cut to the range."
    )
)
class TimeSeries:
    """The GraphQL type of `federation.analytics.time_series.TimeSeries`."""

    complete: bool = strawberry.field(
        description="False when the page budget ended before the last session, or some could not be read."
    )
    buckets: list[TimeBucket] = strawberry.field(
        description="The intervals in the order of time, the oldest first, including those without sessions."
    )


@strawberry.type(description="Sessions that share a property, and their figures.")
class SessionGroup:
    """The GraphQL type of `federation.analytics.session_groups.SessionGroup`."""

    key: str | None = strawberry.field(description="The shared value. Null for the sessions without one.")
    session_count: int = strawberry.field(description="The number of sessions.")
    aggregates: list[Aggregate] = strawberry.field(
        description="The figures in the order of `metrics`, without metrics that could not be read."
    )


@strawberry.type(description="The largest groups of an experiment's sessions.")
class SessionGroups:
    """The GraphQL type of `federation.analytics.session_groups.SessionGroups`."""

    complete: bool = strawberry.field(
        description="False when the page budget ended before the last session, or some could not be read."
    )
    groups: list[SessionGroup] = strawberry.field(
        description="The groups in descending order of size. Equal sizes are ordered by key, null last."
    )
    other_count: int = strawberry.field(description="The number of sessions in groups beyond `first`.")
