"""The lists of the schema: experiments of many sources, sessions of one experiment, sessions of many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2s
from operator import attrgetter
from typing import Any, Generic, TypeVar

from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    active_conditions,
    experiment_order_value,
    session_order_value,
)
from tracegraph.domain.models import Experiment, Session
from tracegraph.domain.value_objects import value_object
from tracegraph.errors import SourceObjectNotFound
from tracegraph.federation.merge import Merged, Positions, fill, merge
from tracegraph.federation.range_bounds import UNBOUNDED, experiment_bounds, session_bounds
from tracegraph.federation.report import SourceReport, SourceReportStatus, not_queried, report, total_count
from tracegraph.federation.sort_key import Ordering
from tracegraph.federation.stream import Stream, StreamSpec
from tracegraph.upstream.request_scope import bypass_cache

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
    computed_pages: int = 100
    align_to_cache_pages: bool = False


@value_object(frozen=True, slots=True)
class Listing(Generic[T]):
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


@value_object(frozen=True, slots=True)
class MergeRequest:
    """A page of a merged list: `first` rows from the positions on, within the budget."""

    first: int
    positions: Positions = Positions()
    budget: ScanBudget = ScanBudget()


async def list_experiments(
    adapters: Sequence[Adapter],
    filters: Mapping[str, ExperimentFilter],
    order: ExperimentOrder,
    request: MergeRequest,
) -> Listing[Experiment]:
    """List experiments of all adapters in one order.

    Args:
        adapters: The sources to list.
        filters: The filter of each source, by its name.
        order: The order of the merged list.
        request: The page of the merged list.
    """
    streams: dict[str, Stream[Experiment]] = {}
    for adapter in adapters:
        experiment_filter = filters[adapter.name]
        if adapter.capabilities.may_match_experiments(experiment_filter):
            spec = _experiment_spec(adapter, ExperimentQuery(experiment_filter, order), request.budget)
            streams[adapter.name] = Stream(spec, request.positions.for_stream(spec.key))
    merged = await merge(list(streams.values()), request.first, request.positions)
    reports = [
        report(adapter.name, [streams[adapter.name]]) if adapter.name in streams else not_queried(adapter.name)
        for adapter in adapters
    ]
    return Listing(merged, reports)


def _experiment_spec(adapter: Adapter, query: ExperimentQuery, budget: ScanBudget) -> StreamSpec[Experiment]:
    capabilities, order = adapter.capabilities, query.order

    async def fetch(page: PageRequest) -> Page[Experiment]:
        with bypass_cache(page.bypass_cache):
            return await adapter.list_experiments(query, page)

    vendor_orders = order.field in capabilities.experiment_orders
    return StreamSpec(
        name=adapter.name,
        key=adapter.name,
        fetch=fetch,
        ordering=Ordering(adapter.name, order.direction, experiment_order_value(order.field), _VENDOR_ID),
        matches=query.filter.matches if active_conditions(query.filter) else None,
        vendor_orders=vendor_orders,
        page_max=capabilities.experiment_page_max,
        page_budget=budget.pages,
        align_to_cache_pages=budget.align_to_cache_pages,
        bounds=experiment_bounds(query, capabilities) if vendor_orders else UNBOUNDED,
    )


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
    request = SessionPageRequest(
        (experiment.ref,), request.page, request.filter, request.order, experiment.session_count, request.fields
    )
    spec = session_spec(adapter, request, adapter.name, merge_request.budget, fetch, single_experiment=True)
    stream = Stream(spec, merge_request.positions.for_stream(spec.key))
    merged = await merge([stream], merge_request.first, merge_request.positions)
    return Listing(merged, [report(adapter.name, [stream])])


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
    specs = _session_specs(adapter, refs, request, merge_request.budget, fetch)
    streams = [Stream(spec, merge_request.positions.for_stream(spec.key)) for spec in specs]
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
    spec = _experiment_spec(adapter, ExperimentQuery(order=order), budget)
    stream = Stream(spec, Positions().for_stream(spec.key))
    merged = await merge([stream], budget.active_experiments)
    return _ActiveExperiments(
        [row.node.ref for row in merged.rows], merged.has_next, report(adapter.name, [stream])
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
    return replace(
        sessions_report,
        upstream_requests=sessions_report.upstream_requests + picked.report.upstream_requests,
        duration_ms=sessions_report.duration_ms + picked.report.duration_ms,
    )


def _session_specs(
    adapter: Adapter, refs: Sequence[str], request: SessionPageRequest, budget: ScanBudget, fetch: FetchSessions
) -> list[StreamSpec[Session]]:
    """Return one stream where the vendor lists many experiments at once, else one stream per experiment."""
    if not refs:
        return []
    if adapter.capabilities.lists_many_experiments:
        return [session_spec(adapter, replace(request, experiment_refs=tuple(refs)), adapter.name, budget, fetch)]
    budget_each = replace(budget, pages=max(1, budget.pages // len(refs)))
    return [
        session_spec(
            adapter, replace(request, experiment_refs=(ref,)), stream_key(adapter.name, ref), budget_each, fetch
        )
        for ref in refs
    ]


def stream_key(source: str, ref: str) -> str:
    """Return a short name for the stream of one experiment: the source and a digest of the ref."""
    return f"{source}/{blake2s(ref.encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"


_VENDOR_ID: Callable[[Any], str] = attrgetter("vendor_id")


def _session_id(session: Session) -> str:
    """Return an id that is unique in the source: one vendor id may occur in two experiments."""
    return f"{session.vendor_id}\0{session.experiment_ref}"


def session_spec(
    adapter: Adapter,
    request: SessionPageRequest,
    key: str,
    budget: ScanBudget,
    fetch: FetchSessions,
    *,
    single_experiment: bool = False,
) -> StreamSpec[Session]:
    """Return the stream of the experiments of a request.

    Args:
        adapter: The source.
        request: The experiments, the filter, the order and the fields.
        key: The name of the stream.
        budget: The limits of the scan.
        fetch: Fetches a page of sessions.
        single_experiment: Whether the list is one experiment's own: an unknown experiment is then an error.
    """
    capabilities = adapter.capabilities

    async def fetch_page(page: PageRequest) -> Page[Session]:
        try:
            page_request = SessionPageRequest(
                request.experiment_refs,
                page,
                request.filter,
                request.order,
                request.total_hint,
                request.fields,
            )
            return await fetch(adapter.name, page_request)
        except SourceObjectNotFound as error:
            if single_experiment:
                raise
            # In a list of many experiments, a missing experiment has no sessions.
            return Page((), 0, None, 0, FetchInfo(error.upstream_requests))

    return StreamSpec(
        name=adapter.name,
        key=key,
        fetch=fetch_page,
        ordering=Ordering(
            adapter.name,
            request.order.direction,
            session_order_value,
            _VENDOR_ID if single_experiment else _session_id,
        ),
        matches=request.filter.matches if active_conditions(request.filter) else None,
        vendor_orders=request.order.field in capabilities.session_orders,
        page_max=capabilities.session_page_max,
        page_budget=budget.pages,
        align_to_cache_pages=budget.align_to_cache_pages,
        bounds=session_bounds(request, capabilities),
    )
