"""The baseline's cases in all experiments of a comparison, in one metric."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tracegraph.domain.filters import contains_text
from tracegraph.domain.models import Metric, SessionRef
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.cases import (
    CaseId,
    CaseKey,
    CaseOutcome,
    case_values,
    outcome_of,
    repetitions,
)
from tracegraph.federation.analytics.session_scan import SessionScan

Repetitions = Mapping[CaseId, Sequence[int]]
"""The sessions of each case, as indices into the scan's columns."""


def scanned_cases(scan: SessionScan, join_on: CaseKey) -> Repetitions:
    """Return the cases of a scanned experiment."""
    if join_on is CaseKey.INPUT:
        return repetitions(scan.inputs)
    return repetitions([None if key is None else CaseId.from_key(key) for key in scan.test_case_ids])


@dataclass(frozen=True, slots=True)
class CaseColumn:
    """One experiment's cases: the sessions of each case, and their mean value."""

    scan: SessionScan
    sessions: Repetitions
    values: Mapping[CaseId, float | None]

    @classmethod
    def build(cls, scan: SessionScan, sessions: Repetitions, metric: Metric) -> CaseColumn:
        """Compute the cases' values in a metric."""
        return cls(scan, sessions, case_values(sessions, scan.column(metric)))

    def refs(self, case: CaseId) -> list[SessionRef]:
        """Return the sessions of a case."""
        ids = self.scan.session_ids
        return [SessionRef(self.scan.experiment_ref, ids[index]) for index in self.sessions.get(case, ())]


@dataclass(frozen=True, slots=True)
class CaseTable:
    """The columns of all experiments. An experiment that could not be read is a SourceError in its column."""

    metric: Metric
    columns: Sequence[CaseColumn | SourceError]
    baseline: int
    join_on: CaseKey

    @property
    def errors(self) -> list[SourceError]:
        """Return the errors of missing columns."""
        return [column for column in self.columns if isinstance(column, SourceError)]

    @property
    def complete(self) -> bool:
        """Return whether every session of every experiment was read."""
        return all(isinstance(column, CaseColumn) and column.scan.complete for column in self.columns)

    def column(self, index: int) -> CaseColumn | None:
        """Return an experiment's cases, or None when they could not be read."""
        column = self.columns[index]
        return None if isinstance(column, SourceError) else column

    def value(self, index: int, case: CaseId) -> float | None:
        """Return an experiment's value of a case."""
        column = self.column(index)
        return None if column is None else column.values.get(case)

    def refs(self, index: int, case: CaseId) -> list[SessionRef]:
        """Return every repetition of a case in an experiment, in the order in which its sessions were read."""
        column = self.column(index)
        return [] if column is None else column.refs(case)

    def cases(self, outcome: CaseOutcome | None = None) -> list[CaseId]:
        """Return the baseline's cases in the order of their keys.

        With an outcome, return the cases where an experiment has that outcome.
        """
        base = self.column(self.baseline)
        cases: Iterable[CaseId] = () if base is None else base.sessions
        compared_indices = [index for index in range(len(self.columns)) if index != self.baseline]
        if outcome is not None:
            cases = (
                case for case in cases if any(self.outcome(index, case) is outcome for index in compared_indices)
            )
        return sorted(cases)

    def has_text(self, case: CaseId, text: str, session_ids: Sequence[Container[str]]) -> bool:
        """Return whether a text occurs in the key of a case or in one of its sessions, after case folding.

        Of an input's long key, only the first characters are known. The input itself is searched with its session.

        Args:
            case: A case of the baseline.
            text: The text.
            session_ids: The ids of the sessions with the text, for each experiment.
        """
        return contains_text(text, case.head, self._test_case_id(case)) or any(
            ref.session_id in found for index, found in enumerate(session_ids) for ref in self.refs(index, case)
        )

    def _test_case_id(self, case: CaseId) -> str | None:
        """Return the complete key of a case that is paired by the test case's id."""
        base = self.column(self.baseline)
        if base is None or self.join_on is not CaseKey.TEST_CASE_ID:
            return None
        return base.scan.test_case_ids[base.sessions[case][0]]

    def outcome(self, index: int, case: CaseId) -> CaseOutcome | None:
        """Return the outcome of a baseline's case; None for the baseline itself and for unread columns."""
        base, compared = self.column(self.baseline), self.column(index)
        if base is None or compared is None or index == self.baseline:
            return None
        return outcome_of(self.metric, case, base.values, compared.values)
