"""What the fields with work behind them do: pages of lists, objects by ID, fields that need a further call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry
from graphql import GraphQLError

from tracegraph.adapter.paging import PageRequest, SessionPageRequest
from tracegraph.domain.filters import SessionFilter
from tracegraph.domain.models import Experiment, RawObject, Session
from tracegraph.errors import SourceError, SourceObjectNotFound
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql.compiler.field_access import NeedsResolver, sync_accessor
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.errors import source_extensions
from tracegraph.graphql.resolvers.sources import (
    TracegraphInfo,
)


def add_field_error(info: TracegraphInfo, error: SourceError) -> None:
    """An error at this field's path, beside the value that it has all the same."""
    told = GraphQLError(
        error.message,
        nodes=info._raw_info.field_nodes,  # noqa: SLF001 - the library keeps locations there
        path=info.path.as_list(),
        extensions=source_extensions(error),
    )
    info.context.errors.append(told)


# -- fields that a vendor's list leaves out ------------------------------------------------------------


def deferred_field(name: str, *, nullable: bool = True) -> Any:
    """A resolver for a field that is read from the object, or from its complete form when it was deferred.

    When that cannot be had, a field that may not be null keeps what the list said, with an error at its path:
    a null in its place would take the whole row with it, and other sources' rows too.
    """

    @sync_accessor(_read_unless_deferred(name))
    def resolve(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
        if name in root.deferred:
            return _complete(root, info, name) if nullable else _complete_or_listed(root, info, name)
        return getattr(root, name)

    return resolve


def _read_unless_deferred(name: str) -> Callable[[Any, RequestContext], Any]:
    def read(value: Any, _: RequestContext) -> Any:
        if name in value.deferred:
            raise NeedsResolver
        return getattr(value, name)

    return read


def _read_unless_deferred_or_down(name: str) -> Callable[[Any, RequestContext], Any]:
    def read(value: Any, _: RequestContext) -> Any:
        if value.figures_error is not None or name in value.deferred:
            raise NeedsResolver
        return getattr(value, name)

    return read


async def _complete_or_listed(root: Experiment | Session, info: TracegraphInfo, name: str) -> Any:
    try:
        return await _complete(root, info, name)
    except SourceError as error:
        add_field_error(info, error)
        return getattr(root, name)


async def _complete(root: Experiment | Session, info: TracegraphInfo, name: str) -> Any:
    loaders = info.context.loaders[root.source]
    whole: Experiment | Session | None
    if isinstance(root, Experiment):
        whole = await loaders.experiments.load(root.ref)
    else:
        whole = await loaders.sessions.load(root.ref)
    return getattr(root if whole is None else whole, name)


@sync_accessor(_read_unless_deferred_or_down("session_count"))
def experiment_session_count(root: strawberry.Parent[Experiment], info: TracegraphInfo) -> Any:
    """How many sessions the vendor says it has; by asking for one where its list does not say.

    Raises SourceError when the vendor could not tell.
    """
    if root.figures_error is not None:
        raise report_source_error(root.figures_error, info.context)
    if "session_count" in root.deferred:
        return _session_total(root, info.context)
    return root.session_count


async def _session_total(experiment: Experiment, context: RequestContext) -> int | None:
    ask = SessionPageRequest((experiment.ref,), PageRequest(1), SessionFilter(), fields=frozenset())
    try:
        return (await context.loaders.session_page(experiment.source, ask)).total
    except SourceObjectNotFound:
        return None


def aggregate_backed_field(name: str) -> Any:
    """A resolver for a list that is empty, with an error at its path, when the vendor could not tell figures."""
    read = deferred_field(name, nullable=False)

    @sync_accessor(_read_unless_deferred_or_down(name))
    def resolve(root: strawberry.Parent[Experiment], info: TracegraphInfo) -> Any:
        if root.figures_error is not None:
            add_field_error(info, report_source_error(root.figures_error, info.context))
        return read(root, info)

    return resolve


def report_source_error(error: SourceError, context: RequestContext) -> SourceError:
    """The error of a source that failed for one field only, which `extensions.sources` is to say, too."""
    context.reports.append(SourceReport(error.source, SourceReportStatus.FAILED, error))
    return error


@sync_accessor(lambda value, _: _decoded(value.raw) if "raw" not in value.deferred else _require_loading())
def vendor_fields(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
    """The vendor's object as it came; the complete one where the list has only a part of it."""
    return _complete_object(root, info) if "raw" in root.deferred else _decoded(root.raw)


async def _complete_object(root: Experiment | Session, info: TracegraphInfo) -> Any:
    return _decoded(await _complete(root, info, "raw"))


def _decoded(raw: RawObject | None) -> Any:
    return None if raw is None else raw.decode()


def _require_loading() -> Any:
    raise NeedsResolver
