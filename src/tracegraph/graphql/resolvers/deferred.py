"""Resolvers of fields that a vendor's list omits and a further call reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import strawberry

from tracegraph.domain.models import Experiment, RawObject, Session
from tracegraph.errors import SourceError, SourceObjectNotFound
from tracegraph.federation.lists import session_total
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql.compiler.field_access import NeedsResolver, sync_accessor
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.lookahead import selects_score_texts
from tracegraph.graphql.resolvers.sources import (
    TracegraphInfo,
)

# -- fields that a vendor's list leaves out ------------------------------------------------------------


def deferred_field(name: str) -> Any:
    """Return a resolver of a field that is read from the object, or from its complete form when deferred.

    When the complete form cannot be read, the resolver raises SourceError: the field is null.
    """

    @sync_accessor(_read_unless_deferred(name))
    def resolve(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
        return _complete(root, info, name) if name in root.deferred else getattr(root, name)

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


async def _complete(root: Experiment | Session, info: TracegraphInfo, name: str) -> Any:
    """Return a field of the complete form of an experiment or session, or of the details with that field."""
    loaders = info.context.loaders[root.source]
    if isinstance(root, Session):
        return getattr(await with_field(root, info.context, name), name)
    complete = await loaders.experiments.load(root.ref)
    return getattr(root if complete is None else complete, name)


async def with_field(session: Session, context: RequestContext, name: str) -> Session:
    """Return the session with a field that its row may lack.

    Args:
        session: The session of a list or look-up.
        context: The context of the request.
        name: The field.

    Raises:
        SourceError: When the field could not be read.
    """
    if name not in session.deferred:
        return session
    adapter, loaders = context.adapter(session.source), context.loaders[session.source]
    group = None if adapter is None else adapter.capabilities.details_with(name)
    loaded = loaders.sessions.load(session.ref) if group is None else loaders.session_details(group).load(session)
    return await loaded or session


def detail_field(name: str) -> Any:
    """Return a resolver of a field that is a detail of sessions: see `Capabilities.session_details`.

    An empty list of names is null. When the details cannot be read, the resolver raises SourceError: the field is
    null.
    """

    def read(value: Any, _: RequestContext) -> Any:
        if name in value.deferred:
            raise NeedsResolver
        found = getattr(value, name)
        return None if found == () else found

    @sync_accessor(read)
    async def resolve(root: strawberry.Parent[Session], info: TracegraphInfo) -> Any:
        found = getattr(await with_field(root, info.context, name), name)
        return None if found == () else found

    return resolve


def _scores(value: Any, _: RequestContext) -> Any:
    if "scores" in value.deferred or "score_texts" in value.deferred:
        raise NeedsResolver
    return value.scores


@sync_accessor(_scores)
async def session_scores(root: strawberry.Parent[Session], info: TracegraphInfo) -> Any:
    """Return the scores of a session. A call for their words is made only where the document selects these.

    Raises:
        SourceError: When they could not be read. If only their words could not, these are null.
    """
    if "scores" in root.deferred:
        return await _complete(root, info, "scores")
    if not selects_score_texts(info):
        return root.scores
    try:
        return (await with_field(root, info.context, "score_texts")).scores
    except SourceError as error:
        if not root.scores:  # there may be scores that have words only
            raise
        return [ScoreWithoutTexts(score.evaluator, score.value, score.failed, error) for score in root.scores]


@dataclass(frozen=True, slots=True)
class ScoreWithoutTexts:
    """A score whose label and explanation could not be read, and why."""

    evaluator: str
    value: float | None
    failed: bool
    error: SourceError


def text_of_score(name: str) -> Any:
    """Return a resolver of a label or an explanation, which is null with an error where it could not be read."""

    def read(value: Any, _: RequestContext) -> Any:
        if isinstance(value, ScoreWithoutTexts):
            raise NeedsResolver
        return getattr(value, name)

    @sync_accessor(read)
    def resolve(root: strawberry.Parent[Any]) -> Any:
        if isinstance(root, ScoreWithoutTexts):
            raise root.error
        return getattr(root, name)

    return resolve


@sync_accessor(_read_unless_deferred_or_down("session_count"))
def experiment_session_count(root: strawberry.Parent[Experiment], info: TracegraphInfo) -> Any:
    """Return the vendor's number of sessions, read from a session list when the experiment list omits it.

    Raises:
        SourceError: When the vendor could not report figures.
    """
    if root.figures_error is not None:
        raise report_source_error(root.figures_error, info.context)
    if "session_count" in root.deferred:
        return _session_total(root, info.context)
    return root.session_count


async def _session_total(experiment: Experiment, context: RequestContext) -> int | None:
    adapter = context.adapter(experiment.source)
    if adapter is None:
        return None
    try:
        return await session_total(adapter, experiment, context.loaders.session_page)
    except SourceObjectNotFound:
        return None


def aggregate_backed_field(name: str) -> Any:
    """Return a resolver of a list that fails when the vendor could not report figures and the row has no value."""
    read = deferred_field(name)

    @sync_accessor(_read_unless_deferred_or_down(name))
    def resolve(root: strawberry.Parent[Experiment], info: TracegraphInfo) -> Any:
        if root.figures_error is None:
            return read(root, info)
        error = report_source_error(root.figures_error, info.context)
        listed = getattr(root, name)
        if not listed:
            raise error
        return listed

    return resolve


def report_source_error(error: SourceError, context: RequestContext) -> SourceError:
    """Report a source that failed for one field in `extensions.sources`, and return the error."""
    context.reports.append(SourceReport(error.source, SourceReportStatus.FAILED, error))
    return error


@sync_accessor(lambda value, _: _decoded(value.raw) if "raw" not in value.deferred else _require_resolver())
def vendor_fields(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
    """Return the vendor's object unchanged, and the complete object where the list has only a part."""
    return _complete_object(root, info) if "raw" in root.deferred else _decoded(root.raw)


async def _complete_object(root: Experiment | Session, info: TracegraphInfo) -> Any:
    return _decoded(await _complete(root, info, "raw"))


def _decoded(raw: RawObject | None) -> Any:
    return None if raw is None else raw.decode()


def _require_resolver() -> Any:
    raise NeedsResolver
