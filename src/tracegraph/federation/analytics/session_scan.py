"""Scans sessions of an experiment into columns of numbers, without keeping the sessions in memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import SessionFilter
from tracegraph.domain.models import Metric, MetricKind, Session, SessionRef, SessionStatus
from tracegraph.domain.sort_values import from_microseconds
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.cases import CaseId
from tracegraph.federation.analytics.dimensions import SessionDimension
from tracegraph.federation.analytics.scan_filters import EVERY_SESSION
from tracegraph.federation.analytics.session_columns import (
    INPUT,
    SCORES,
    Columns,
    SessionScan,
    input_of,
    needs_of,
    needs_of_all,
)
from tracegraph.federation.analytics.session_lists import ListedSessions, SessionLists, Slots
from tracegraph.federation.completion import session_look_up
from tracegraph.federation.lists import FetchSessions, ScanBudget
from tracegraph.federation.report import SourceReport, SourceReportStatus, combined_in_sequence
from tracegraph.upstream.request_scope import collect_stale_errors, count_calls
from tracegraph.upstream.single_flight import TaskMemo

__all__ = ["INPUT", "SCORES", "Columns", "SessionScan", "SessionScans", "needs_of", "needs_of_all"]


_LOOKUP_BATCH_SIZE = 1000


@dataclass(frozen=True, slots=True)
class _Missing:
    """Score columns, inputs, or sessions that match a filter, which a list omits and that were read separately.

    `error` is set when some sessions' values could not be read.
    """

    scores: Mapping[Metric, array[float]]
    inputs: Sequence[CaseId | None] | None = None
    error: SourceError | None = None
    matching: Sequence[Session] = ()


class SessionScans:
    """Scans sessions for figures, a few experiments of a source at a time, and appends to `reports`."""

    def __init__(
        self, adapters: Sequence[Adapter], fetch: FetchSessions, budget: ScanBudget, reports: list[SourceReport]
    ) -> None:
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._reports = reports
        self._slots = Slots()
        self._lists = SessionLists(self._adapters, fetch, budget, reports, self._slots)
        self._fields: frozenset[str] = frozenset()
        self._memo = TaskMemo[tuple[ListedSessions, str]]()

    def expect(self, fields: frozenset[str]) -> None:
        """Request these large fields in lists that are read from now on, because the request needs them."""
        self._fields |= fields

    async def scan(
        self,
        source: str,
        experiment_ref: str,
        needs: frozenset[str] = frozenset(),
        session_filter: SessionFilter = EVERY_SESSION,
        by: SessionDimension | None = None,
    ) -> SessionScan:
        """Return the experiment's sessions that match, with the fields of SCORES and INPUT that `needs` names.

        With `by`, the scan has the keys of that dimension. A failing source raises nothing: see
        `SessionScan.error`.
        """
        fields = frozenset({INPUT}) & (needs | self._fields)
        listed = await self._lists.read((source, experiment_ref), session_filter, fields, by)
        list_scan = listed.scan
        if listed.undecided and list_scan.error is None:
            list_scan = await self._memo.get((listed, "filter"), partial(self._decided, listed))
        scan = list_scan
        for name, read in ((SCORES, self._scores), (INPUT, self._inputs)):
            if scan.error is None and name in needs & scan.deferred:
                missing, read_report = await self._memo.get(
                    (listed, name), partial(self._read_deferred, source, partial(read, list_scan))
                )
                scan = _with_deferred(scan, name, missing, read_report)
        return scan

    async def partial_scan(
        self,
        source: str,
        experiment_ref: str,
        needs: frozenset[str],
        session_filter: SessionFilter = EVERY_SESSION,
        by: SessionDimension | None = None,
    ) -> tuple[SessionScan, SourceError | None]:
        """Return the scan and its error. With an error, return the list's fields only, which are still valid."""
        scan = await self.scan(source, experiment_ref, needs, session_filter, by)
        if scan.error is None:
            return scan, None
        return await self.scan(source, experiment_ref, session_filter=session_filter, by=by), scan.error

    # -- fields that a list omits ----------------------------------------------------------------------

    async def _read_deferred(
        self, source: str, read: Callable[[], Coroutine[Any, Any, _Missing]]
    ) -> tuple[_Missing, SourceReport]:
        """Read the omitted values, none when the source failed, and report the cost."""
        began = perf_counter()
        error: SourceError | None = None
        missing = _Missing({})
        async with self._slots[source]:
            with count_calls() as meter, collect_stale_errors() as stale:
                try:
                    missing = await read()
                    error = missing.error
                except SourceError as source_error:
                    error = source_error
        read_report = SourceReport(
            source,
            _status(error, stale),
            error or next(iter(stale), None),
            upstream_requests=meter.requests,
            duration_ms=(perf_counter() - began) * 1000,
        )
        self._reports.append(read_report)
        return missing, read_report

    async def _decided(self, listed: ListedSessions) -> SessionScan:
        """Look up the undecided sessions of a list, and return the scan of all that match."""
        list_scan = listed.scan
        missing, read_report = await self._read_deferred(list_scan.source, partial(self._matching, listed))
        for session in missing.matching:
            listed.columns.add(session)
        scan = listed.columns.scan(
            list_scan.source, list_scan.experiment_ref, list_scan.report, complete=list_scan.complete
        )
        return _with_deferred(replace(scan, partial=list_scan.partial), "filter", missing, read_report)

    async def _matching(self, listed: ListedSessions) -> _Missing:
        """Return the undecided sessions that match. Scores alone may take fewer calls than complete sessions."""
        rows, wanted = listed.undecided, listed.session_filter
        fields = listed.fields & frozenset().union(*(row.deferred for row in rows))
        look_up = session_look_up(self._adapters[rows[0].source], fields)
        found: list[Session] = []
        errors: list[SourceError] = []
        for first in range(0, len(rows), _LOOKUP_BATCH_SIZE):
            for outcome in (await look_up(rows[first : first + _LOOKUP_BATCH_SIZE])).values():
                if isinstance(outcome, SourceError):
                    errors.append(outcome)
                elif wanted.matches(outcome):
                    found.append(outcome)
        return _Missing({}, error=_partial_error(errors, len(rows)), matching=found)

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
        return _Missing(columns, error=_partial_error(errors, len(refs)))

    async def _inputs(self, list_scan: SessionScan) -> _Missing:
        refs = _refs(list_scan)
        look_up = session_look_up(self._adapters[list_scan.source], frozenset({INPUT}))
        inputs: list[CaseId | None] = []
        errors: list[SourceError] = []
        for first in range(0, len(refs), _LOOKUP_BATCH_SIZE):
            batch = refs[first : first + _LOOKUP_BATCH_SIZE]
            # The rows are gone: texts are read by identity, together with those of a filter, in shared calls.
            rows = [_row_without_input(list_scan, ref, first + index) for index, ref in enumerate(batch)]
            sessions = await look_up(rows)
            for ref in batch:
                session = sessions.get(ref)
                if isinstance(session, SourceError):
                    errors.append(session)
                    inputs.append(None)
                else:
                    inputs.append(None if session is None else input_of(session))
        return _Missing({}, inputs, _partial_error(errors, len(refs)))


def _row_without_input(scan: SessionScan, ref: SessionRef, index: int) -> Session:
    started_at = from_microseconds(scan.starts[index])
    identity = scan.source, ref.experiment_ref, ref.session_id
    return Session(*identity, SessionStatus.UNKNOWN, started_at, deferred=frozenset({INPUT}))


def _partial_error(errors: Sequence[SourceError], sessions: int) -> SourceError | None:
    """Return the first error, or None. Raise it when every session has one."""
    if errors and len(errors) == sessions:
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
        reads=(*scan.reads, read_report),
    )
