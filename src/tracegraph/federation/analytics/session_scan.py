"""All sessions of an experiment as columns of numbers, held without the sessions themselves."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from tracegraph.adapter.paging import PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import OrderDirection, SessionOrder
from tracegraph.domain.models import Aggregate, Metric, MetricKind, Session, SessionRef
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.case_texts import canonical
from tracegraph.federation.analytics.cases import CaseId
from tracegraph.federation.analytics.statistics import computed, in_order, session_values
from tracegraph.federation.lists import FetchSessions, ScanBudget, session_spec
from tracegraph.federation.report import SourceReport, SourceReportStatus, combined_in_sequence, report
from tracegraph.federation.stream import Position, Stream
from tracegraph.upstream.request_scope import collect_stale_errors, count_calls, register_task

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


T = TypeVar("T")


_AT_A_TIME = 4


_LOOKED_UP_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class _Missing:
    """What a list leaves out of its sessions, got otherwise: score columns, or inputs.

    `error` is why those of some sessions could not be read.
    """

    scores: Mapping[Metric, array[float]]
    inputs: Sequence[CaseId | None] | None = None
    error: SourceError | None = None


class SessionScans:
    """Reads sessions for figures, a few experiments of a source at a time; `reports` gets what that took."""

    def __init__(
        self, adapters: Sequence[Adapter], fetch: FetchSessions, budgets: ScanBudget, reports: list[SourceReport]
    ) -> None:
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._fetch = fetch
        self._budgets = replace(budgets, pages=budgets.computed_pages, on_grid=False)
        self._reports = reports
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_A_TIME))
        self._fields: frozenset[str] = frozenset()
        self._begun: dict[tuple[str, ...], asyncio.Future[Any]] = {}

    def expect(self, fields: frozenset[str]) -> None:
        """Let lists that are read from now on hold these large fields, since the request will need them."""
        self._fields |= fields

    async def scan(self, source: str, experiment_ref: str, needs: frozenset[str] = frozenset()) -> SessionScan:
        """The experiment's sessions, with what `needs` names of SCORES and INPUT.

        Raises nothing for what the source does: see `SessionScan.error`.
        """
        key = source, experiment_ref
        fields = frozenset({INPUT}) & (needs | self._fields)
        listed = scan = await self._once(key, partial(self._list, source, experiment_ref, fields))
        for name, read in ((SCORES, self._scores), (INPUT, self._inputs)):
            if scan.error is None and name in needs & scan.deferred:
                missing, took = await self._once((*key, name), partial(self._told, listed, read))
                scan = _with(scan, name, missing, took)
        return scan

    async def readable(
        self, source: str, experiment_ref: str, needs: frozenset[str]
    ) -> tuple[SessionScan, SourceError | None]:
        """The scan without what of `needs` cannot be read, and why, if so: what the list gives stands alone."""
        scan = await self.scan(source, experiment_ref, needs)
        if scan.error is None:
            return scan, None
        return await self.scan(source, experiment_ref), scan.error

    async def _once(self, key: tuple[str, ...], begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The single flight of the scan: callers during it wait for its result."""
        if key not in self._begun:
            self._begun[key] = register_task(asyncio.ensure_future(begin()))
        outcome: T = await asyncio.shield(self._begun[key])
        return outcome

    async def _list(self, source: str, experiment_ref: str, fields: frozenset[str]) -> SessionScan:
        """Oldest first, by pages as large as the vendor gives them; of large fields, these only."""
        order = SessionOrder(direction=OrderDirection.ASC)
        ask = SessionPageRequest((experiment_ref,), PageRequest(0), order=order, fields=fields)
        spec = session_spec(self._adapters[source], ask, source, self._budgets, self._fetch, of_one=True)
        stream = Stream(spec, Position())
        columns = Columns()
        async with self._slots[source]:
            while stream.needs_fill:
                await stream.fill(spec.page_max)
                for row in stream.take(stream.waiting):
                    columns.add(row.node)
        told = report(source, [stream])
        self._reports.append(told)
        return columns.scan(source, experiment_ref, told, complete=stream.ended)

    # -- what a list leaves out ------------------------------------------------------------------------

    async def _told(
        self, listed: SessionScan, read: Callable[[SessionScan], Coroutine[Any, Any, _Missing]]
    ) -> tuple[_Missing, SourceReport]:
        """What was read, nothing when the source failed, and what that took."""
        began = perf_counter()
        error: SourceError | None = None
        missing = _Missing({})
        async with self._slots[listed.source]:
            with count_calls() as meter, collect_stale_errors() as stale:
                try:
                    missing = await read(listed)
                    error = missing.error
                except SourceError as failure:
                    error = failure
        told = SourceReport(
            listed.source,
            _status(error, stale),
            error or next(iter(stale), None),
            upstream_requests=meter.requests,
            duration_ms=(perf_counter() - began) * 1000,
        )
        self._reports.append(told)
        return missing, told

    async def _scores(self, listed: SessionScan) -> _Missing:
        refs = _refs(listed)
        found = await self._adapters[listed.source].get_scores(refs)
        columns: dict[Metric, array[float]] = {}
        errors: list[SourceError] = []
        for index, ref in enumerate(refs):
            scores = found.get(ref, ())
            if isinstance(scores, SourceError):
                errors.append(scores)
                continue
            for score in scores:
                metric = Metric(MetricKind.SCORE, score.evaluator)
                column = columns.setdefault(metric, array("d", [math.nan]) * listed.sessions)
                column[index] = score.value
        return _Missing(columns, error=_of_some(errors, refs))

    async def _inputs(self, listed: SessionScan) -> _Missing:
        refs = _refs(listed)
        inputs: list[CaseId | None] = []
        errors: list[SourceError] = []
        for first in range(0, len(refs), _LOOKED_UP_AT_ONCE):
            batch = refs[first : first + _LOOKED_UP_AT_ONCE]
            found = await self._adapters[listed.source].get_sessions(batch)
            for ref in batch:
                whole = found.get(ref)
                if isinstance(whole, SourceError):
                    errors.append(whole)
                    inputs.append(None)
                else:
                    inputs.append(None if whole is None else input_of(whole))
        return _Missing({}, inputs, _of_some(errors, refs))


def _of_some(errors: Sequence[SourceError], refs: Sequence[SessionRef]) -> SourceError | None:
    """The first error, None without one. Raises it when there is one for each session."""
    if errors and len(errors) == len(refs):
        raise errors[0]
    return next(iter(errors), None)


def _status(error: SourceError | None, stale: Sequence[SourceError]) -> SourceReportStatus:
    if error is not None:
        return SourceReportStatus.FAILED
    return SourceReportStatus.STALE if stale else SourceReportStatus.OK


def _refs(scan: SessionScan) -> Sequence[SessionRef]:
    return [SessionRef(scan.experiment_ref, session_id) for session_id in scan.session_ids]


def _with(scan: SessionScan, name: str, missing: _Missing, took: SourceReport) -> SessionScan:
    return replace(
        scan,
        columns={**scan.columns, **missing.scores},
        inputs=scan.inputs if missing.inputs is None else missing.inputs,
        complete=scan.complete and took.status is not SourceReportStatus.FAILED,
        report=combined_in_sequence([scan.report, took]),
        partial=missing.error is not None or (scan.partial and took.status is not SourceReportStatus.FAILED),
        deferred=scan.deferred - {name},
    )
