"""Compares figures of several experiments: the selected statistic, its distance from a baseline, the best."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from tracegraph.domain.figures import Statistic
from tracegraph.domain.models import Aggregate, Better, Metric
from tracegraph.federation.analytics.cases import equal, finite
from tracegraph.federation.analytics.statistics import in_order


@dataclass(frozen=True, slots=True)
class MetricEntry:
    """One experiment's figure: its value, `value - baseline` and `value / baseline`."""

    aggregate: Aggregate | None
    value: float | None
    delta: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric over all experiments, in their order; `best` is an index into the entries."""

    metric: Metric
    statistic: Statistic
    entries: Sequence[MetricEntry]
    best: int | None


def delta(value: float | None, baseline: float | None) -> float | None:
    """Return `value - baseline`, or None where one of them is missing."""
    return None if value is None or baseline is None else finite(value - baseline)


def ratio(value: float | None, baseline: float | None) -> float | None:
    """Return `value / baseline`, or None where one is missing, the baseline is 0 or the result is not finite."""
    return None if value is None or not baseline else finite(value / baseline)


def best_of(metric: Metric, values: Sequence[float | None], identities: Sequence[Hashable]) -> int | None:
    """Return the index of the best value; None without values, and when different experiments share the best."""
    present = [(value, index) for index, value in enumerate(values) if value is not None]
    if not present:
        return None
    choose = max if metric.better_when is Better.HIGHER else min
    best, index = choose(present, key=lambda pair: pair[0])
    rivals = {identities[rival] for value, rival in present if equal(value, best)}
    return index if len(rivals) == 1 else None


def compare_metric(
    metric: Metric,
    statistic: Statistic,
    aggregates: Sequence[Aggregate | None],
    baseline: int,
    identities: Sequence[Hashable],
) -> MetricComparison:
    """Compare one metric's aggregates.

    Args:
        metric: The metric.
        statistic: The statistic to compare.
        aggregates: One aggregate per entry, or None.
        baseline: The index of the baseline.
        identities: Equal for entries that are the same experiment.
    """
    values = [statistic.value_in(aggregate) for aggregate in aggregates]
    base = values[baseline]
    entries = [
        MetricEntry(aggregate, value, delta(value, base), ratio(value, base))
        for aggregate, value in zip(aggregates, values, strict=True)
    ]
    return MetricComparison(metric, statistic, entries, best_of(metric, values, identities))


def shared_metrics(entries: Sequence[Mapping[Metric, Aggregate]], statistic: Statistic) -> list[Metric]:
    """Return the metrics with the statistic in at least two entries, in the schema's order."""
    counts: dict[Metric, int] = {}
    for entry in entries:
        for metric, aggregate in entry.items():
            if statistic.value_in(aggregate) is not None:
                counts[metric] = counts.get(metric, 0) + 1
    return in_order(metric for metric, count in counts.items() if count > 1)


def best_basis(statistic: Statistic, reported: Aggregate | None, computed: Aggregate | None) -> Aggregate | None:
    """Return the reported aggregate if it has the statistic, else the computed one, else any that exists."""
    available = [aggregate for aggregate in (reported, computed) if aggregate is not None]
    with_value = [aggregate for aggregate in available if statistic.value_in(aggregate) is not None]
    return next(iter([*with_value, *available]), None)
