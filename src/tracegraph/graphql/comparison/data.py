"""Experiments of a comparison, found by ID. The sessions of each experiment are read at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracegraph.domain.filters import SessionFilter
from tracegraph.domain.models import Experiment, ExperimentKind
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.session_scan import SessionScan
from tracegraph.federation.report import (
    SourceReport,
    SourceReportStatus,
    combined_in_parallel,
    combined_in_sequence,
)
from tracegraph.graphql.context import RequestContext

Identity = tuple[str, str]
"""An experiment's source and ref."""


@dataclass(frozen=True, slots=True)
class ComparedExperiment:
    """One experiment of a comparison. With an error, its source failed and only the data from its ID is set."""

    experiment: Experiment
    error: SourceError | None = None

    @property
    def identity(self) -> Identity:
        """The identity of the experiment, equal for repeated experiments."""
        return self.experiment.source, self.experiment.ref


async def find_entries(
    context: RequestContext, identities: Sequence[Identity]
) -> Mapping[Identity, ComparedExperiment]:
    """Return the experiments by identity, without those that no source knows.

    An experiment of a failed source has only the data from its ID.
    """
    distinct = list(dict.fromkeys(identities))
    found = await asyncio.gather(*(_find(context, identity) for identity in distinct))
    return {identity: entry for identity, entry in zip(distinct, found, strict=True) if entry is not None}


async def _find(context: RequestContext, identity: Identity) -> ComparedExperiment | None:
    source, ref = identity
    adapter, loaders = context.adapter(source), context.loaders.get(source)
    if adapter is None or loaders is None:
        return None
    try:
        experiment = await loaders.experiments.load(ref)
    except SourceError as error:
        kinds = adapter.capabilities.kinds
        kind = adapter.experiment_kind(ref) or next(kind for kind in ExperimentKind if kind in kinds)
        placeholder = Experiment(source, ref, vendor_id=ref, kind=kind, name=ref, figures_error=error)
        return ComparedExperiment(placeholder, error)
    return None if experiment is None else ComparedExperiment(experiment)


class ComparisonData:
    """Two or more experiments, one of them the baseline."""

    def __init__(self, context: RequestContext, entries: Sequence[ComparedExperiment], baseline: int) -> None:
        self.context = context
        self.entries = entries
        self.baseline = baseline
        self._needs: dict[Identity, frozenset[str]] = {}
        self._texts: dict[Identity, dict[str, None]] = {}
        errors = [entry.experiment.figures_error for entry in entries]
        distinct = {id(error): error for error in errors if error is not None}
        self._failures: list[SourceReport] = []
        for error in distinct.values():
            self.add_failure(error)

    @property
    def identities(self) -> list[Identity]:
        """The identity of each compared experiment."""
        return [entry.identity for entry in self.entries]

    def add_failure(self, error: SourceError) -> None:
        """Report a failure of a source outside its scans."""
        failure = _failed(error)
        self._failures.append(failure)
        self.context.reports.append(failure)

    async def scan(self, index: int, needs: frozenset[str]) -> SessionScan | SourceError:
        """Return an experiment's sessions with the needed fields, or the error that prevents reading them."""
        lookup_error = self.entries[index].error
        if lookup_error is not None:
            return lookup_error
        scan, error = await self.partial_scan(index, needs)
        return scan if error is None else error

    async def partial_scan(self, index: int, needs: frozenset[str]) -> tuple[SessionScan, SourceError | None]:
        """Return the readable sessions of an experiment, and the error that prevents reading the others."""
        identity = self.entries[index].identity
        self._needs[identity] = self._needs.get(identity, frozenset()) | needs
        return await self.context.scans.partial_scan(*identity, needs)

    async def sessions_with(self, index: int, text: str) -> SessionScan | None:
        """Return the readable sessions of an experiment with a text, or None when its source failed before."""
        if self.entries[index].error is not None:
            return None
        identity = self.entries[index].identity
        self._texts.setdefault(identity, {})[text] = None
        scan, _ = await self.context.scans.partial_scan(*identity, frozenset(), SessionFilter(text=text))
        return scan

    async def reports(self) -> list[SourceReport]:
        """Return the report of each source over all reads so far, in the order of the experiments."""
        read = await asyncio.gather(*(self._read_report(identity) for identity in self._needs))
        reports = [*self._failures, *read]
        sources = dict.fromkeys(source for source, _ in self.identities)
        return [
            combined_in_parallel(source, [report for report in reports if report.source == source])
            for source in sources
        ]

    async def _read_report(self, identity: Identity) -> SourceReport:
        """Return the report of what was read of an experiment. A list that several filters share counts once."""
        scans = self.context.scans
        whole = await scans.scan(*identity, self._needs[identity])
        texts = [SessionFilter(text=text) for text in self._texts.get(identity, ())]
        found = await asyncio.gather(*(scans.scan(*identity, session_filter=wanted) for wanted in texts))
        counted = {id(read) for read in whole.reads}
        further = {id(read): read for scan in found for read in scan.reads if id(read) not in counted}
        return combined_in_sequence([whole.report, *further.values()])


def _failed(error: SourceError) -> SourceReport:
    return SourceReport(error.source, SourceReportStatus.FAILED, error, upstream_requests=error.upstream_requests)
