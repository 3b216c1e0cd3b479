"""Lists of sessions for figures: one list of an experiment serves all filters that are requested together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tracegraph.adapter.paging import OffsetRequest, SessionPageRequest
from tracegraph.adapter.protocol import COSTLY_SESSION_FIELDS, Adapter
from tracegraph.domain.filters import (
    OrderDirection,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
    fields_of_conditions,
)
from tracegraph.domain.models import Session
from tracegraph.federation.analytics.dimensions import SessionDimension, fields_of
from tracegraph.federation.analytics.scan_filters import (
    has_no_time,
    narrowing_part,
    readable_part,
    serves,
    widest,
)
from tracegraph.federation.analytics.session_columns import Columns, SessionScan
from tracegraph.federation.lists import FetchSessions, ScanBudget, session_spec
from tracegraph.federation.position import Position
from tracegraph.federation.report import SourceReport, not_queried, report
from tracegraph.federation.stream import Stream
from tracegraph.upstream.request_scope import register_task

_CONCURRENCY, _POOLED_CONCURRENCY = 4, 10
"""How many experiments of a source are read at a time: each by its own calls, and with shared calls.

Short lists of ten experiments fit into one shared page. With more, too many rows wait in memory for one another.
"""


class Slots:
    """Limits how many experiments of a source are read at a time."""

    def __init__(self) -> None:
        self._by_source: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_CONCURRENCY))
        self._pooled: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_POOLED_CONCURRENCY)
        )

    def __getitem__(self, source: str) -> asyncio.Semaphore:
        return self._by_source[source]

    def of_list(self, source: str, *, pooled: bool) -> asyncio.Semaphore:
        """Return the slots of a list. `pooled`: lists of several experiments share their calls."""
        return self._pooled[source] if pooled else self._by_source[source]


Experiment = tuple[str, str]
"""An experiment's source and ref."""


@dataclass(slots=True, eq=False)
class ListedSessions:
    """The sessions of one list that match one filter.

    `undecided` are rows without a field that the filter or a key reads: only their complete forms show their keys,
    and whether they match. With `is_checked`, the list has the same filter, and every row matches.
    """

    session_filter: SessionFilter
    is_checked: bool = False
    columns: Columns = field(default_factory=Columns)
    undecided: list[Session] = field(default_factory=list)
    scan: SessionScan = field(init=False)
    _fields_of_keys: frozenset[str] = field(init=False)
    _parts: dict[frozenset[str], SessionFilter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fields_of_keys = fields_of(self.columns.keys)

    def add(self, session: Session) -> None:
        """Add a row of the list if it matches, or may match."""
        lacks_key = bool(session.deferred) and not session.deferred.isdisjoint(self._fields_of_keys)
        if self.is_checked and not lacks_key:
            self.columns.add(session)
            return
        part = self._readable_part(session.deferred) if session.deferred else self.session_filter
        if part.matches(session):
            if part is self.session_filter and not lacks_key:
                self.columns.add(session)
            else:
                self.undecided.append(session)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that the filter and the keys read, for those that a list may leave out."""
        return fields_of_conditions(self.session_filter) | self._fields_of_keys

    def _readable_part(self, deferred: frozenset[str]) -> SessionFilter:
        """Return the conditions that a row without these fields can be checked for: mostly all of them."""
        part = self._parts.get(deferred)
        if part is None:
            missing = deferred & fields_of_conditions(self.session_filter)
            part = readable_part(self.session_filter, missing) if missing else self.session_filter
            self._parts[deferred] = part
        return part

    def finish(self, experiment: Experiment, list_report: SourceReport, *, complete: bool, partial: bool) -> None:
        """Build the scan of the rows that match."""
        scan = self.columns.scan(*experiment, list_report, complete=complete)
        self.scan = replace(scan, partial=partial)


def columns_by(dimensions: Iterable[SessionDimension]) -> Columns:
    """Return columns without rows, which keep the keys of these dimensions."""
    return Columns({dimension: [] for dimension in dimensions})


Listings = Mapping[SessionFilter, ListedSessions]


@dataclass(slots=True)
class _Batch:
    """The filters that are requested in one iteration of the event loop, and what they need.

    `filters` has the dimensions whose keys each filter needs, and `fields` the large fields that any filter needs.
    `lists` is the task that starts the lists. It returns the task of the list that serves each filter.
    """

    filters: dict[SessionFilter, set[SessionDimension]] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    is_open: bool = True
    lists: asyncio.Future[Mapping[SessionFilter, asyncio.Future[Listings]]] = field(init=False)


class SessionLists:
    """Lists sessions of experiments, and appends the report of each list to `reports`."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        fetch: FetchSessions,
        budget: ScanBudget,
        reports: list[SourceReport],
        slots: Slots,
    ) -> None:
        self._adapters = adapters
        self._fetch = fetch
        self._budget = replace(budget, pages=budget.computed_pages, align_to_cache_pages=False)
        self._reports = reports
        self._slots = slots
        self._batches: defaultdict[Experiment, list[_Batch]] = defaultdict(list)

    async def read(
        self,
        experiment: Experiment,
        session_filter: SessionFilter,
        fields: frozenset[str],
        by: SessionDimension | None = None,
    ) -> ListedSessions:
        """Return the sessions of an experiment that match a filter. Each list is read once.

        Filters that are requested in the same iteration of the event loop share a list where one list contains
        the rows of both.

        Args:
            experiment: The experiment.
            session_filter: The filter.
            fields: The large fields to request, where the list is not read yet.
            by: The dimension whose keys are needed.
        """
        source, _ = experiment
        capabilities = self._adapters[source].capabilities
        if has_no_time(session_filter) or not capabilities.may_match_sessions(session_filter):
            nothing = ListedSessions(session_filter, columns=columns_by(() if by is None else (by,)))
            nothing.finish(experiment, not_queried(source), complete=True, partial=False)
            return nothing
        batch = self._batch(experiment, session_filter, by)
        if batch.is_open:
            batch.filters.setdefault(session_filter, set()).update(() if by is None else (by,))
            batch.fields |= fields
        lists = await asyncio.shield(batch.lists)
        return (await asyncio.shield(lists[session_filter]))[session_filter]

    def _batch(self, experiment: Experiment, session_filter: SessionFilter, by: SessionDimension | None) -> _Batch:
        """Return the batch that has the filter with these keys, or else one that takes more filters."""
        batches = self._batches[experiment]
        for batch in batches:
            dimensions = batch.filters.get(session_filter)
            if batch.is_open or (dimensions is not None and (by is None or by in dimensions)):
                return batch
        opened = _Batch()
        opened.lists = register_task(asyncio.create_task(self._start(experiment, opened)))
        batches.append(opened)
        return opened

    async def _start(
        self, experiment: Experiment, batch: _Batch
    ) -> Mapping[SessionFilter, asyncio.Future[Listings]]:
        """Start the fewest lists that serve the filters of a batch."""
        batch.is_open = False
        source, ref = experiment
        adapter = self._adapters[source]
        capabilities = adapter.capabilities.session_list(adapter.experiment_kind(ref))
        narrowed = {wanted: narrowing_part(wanted, capabilities) for wanted in batch.filters}
        lists = widest(narrowed.values())
        served = {wanted: next(one for one in lists if serves(one, part)) for wanted, part in narrowed.items()}
        tasks: dict[SessionFilter, asyncio.Future[Listings]] = {}
        for listed in lists:
            listings = {
                one: ListedSessions(one, is_checked=one == listed, columns=columns_by(batch.filters[one]))
                for one in served
                if served[one] is listed
            }
            tasks[listed] = register_task(
                asyncio.create_task(self._list(experiment, listed, listings, batch.fields))
            )
        return {wanted: tasks[listed] for wanted, listed in served.items()}

    async def _list(
        self,
        experiment: Experiment,
        listed: SessionFilter,
        listings: Listings,
        fields: frozenset[str],
    ) -> Listings:
        """List the sessions in the largest pages, with the large fields that are needed only.

        The oldest come first. The newest do where the vendor has that direction only: windows cost more calls.
        """
        source, ref = experiment
        adapter = self._adapters[source]
        fields = fields.union(*(COSTLY_SESSION_FIELDS & listing.fields for listing in listings.values()))
        capabilities = adapter.capabilities.session_list(adapter.experiment_kind(ref))
        is_newest_first = capabilities.orders == {(SessionOrderField.STARTED_AT, OrderDirection.DESC)}
        order = SessionOrder(direction=OrderDirection.DESC if is_newest_first else OrderDirection.ASC)
        request = SessionPageRequest((ref,), OffsetRequest(0), listed, order, fields)
        spec = session_spec(adapter, request, source, self._budget, self._fetch, single_experiment=True)
        stream = Stream(spec, Position())
        # Rows with large fields stay in memory until all experiments of the call have their page.
        async with self._slots.of_list(source, pooled=capabilities.pooled and not fields):
            while stream.needs_fetch:
                await stream.fill(spec.page_max)
                for row in stream.pop(stream.buffered):
                    for listing in listings.values():
                        listing.add(row.node)
        list_report = report(source, [stream])
        self._reports.append(list_report)
        is_partial = stream.error is None and stream.stats.error is not None  # some rows could not be looked up
        for listing in listings.values():
            listing.finish(experiment, list_report, complete=stream.ended and not is_partial, partial=is_partial)
        return listings
