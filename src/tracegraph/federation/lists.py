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
from tracegraph.federation.report import SourceReport, SourceReportStatus, not_asked, report, total_count
from tracegraph.federation.sort_key import Ordering
from tracegraph.federation.stream import Stream, StreamSpec
from tracegraph.upstream.request_scope import bypass_cache

T = TypeVar("T")


FetchSessions = Callable[[str, SessionPageRequest], Awaitable[Page[Session]]]
"""How a page of sessions is got from a source by name: through whatever batches asks of one moment."""


@dataclass(frozen=True, slots=True)
class ScanBudget:
    """What one list may take: vendor pages per source, and experiments per source when none are named.

    `computed_pages`: vendor pages per experiment whose figures are computed.
    `on_grid`: ask for pages that other requests ask for, too, because a cache will hold them.
    """

    pages: int = 20
    active_experiments: int = 10
    computed_pages: int = 100
    on_grid: bool = False


@value_object(frozen=True, slots=True)
class Listing(Generic[T]):
    """A page of a merged list and how its sources fared."""

    merged: Merged[T]
    reports: Sequence[SourceReport]

    @property
    def total_count(self) -> int | None:
        """The exact number of rows in the whole list, or None."""
        return total_count(self.reports)

    @property
    def all_failed(self) -> bool:
        """Whether sources were asked and none of them answered, not even in part."""
        return (
            bool(self.reports)
            and not self.merged.rows
            and all(one.status is SourceReportStatus.FAILED for one in self.reports)
        )


@value_object(frozen=True, slots=True)
class MergeRequest:
    """Which stretch of a merged list: `first` rows from the positions on, within the budgets."""

    first: int
    positions: Positions = Positions()
    budgets: ScanBudget = ScanBudget()


async def list_experiments(
    adapters: Sequence[Adapter],
    filters: Mapping[str, ExperimentFilter],
    order: ExperimentOrder,
    wanted: MergeRequest,
) -> Listing[Experiment]:
    """Experiments of all the adapters in one order; `filters` is by source name."""
    streams: dict[str, Stream[Experiment]] = {}
    for adapter in adapters:
        given = filters[adapter.name]
        if adapter.capabilities.may_match_experiments(given):
            spec = _experiment_spec(adapter, ExperimentQuery(given, order), wanted.budgets)
            streams[adapter.name] = Stream(spec, wanted.positions.of(spec.key))
    merged = await merge(list(streams.values()), wanted.first, wanted.positions)
    reports = [
        report(adapter.name, [streams[adapter.name]]) if adapter.name in streams else not_asked(adapter.name)
        for adapter in adapters
    ]
    return Listing(merged, reports)


def _experiment_spec(adapter: Adapter, query: ExperimentQuery, budgets: ScanBudget) -> StreamSpec[Experiment]:
    capabilities, order = adapter.capabilities, query.order

    async def fetch(page: PageRequest) -> Page[Experiment]:
        with bypass_cache(page.bypass_cache):
            return await adapter.list_experiments(query, page)

    orders = order.field in capabilities.experiment_orders
    return StreamSpec(
        name=adapter.name,
        key=adapter.name,
        fetch=fetch,
        ordering=Ordering(adapter.name, order.direction, experiment_order_value(order.field), _VENDOR_ID),
        admits=query.filter.matches if active_conditions(query.filter) else None,
        orders=orders,
        page_max=capabilities.experiment_page_max,
        page_budget=budgets.pages,
        on_grid=budgets.on_grid,
        bounds=experiment_bounds(query, capabilities) if orders else UNBOUNDED,
    )


async def list_sessions_of(
    adapter: Adapter,
    experiment: Experiment,
    ask: SessionPageRequest,
    wanted: MergeRequest,
    fetch: FetchSessions,
) -> Listing[Session]:
    """The sessions of one experiment; `ask` holds filter and order, its page is not looked at."""
    if not adapter.capabilities.may_match_sessions(ask.filter):
        return await no_sessions(adapter)
    ask = SessionPageRequest(
        (experiment.ref,), ask.page, ask.filter, ask.order, experiment.session_count, ask.fields
    )
    spec = session_spec(adapter, ask, adapter.name, wanted.budgets, fetch, of_one=True)
    stream = Stream(spec, wanted.positions.of(spec.key))
    merged = await merge([stream], wanted.first, wanted.positions)
    return Listing(merged, [report(adapter.name, [stream])])


async def no_sessions(adapter: Adapter) -> Listing[Session]:
    """The list of a source of which no session can match."""
    return Listing(await merge(list[Stream[Session]](), 0), [not_asked(adapter.name)])


async def list_sessions(
    adapters: Sequence[Adapter],
    experiment_refs: Mapping[str, Sequence[str]] | None,
    ask: SessionPageRequest,
    wanted: MergeRequest,
    fetch: FetchSessions,
) -> Listing[Session]:
    """Sessions of many experiments and sources by start time.

    `experiment_refs` is by source name; without it, the most recently active experiments of each source; a source
    that fails to tell these has failed as a whole. `ask` holds filter and order.
    """
    asked = [adapter for adapter in adapters if adapter.capabilities.may_match_sessions(ask.filter)]
    refs = experiment_refs or {}
    opened = await asyncio.gather(
        *(
            _opened(adapter, None if experiment_refs is None else refs.get(adapter.name, ()), ask, wanted, fetch)
            for adapter in asked
        )
    )
    sources = {adapter.name: source for adapter, source in zip(asked, opened, strict=True)}
    flat = [stream for source in opened for stream in source.streams or ()]
    unknown = [name for name, source in sources.items() if source.streams is None]
    merged = await merge(flat, wanted.first, wanted.positions, unknown)
    reports = [_session_report(adapter.name, sources.get(adapter.name)) for adapter in adapters]
    return Listing(merged, reports)


@dataclass(frozen=True, slots=True)
class _OpenedSource:
    """A source's streams, None when its active experiments could not be read; and these, where none were named."""

    streams: Sequence[Stream[Session]] | None
    active: _Active | None = None


async def _opened(
    adapter: Adapter,
    refs: Sequence[str] | None,
    ask: SessionPageRequest,
    wanted: MergeRequest,
    fetch: FetchSessions,
) -> _OpenedSource:
    """The rounds of calls of one source up to the first page of each stream: no source waits for another's."""
    active = None
    if refs is None:
        active = await _most_recently_active(adapter, wanted.budgets)
        if active.report.status is SourceReportStatus.FAILED:
            return _OpenedSource(None, active)
        refs = active.refs
    specs = _session_specs(adapter, refs, ask, wanted.budgets, fetch)
    streams = [Stream(spec, wanted.positions.of(spec.key)) for spec in specs]
    if wanted.first:
        await fill(streams, wanted.first)
    return _OpenedSource(streams, active)


@dataclass(frozen=True, slots=True)
class _Active:
    """The experiments that were picked for a source, whether it has more, and how asking for them went."""

    refs: Sequence[str]
    more: bool
    report: SourceReport


async def _most_recently_active(adapter: Adapter, budgets: ScanBudget) -> _Active:
    order = ExperimentOrder(ExperimentOrderField.UPDATED_AT, OrderDirection.DESC)
    spec = _experiment_spec(adapter, ExperimentQuery(order=order), budgets)
    stream = Stream(spec, Positions().of(spec.key))
    merged = await merge([stream], budgets.active_experiments)
    return _Active([row.node.ref for row in merged.rows], merged.has_next, report(adapter.name, [stream]))


def _session_report(name: str, source: _OpenedSource | None) -> SourceReport:
    if source is None:
        return not_asked(name)
    streams, picked = source.streams, source.active
    if streams is None:
        return not_asked(name) if picked is None else picked.report
    if picked is None:
        return report(name, streams)
    own = report(name, streams, truncated=picked.more)
    return replace(
        own,
        upstream_requests=own.upstream_requests + picked.report.upstream_requests,
        duration_ms=own.duration_ms + picked.report.duration_ms,
    )


def _session_specs(
    adapter: Adapter, refs: Sequence[str], ask: SessionPageRequest, budgets: ScanBudget, fetch: FetchSessions
) -> list[StreamSpec[Session]]:
    """One stream where the vendor lists many experiments at once, else one for each."""
    if not refs:
        return []
    if adapter.capabilities.lists_many_experiments:
        return [session_spec(adapter, replace(ask, experiment_refs=tuple(refs)), adapter.name, budgets, fetch)]
    each = replace(budgets, pages=max(1, budgets.pages // len(refs)))
    return [
        session_spec(adapter, replace(ask, experiment_refs=(ref,)), stream_key(adapter.name, ref), each, fetch)
        for ref in refs
    ]


def stream_key(source: str, ref: str) -> str:
    """A short name for the stream of one experiment: the source and a digest of the ref."""
    return f"{source}/{blake2s(ref.encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"


_VENDOR_ID: Callable[[Any], str] = attrgetter("vendor_id")


def _session_id(session: Session) -> str:
    """One id may occur in two experiments of a source."""
    return f"{session.vendor_id}\0{session.experiment_ref}"


def session_spec(
    adapter: Adapter,
    ask: SessionPageRequest,
    key: str,
    budgets: ScanBudget,
    fetch: FetchSessions,
    *,
    of_one: bool = False,
) -> StreamSpec[Session]:
    """The stream of some experiments; `of_one` is for the list that is one experiment's own."""
    capabilities = adapter.capabilities

    async def fetch_page(page: PageRequest) -> Page[Session]:
        try:
            one = SessionPageRequest(ask.experiment_refs, page, ask.filter, ask.order, ask.total_hint, ask.fields)
            return await fetch(adapter.name, one)
        except SourceObjectNotFound as error:
            if of_one:
                raise
            # An experiment that is not there has no sessions in a list of many.
            return Page((), 0, None, 0, FetchInfo(error.upstream_requests))

    return StreamSpec(
        name=adapter.name,
        key=key,
        fetch=fetch_page,
        ordering=Ordering(
            adapter.name, ask.order.direction, session_order_value, _VENDOR_ID if of_one else _session_id
        ),
        admits=ask.filter.matches if active_conditions(ask.filter) else None,
        orders=ask.order.field in capabilities.session_orders,
        page_max=capabilities.session_page_max,
        page_budget=budgets.pages,
        on_grid=budgets.on_grid,
        bounds=session_bounds(ask, capabilities),
    )
