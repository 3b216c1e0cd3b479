"""A comparison as a value: figures and cases are read when a field asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracegraph.domain.models import Aggregate, AggregateBasis, Experiment, Metric
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.cases import CaseKey
from tracegraph.federation.analytics.comparison import (
    MetricComparison,
    Statistic,
    best_basis,
    compare_metric,
    shared_metrics,
)
from tracegraph.federation.analytics.session_scan import needs_of_all
from tracegraph.federation.report import SourceReport
from tracegraph.graphql.comparison.cases import PairedCases
from tracegraph.graphql.comparison.data import ComparisonData
from tracegraph.upstream.request_scope import register_task

Aggregates = Mapping[Metric, Aggregate]


@dataclass(frozen=True, slots=True)
class ComparisonArguments:
    """Which figures are compared; without metrics, those that at least two experiments have."""

    metrics: Sequence[Metric] | None = None
    statistic: Statistic = Statistic.MEAN
    basis: AggregateBasis = AggregateBasis.BEST


@dataclass(frozen=True, slots=True)
class RequestedWork:
    """What a query asks of the comparison that makes it read sessions."""

    metrics: bool
    counts: bool
    cases: Sequence[Metric]


@dataclass(frozen=True, slots=True)
class Figures:
    """The metrics side by side, and why figures are missing from them."""

    metrics: Sequence[MetricComparison]
    errors: Sequence[SourceError]


class ComparisonValue:
    """The experiments, their figures and their cases."""

    def __init__(
        self, compared: ComparisonData, question: ComparisonArguments, join_on: CaseKey, asked: RequestedWork
    ) -> None:
        self.compared = compared
        self.paired = PairedCases(compared, join_on)
        self._question = question
        self._asked = asked
        self._figures: asyncio.Future[Figures] | None = None

    @property
    def baseline(self) -> Experiment:
        """What the others are measured against."""
        return self.compared.entries[self.compared.baseline].experiment

    @property
    def experiments(self) -> list[Experiment]:
        """All of them, in the order in which they were asked for."""
        return [entry.experiment for entry in self.compared.entries]

    async def figures(self) -> Figures:
        """The metrics side by side, made once."""
        if self._figures is None:
            self._figures = register_task(asyncio.ensure_future(self._compare()))
        return await asyncio.shield(self._figures)

    async def reports(self) -> list[SourceReport]:
        """How each source fared, when all that the query asks of this comparison is done."""
        figures = (await self.figures()).metrics if self._asked.metrics else ()
        counted = [one.metric for one in figures] if self._asked.counts else []
        await asyncio.gather(*(self.paired.table(metric) for metric in [*counted, *self._asked.cases]))
        return await self.compared.reports()

    async def _compare(self) -> Figures:
        indices = range(len(self.compared.entries))
        found = await asyncio.gather(*(self._aggregates(index) for index in indices))
        entries = [aggregates for aggregates, _ in found]
        statistic, compared = self._question.statistic, self.compared
        metrics = self._question.metrics
        if metrics is None:
            metrics = shared_metrics(entries, statistic)
        figures = [
            compare_metric(
                metric,
                statistic,
                [entry.get(metric) for entry in entries],
                compared.baseline,
                compared.identities,
            )
            for metric in metrics
        ]
        return Figures(figures, [error for _, error in found if error is not None])

    async def _aggregates(self, index: int) -> tuple[Aggregates, SourceError | None]:
        """An entry's figures on the asked basis, and why computed ones are missing if they are."""
        entry, question = self.compared.entries[index], self._question
        wants_reported = question.basis is not AggregateBasis.COMPUTED
        reported = {one.metric: one for one in entry.experiment.aggregates if wants_reported}
        lacking = self._lacking(reported)
        if entry.error is not None or lacking == []:
            return reported, None
        if question.basis is AggregateBasis.REPORTED:
            return reported, entry.experiment.figures_error
        scan, error = await self.compared.readable(index, needs_of_all(lacking))
        computed = scan.aggregates(lacking)
        picked = {
            metric: best_basis(question.statistic, reported.get(metric), computed.get(metric))
            for metric in [*reported, *computed]
        }
        return {metric: one for metric, one in picked.items() if one is not None}, error

    def _lacking(self, reported: Aggregates) -> list[Metric] | None:
        """The asked metrics of which the statistic is not reported; None for all that sessions may have."""
        metrics, statistic = self._question.metrics, self._question.statistic
        if metrics is None:
            return None
        return [metric for metric in metrics if statistic.value_in(reported.get(metric)) is None]
