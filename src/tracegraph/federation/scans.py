"""The scans of one request: each experiment's sessions are read once, whatever asks for them and how often."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from tracegraph.adapter import Adapter, PageRequest, SessionAsk
from tracegraph.errors import SourceError
from tracegraph.federation.cases import CaseId
from tracegraph.federation.listing import Budgets, FetchSessions, session_spec
from tracegraph.federation.report import SourceReport, SourceReportStatus, joined, report
from tracegraph.federation.session_scan import INPUT, SCORES, Columns, SessionScan, input_of
from tracegraph.federation.stream import Position, Stream
from tracegraph.model import Metric, MetricKind, SessionRef
from tracegraph.query import OrderDirection, SessionOrder
from tracegraph.upstream.belonging import belongs
from tracegraph.upstream.meter import metered
from tracegraph.upstream.reads import stale_answers

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
        self, adapters: Sequence[Adapter], fetch: FetchSessions, budgets: Budgets, reports: list[SourceReport]
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
        """The one run of it that there is; who asks while it is under way waits for it."""
        if key not in self._begun:
            self._begun[key] = belongs(asyncio.ensure_future(begin()))
        outcome: T = await asyncio.shield(self._begun[key])
        return outcome

    async def _list(self, source: str, experiment_ref: str, fields: frozenset[str]) -> SessionScan:
        """Oldest first, by pages as large as the vendor gives them; of large fields, these only."""
        order = SessionOrder(direction=OrderDirection.ASC)
        ask = SessionAsk((experiment_ref,), PageRequest(0), order=order, fields=fields)
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
            with metered() as meter, stale_answers() as stale:
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
        report=joined([scan.report, took]),
        partial=missing.error is not None or (scan.partial and took.status is not SourceReportStatus.FAILED),
        deferred=scan.deferred - {name},
    )
