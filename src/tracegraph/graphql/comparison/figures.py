"""A comparison whose figures and cases are read when a field needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracegraph.domain.figures import Statistic
from tracegraph.domain.models import Aggregate, AggregateBasis, Experiment, Metric
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.cases import CaseKey
from tracegraph.federation.analytics.comparison import (
    MetricComparison,
    best_basis,
    compare_metric,
    shared_metrics,
)
from tracegraph.federation.analytics.session_scan import needs_of_all
from tracegraph.federation.report import SourceReport
from tracegraph.graphql.comparison.cases import PairedCases
from tracegraph.graphql.comparison.data import ComparisonData
from tracegraph.graphql.reported import all_reported, has_deferred
from tracegraph.upstream.single_flight import TaskMemo

Aggregates = Mapping[Metric, Aggregate]


@dataclass(frozen=True, slots=True)
class ComparisonArguments:
    """The compared figures. Without metrics, the metrics that at least two experiments have."""

    metrics: Sequence[Metric] | None = None
    statistic: Statistic = Statistic.MEAN
    basis: AggregateBasis = AggregateBasis.BEST


@dataclass(frozen=True, slots=True)
class RequestedWork:
    """The fields of a comparison that a query selects and that read sessions; cases by metric and text."""

    metrics: bool
    counts: bool
    cases: Sequence[tuple[Metric, str | None]]


class Comparison:
    """Compared experiments with their figures and cases."""

    def __init__(
        self,
        compared: ComparisonData,
        arguments: ComparisonArguments,
        join_on: CaseKey,
        requested: RequestedWork,
        missing_ids: Sequence[str] = (),
    ) -> None:
        self.compared = compared
        self.missing_ids = missing_ids
        self.paired = PairedCases(compared, join_on)
        self._arguments = arguments
        self._requested = requested
        self._memo = TaskMemo[str]()

    @property
    def baseline(self) -> Experiment:
        """The experiment that the others are compared with."""
        return self.compared.entries[self.compared.baseline].experiment

    @property
    def experiments(self) -> list[Experiment]:
        """All experiments, in the requested order."""
        return [entry.experiment for entry in self.compared.entries]

    async def figures(self) -> Sequence[MetricComparison]:
        """Return the metrics side by side, computed once."""
        return await self._memo.get("figures", self._compare)

    async def reports(self) -> list[SourceReport]:
        """Return the report of each source, after all selected fields have done their work."""
        figures = await self.figures() if self._requested.metrics else ()
        counted = [comparison.metric for comparison in figures] if self._requested.counts else []
        tables = [*counted, *(metric for metric, _ in self._requested.cases)]
        texts = [text for _, text in self._requested.cases]
        await asyncio.gather(*map(self.paired.table, tables), *map(self.paired.search, texts))
        return await self.compared.reports()

    async def _compare(self) -> Sequence[MetricComparison]:
        indices = range(len(self.compared.entries))
        entries = await asyncio.gather(*(self._aggregates(index) for index in indices))
        statistic, compared = self._arguments.statistic, self.compared
        metrics = self._arguments.metrics
        if metrics is None:
            metrics = shared_metrics(entries, statistic)
        return [
            compare_metric(
                metric,
                statistic,
                [entry.get(metric) for entry in entries],
                compared.baseline,
                compared.identities,
            )
            for metric in metrics
        ]

    async def _aggregates(self, index: int) -> Aggregates:
        """Return an experiment's figures on the requested basis, without those that could not be read."""
        entry, arguments = self.compared.entries[index], self._arguments
        reported, reported_error = await self._reported(entry.experiment)
        unreported = self._unreported_metrics(reported)
        if entry.error is not None or unreported == []:
            return reported
        if arguments.basis is AggregateBasis.REPORTED:
            if reported_error is not None:
                self.compared.add_failure(reported_error)
            return reported
        scan, _ = await self.compared.partial_scan(index, needs_of_all(unreported))
        computed = scan.aggregates(unreported)
        best = {
            metric: best_basis(arguments.statistic, reported.get(metric), computed.get(metric))
            for metric in [*reported, *computed]
        }
        return {metric: aggregate for metric, aggregate in best.items() if aggregate is not None}

    async def _reported(self, experiment: Experiment) -> tuple[Aggregates, SourceError | None]:
        """Return the reported figures, and the error behind those that take a call; none for COMPUTED."""
        context, arguments = self.compared.context, self._arguments
        if arguments.basis is AggregateBasis.COMPUTED:
            return {}, None
        reported, failure = experiment.aggregates, None
        if has_deferred(context, experiment, arguments.metrics):
            try:
                reported = tuple(await all_reported(context, experiment, arguments.metrics))
            except SourceError as error:
                failure = error
        return {aggregate.metric: aggregate for aggregate in reported}, failure

    def _unreported_metrics(self, reported: Aggregates) -> list[Metric] | None:
        """Return the requested metrics without a reported statistic, None for all metrics of the sessions."""
        metrics, statistic = self._arguments.metrics, self._arguments.statistic
        if metrics is None:
            return None
        return [metric for metric in metrics if statistic.value_in(reported.get(metric)) is None]
