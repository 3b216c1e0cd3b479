"""Resolvers of the lists: experiments of all sources or one source, sessions of many experiments or one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import strawberry
from msgspec.structs import replace as with_fields

from tracegraph.adapter.paging import OffsetRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import ExperimentOrder, SessionOrder, sort_value_type
from tracegraph.domain.models import Experiment, Session
from tracegraph.errors import BadUserInput
from tracegraph.federation import lists
from tracegraph.graphql.compiler.resolver_info import nested_time_share, rounds_below_field
from tracegraph.graphql.errors import all_failed
from tracegraph.graphql.lookahead import experiment_fields, session_fields
from tracegraph.graphql.relay.connections import ConnectionArguments, MergedConnection
from tracegraph.graphql.relay.page_arguments import PageArguments
from tracegraph.graphql.resolvers.sources import TracegraphInfo, adapter_of
from tracegraph.graphql.types import filter_inputs, inputs
from tracegraph.upstream.request_scope import time_share

T = TypeVar("T")


_NEWEST_EXPERIMENTS, _NEWEST_SESSIONS = ExperimentOrder(), SessionOrder()


_NO_PAGE = OffsetRequest(0)
"""Replaced for each stream."""


_MAX_ACTIVE_EXPERIMENTS = 100
"""As in the configuration: every experiment may take a call of its own."""


async def query_experiments(  # noqa: PLR0917 - the schema's arguments
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: filter_inputs.ExperimentFilter | None = None,  # noqa: A002 - the schema's name
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
    filter: filter_inputs.ExperimentFilter | None = None,  # noqa: A002 - the schema's name
    order_by: inputs.ExperimentOrder | None = None,
) -> Any:
    """Return experiments of one source. When the source fails after some rows, return these rows.

    Args:
        root: The source.
        info: The info of the field.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.
        filter: The conditions.
        order_by: The order.

    Raises:
        SourceError: When the source failed before any row.
    """
    field = f"Source.experiments:{root.name}"
    with nested_time_share(info):
        page = PageArguments(first, after, last, before)
        connection = await _experiments(info, [root], page, field=field, filter=filter, order_by=order_by)
    return _require_rows(connection)


async def _experiments(
    info: TracegraphInfo,
    adapters: Sequence[Adapter],
    page: PageArguments,
    *,
    field: str,
    filter: filter_inputs.ExperimentFilter | None,  # noqa: A002 - the schema's name
    order_by: inputs.ExperimentOrder | None,
) -> MergedConnection[Experiment]:
    context = info.context
    experiment_filter = filter or filter_inputs.ANY_EXPERIMENT
    order = _NEWEST_EXPERIMENTS if order_by is None else order_by.parsed
    max_ids = context.page_limits.max_first
    selected = filter_inputs.select_sources(experiment_filter, adapters, max_ids, context.adapters)
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
    filter: filter_inputs.SessionFilter | None = None,  # noqa: A002 - the schema's name
    order_by: inputs.SessionOrder | None = None,
    active_experiments: int | None = None,
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
        active_experiments: The number of experiments of each source where the filter names none.

    Raises:
        AllSourcesFailed: When every source failed.
    """
    connection = await _sessions(
        info,
        info.context.adapters,
        PageArguments(first, after, last, before),
        active_experiments,
        field="Query.sessions",
        filter=filter,
        order_by=order_by,
    )
    if connection.all_failed:
        raise all_failed(connection.sources)
    return connection


async def source_sessions(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Adapter],
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: filter_inputs.SessionFilter | None = None,  # noqa: A002 - the schema's name
    order_by: inputs.SessionOrder | None = None,
    active_experiments: int | None = None,
) -> Any:
    """Return sessions of many experiments of one source. When the source fails after some rows, return these rows.

    Args:
        root: The source.
        info: The info of the field.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.
        filter: The conditions.
        order_by: The order.
        active_experiments: The number of experiments of the source where the filter names none.

    Raises:
        SourceError: When the source failed before any row.
    """
    connection = await _sessions(
        info,
        [root],
        PageArguments(first, after, last, before),
        active_experiments,
        field=f"Source.sessions:{root.name}",
        filter=filter,
        order_by=order_by,
    )
    return _require_rows(connection)


async def _sessions(
    info: TracegraphInfo,
    adapters: Sequence[Adapter],
    page: PageArguments,
    active_experiments: int | None,
    *,
    field: str,
    filter: filter_inputs.SessionFilter | None,  # noqa: A002 - the schema's name
    order_by: inputs.SessionOrder | None,
) -> MergedConnection[Session]:
    context = info.context
    session_filter, order = filter or filter_inputs.ANY_SESSION, _session_order(order_by)
    max_ids = context.page_limits.max_first
    selected = filter_inputs.select_sources(session_filter, adapters, max_ids, context.adapters)
    request = SessionPageRequest((), _NO_PAGE, session_filter.parsed, order, fields=session_fields(info))
    arguments = ConnectionArguments(
        page, field, session_filter.cursor_binding, order, values=sort_value_type(order)
    )
    rounds_below = rounds_below_field(info)
    merge_request = _with_active_experiments(arguments.merge_request(context), active_experiments)
    fetch = context.loaders.session_pages_at(rounds_below)
    with time_share(rounds_below):
        listing = await lists.list_sessions(selected, session_filter.refs, request, merge_request, fetch)
    context.reports.extend(listing.reports)
    return MergedConnection(listing, arguments)


def _with_active_experiments(request: lists.MergeRequest, count: int | None) -> lists.MergeRequest:
    """Return the request with another number of experiments of each source. Raise BadUserInput for a wrong one."""
    if count is None:
        return request
    if not 1 <= count <= _MAX_ACTIVE_EXPERIMENTS:
        raise BadUserInput(f"activeExperiments is {count}, and must be 1 to {_MAX_ACTIVE_EXPERIMENTS}.")
    return with_fields(request, budget=replace(request.budget, active_experiments=count))


async def experiment_sessions(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: filter_inputs.ExperimentSessionFilter | None = None,  # noqa: A002 - the schema's name
    order_by: inputs.SessionOrder | None = None,
) -> Any:
    """Return sessions of one experiment. When its source fails after some rows, return these rows.

    Args:
        root: The experiment.
        info: The info of the field.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.
        filter: The conditions.
        order_by: The order.

    Raises:
        SourceError: When the source failed before any row.
    """
    context = info.context
    adapter = adapter_of(context, root.source)
    session_filter, order = filter or filter_inputs.ANY_SESSION_OF_ONE, _session_order(order_by)
    filter_inputs.check_number_of_ids("ids", session_filter.ids, context.page_limits.max_first)
    field = f"Experiment.sessions:{root.source}:{root.ref}"
    page = PageArguments(first, after, last, before)
    arguments = ConnectionArguments(
        page, field, session_filter.cursor_binding, order, values=sort_value_type(order)
    )
    merge_request = arguments.merge_request(context)
    request = SessionPageRequest((root.ref,), _NO_PAGE, session_filter.parsed, order, fields=session_fields(info))
    rounds_below = rounds_below_field(info)
    fetch = context.loaders.session_pages_at(rounds_below)
    with time_share(rounds_below):
        listing = await lists.list_sessions_of(adapter, root, request, merge_request, fetch)
    context.reports.extend(listing.reports)
    return _require_rows(MergedConnection(listing, arguments))


def _session_order(order: inputs.SessionOrder | None) -> SessionOrder:
    return _NEWEST_SESSIONS if order is None else order.parsed


def _require_rows(connection: MergedConnection[T]) -> MergedConnection[T]:
    """Return a page of one source. Raise the error of the source when it failed before any row."""
    if connection.all_failed:
        for report in connection.sources:
            if report.error is not None:
                raise report.error
    return connection
