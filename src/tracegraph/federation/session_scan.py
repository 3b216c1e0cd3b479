"""All sessions of an experiment as columns of numbers: read once in a request, whoever asks and how often."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from tracegraph.adapter import Adapter, PageRequest, SessionAsk
from tracegraph.errors import SourceError
from tracegraph.federation.cases import CaseId
from tracegraph.federation.figures import computed, in_order, session_values
from tracegraph.federation.listing import Budgets, FetchSessions, session_spec
from tracegraph.federation.report import SourceReport, SourceReportStatus, report
from tracegraph.federation.stream import Position, Stream
from tracegraph.model import Aggregate, Metric, MetricKind, Session, SessionRef
from tracegraph.query import OrderDirection, SessionOrder

SCORES = "scores"
"""The field of a session that the metrics of kind SCORE are read from."""
INPUT = "input"
"""The field of a session that its case is recognised by where the vendors share no case ids."""

_AT_A_TIME = 4
_LOOKED_UP_AT_ONCE = 100


def folded(text: str) -> str:
    """An input text with its white space folded, so that two vendors' renderings of one text are equal."""
    return " ".join(text.split())


def _input_of(session: Session) -> CaseId | None:
    return None if session.input is None else CaseId.of(folded(session.input))


@dataclass(frozen=True, slots=True)
class SessionScan:
    """What was read of one experiment's sessions; every column has one place for each, NaN where it has no value.

    `complete` is False when the page budget ended, or reading failed, before the last session. `report` tells
    what reading took and holds the error if it failed. `deferred` names those of SCORES and INPUT that the
    vendor's list leaves out: the columns lack them.
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

    @property
    def sessions(self) -> int:
        """How many were read."""
        return len(self.session_ids)

    @property
    def error(self) -> SourceError | None:
        """Why reading failed."""
        return self.report.error if self.report.status is SourceReportStatus.FAILED else None

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


@dataclass(slots=True)
class _Columns:
    """A scan in the making. Sessions are not kept: they live only as long as their page."""

    session_ids: list[str] = field(default_factory=list)
    test_case_ids: list[str | None] = field(default_factory=list)
    inputs: list[CaseId | None] = field(default_factory=list)
    values: dict[Metric, array[float]] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)

    def add(self, session: Session) -> None:
        given = session_values(session)
        for metric in given.keys() - self.values.keys():
            self.values[metric] = array("d", [math.nan]) * len(self.session_ids)
        for metric, column in self.values.items():
            column.append(given.get(metric, math.nan))
        self.session_ids.append(session.vendor_id)
        self.test_case_ids.append(session.test_case_id)
        self.inputs.append(_input_of(session))
        self.deferred |= session.deferred & {SCORES, INPUT}


class SessionScans:
    """The scans of one request: each experiment's sessions are read once, a few experiments at a time.

    `reports` gets the report of every scan when it is done.
    """

    def __init__(
        self,
        adapter_of: Callable[[str], Adapter | None],
        fetch: FetchSessions,
        budgets: Budgets,
        reports: list[SourceReport],
    ) -> None:
        self._adapter_of = adapter_of
        self._fetch = fetch
        self._budgets = replace(budgets, pages=budgets.computed_pages, on_grid=False)
        self._reports = reports
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_A_TIME))
        self._listed: dict[tuple[str, str], asyncio.Future[SessionScan]] = {}
        self._completed: dict[tuple[str, str], asyncio.Future[SessionScan]] = {}

    async def scan(self, source: str, experiment_ref: str, needs: frozenset[str] = frozenset()) -> SessionScan:
        """The experiment's sessions, with what `needs` names of SCORES and INPUT.

        Raises nothing for what the source does: see `SessionScan.error`.
        """
        key = source, experiment_ref
        listed = await _once(self._listed, key, lambda: self._list(source, experiment_ref))
        if listed.error is not None or not needs & listed.deferred:
            return listed
        return await _once(self._completed, key, lambda: self._complete(listed))

    async def _list(self, source: str, experiment_ref: str) -> SessionScan:
        """Oldest first, by pages as large as the vendor gives them."""
        adapter = self._adapter_of(source)
        if adapter is None:
            raise LookupError(f"there is no source {source!r}")
        ask = SessionAsk((experiment_ref,), PageRequest(0), order=SessionOrder(direction=OrderDirection.ASC))
        spec = session_spec(adapter, ask, source, self._budgets, self._fetch, of_one=True)
        stream = Stream(spec, Position())
        columns = _Columns()
        async with self._slots[source]:
            while stream.needs_fill:
                await stream.fill(spec.page_max)
                while stream.rows:
                    columns.add(stream.rows.popleft().row.node)
        told = report(source, [stream])
        self._reports.append(told)
        return SessionScan(
            source,
            experiment_ref,
            columns.session_ids,
            columns.test_case_ids,
            columns.inputs,
            columns.values,
            complete=stream.ended,
            report=told,
            deferred=frozenset(columns.deferred),
        )

    async def _complete(self, listed: SessionScan) -> SessionScan:
        """With the scores and the inputs of the sessions looked up; one that is gone meanwhile has none."""
        adapter = self._adapter_of(listed.source)
        if adapter is None:
            raise LookupError(f"there is no source {listed.source!r}")
        scores: dict[Metric, array[float]] = {}
        inputs = list(listed.inputs)
        began = perf_counter()
        async with self._slots[listed.source]:
            for first in range(0, listed.sessions, _LOOKED_UP_AT_ONCE):
                ids = listed.session_ids[first : first + _LOOKED_UP_AT_ONCE]
                refs = [SessionRef(listed.experiment_ref, session_id) for session_id in ids]
                found = await adapter.get_sessions(refs)
                for index, ref in enumerate(refs, first):
                    whole = found.get(ref)
                    if isinstance(whole, SourceError):
                        return self._failed(listed, whole)
                    if whole is not None:
                        inputs[index] = _input_of(whole)
                        _set_scores(scores, index, listed.sessions, whole)
        took = replace(listed.report, duration_ms=(perf_counter() - began) * 1000)
        self._reports.append(took)
        columns = {**listed.columns, **scores}
        return replace(listed, columns=columns, inputs=inputs, report=took, deferred=frozenset())

    def _failed(self, listed: SessionScan, error: SourceError) -> SessionScan:
        told = replace(listed.report, status=SourceReportStatus.FAILED, error=error)
        self._reports.append(told)
        return replace(listed, complete=False, report=told)


def _set_scores(columns: dict[Metric, array[float]], index: int, length: int, session: Session) -> None:
    for metric, value in session_values(session).items():
        if metric.kind is MetricKind.SCORE:
            columns.setdefault(metric, array("d", [math.nan]) * length)[index] = value


async def _once(
    futures: dict[tuple[str, str], asyncio.Future[SessionScan]],
    key: tuple[str, str],
    begin: Callable[[], Awaitable[SessionScan]],
) -> SessionScan:
    """The one run of it that there is; who asks while it is under way waits for it."""
    if key not in futures:
        futures[key] = asyncio.ensure_future(begin())
    return await asyncio.shield(futures[key])
