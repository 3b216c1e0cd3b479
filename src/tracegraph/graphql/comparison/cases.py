"""Cases of compared experiments, read on access and grouped once for all metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph.domain.models import Experiment, Metric, SessionRef
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.case_table import CaseColumn, CaseTable, Repetitions, scanned_cases
from tracegraph.federation.analytics.cases import CaseCounts, CaseId, CaseKey, CaseOutcome, count_outcomes
from tracegraph.federation.analytics.comparison import delta
from tracegraph.federation.analytics.session_scan import INPUT, SessionScan, needs_of
from tracegraph.graphql.comparison.data import ComparisonData, Identity, find_entries
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.relay.case_ids import CaseReference


class PairedCases:
    """The cases of all compared experiments, paired by `join_on`."""

    def __init__(self, compared: ComparisonData, join_on: CaseKey) -> None:
        self.compared = compared
        self.join_on = join_on
        self._repetitions: dict[Identity, Repetitions] = {}
        self._columns: dict[tuple[Identity, Metric], CaseColumn] = {}

    def needs(self, metric: Metric) -> frozenset[str]:
        """Return the session fields that pairing in that metric needs beyond the listed fields."""
        return needs_of(metric) | ({INPUT} if self.join_on is CaseKey.INPUT else frozenset())

    async def column(self, index: int, metric: Metric) -> CaseColumn | SourceError:
        """Return an experiment's cases, or the error that prevents reading them."""
        identity = self.compared.identities[index]
        if (identity, metric) in self._columns:
            return self._columns[identity, metric]
        scan = await self.compared.scan(index, self.needs(metric))
        if isinstance(scan, SourceError):
            return scan
        if identity not in self._repetitions:
            self._repetitions[identity] = scanned_cases(scan, self.join_on)
        column = CaseColumn.build(scan, self._repetitions[identity], metric)
        return self._columns.setdefault((identity, metric), column)

    async def counts(self, index: int, metric: Metric) -> CaseCounts | None:
        """Return an experiment's outcome counts against the baseline, None for the baseline itself.

        Raises:
            SourceError: When the cases cannot be read.
        """
        if index == self.compared.baseline:
            return None
        baseline, candidate = await asyncio.gather(
            self.column(self.compared.baseline, metric), self.column(index, metric)
        )
        if isinstance(baseline, SourceError):
            raise baseline
        if isinstance(candidate, SourceError):
            raise candidate
        return count_outcomes(metric, baseline.values, candidate.values)

    async def table(self, metric: Metric) -> CaseTable:
        """Return the cases of all experiments side by side."""
        indices = range(len(self.compared.entries))
        columns = await asyncio.gather(*(self.column(index, metric) for index in indices))
        return CaseTable(metric, columns, self.compared.baseline, self.join_on)

    async def selected(self, metric: Metric, outcome: CaseOutcome | None, text: str | None) -> SelectedCases:
        """Return the table, and the cases with the outcome in some experiment and with the text."""
        table, searched = await asyncio.gather(self.table(metric), self.search(text))
        cases = table.cases(outcome)
        if text is not None:
            found = [frozenset(() if scan is None else scan.session_ids) for scan in searched]
            cases = [case for case in cases if table.has_text(case, text, found)]
        complete = table.complete and all(scan is not None and scan.complete for scan in searched)
        return SelectedCases(table, cases, complete)

    async def search(self, text: str | None) -> Sequence[SessionScan | None]:
        """Return the sessions with the text, for each experiment; nothing without a text."""
        if text is None:
            return ()
        indices = range(len(self.compared.entries))
        return await asyncio.gather(*(self.compared.sessions_with(index, text) for index in indices))


@dataclass(frozen=True, slots=True)
class SelectedCases:
    """The cases that a list has, in the order of their keys. `complete`: every session of them was read."""

    table: CaseTable
    cases: list[CaseId]
    complete: bool


@dataclass(frozen=True, slots=True)
class CaseEntry:
    """A case as one experiment ran it.

    `refs` are the sessions of its repetitions, None when the experiment's sessions could not be read.
    """

    experiment: Experiment
    refs: list[SessionRef] | None
    value: float | None
    delta: float | None
    outcome: CaseOutcome | None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One of the baseline's cases, beside the other experiments' runs of the case."""

    paired: PairedCases
    table: CaseTable
    case: CaseId

    @property
    def id(self) -> str:
        """The global ID, from which `find_case` rebuilds the row."""
        compared = self.paired.compared
        reference = CaseReference(
            tuple(compared.identities),
            compared.baseline,
            self.paired.join_on,
            self.table.metric,
            self.case.digest,
        )
        return reference.encoded()

    @property
    def first_ref(self) -> SessionRef:
        """The baseline's first session of the case."""
        return self.table.refs(self.table.baseline, self.case)[0]

    @property
    def entries(self) -> list[CaseEntry]:
        """Every experiment's run of the case, in the order of the experiments."""
        return [self._entry(index) for index in range(len(self.table.columns))]

    def _entry(self, index: int) -> CaseEntry:
        table = self.table
        value = table.value(index, self.case)
        return CaseEntry(
            self.paired.compared.entries[index].experiment,
            None if table.column(index) is None else table.refs(index, self.case),
            value,
            delta(value, table.value(table.baseline, self.case)),
            table.outcome(index, self.case),
        )


async def find_case(context: RequestContext, reference: CaseReference) -> CaseRow | None:
    """Return the case that an ID identifies, or None when the case no longer exists.

    Raises:
        SourceError: When a source fails.
    """
    known = await find_entries(context, reference.identities)
    if any(identity not in known for identity in reference.identities):
        return None
    entries = [known[identity] for identity in reference.identities]
    compared = ComparisonData(context, entries, reference.baseline)
    paired = PairedCases(compared, reference.join_on)
    table = await paired.table(reference.metric)
    if table.errors:
        raise table.errors[0]
    case = next((case for case in table.cases() if case.digest == reference.digest), None)
    return None if case is None else CaseRow(paired, table, case)
