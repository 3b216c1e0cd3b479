"""What the fields with work behind them do: pages of lists, objects by ID, fields that need a further call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from tracegraph.adapter.paging import PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import ExperimentOrder, ExperimentOrderField, SessionOrder
from tracegraph.domain.models import Experiment
from tracegraph.federation import lists as listing
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql.compiler.resolver_calls import level_of, level_time
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.errors import all_failed
from tracegraph.graphql.lookahead import session_fields
from tracegraph.graphql.relay.connections import Connection, ConnectionArguments
from tracegraph.graphql.resolvers.deferred import (
    add_field_error,
)
from tracegraph.graphql.resolvers.sources import (
    TracegraphInfo,
    adapter_of,
)
from tracegraph.graphql.types import inputs
from tracegraph.upstream.request_scope import time_share

_NEWEST_EXPERIMENTS, _NEWEST_SESSIONS = ExperimentOrder(), SessionOrder()


_NO_PAGE = PageRequest(0)


# -- lists ---------------------------------------------------------------------------------------------


async def query_experiments(
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    filter: inputs.ExperimentFilter | None = None,  # noqa: A002 - the schema's word
    order_by: inputs.ExperimentOrder | None = None,
) -> Any:
    """Experiments of all sources as one list. Raises AllSourcesFailed when none of them answered."""
    with level_time(info):
        page = await _experiments(
            info.context, info.context.adapters, "Query.experiments", (first, after), (filter, order_by)
        )
    if page.all_failed:
        raise all_failed(page.sources)
    return page


async def source_experiments(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Adapter],
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    filter: inputs.ExperimentFilter | None = None,  # noqa: A002 - the schema's word
    order_by: inputs.ExperimentOrder | None = None,
) -> Any:
    """Experiments of one source; when it fails, an empty page and an error at this path."""
    field = f"Source.experiments:{root.name}"
    with level_time(info):
        page = await _experiments(info.context, [root], field, (first, after), (filter, order_by))
    _add_failures(info, page.sources)
    return page


async def _experiments(
    context: RequestContext,
    adapters: Sequence[Adapter],
    field: str,
    page: tuple[int | None, str | None],
    filter_and_order: tuple[inputs.ExperimentFilter | None, inputs.ExperimentOrder | None],
) -> Connection[Experiment]:
    given = filter_and_order[0] or inputs.ANY_EXPERIMENT
    order = _NEWEST_EXPERIMENTS if filter_and_order[1] is None else filter_and_order[1].parsed
    chosen = inputs.select_sources(given, adapters, context.page_limits.max_first, context.adapters)
    filters = {adapter.name: given.of_source(adapter.name) for adapter in chosen}
    by_text = order.field is ExperimentOrderField.NAME
    arguments = ConnectionArguments(*page, field, given.bound_to, order, by_text=by_text)
    found = await listing.list_experiments(chosen, filters, order, arguments.wanted(context))
    context.reports.extend(found.reports)
    return Connection(found, arguments)


async def query_sessions(
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    filter: inputs.SessionFilter | None = None,  # noqa: A002 - the schema's word
    order_by: inputs.SessionOrder | None = None,
) -> Any:
    """Sessions of many experiments as one list. Raises AllSourcesFailed when no source answered."""
    context = info.context
    given, order = filter or inputs.ANY_SESSION, _session_order(order_by)
    chosen = inputs.select_sources(given, context.adapters, context.page_limits.max_first)
    ask = SessionPageRequest((), _NO_PAGE, given.parsed, order, fields=session_fields(info))
    arguments = ConnectionArguments(first, after, "Query.sessions", given.bound_to, order)
    level = level_of(info)
    wanted, fetch = arguments.wanted(context), context.loaders.session_pages_at(level)
    with time_share(level):
        found = await listing.list_sessions(chosen, given.refs, ask, wanted, fetch)
    context.reports.extend(found.reports)
    if found.all_failed:
        raise all_failed(found.reports)
    return Connection(found, arguments)


async def experiment_sessions(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    filter: inputs.SessionFilter | None = None,  # noqa: A002 - the schema's word
    order_by: inputs.SessionOrder | None = None,
) -> Any:
    """Sessions of one experiment; when its source fails, an empty page and an error at this path."""
    context = info.context
    adapter = adapter_of(context, root.source)
    given, order = filter or inputs.ANY_SESSION, _session_order(order_by)
    chosen = inputs.select_sources(given, [adapter], context.page_limits.max_first, context.adapters)
    field = f"Experiment.sessions:{root.source}:{root.ref}"
    arguments = ConnectionArguments(first, after, field, given.bound_to, order)
    wanted = arguments.wanted(context)
    if not chosen or not given.admits_sessions_of(root):
        return Connection(await listing.no_sessions(adapter), arguments)
    ask = SessionPageRequest((root.ref,), _NO_PAGE, given.parsed, order, fields=session_fields(info))
    level = level_of(info)
    fetch = context.loaders.session_pages_at(level)
    with time_share(level):
        found = await listing.list_sessions_of(adapter, root, ask, wanted, fetch)
    context.reports.extend(found.reports)
    _add_failures(info, found.reports)
    return Connection(found, arguments)


def _session_order(given: inputs.SessionOrder | None) -> SessionOrder:
    return _NEWEST_SESSIONS if given is None else given.parsed


def _add_failures(info: TracegraphInfo, reports: Sequence[SourceReport]) -> None:
    """An error beside a value that the schema does not let be null."""
    for report in reports:
        if report.status is SourceReportStatus.FAILED and report.error is not None:
            add_field_error(info, report.error)
