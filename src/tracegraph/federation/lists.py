"""The lists of the schema: experiments of many sources, sessions of one experiment, sessions of many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2s
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, Paging, SessionPageRequest
from tracegraph.adapter.protocol import COSTLY_EXPERIMENT_FIELDS, COSTLY_SESSION_FIELDS, Adapter
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    Order,
    OrderDirection,
    SessionOrder,
    SessionOrderField,
    active_conditions,
    experiment_order_value,
    fields_of_conditions,
    session_order_value,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionRef
from tracegraph.errors import SourceObjectNotFound
from tracegraph.federation.completion import (
    CompletedList,
    experiment_look_up,
    lacking_fields,
    lacks_any,
    session_fields_to_complete,
    session_look_up,
)
from tracegraph.federation.filtering import gateway_conditions, least_rows
from tracegraph.federation.looked_up import fetch_by_id, named_sessions
from tracegraph.federation.merge import Merged, Positions, fill, merge
from tracegraph.federation.order_figures import is_by_figure, offered_order, takes_look_ups, with_figures
from tracegraph.federation.pages import Fetch
from tracegraph.federation.range_bounds import UNBOUNDED, Bounds, experiment_bounds, session_bounds
from tracegraph.federation.reading import Reading
from tracegraph.federation.report import SourceReport, SourceReportStatus, not_queried, report, total_count
from tracegraph.federation.reversed_list import ReversedList
from tracegraph.federation.sort_key import Direction, Ordering, reading_direction, value_direction
from tracegraph.federation.stream import Stream, StreamSpec

T = TypeVar("T")


FetchSessions = Callable[[str, SessionPageRequest], Awaitable[Page[Session]]]
"""Fetches a page of sessions from a source by name. The caller batches requests of one event-loop iteration."""


@dataclass(frozen=True, slots=True)
class ScanBudget:
    """The budget of one list: vendor pages per source, and experiments per source when none are named.

    `computed_pages`: vendor pages per experiment for computed figures. `align_to_cache_pages`: request the same
    pages as other requests, because a cache holds them.
    """

    pages: int = 20
    active_experiments: int = 10
    computed_pages: int = 120
    align_to_cache_pages: bool = False


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """A page of a merged list with a report of each source."""

    merged: Merged[T]
    reports: Sequence[SourceReport]

    @property
    def total_count(self) -> int | None:
        """Return the exact number of rows in the whole list, or None."""
        return total_count(self.reports)

    @property
    def all_failed(self) -> bool:
        """Return whether sources were called and none of them returned a row."""
        return (
            bool(self.reports)
            and not self.merged.rows
            and all(entry.status is SourceReportStatus.FAILED for entry in self.reports)
        )


class MergeRequest(msgspec.Struct, frozen=True):
    """A page of a merged list: `first` rows from the positions on, within the budget."""

    first: int
    positions: Positions = Positions()
    budget: ScanBudget = ScanBudget()


async def list_experiments(
    adapters: Sequence[Adapter],
    filters: Mapping[str, ExperimentFilter],
    order: ExperimentOrder,
    request: MergeRequest,
    fields: frozenset[str] | None = None,
    *,
    complete: frozenset[str] = frozenset(),
) -> Listing[Experiment]:
    """List experiments of all adapters in one order.

    Args:
        adapters: The sources to list.
        filters: The filter of each source, by its name.
        order: The order of the merged list.
        request: The page of the merged list.
        fields: Those of COSTLY_EXPERIMENT_FIELDS that the caller needs, None for all.
        complete: The fields that all rows must have, even where the vendor's list lacks them.
    """
    streams: dict[str, list[Stream[Experiment]]] = {}
    for adapter in adapters:
        experiment_filter = filters[adapter.name]
        if adapter.capabilities.may_match_experiments(experiment_filter):
            query = ExperimentQuery(experiment_filter, order, fields=_needed_fields(experiment_filter, fields))
            streams[adapter.name] = _experiment_streams(
                adapter, query, request.budget, request.positions, complete
            )
    flat = [stream for of_source in streams.values() for stream in of_source]
    merged = await merge(flat, request.first, request.positions)
    reports = [
        report(adapter.name, streams[adapter.name]) if streams.get(adapter.name) else not_queried(adapter.name)
        for adapter in adapters
    ]
    return Listing(merged, reports)


def _needed_fields(experiment_filter: ExperimentFilter, selected: frozenset[str] | None) -> frozenset[str] | None:
    """Return the costly fields that the caller or the filter needs."""
    if selected is None:
        return None
    return selected | (COSTLY_EXPERIMENT_FIELDS & active_conditions(experiment_filter))


def _experiment_streams(
    adapter: Adapter,
    query: ExperimentQuery,
    budget: ScanBudget,
    positions: Positions,
    complete: frozenset[str] = frozenset(),
) -> list[Stream[Experiment]]:
    """Return a stream for each list of the source: one, or one for each kind that can match."""
    kinds = query.filter.kinds
    specs = [
        _experiment_spec(
            adapter, replace(query, kind=kind), capabilities, budget, complete, backwards=positions.backwards
        )
        for kind, capabilities in adapter.capabilities.experiment_lists().items()
        if kind is None or kinds is None or kind in kinds
    ]
    return [Stream(spec, positions.for_stream(spec.key), is_turned=positions.is_turned) for spec in specs]


def _experiment_spec(
    adapter: Adapter,
    query: ExperimentQuery,
    capabilities: ListCapabilities,
    budget: ScanBudget,
    complete: frozenset[str],
    *,
    backwards: bool,
) -> StreamSpec[Experiment]:
    order = query.order
    reading = Reading.backwards(capabilities, order) if backwards else Reading.of(capabilities, order)
    if reading.is_reversed:
        query = replace(query, order=replace(order, direction=order.direction.opposite))

    needed = complete | fields_of_conditions(query.filter)

    async def fetch_page(page: PageRequest) -> Page[Experiment]:
        found = await adapter.list_experiments(query, page)
        if not needed.isdisjoint(_FIGURE_FIELDS):
            _require_figures(found)
        return found

    from_the_end = ReversedList(adapter.name, fetch_page, capabilities.page_max)
    fetch: Fetch[Experiment] = from_the_end.fetch if reading is Reading.FROM_THE_END else fetch_page
    lacking = lacking_fields(query, capabilities) | (capabilities.lacks & complete)
    if lacking:
        look_up = experiment_look_up(adapter)
        fetch = CompletedList(adapter.name, fetch, look_up, capabilities, lacks_any(lacking)).fetch
    page_max, bounds = capabilities.page_max, UNBOUNDED
    if reading is not Reading.FULL_SCAN:
        bounds = experiment_bounds(order, query.filter, capabilities)
    drops_rows = gateway_conditions(query.filter, capabilities, adapter.capabilities) - _bounded(bounds, order)
    if is_by_figure(order):
        fetch = with_figures(adapter, fetch, capabilities, order, budget.computed_pages)
        if reading is Reading.FULL_SCAN and takes_look_ups(adapter, order):
            page_max = min(page_max, budget.computed_pages)
    return StreamSpec(
        name=adapter.name,
        key=adapter.name if query.kind is None else f"{adapter.name}/{query.kind.value}",
        fetch=fetch,
        ordering=Ordering(
            adapter.name,
            reading_direction(order.direction, backwards=backwards),
            experiment_order_value(order),
            _VENDOR_ID,
        ),
        matches=query.filter.matches if active_conditions(query.filter) else None,
        vendor_orders=reading is not Reading.FULL_SCAN,
        page_max=page_max,
        page_budget=budget.pages,
        align_to_cache_pages=budget.align_to_cache_pages,
        bounds=bounds,
        paging=capabilities.paging,
        ranges=capabilities.ranges,
        backwards=reading is Reading.BY_WINDOWS,
        least_rows=least_rows(capabilities, reading, looks_up=bool(lacking)) if drops_rows else 0,
    )


def _bounded(bounds: Bounds, order: Order) -> frozenset[str]:
    """Return the condition that drops no row, because the list is read within its bounds."""
    return frozenset() if bounds == UNBOUNDED else frozenset({order.field.value.lower()})


_FIGURE_FIELDS = frozenset({"models", "evaluators"})
"""The fields that a row lacks when it has a `figures_error`."""


def _require_figures(page: Page[Experiment]) -> None:
    """Raise the error of a row without figures: no filter can decide on such a row."""
    error = next((row.figures_error for row in page.items if row.figures_error is not None), None)
    if error is not None:
        raise error.with_cost(page.provenance.upstream_requests)


async def list_sessions_of(
    adapter: Adapter,
    experiment: Experiment,
    request: SessionPageRequest,
    merge_request: MergeRequest,
    fetch: FetchSessions,
) -> Listing[Session]:
    """List the sessions of one experiment.

    Args:
        adapter: The experiment's source.
        experiment: The experiment.
        request: The filter, the order and the fields. Its page is ignored.
        merge_request: The page of the list.
        fetch: Fetches a page of sessions.
    """
    if not adapter.capabilities.may_match_sessions(request.filter):
        return await no_sessions(adapter)
    spec = session_spec(
        adapter,
        replace(request, experiment_refs=(experiment.ref,)),
        adapter.name,
        merge_request.budget,
        fetch,
        backwards=merge_request.positions.backwards,
        single_experiment=True,
        total_hint=experiment.session_count,
    )
    positions = merge_request.positions
    stream = Stream(spec, positions.for_stream(spec.key), is_turned=positions.is_turned)
    merged = await merge([stream], merge_request.first, positions)
    return Listing(merged, [report(adapter.name, [stream])])


async def session_total(adapter: Adapter, experiment: Experiment, fetch: FetchSessions) -> int | None:
    """Return the vendor's number of sessions of an experiment, None when it reports none. Raises SourceError."""
    capabilities = adapter.capabilities.session_list(adapter.experiment_kind(experiment.ref))
    order = offered_order(capabilities)
    request = SessionPageRequest((experiment.ref,), capabilities.first_page(1), order=order, fields=frozenset())
    return (await fetch(adapter.name, request)).total


async def no_sessions(adapter: Adapter) -> Listing[Session]:
    """Return the list of a source that no session can match."""
    return Listing(await merge(list[Stream[Session]](), 0), [not_queried(adapter.name)])


async def list_sessions(
    adapters: Sequence[Adapter],
    experiment_refs: Mapping[str, Sequence[str]] | None,
    request: SessionPageRequest,
    merge_request: MergeRequest,
    fetch: FetchSessions,
) -> Listing[Session]:
    """List sessions of many experiments and sources by start time.

    A source that cannot list its most recently active experiments has failed as a whole.

    Args:
        adapters: The sources to list.
        experiment_refs: The experiments by source name; None for the most recently active ones of each source.
        request: The filter, the order and the fields.
        merge_request: The page of the merged list.
        fetch: Fetches a page of sessions.
    """
    queried = [adapter for adapter in adapters if adapter.capabilities.may_match_sessions(request.filter)]
    refs = experiment_refs or {}
    source_streams = await asyncio.gather(
        *(
            _open_source(
                adapter,
                None if experiment_refs is None else refs.get(adapter.name, ()),
                request,
                merge_request,
                fetch,
            )
            for adapter in queried
        )
    )
    sources = {adapter.name: source for adapter, source in zip(queried, source_streams, strict=True)}
    flat = [stream for source in source_streams for stream in source.streams or ()]
    unknown = [name for name, source in sources.items() if source.streams is None]
    merged = await merge(flat, merge_request.first, merge_request.positions, unknown)
    reports = [_session_report(adapter.name, sources.get(adapter.name)) for adapter in adapters]
    return Listing(merged, reports)


@dataclass(frozen=True, slots=True)
class _SourceStreams:
    """A source's streams, or None when its active experiments could not be read, and those experiments."""

    streams: Sequence[Stream[Session]] | None
    active: _ActiveExperiments | None = None


async def _open_source(
    adapter: Adapter,
    refs: Sequence[str] | None,
    request: SessionPageRequest,
    merge_request: MergeRequest,
    fetch: FetchSessions,
) -> _SourceStreams:
    """Read the first page of each stream of one source, so that no source waits for another."""
    active = None
    if refs is None:
        active = await _most_recently_active(adapter, merge_request.budget)
        if active.report.status is SourceReportStatus.FAILED:
            return _SourceStreams(None, active)
        refs = active.refs
    specs = _session_specs(adapter, refs, request, merge_request, fetch)
    positions = merge_request.positions
    streams = [Stream(spec, positions.for_stream(spec.key), is_turned=positions.is_turned) for spec in specs]
    if merge_request.first:
        await fill(streams, merge_request.first)
    return _SourceStreams(streams, active)


@dataclass(frozen=True, slots=True)
class _ActiveExperiments:
    """The most recently active experiments of a source, whether it has more, and the report of their list."""

    refs: Sequence[str]
    more: bool
    report: SourceReport


async def _most_recently_active(adapter: Adapter, budget: ScanBudget) -> _ActiveExperiments:
    order = ExperimentOrder(ExperimentOrderField.UPDATED_AT, OrderDirection.DESC)
    streams = _experiment_streams(adapter, ExperimentQuery(order=order, fields=frozenset()), budget, Positions())
    merged = await merge(streams, budget.active_experiments)
    return _ActiveExperiments(
        [row.node.ref for row in merged.rows], merged.has_next, report(adapter.name, streams)
    )


def _session_report(name: str, source: _SourceStreams | None) -> SourceReport:
    if source is None:
        return not_queried(name)
    streams, picked = source.streams, source.active
    if streams is None:
        return not_queried(name) if picked is None else picked.report
    if picked is None:
        return report(name, streams)
    sessions_report = report(name, streams, truncated=picked.more)
    return msgspec.structs.replace(
        sessions_report,
        upstream_requests=sessions_report.upstream_requests + picked.report.upstream_requests,
        duration_ms=sessions_report.duration_ms + picked.report.duration_ms,
    )


def _session_specs(
    adapter: Adapter,
    refs: Sequence[str],
    request: SessionPageRequest,
    merge_request: MergeRequest,
    fetch: FetchSessions,
) -> list[StreamSpec[Session]]:
    """Return one stream for experiments that the vendor lists together, else one stream per experiment."""
    pools: dict[str, list[str]] = {}
    for ref in refs:
        kind = adapter.experiment_kind(ref)
        pooled = adapter.capabilities.session_list(kind).pooled
        key = _pool_key(adapter.name, kind) if pooled else stream_key(adapter.name, ref)
        pools.setdefault(key, []).append(ref)
    budget, backwards = merge_request.budget, merge_request.positions.backwards
    each = replace(budget, pages=max(1, budget.pages // max(1, len(pools))))
    return [
        session_spec(adapter, replace(request, experiment_refs=tuple(pool)), key, each, fetch, backwards=backwards)
        for key, pool in pools.items()
    ]


def _pool_key(source: str, kind: ExperimentKind | None) -> str:
    return source if kind is None else f"{source}/{kind.value}"


def stream_key(source: str, ref: str) -> str:
    """Return a short name for the stream of one experiment: the source and a digest of the ref."""
    return f"{source}/{blake2s(ref.encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"


def _vendor_direction(direction: Direction, reading: Reading) -> OrderDirection:
    values = value_direction(direction)
    return values.opposite if reading.is_reversed else values


_VENDOR_ID: Callable[[Any], str] = attrgetter("vendor_id")


def _session_id(session: Session) -> str:
    """Return an id that is unique in the source: one vendor id may occur in two experiments."""
    return f"{session.vendor_id}\0{session.experiment_ref}"


def _vendor_order(
    order: SessionOrder, reading: Reading, direction: Direction, capabilities: ListCapabilities, *, backwards: bool
) -> SessionOrder:
    """Return the order in which the vendor is asked to list."""
    if reading is Reading.FULL_SCAN and (backwards or order.field is not SessionOrderField.STARTED_AT):
        return offered_order(capabilities)
    return replace(order, direction=_vendor_direction(direction, reading))


def _session_list(
    adapter: Adapter, request: SessionPageRequest, named: Sequence[SessionRef] | None
) -> ListCapabilities:
    """Return the capabilities of the list: the vendor's, or those of look-ups of the named sessions."""
    if named is not None:
        return ListCapabilities(Paging.WHOLE, max(1, len(named)))
    return adapter.capabilities.session_list(adapter.experiment_kind(request.experiment_refs[0]))


def _listed_sessions(
    adapter: Adapter,
    reading: Reading,
    capabilities: ListCapabilities,
    fetch: FetchSessions,
    request: SessionPageRequest,
    *,
    vendor_order: SessionOrder,
    single: bool,
    total_hint: int | None,
) -> Fetch[Session]:
    """Return the fetch of a vendor's list, with rows that have all fields of the filter and the order.

    Args:
        adapter: The source.
        reading: How the list is read.
        capabilities: The capabilities of the list.
        fetch: Fetches a page of sessions.
        request: The experiments, the filter, the order and the selected fields.
        vendor_order: The order in which the vendor lists.
        single: Whether the list is one experiment's own.
        total_hint: See `session_spec`.
    """
    to_complete = session_fields_to_complete(request.filter, request.order)
    fields = None if request.fields is None else request.fields | (COSTLY_SESSION_FIELDS & to_complete)

    async def fetch_page(page: PageRequest) -> Page[Session]:
        try:
            page_request = SessionPageRequest(request.experiment_refs, page, request.filter, vendor_order, fields)
            return await fetch(adapter.name, page_request)
        except SourceObjectNotFound as error:
            if single:
                raise
            # In a list of many experiments, a missing experiment has no sessions.
            return Page((), 0, None, 0, FetchInfo(error.upstream_requests))

    rows: Fetch[Session] = fetch_page
    if reading is Reading.FROM_THE_END:
        hint = None if active_conditions(request.filter) & capabilities.filters else total_hint
        rows = ReversedList(adapter.name, fetch_page, capabilities.page_max, hint).fetch
    if not to_complete:
        return rows
    look_up = session_look_up(adapter, to_complete)
    return CompletedList(adapter.name, rows, look_up, capabilities, lacks_any(to_complete)).fetch


def session_spec(
    adapter: Adapter,
    request: SessionPageRequest,
    key: str,
    budget: ScanBudget,
    fetch: FetchSessions,
    *,
    backwards: bool = False,
    single_experiment: bool = False,
    total_hint: int | None = None,
) -> StreamSpec[Session]:
    """Return the stream of the experiments of a request.

    Args:
        adapter: The source.
        request: The experiments, the filter, the order and the fields.
        key: The name of the stream.
        budget: The limits of the scan.
        fetch: Fetches a page of sessions.
        backwards: Whether the list is read from its end.
        single_experiment: Whether the list is one experiment's own: an unknown experiment is then an error.
        total_hint: How many sessions the experiment is said to have, to find the end of its list.
    """
    named, order = named_sessions(adapter, request), request.order
    capabilities = _session_list(adapter, request, named)
    reading = Reading.backwards(capabilities, order) if backwards else Reading.of(capabilities, order)
    direction = reading_direction(order.direction, backwards=backwards)
    id_of = _VENDOR_ID if single_experiment else _session_id
    reads_by_range = backwards and reading is Reading.FORWARD and capabilities.takes_ranges
    if named is not None:
        rows = fetch_by_id(adapter, named, session_fields_to_complete(request.filter, order))
    else:
        vendor_order = _vendor_order(order, reading, direction, capabilities, backwards=backwards)
        rows = _listed_sessions(
            adapter,
            reading,
            capabilities,
            fetch,
            request,
            vendor_order=vendor_order,
            single=single_experiment,
            total_hint=total_hint,
        )
    bounds = UNBOUNDED if reading is Reading.FULL_SCAN else session_bounds(request, capabilities, direction)
    return StreamSpec(
        name=adapter.name,
        key=key,
        fetch=rows,
        ordering=Ordering(adapter.name, direction, session_order_value(order), id_of),
        matches=request.filter.matches if active_conditions(request.filter) else None,
        vendor_orders=reading is not Reading.FULL_SCAN,
        page_max=capabilities.page_max,
        page_budget=budget.pages,
        align_to_cache_pages=budget.align_to_cache_pages,
        bounds=bounds,
        paging=Paging.RANGE if reads_by_range else capabilities.paging,
        ranges=capabilities.ranges,
        backwards=reading is Reading.BY_WINDOWS,
        least_rows=_least_sessions(adapter, request, capabilities, reading, bounds, is_single=single_experiment),
    )


def _least_sessions(
    adapter: Adapter,
    request: SessionPageRequest,
    listed: ListCapabilities,
    reading: Reading,
    bounds: Bounds,
    *,
    is_single: bool,
) -> int:
    """Return the fewest rows of a request for a list of sessions."""
    dropping = gateway_conditions(request.filter, listed, adapter.capabilities)
    if dropping <= _bounded(bounds, request.order):
        return 0
    details = frozenset[str]().union(*adapter.capabilities.session_details)
    looks_up = not details.isdisjoint(session_fields_to_complete(request.filter, request.order))
    return least_rows(listed, reading, looks_up=looks_up, is_pooled=is_single and listed.pooled)
