"""Scans all sessions of an experiment into columns of numbers, without keeping the sessions in memory."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any

from tracegraph.adapter.paging import OffsetRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import OrderDirection, SessionOrder, SessionOrderField
from tracegraph.domain.models import Aggregate, Metric, MetricKind, Session, SessionRef
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.case_texts import canonical
from tracegraph.federation.analytics.cases import CaseId
from tracegraph.federation.analytics.statistics import computed, in_order, session_values
from tracegraph.federation.lists import FetchSessions, ScanBudget, session_spec
from tracegraph.federation.position import Position
from tracegraph.federation.report import SourceReport, SourceReportStatus, combined_in_sequence, report
from tracegraph.federation.stream import Stream
from tracegraph.upstream.request_scope import collect_stale_errors, count_calls
from tracegraph.upstream.single_flight import TaskMemo

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
    """The columns read from one experiment's sessions: one value per session, NaN for none.

    `complete` is False when the page budget ended, or reading failed, before the last session. `report` holds the
    cost of reading, and its error. `deferred` names the fields among SCORES and INPUT that the vendor's list
    omits: the columns lack them. `partial`: reading failed for some sessions' scores or inputs only, and the other
    values are valid.
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

    A session that the vendor's list repeats counts once.
    """

    session_ids: list[str] = field(default_factory=list)
    test_case_ids: list[str | None] = field(default_factory=list)
    inputs: list[CaseId | None] = field(default_factory=list)
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
        self.deferred |= session.deferred & {SCORES, INPUT}

    def scan(self, source: str, experiment_ref: str, report: SourceReport, *, complete: bool) -> SessionScan:
        """Return the scan."""
        return SessionScan(
            source,
            experiment_ref,
            self.session_ids,
            self.test_case_ids,
            self.inputs,
            self.values,
            complete,
            report,
            frozenset(self.deferred),
        )


_CONCURRENCY = 4


_LOOKUP_BATCH_SIZE = 1000


@dataclass(frozen=True, slots=True)
class _Missing:
    """Score columns or inputs that a list omits and that were read separately.

    `error` is set when some sessions' values could not be read.
    """

    scores: Mapping[Metric, array[float]]
    inputs: Sequence[CaseId | None] | None = None
    error: SourceError | None = None


class SessionScans:
    """Scans sessions for figures, a few experiments of a source at a time, and appends to `reports`."""

    def __init__(
        self, adapters: Sequence[Adapter], fetch: FetchSessions, budget: ScanBudget, reports: list[SourceReport]
    ) -> None:
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._fetch = fetch
        self._budget = replace(budget, pages=budget.computed_pages, align_to_cache_pages=False)
        self._reports = reports
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_CONCURRENCY))
        self._fields: frozenset[str] = frozenset()
        self._memo = TaskMemo[tuple[str, ...]]()

    def expect(self, fields: frozenset[str]) -> None:
        """Request these large fields in lists that are read from now on, because the request needs them."""
        self._fields |= fields

    async def scan(self, source: str, experiment_ref: str, needs: frozenset[str] = frozenset()) -> SessionScan:
        """Return the experiment's sessions with the fields of SCORES and INPUT that `needs` names.

        A failing source raises nothing: see `SessionScan.error`.
        """
        key = source, experiment_ref
        fields = frozenset({INPUT}) & (needs | self._fields)
        list_scan = scan = await self._memo.get(key, partial(self._list, source, experiment_ref, fields))
        for name, read in ((SCORES, self._scores), (INPUT, self._inputs)):
            if scan.error is None and name in needs & scan.deferred:
                missing, read_report = await self._memo.get(
                    (*key, name), partial(self._read_deferred, list_scan, read)
                )
                scan = _with_deferred(scan, name, missing, read_report)
        return scan

    async def partial_scan(
        self, source: str, experiment_ref: str, needs: frozenset[str]
    ) -> tuple[SessionScan, SourceError | None]:
        """Return the scan and its error. With an error, return the list's fields only, which are still valid."""
        scan = await self.scan(source, experiment_ref, needs)
        if scan.error is None:
            return scan, None
        return await self.scan(source, experiment_ref), scan.error

    async def _list(self, source: str, experiment_ref: str, fields: frozenset[str]) -> SessionScan:
        """List the sessions in the largest pages, with these large fields only.

        The oldest come first. The newest do where the vendor has that direction only: windows cost more calls.
        """
        adapter = self._adapters[source]
        orders = adapter.capabilities.session_list(adapter.experiment_kind(experiment_ref)).orders
        is_newest_first = orders == {(SessionOrderField.STARTED_AT, OrderDirection.DESC)}
        order = SessionOrder(direction=OrderDirection.DESC if is_newest_first else OrderDirection.ASC)
        request = SessionPageRequest((experiment_ref,), OffsetRequest(0), order=order, fields=fields)
        spec = session_spec(adapter, request, source, self._budget, self._fetch, single_experiment=True)
        stream = Stream(spec, Position())
        columns = Columns()
        async with self._slots[source]:
            while stream.needs_fetch:
                await stream.fill(spec.page_max)
                for row in stream.pop(stream.buffered):
                    columns.add(row.node)
        list_report = report(source, [stream])
        self._reports.append(list_report)
        return columns.scan(source, experiment_ref, list_report, complete=stream.ended)

    # -- fields that a list omits ----------------------------------------------------------------------

    async def _read_deferred(
        self, list_scan: SessionScan, read: Callable[[SessionScan], Coroutine[Any, Any, _Missing]]
    ) -> tuple[_Missing, SourceReport]:
        """Read the omitted values, none when the source failed, and report the cost."""
        began = perf_counter()
        error: SourceError | None = None
        missing = _Missing({})
        async with self._slots[list_scan.source]:
            with count_calls() as meter, collect_stale_errors() as stale:
                try:
                    missing = await read(list_scan)
                    error = missing.error
                except SourceError as source_error:
                    error = source_error
        read_report = SourceReport(
            list_scan.source,
            _status(error, stale),
            error or next(iter(stale), None),
            upstream_requests=meter.requests,
            duration_ms=(perf_counter() - began) * 1000,
        )
        self._reports.append(read_report)
        return missing, read_report

    async def _scores(self, list_scan: SessionScan) -> _Missing:
        refs = _refs(list_scan)
        scores_by_ref = await self._adapters[list_scan.source].get_scores(refs)
        columns: dict[Metric, array[float]] = {}
        errors: list[SourceError] = []
        for index, ref in enumerate(refs):
            scores = scores_by_ref.get(ref, ())
            if isinstance(scores, SourceError):
                errors.append(scores)
                continue
            for score in scores:
                metric = Metric(MetricKind.SCORE, score.evaluator)
                if score.value is not None:
                    column = columns.setdefault(metric, array("d", [math.nan]) * list_scan.sessions)
                    column[index] = score.value
        return _Missing(columns, error=_partial_error(errors, refs))

    async def _inputs(self, list_scan: SessionScan) -> _Missing:
        refs = _refs(list_scan)
        inputs: list[CaseId | None] = []
        errors: list[SourceError] = []
        for first in range(0, len(refs), _LOOKUP_BATCH_SIZE):
            batch = refs[first : first + _LOOKUP_BATCH_SIZE]
            sessions = await self._adapters[list_scan.source].get_sessions(batch)
            for ref in batch:
                session = sessions.get(ref)
                if isinstance(session, SourceError):
                    errors.append(session)
                    inputs.append(None)
                else:
                    inputs.append(None if session is None else input_of(session))
        return _Missing({}, inputs, _partial_error(errors, refs))


def _partial_error(errors: Sequence[SourceError], refs: Sequence[SessionRef]) -> SourceError | None:
    """Return the first error, or None. Raise it when every session has one."""
    if errors and len(errors) == len(refs):
        raise errors[0]
    return next(iter(errors), None)


def _status(error: SourceError | None, stale: Sequence[SourceError]) -> SourceReportStatus:
    if error is not None:
        return SourceReportStatus.FAILED
    return SourceReportStatus.STALE if stale else SourceReportStatus.OK


def _refs(scan: SessionScan) -> Sequence[SessionRef]:
    return [SessionRef(scan.experiment_ref, session_id) for session_id in scan.session_ids]


def _with_deferred(scan: SessionScan, name: str, missing: _Missing, read_report: SourceReport) -> SessionScan:
    return replace(
        scan,
        columns={**scan.columns, **missing.scores},
        inputs=scan.inputs if missing.inputs is None else missing.inputs,
        complete=scan.complete and read_report.status is not SourceReportStatus.FAILED,
        report=combined_in_sequence([scan.report, read_report]),
        partial=missing.error is not None
        or (scan.partial and read_report.status is not SourceReportStatus.FAILED),
        deferred=scan.deferred - {name},
    )
