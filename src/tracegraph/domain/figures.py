"""Statistics of aggregates, and the figures by which experiments are ordered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tracegraph.domain.models import Aggregate, Experiment, Metric, is_number


class Statistic(Enum):
    """The statistic of an aggregate that is compared."""

    MEAN = "MEAN"
    MEDIAN = "MEDIAN"
    P90 = "P90"
    P95 = "P95"
    P99 = "P99"
    SUM = "SUM"
    COUNT = "COUNT"
    MIN = "MIN"
    MAX = "MAX"
    P25 = "P25"
    P75 = "P75"
    STDDEV = "STDDEV"

    def value_in(self, aggregate: Aggregate | None) -> float | None:
        """Return the statistic in the metric's unit, or None when the aggregate lacks it."""
        figure = None if aggregate is None else getattr(aggregate, self.value.lower())
        return None if figure is None else float(figure)


@dataclass(frozen=True, slots=True)
class Figure:
    """One statistic of one metric."""

    metric: Metric
    statistic: Statistic = Statistic.MEAN

    def value_of(self, experiment: Experiment) -> float | None:
        """Return the figure that the vendor reports for the experiment, None without a finite number."""
        for aggregate in experiment.aggregates:
            if aggregate.metric == self.metric:
                return number(getattr(aggregate, self.statistic.value.lower()))
        return None


def number(value: object) -> float | None:
    """Return the value as a float, or None for anything that is not a finite number."""
    return float(value) if is_number(value) else None
