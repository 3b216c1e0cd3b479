"""Resolvers of the lists: experiments of all sources or one source, sessions of many experiments or one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from tracegraph.adapter.paging import OffsetRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import ExperimentOrder, SessionOrder, sort_value_type
from tracegraph.domain.models import Experiment
from tracegraph.federation import lists
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql.compiler.resolver_info import nested_time_share, rounds_below_field
from tracegraph.graphql.errors import all_failed
from tracegraph.graphql.lookahead import experiment_fields, session_fields
from tracegraph.graphql.relay.connections import ConnectionArguments, MergedConnection
from tracegraph.graphql.relay.page_arguments import PageArguments
from tracegraph.graphql.resolvers.deferred import add_field_error
from tracegraph.graphql.resolvers.sources import TracegraphInfo, adapter_of
from tracegraph.graphql.types import inputs
from tracegraph.upstream.request_scope import time_share

_NEWEST_EXPERIMENTS, _NEWEST_SESSIONS = ExperimentOrder(), SessionOrder()


_NO_PAGE = OffsetRequest(0)
"""Replaced for each stream."""


async def query_experiments(  # noqa: PLR0917 - the schema's arguments
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: inputs.ExperimentFilter | None = None,  # noqa: A002 - the schema's name
    order_by: inputs.ExperimentOrder | None = None,
) -> Any:
    """Return experiments of all sources as one list.

    Args:
        info: The info of the field.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.
        filter: The conditions.
        order_by: The order.

    Raises:
        AllSourcesFailed: When every source failed.
    """
    with nested_time_share(info):
        connection = await _experiments(
            info,
            info.context.adapters,
            PageArguments(first, after, last, before),
            field="Query.experiments",
            filter=filter,
            order_by=order_by,
        )
    if connection.all_failed:
        raise all_failed(connection.sources)
    return connection


async def source_experiments(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Adapter],
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: inputs.ExperimentFilter | None = None,  # noqa: A002 - the schema's name
    order_by: inputs.ExperimentOrder | None = None,
) -> Any:
    """Return experiments of one source. When the source fails, return an empty page with an error at this path.

    Args:
        root: The source.
        info: The info of the field.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.
        filter: The conditions.
        order_by: The order.
    """
    field = f"Source.experiments:{root.name}"
    with nested_time_share(info):
        page = PageArguments(first, after, last, before)
        connection = await _experiments(info, [root], page, field=field, filter=filter, order_by=order_by)
    _add_failures(info, connection.sources)
    return connection


async def _experiments(
    info: TracegraphInfo,
    adapters: Sequence[Adapter],
    page: PageArguments,
    *,
    field: str,
    filter: inputs.ExperimentFilter | None,  # noqa: A002 - the schema's name
    order_by: inputs.ExperimentOrder | None,
) -> MergedConnection[Experiment]:
    context = info.context
    experiment_filter = filter or inputs.ANY_EXPERIMENT
    order = _NEWEST_EXPERIMENTS if order_by is None else order_by.parsed
    max_ids = context.page_limits.max_first
    selected = inputs.select_sources(experiment_filter, adapters, max_ids, context.adapters)
    filters = {adapter.name: experiment_filter.for_source(adapter.name) for adapter in selected}
    arguments = ConnectionArguments(
        page, field, experiment_filter.cursor_binding, order, values=sort_value_type(order)
    )
    merge_request, fields = arguments.merge_request(context), experiment_fields(info)
    listing = await lists.list_experiments(selected, filters, order, merge_request, fields)
    context.reports.extend(listing.reports)
    return MergedConnection(listing, arguments)


async def query_sessions(  # noqa: PLR0917 - the schema's arguments
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: inputs.SessionFilter | None = None,  # noqa: A002 - the schema's name
    order_by: inputs.SessionOrder | None = None,
) -> Any:
    """Return sessions of many experiments as one list.

    Args:
        info: The info of the field.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.
        filter: The conditions.
        order_by: The order.

    Raises:
        AllSourcesFailed: When every source failed.
    """
    context = info.context
    session_filter, order = filter or inputs.ANY_SESSION, _session_order(order_by)
    selected = inputs.select_sources(session_filter, context.adapters, context.page_limits.max_first)
    request = SessionPageRequest((), _NO_PAGE, session_filter.parsed, order, fields=session_fields(info))
    page = PageArguments(first, after, last, before)
    arguments = ConnectionArguments(
        page, "Query.sessions", session_filter.cursor_binding, order, values=sort_value_type(order)
    )
    rounds_below = rounds_below_field(info)
    merge_request, fetch = arguments.merge_request(context), context.loaders.session_pages_at(rounds_below)
    with time_share(rounds_below):
        listing = await lists.list_sessions(selected, session_filter.refs, request, merge_request, fetch)
    context.reports.extend(listing.reports)
    if listing.all_failed:
        raise all_failed(listing.reports)
    return MergedConnection(listing, arguments)


async def experiment_sessions(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: inputs.SessionFilter | None = None,  # noqa: A002 - the schema's name
    order_by: inputs.SessionOrder | None = None,
) -> Any:
    """Return sessions of one experiment. When its source fails, return an empty page with an error at this path.

    Args:
        root: The experiment.
        info: The info of the field.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.
        filter: The conditions.
        order_by: The order.
    """
    context = info.context
    adapter = adapter_of(context, root.source)
    session_filter, order = filter or inputs.ANY_SESSION, _session_order(order_by)
    max_ids = context.page_limits.max_first
    selected = inputs.select_sources(session_filter, [adapter], max_ids, context.adapters)
    field = f"Experiment.sessions:{root.source}:{root.ref}"
    page = PageArguments(first, after, last, before)
    arguments = ConnectionArguments(
        page, field, session_filter.cursor_binding, order, values=sort_value_type(order)
    )
    merge_request = arguments.merge_request(context)
    if not selected or not session_filter.includes_sessions_of(root):
        return MergedConnection(await lists.no_sessions(adapter), arguments)
    request = SessionPageRequest((root.ref,), _NO_PAGE, session_filter.parsed, order, fields=session_fields(info))
    rounds_below = rounds_below_field(info)
    fetch = context.loaders.session_pages_at(rounds_below)
    with time_share(rounds_below):
        listing = await lists.list_sessions_of(adapter, root, request, merge_request, fetch)
    context.reports.extend(listing.reports)
    _add_failures(info, listing.reports)
    return MergedConnection(listing, arguments)


def _session_order(order: inputs.SessionOrder | None) -> SessionOrder:
    return _NEWEST_SESSIONS if order is None else order.parsed


def _add_failures(info: TracegraphInfo, reports: Sequence[SourceReport]) -> None:
    """Add the errors of failed sources beside a value that the schema does not allow to be null."""
    for report in reports:
        if report.status is SourceReportStatus.FAILED and report.error is not None:
            add_field_error(info, report.error)
