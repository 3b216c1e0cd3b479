"""The experiments of a comparison: found by their IDs, and each one's sessions read at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.session_scan import SessionScan
from tracegraph.federation.report import SourceReport, SourceReportStatus, combined_in_parallel
from tracegraph.graphql.context import RequestContext

Identity = tuple[str, str]
"""An experiment's source and ref."""


@dataclass(frozen=True, slots=True)
class ComparedExperiment:
    """One experiment of a comparison; with an error it is no more than its ID tells, as its source failed."""

    experiment: Experiment
    error: SourceError | None = None

    @property
    def identity(self) -> Identity:
        """Which experiment it is, however often it is compared."""
        return self.experiment.source, self.experiment.ref


class UnknownExperiment(LookupError):
    """There is no experiment of that identity."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self.identity = identity


async def find_entries(context: RequestContext, identities: Sequence[Identity]) -> list[ComparedExperiment]:
    """The experiments in their order; a source that fails leaves what their IDs tell. Raises UnknownExperiment."""
    distinct = list(dict.fromkeys(identities))
    found = dict(zip(distinct, await asyncio.gather(*(_find(context, one) for one in distinct)), strict=True))
    return [found[identity] for identity in identities]


async def _find(context: RequestContext, identity: Identity) -> ComparedExperiment:
    source, ref = identity
    adapter, loaders = context.adapter(source), context.loaders.get(source)
    if adapter is None or loaders is None:
        raise UnknownExperiment(identity)
    try:
        experiment = await loaders.experiments.load(ref)
    except SourceError as error:
        kind = min(adapter.capabilities.kinds, key=lambda kind: kind.value)
        known = Experiment(source, ref, vendor_id=ref, kind=kind, name=ref, figures_error=error)
        return ComparedExperiment(known, error)
    if experiment is None:
        raise UnknownExperiment(identity)
    return ComparedExperiment(experiment)


class ComparisonData:
    """Two or more experiments, one of them the baseline."""

    def __init__(self, context: RequestContext, entries: Sequence[ComparedExperiment], baseline: int) -> None:
        self.context = context
        self.entries = entries
        self.baseline = baseline
        self._needs: dict[Identity, frozenset[str]] = {}
        self._told: set[str] = set()
        lost = [entry.experiment.figures_error for entry in entries]
        self._lost = [_failed(error) for error in {id(one): one for one in lost if one is not None}.values()]
        context.reports.extend(self._lost)

    @property
    def identities(self) -> list[Identity]:
        """Which experiment each entry is."""
        return [entry.identity for entry in self.entries]

    def untold(self, errors: Iterable[SourceError]) -> list[SourceError]:
        """Those that no field of this comparison has told yet; one failure may cost many fields their value."""
        fresh = {error.reference: error for error in errors if error.reference not in self._told}
        self._told |= fresh.keys()
        return list(fresh.values())

    async def scan(self, index: int, needs: frozenset[str]) -> SessionScan | SourceError:
        """An entry's sessions with all that is needed of them, or why they cannot be had."""
        lost = self.entries[index].error
        if lost is not None:
            return lost
        scan, error = await self.readable(index, needs)
        return scan if error is None else error

    async def readable(self, index: int, needs: frozenset[str]) -> tuple[SessionScan, SourceError | None]:
        """The sessions of an entry that was found, as far as they can be read, and why the rest cannot."""
        identity = self.entries[index].identity
        self._needs[identity] = self._needs.get(identity, frozenset()) | needs
        return await self.context.scans.readable(*identity, needs)

    async def reports(self) -> list[SourceReport]:
        """How each source fared in what was asked of it so far, in the order of the entries."""
        scans = [self.context.scans.scan(*identity, needs) for identity, needs in self._needs.items()]
        told = [*self._lost, *(scan.report for scan in await asyncio.gather(*scans))]
        sources = dict.fromkeys(source for source, _ in self.identities)
        return [combined_in_parallel(source, [one for one in told if one.source == source]) for source in sources]


def _failed(error: SourceError) -> SourceReport:
    return SourceReport(error.source, SourceReportStatus.FAILED, error, upstream_requests=error.upstream_requests)
