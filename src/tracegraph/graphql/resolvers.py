"""What the fields with work behind them do: pages of lists, objects by ID, fields that need a further call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.types import Info

from tracegraph.adapter import Adapter, CircuitState, PageRequest, SessionAsk, SourceHealthStatus
from tracegraph.errors import SourceError, SourceObjectNotFound
from tracegraph.federation import listing
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql import inputs
from tracegraph.graphql.calls import level_of, level_time
from tracegraph.graphql.case_ids import CaseReference
from tracegraph.graphql.connections import ConnectionValue, PageArguments
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.direct import NeedsResolver, directly
from tracegraph.graphql.failures import all_failed, source_extensions
from tracegraph.graphql.ids import GlobalId, decode_id
from tracegraph.graphql.lookahead import session_fields
from tracegraph.graphql.paired_cases import find_case
from tracegraph.model import Experiment, RawObject, Session, SessionRef
from tracegraph.query import ExperimentOrder, ExperimentOrderField, SessionFilter, SessionOrder
from tracegraph.upstream.cache import past_cache
from tracegraph.upstream.deadline import time_share

TracegraphInfo = Info[RequestContext, None]

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
    _tell_failure(info, page.sources)
    return page


async def _experiments(
    context: RequestContext,
    adapters: Sequence[Adapter],
    field: str,
    page: tuple[int | None, str | None],
    filter_and_order: tuple[inputs.ExperimentFilter | None, inputs.ExperimentOrder | None],
) -> ConnectionValue[Experiment]:
    given = filter_and_order[0] or inputs.ANY_EXPERIMENT
    order = _NEWEST_EXPERIMENTS if filter_and_order[1] is None else filter_and_order[1].parsed
    chosen = inputs.chosen(given, adapters, context.page_limits.max_first, context.adapters)
    filters = {adapter.name: given.of_source(adapter.name) for adapter in chosen}
    by_text = order.field is ExperimentOrderField.NAME
    arguments = PageArguments(*page, field, given.bound_to, order, by_text=by_text)
    found = await listing.list_experiments(chosen, filters, order, arguments.wanted(context))
    context.reports.extend(found.reports)
    return ConnectionValue(found, arguments)


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
    chosen = inputs.chosen(given, context.adapters, context.page_limits.max_first)
    ask = SessionAsk((), _NO_PAGE, given.parsed, order, fields=session_fields(info))
    arguments = PageArguments(first, after, "Query.sessions", given.bound_to, order)
    level = level_of(info)
    wanted, fetch = arguments.wanted(context), context.loaders.session_pages_at(level)
    with time_share(level):
        found = await listing.list_sessions(chosen, given.refs, ask, wanted, fetch)
    context.reports.extend(found.reports)
    if found.all_failed:
        raise all_failed(found.reports)
    return ConnectionValue(found, arguments)


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
    adapter = _adapter_of(context, root.source)
    given, order = filter or inputs.ANY_SESSION, _session_order(order_by)
    chosen = inputs.chosen(given, [adapter], context.page_limits.max_first, context.adapters)
    field = f"Experiment.sessions:{root.source}:{root.ref}"
    arguments = PageArguments(first, after, field, given.bound_to, order)
    wanted = arguments.wanted(context)
    if not chosen or not given.admits_sessions_of(root):
        return ConnectionValue(await listing.no_sessions(adapter), arguments)
    ask = SessionAsk((root.ref,), _NO_PAGE, given.parsed, order, fields=session_fields(info))
    level = level_of(info)
    fetch = context.loaders.session_pages_at(level)
    with time_share(level):
        found = await listing.list_sessions_of(adapter, root, ask, wanted, fetch)
    context.reports.extend(found.reports)
    _tell_failure(info, found.reports)
    return ConnectionValue(found, arguments)


def _session_order(given: inputs.SessionOrder | None) -> SessionOrder:
    return _NEWEST_SESSIONS if given is None else given.parsed


def _tell_failure(info: TracegraphInfo, reports: Sequence[SourceReport]) -> None:
    """An error beside a value that the schema does not let be null."""
    for report in reports:
        if report.status is SourceReportStatus.FAILED and report.error is not None:
            tell(info, report.error)


def tell(info: TracegraphInfo, error: SourceError) -> None:
    """An error at this field's path, beside the value that it has all the same."""
    told = GraphQLError(
        error.message,
        nodes=info._raw_info.field_nodes,  # noqa: SLF001 - the library keeps locations there
        path=info.path.as_list(),
        extensions=source_extensions(error),
    )
    info.context.errors.append(told)


# -- objects by ID -------------------------------------------------------------------------------------


async def query_node(info: TracegraphInfo, id: strawberry.ID) -> Any:  # noqa: A002 - the schema's word
    """The object of that ID, None when there is none."""
    return await _node(info, decode_id(id))


def query_nodes(info: TracegraphInfo, ids: list[strawberry.ID]) -> Any:
    """The objects of those IDs in their order, None where there is none."""
    identities = [decode_id(text) for text in ids]
    return [_node(info, identity) for identity in identities]


async def query_experiment(info: TracegraphInfo, id: strawberry.ID) -> Any:  # noqa: A002
    """The experiment of that ID, None when there is none."""
    return await _node(info, decode_id(id, "Experiment"))


async def query_session(info: TracegraphInfo, id: strawberry.ID) -> Any:  # noqa: A002
    """The session of that ID, None when there is none."""
    return await _node(info, decode_id(id, "Session"))


async def _node(info: TracegraphInfo, identity: GlobalId) -> Any:
    with level_time(info):
        return await _object(info.context, identity)


async def _object(context: RequestContext, identity: GlobalId) -> Any:
    if identity.type_name == "CaseComparison":
        return await find_case(context, CaseReference.of(identity))
    loaders = context.loaders.of(identity.source)
    if loaders is None:
        return None
    if identity.type_name == "Source":
        return context.adapter(identity.source)
    if identity.type_name == "Experiment":
        return await loaders.experiments.load(identity.parts[1])
    return await loaders.sessions.load(SessionRef(identity.parts[1], identity.parts[2]))


async def session_experiment(root: strawberry.Parent[Session], info: TracegraphInfo) -> Any:
    """The experiment that a session belongs to."""
    with level_time(info):
        return await info.context.loaders[root.source].experiments.load(root.experiment_ref)


# -- sources -------------------------------------------------------------------------------------------


def query_sources(info: TracegraphInfo) -> Any:
    """Every configured source."""
    return info.context.adapters


@directly(lambda value, context: _adapter_of(context, value.source))
def source_of(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
    """The source that an experiment, a session or a report names."""
    return _adapter_of(info.context, root.source)


def _adapter_of(context: RequestContext, name: str) -> Adapter:
    adapter = context.adapter(name)
    if adapter is None:
        raise LookupError(f"there is no source {name!r}")
    return adapter


async def source_health(root: strawberry.Parent[Adapter], info: TracegraphInfo) -> Any:
    """Ask the source one cheap question. What is well but has calls that are not made is DEGRADED."""
    with past_cache(), level_time(info):
        health = await root.check()
    guards = info.context.guards.get(root.name)
    circuit = health.circuit if guards is None else guards.circuit
    is_whole = circuit is CircuitState.CLOSED or health.status is not SourceHealthStatus.UP
    return replace(health, circuit=circuit, status=health.status if is_whole else SourceHealthStatus.DEGRADED)


# -- fields that a vendor's list leaves out ------------------------------------------------------------


def completed(name: str, *, nullable: bool = True) -> Any:
    """A resolver for a field that is read from the object, or from its complete form when it was deferred.

    When that cannot be had, a field that may not be null keeps what the list said, with an error at its path:
    a null in its place would take the whole row with it, and other sources' rows too.
    """

    @directly(_unless_deferred(name))
    def resolve(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
        if name in root.deferred:
            return _complete(root, info, name) if nullable else _complete_or_known(root, info, name)
        return getattr(root, name)

    return resolve


def _unless_deferred(name: str) -> Callable[[Any, RequestContext], Any]:
    def read(value: Any, _: RequestContext) -> Any:
        if name in value.deferred:
            raise NeedsResolver
        return getattr(value, name)

    return read


def _unless_deferred_or_down(name: str) -> Callable[[Any, RequestContext], Any]:
    def read(value: Any, _: RequestContext) -> Any:
        if value.figures_error is not None or name in value.deferred:
            raise NeedsResolver
        return getattr(value, name)

    return read


async def _complete_or_known(root: Experiment | Session, info: TracegraphInfo, name: str) -> Any:
    try:
        return await _complete(root, info, name)
    except SourceError as error:
        tell(info, error)
        return getattr(root, name)


async def _complete(root: Experiment | Session, info: TracegraphInfo, name: str) -> Any:
    loaders = info.context.loaders[root.source]
    whole: Experiment | Session | None
    if isinstance(root, Experiment):
        whole = await loaders.experiments.load(root.ref)
    else:
        whole = await loaders.sessions.load(root.ref)
    return getattr(root if whole is None else whole, name)


@directly(_unless_deferred_or_down("session_count"))
def experiment_session_count(root: strawberry.Parent[Experiment], info: TracegraphInfo) -> Any:
    """How many sessions the vendor says it has; by asking for one where its list does not say.

    Raises SourceError when the vendor could not tell.
    """
    if root.figures_error is not None:
        raise noted(root.figures_error, info.context)
    if "session_count" in root.deferred:
        return _session_total(root, info.context)
    return root.session_count


async def _session_total(experiment: Experiment, context: RequestContext) -> int | None:
    ask = SessionAsk((experiment.ref,), PageRequest(1), SessionFilter(), fields=frozenset())
    try:
        return (await context.loaders.session_page(experiment.source, ask)).total
    except SourceObjectNotFound:
        return None


def told_by_figures(name: str) -> Any:
    """A resolver for a list that is empty, with an error at its path, when the vendor could not tell figures."""
    read = completed(name, nullable=False)

    @directly(_unless_deferred_or_down(name))
    def resolve(root: strawberry.Parent[Experiment], info: TracegraphInfo) -> Any:
        if root.figures_error is not None:
            tell(info, noted(root.figures_error, info.context))
        return read(root, info)

    return resolve


def noted(error: SourceError, context: RequestContext) -> SourceError:
    """The error of a source that failed for one field only, which `extensions.sources` is to say, too."""
    context.reports.append(SourceReport(error.source, SourceReportStatus.FAILED, error))
    return error


@directly(lambda value, _: _decoded(value.raw) if "raw" not in value.deferred else _must_be_loaded())
def vendor_fields(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
    """The vendor's object as it came; the complete one where the list has only a part of it."""
    return _complete_object(root, info) if "raw" in root.deferred else _decoded(root.raw)


async def _complete_object(root: Experiment | Session, info: TracegraphInfo) -> Any:
    return _decoded(await _complete(root, info, "raw"))


def _decoded(raw: RawObject | None) -> Any:
    return None if raw is None else raw.decode()


def _must_be_loaded() -> Any:
    raise NeedsResolver
