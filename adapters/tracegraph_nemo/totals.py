"""Totals of an experiment's traces: cost, tokens and error rate (docs/vendors/nemo.md#totals)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tracegraph.adapter import gather_by_key
from tracegraph.domain.models import (
    CACHED_TOKENS,
    COST,
    ERROR_RATE,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOTAL_TOKENS,
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Experiment,
    Metric,
    MetricKind,
)
from tracegraph.errors import SourceError
from tracegraph_nemo.client import NemoClient, PathNotFound
from tracegraph_nemo.filters import is_expressible
from tracegraph_nemo.wire import Totals as Statistics
from tracegraph_nemo.wire import TraceTotals

METRICS = frozenset(
    {
        MetricKind.COST,
        MetricKind.INPUT_TOKENS,
        MetricKind.OUTPUT_TOKENS,
        MetricKind.CACHED_TOKENS,
        MetricKind.TOTAL_TOKENS,
        MetricKind.ERROR_RATE,
    }
)
"""The metrics that the totals report."""


_RETENTION = timedelta(days=91)
"""A day more than the service retains spans."""


class Totals:
    """Reads the totals of experiments, one call for each."""

    def __init__(self, client: NemoClient, wall_clock: Callable[[], float]) -> None:
        self._client = client
        self._wall_clock = wall_clock

    async def read(self, experiments: Sequence[Experiment]) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        """Return the totals by ref. An experiment without sessions has none, and costs no call."""
        if not self._client.release.has_trace_metrics:
            return {}
        readable = [one for one in experiments if one.session_count != 0 and is_expressible(one.ref)]
        found = await gather_by_key({experiment.ref: self._read(experiment) for experiment in readable})
        for outcome in found.values():
            if isinstance(outcome, PathNotFound):
                raise outcome
        return found

    async def _read(self, experiment: Experiment) -> Sequence[Aggregate]:
        reply = await self._client.trace_metrics(experiment.ref, self._since())
        return [
            aggregate
            for totals in reply.value.data[:1]
            if totals is not None
            for aggregate in aggregates(totals, experiment.session_count)
        ]

    def _since(self) -> datetime:
        """Return a time before which the service has no spans; the same all day, so that a cache serves it."""
        today = datetime.fromtimestamp(self._wall_clock(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - _RETENTION


def aggregates(totals: TraceTotals, session_count: int | None) -> Sequence[Aggregate]:
    """Return the aggregates of the totals of one experiment.

    Args:
        totals: The totals of its traces.
        session_count: The number of its sessions. If there are more traces, the figures are over traces.
    """
    runs = totals.run_count
    if runs == 0:
        return ()
    is_of_sessions = session_count is None or session_count >= runs
    population = AggregatePopulation.SESSIONS if is_of_sessions else AggregatePopulation.RUNS
    failed = totals.failed_run_count
    reported = [
        _aggregate(COST, totals.cost_usd, population),
        _aggregate(INPUT_TOKENS, totals.input_tokens, population),
        _aggregate(OUTPUT_TOKENS, totals.output_tokens, population),
        _aggregate(CACHED_TOKENS, totals.cached_tokens, population),
        _total_tokens(totals, population),
        None if failed is None else _mean(ERROR_RATE, population, failed, runs),
    ]
    return [aggregate for aggregate in reported if aggregate is not None]


def _aggregate(metric: Metric, figures: Statistics | None, population: AggregatePopulation) -> Aggregate | None:
    if figures is None or (figures.sum is None and figures.mean is None):
        return None
    return Aggregate(
        metric,
        AggregateBasis.REPORTED,
        population,
        _count(figures),
        figures.sum,
        figures.mean,
        p90=figures.p90,
        p99=figures.p99,
    )


def _total_tokens(totals: TraceTotals, population: AggregatePopulation) -> Aggregate | None:
    """Return the tokens of input and output together, if every trace has both.

    The service counts as `total_tokens` only what spans state as such.
    """
    parts = [totals.input_tokens, totals.output_tokens]
    sums = [part.sum for part in parts if part is not None and part.sum is not None]
    if [None if part is None else _count(part) for part in parts] != [totals.run_count] * 2 or len(sums) < 2:
        return None
    return _mean(TOTAL_TOKENS, population, sum(sums), totals.run_count)


def _count(figures: Statistics) -> int | None:
    """Return the number of values, which the service does not state; None where it does not follow."""
    return None if not figures.mean or figures.sum is None else round(figures.sum / figures.mean)


def _mean(metric: Metric, population: AggregatePopulation, total: float, count: int) -> Aggregate:
    return Aggregate(metric, AggregateBasis.REPORTED, population, count, total, total / count)
