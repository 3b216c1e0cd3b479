"""Facets: how many experiments of the sources have each value of a field."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from tracegraph.adapter.protocol import COSTLY_EXPERIMENT_FIELDS, Adapter
from tracegraph.domain.filters import ExperimentFilter, ExperimentOrder, ExperimentOrderField, OrderDirection
from tracegraph.domain.models import Experiment
from tracegraph.federation.lists import Listing, MergeRequest, ScanBudget, list_experiments
from tracegraph.federation.report import SourceReport, SourceReportStatus

_ALL_ROWS = 10**9


class ExperimentFacetField(Enum):
    """The fields whose values can be counted."""

    SOURCE = "SOURCE"
    VENDOR = "VENDOR"
    KIND = "KIND"
    DATASET_NAME = "DATASET_NAME"
    AGENT_NAME = "AGENT_NAME"
    MODEL = "MODEL"
    EVALUATOR = "EVALUATOR"


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value and the number of experiments that have it; None for the experiments without any."""

    value: str | None
    count: int


@dataclass(frozen=True, slots=True)
class ExperimentFacet:
    """The values of one field, the commonest first. `complete`: every experiment was counted."""

    field: ExperimentFacetField
    complete: bool
    values: Sequence[FacetValue]


@dataclass(frozen=True, slots=True)
class ExperimentFacets:
    """The requested facets, and the report of each source."""

    facets: Sequence[ExperimentFacet]
    reports: Sequence[SourceReport]

    @property
    def all_failed(self) -> bool:
        """Return whether sources were called and all of them failed without a row."""
        return bool(self.reports) and all(
            entry.status is SourceReportStatus.FAILED and not entry.fetched for entry in self.reports
        )


_READ_FIELDS: Mapping[ExperimentFacetField, str] = {
    ExperimentFacetField.DATASET_NAME: "dataset_name",
    ExperimentFacetField.AGENT_NAME: "agent_name",
    ExperimentFacetField.MODEL: "models",
    ExperimentFacetField.EVALUATOR: "evaluators",
}
"""The fields of an experiment that a list may leave out."""


_VALUES: Mapping[ExperimentFacetField, Callable[[Experiment, Adapter], Sequence[str | None]]] = {
    ExperimentFacetField.SOURCE: lambda _, adapter: (adapter.name,),
    ExperimentFacetField.VENDOR: lambda _, adapter: (adapter.vendor,),
    ExperimentFacetField.KIND: lambda experiment, _: (experiment.kind.name,),
    ExperimentFacetField.DATASET_NAME: lambda experiment, _: (experiment.dataset_name,),
    ExperimentFacetField.AGENT_NAME: lambda experiment, _: (experiment.agent_name, *experiment.agent_names),
    ExperimentFacetField.MODEL: lambda experiment, _: experiment.models,
    ExperimentFacetField.EVALUATOR: lambda experiment, _: experiment.evaluators,
}


async def count_experiments(
    fields: Sequence[ExperimentFacetField],
    first: int,
    adapters: Sequence[Adapter],
    filters: Mapping[str, ExperimentFilter],
    budget: ScanBudget,
) -> ExperimentFacets:
    """Count the values of fields over all experiments that match. All sources are read concurrently.

    Args:
        fields: The fields to count.
        first: The number of values of each field.
        adapters: The sources.
        filters: The filter of each source, by its name.
        budget: The vendor pages per source.
    """
    listings = await asyncio.gather(
        *(_read(adapter, filters[adapter.name], frozenset(fields), budget) for adapter in adapters)
    )
    reports = [report for listing in listings for report in listing.reports]
    complete = not any(listing.merged.has_next for listing in listings) and all(
        report.status in {SourceReportStatus.OK, SourceReportStatus.STALE} for report in reports
    )
    facets = {}
    for field in fields:
        counts: Counter[str | None] = Counter()
        for adapter, listing in zip(adapters, listings, strict=True):
            for row in listing.merged.rows:
                values = {value for value in _VALUES[field](row.node, adapter) if value is not None}
                counts.update(values or [None])
        facets[field] = ExperimentFacet(field, complete, _commonest(counts, first))
    return ExperimentFacets([facets[field] for field in fields], reports)


async def _read(
    adapter: Adapter,
    experiment_filter: ExperimentFilter,
    fields: frozenset[ExperimentFacetField],
    budget: ScanBudget,
) -> Listing[Experiment]:
    """Read all experiments of a source that match, in an order that needs no look-ups."""
    lists = adapter.capabilities.experiment_lists().values()
    by_creation = not any("created_at" in capabilities.lacks for capabilities in lists)
    order = ExperimentOrder() if by_creation else ExperimentOrder(ExperimentOrderField.NAME, OrderDirection.ASC)
    needed = frozenset(_READ_FIELDS[field] for field in fields if field in _READ_FIELDS)
    return await list_experiments(
        [adapter],
        {adapter.name: experiment_filter},
        order,
        MergeRequest(_ALL_ROWS, budget=budget),
        COSTLY_EXPERIMENT_FIELDS & needed,
        complete=needed,
    )


def _commonest(counts: Counter[str | None], first: int) -> list[FacetValue]:
    """Return the values by their counts, equal counts by value; the experiments without a value come last."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] is None, pair[0] or ""))
    return [FacetValue(value, count) for value, count in ordered[:first]]
