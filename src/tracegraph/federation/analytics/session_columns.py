"""The columns of numbers that a scan of an experiment's sessions gives, without the sessions."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracegraph.domain.models import Aggregate, Metric, MetricKind, Session
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.case_texts import canonical
from tracegraph.federation.analytics.cases import CaseId
from tracegraph.federation.analytics.dimensions import SessionDimension, key_of
from tracegraph.federation.analytics.statistics import computed, in_order, session_values
from tracegraph.federation.report import SourceReport, SourceReportStatus

SCORES = "scores"
"""The field of a session that metrics of kind SCORE are read from."""


INPUT = "input"
"""The field of a session that identifies its case where the vendors share no case ids."""


def needs_of(metric: Metric) -> frozenset[str]:
    """Return the fields that a metric needs beyond those of a vendor's list."""
    return frozenset({SCORES}) if metric.kind is MetricKind.SCORE else frozenset()


def needs_of_all(metrics: Sequence[Metric] | None) -> frozenset[str]:
    """Return the fields that the metrics need; None means all metrics."""
    return frozenset({SCORES}) if metrics is None else frozenset().union(*map(needs_of, metrics))


def input_of(session: Session) -> CaseId | None:
    """Return the case of the session's input, or None without one. Blank text identifies no case."""
    text = canonical(session.input) if isinstance(session.input, str) else ""
    return CaseId.from_key(text) if text else None


@dataclass(frozen=True, slots=True)
class SessionScan:
    """The columns read from one experiment's sessions, or from those that match a filter. NaN stands for no value.

    `starts` are microseconds since 1970 UTC. `keys` are those of the requested dimensions only. `complete` is
    False when the page budget ended, or reading failed, before the last session. `report` holds the cost of
    reading, and its error. `deferred` names the fields among SCORES and INPUT that the vendor's list omits: the
    columns lack them. `partial`: reading failed for some sessions only, and the other values are valid.
    `reads` are the reports that `report` combines: that of the list, and those of look-ups after it.
    """

    source: str
    experiment_ref: str
    session_ids: Sequence[str]
    test_case_ids: Sequence[str | None]
    inputs: Sequence[CaseId | None]
    starts: array[int]
    columns: Mapping[Metric, array[float]]
    complete: bool
    report: SourceReport
    deferred: frozenset[str] = frozenset()
    partial: bool = False
    keys: Mapping[SessionDimension, Sequence[str | None]] = field(default_factory=dict)
    reads: tuple[SourceReport, ...] = ()

    @property
    def sessions(self) -> int:
        """Return how many sessions were read."""
        return len(self.session_ids)

    @property
    def error(self) -> SourceError | None:
        """Return the error of the scan; None if reading failed for some sessions only."""
        failed = self.report.status is SourceReportStatus.FAILED and not self.partial
        return self.report.error if failed else None

    def covers(self, metric: Metric) -> bool:
        """Return whether the metric's values were read; there may be none."""
        return self.error is None and needs_of(metric).isdisjoint(self.deferred)

    @property
    def metrics(self) -> list[Metric]:
        """Return the metrics that at least one session has a value of, in the schema's order."""
        return in_order(self.columns)

    def column(self, metric: Metric) -> array[float]:
        """Return one value per session, NaN for none."""
        column = self.columns.get(metric)
        return array("d", [math.nan]) * self.sessions if column is None else column

    def values(self, metric: Metric) -> array[float]:
        """Return the values of the sessions that have one."""
        return array("d", (value for value in self.columns.get(metric, ()) if not math.isnan(value)))

    def aggregate(self, metric: Metric) -> Aggregate:
        """Return the metric's statistics over the sessions read."""
        return computed(metric, self.values(metric), complete=self.complete)

    def aggregates(self, metrics: Sequence[Metric] | None) -> dict[Metric, Aggregate]:
        """Return the statistics of the metrics whose values were read; None means all metrics."""
        selected = self.metrics if metrics is None else metrics
        return {metric: self.aggregate(metric) for metric in selected if self.covers(metric)}


@dataclass(slots=True)
class Columns:
    """Builds the columns of a scan session by session, without keeping the sessions.

    A session that the vendor's list repeats counts once. `keys` has the dimensions whose keys are kept.
    """

    keys: dict[SessionDimension, list[str | None]] = field(default_factory=dict)
    session_ids: list[str] = field(default_factory=list)
    test_case_ids: list[str | None] = field(default_factory=list)
    inputs: list[CaseId | None] = field(default_factory=list)
    starts: array[int] = field(default_factory=lambda: array("q"))
    values: dict[Metric, array[float]] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def add(self, session: Session) -> None:
        """Append the session's values to every column, unless the session was added before."""
        if session.vendor_id in self._seen:
            return
        self._seen.add(session.vendor_id)
        values = session_values(session)
        for metric in values.keys() - self.values.keys():
            self.values[metric] = array("d", [math.nan]) * len(self.session_ids)
        for metric, column in self.values.items():
            column.append(values.get(metric, math.nan))
        self.session_ids.append(session.vendor_id)
        self.test_case_ids.append(session.test_case_id)
        self.inputs.append(input_of(session))
        self.starts.append(microseconds(session.started_at))
        for dimension, keys in self.keys.items():
            keys.append(key_of(session, dimension))
        self.deferred |= session.deferred & {SCORES, INPUT}

    def scan(self, source: str, experiment_ref: str, report: SourceReport, *, complete: bool) -> SessionScan:
        """Return the scan."""
        return SessionScan(
            source,
            experiment_ref,
            self.session_ids,
            self.test_case_ids,
            self.inputs,
            self.starts,
            self.values,
            complete,
            report,
            frozenset(self.deferred),
            keys=self.keys,
            reads=(report,),
        )
