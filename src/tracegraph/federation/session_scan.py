"""All sessions of an experiment as columns of numbers: what is kept when the sessions themselves are gone."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracegraph.errors import SourceError
from tracegraph.federation.case_texts import canonical
from tracegraph.federation.cases import CaseId
from tracegraph.federation.figures import computed, in_order, session_values
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.model import Aggregate, Metric, MetricKind, Session

SCORES = "scores"
"""The field of a session that the metrics of kind SCORE are read from."""
INPUT = "input"
"""The field of a session that its case is recognised by where the vendors share no case ids."""


def needs_of(metric: Metric) -> frozenset[str]:
    """What the values of a metric need beyond what a vendor's list may give."""
    return frozenset({SCORES}) if metric.kind is MetricKind.SCORE else frozenset()


def needs_of_all(metrics: Sequence[Metric] | None) -> frozenset[str]:
    """What these metrics need, or all that there may be."""
    return frozenset({SCORES}) if metrics is None else frozenset().union(*map(needs_of, metrics))


def input_of(session: Session) -> CaseId | None:
    """What the session's input is recognised by, None where it has none: blank text tells no case."""
    text = canonical(session.input) if isinstance(session.input, str) else ""
    return CaseId.of(text) if text else None


@dataclass(frozen=True, slots=True)
class SessionScan:
    """What was read of one experiment's sessions; every column has one place for each, NaN where it has no value.

    `complete` is False when the page budget ended, or reading failed, before the last session. `report` tells
    what reading took and holds the error if it failed. `deferred` names those of SCORES and INPUT that the
    vendor's list leaves out: the columns lack them. `partial`: reading failed for some sessions' scores or inputs
    only, and the other values stand.
    """

    source: str
    experiment_ref: str
    session_ids: Sequence[str]
    test_case_ids: Sequence[str | None]
    inputs: Sequence[CaseId | None]
    columns: Mapping[Metric, array[float]]
    complete: bool
    report: SourceReport
    deferred: frozenset[str] = frozenset()
    partial: bool = False

    @property
    def sessions(self) -> int:
        """How many were read."""
        return len(self.session_ids)

    @property
    def error(self) -> SourceError | None:
        """Why reading failed, None where it failed for some sessions only."""
        failed = self.report.status is SourceReportStatus.FAILED and not self.partial
        return self.report.error if failed else None

    def tells(self, metric: Metric) -> bool:
        """Whether the metric's values were read, be there none."""
        return self.error is None and needs_of(metric).isdisjoint(self.deferred)

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of which at least one session has a value, in the schema's order."""
        return in_order(self.columns)

    def column(self, metric: Metric) -> array[float]:
        """One value for each session, NaN where it has none."""
        found = self.columns.get(metric)
        return array("d", [math.nan]) * self.sessions if found is None else found

    def values(self, metric: Metric) -> array[float]:
        """The values of the sessions that have one."""
        return array("d", (value for value in self.columns.get(metric, ()) if not math.isnan(value)))

    def aggregate(self, metric: Metric) -> Aggregate:
        """The metric's statistics over the sessions that were read."""
        return computed(metric, self.values(metric), complete=self.complete)

    def aggregates(self, metrics: Sequence[Metric] | None) -> dict[Metric, Aggregate]:
        """The statistics of these metrics, or of all that a session has, as far as their values were read."""
        wanted = self.metrics if metrics is None else metrics
        return {metric: self.aggregate(metric) for metric in wanted if self.tells(metric)}


@dataclass(slots=True)
class Columns:
    """A scan in the making: takes one session after another and lets go of it.

    A session that the vendor's list repeats counts once.
    """

    session_ids: list[str] = field(default_factory=list)
    test_case_ids: list[str | None] = field(default_factory=list)
    inputs: list[CaseId | None] = field(default_factory=list)
    values: dict[Metric, array[float]] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def add(self, session: Session) -> None:
        """One place more in every column, unless the session has one."""
        if session.vendor_id in self._seen:
            return
        self._seen.add(session.vendor_id)
        given = session_values(session)
        for metric in given.keys() - self.values.keys():
            self.values[metric] = array("d", [math.nan]) * len(self.session_ids)
        for metric, column in self.values.items():
            column.append(given.get(metric, math.nan))
        self.session_ids.append(session.vendor_id)
        self.test_case_ids.append(session.test_case_id)
        self.inputs.append(input_of(session))
        self.deferred |= session.deferred & {SCORES, INPUT}

    def scan(self, source: str, experiment_ref: str, told: SourceReport, *, complete: bool) -> SessionScan:
        """What came of it."""
        return SessionScan(
            source,
            experiment_ref,
            self.session_ids,
            self.test_case_ids,
            self.inputs,
            self.values,
            complete,
            told,
            frozenset(self.deferred),
        )
