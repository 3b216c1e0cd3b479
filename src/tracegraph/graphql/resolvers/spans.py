"""Resolvers of the spans of a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from tracegraph.domain.models import Session, SessionRef, Span, SpanRef
from tracegraph.errors import SourceError
from tracegraph.federation.spans import PlacedSpan, arranged
from tracegraph.graphql.compiler.field_access import NeedsResolver, sync_accessor
from tracegraph.graphql.compiler.resolver_info import rounds_below_field
from tracegraph.graphql.context import RequestContext
from tracegraph.graphql.lookahead import span_fields
from tracegraph.graphql.relay.cursor import CursorBinding
from tracegraph.graphql.relay.ids import span_id
from tracegraph.graphql.relay.page_arguments import PageArguments
from tracegraph.graphql.relay.span_pages import PageOfSpans, SpanConnection, decode_span_cursor
from tracegraph.graphql.resolvers.deferred import report_source_error
from tracegraph.graphql.resolvers.sources import TracegraphInfo, adapter_of
from tracegraph.upstream.request_scope import time_share


async def session_spans(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Session],
    info: TracegraphInfo,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Any:
    """Return a page of the spans of a session, None where the vendor has no spans of it.

    Args:
        root: The session.
        info: The info of the field.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.

    Raises:
        BadUserInput: When `first` or `last` is out of range, or both are given.
        InvalidCursor: When `after` or `before` is not a cursor of this list.
        SourceError: When the source fails.
    """
    context = info.context
    page = PageArguments(first, after, last, before)
    count = page.count(context.page_limits)
    binding = CursorBinding.of("Session.spans", (root.source, root.experiment_ref, root.vendor_id))
    place = decode_span_cursor(binding, page.cursor)
    rounds_below = rounds_below_field(info)
    with time_share(rounds_below):
        try:
            spans = await spans_of_session(context, root.source, root.ref, span_fields(info), rounds_below)
        except SourceError as error:
            raise report_source_error(error, context) from error.__cause__
    return None if spans is None else SpanConnection(spans, PageOfSpans(count, place, page.backwards), binding)


async def spans_of_session(
    context: RequestContext, source: str, ref: SessionRef, fields: frozenset[str] | None, level: int
) -> Sequence[PlacedSpan] | None:
    """Return the spans of a session as trees, None where the vendor has none.

    Args:
        context: The context of the request.
        source: The name of the source.
        ref: The session.
        fields: The costly fields that the caller needs, None for all.
        level: The rounds of calls below the field.

    Raises:
        SourceError: When the source fails.
    """
    if not adapter_of(context, source).capabilities.spans:
        return None
    spans = await context.loaders[source].spans(fields, level=level).load(ref)
    return None if spans is None else arranged(source, ref, spans)


async def find_span(
    context: RequestContext, source: str, ref: SpanRef, fields: frozenset[str]
) -> PlacedSpan | None:
    """Return one span, None where the vendor does not know it.

    Args:
        context: The context of the request.
        source: The name of the source.
        ref: The span.
        fields: The costly fields that the caller needs.

    Raises:
        SourceError: When the source fails.
    """
    spans = await spans_of_session(context, source, ref.session, fields, level=0)
    return next((placed for placed in spans or () if placed.span.vendor_id == ref.span_id), None)


def of_span(name: str) -> Any:
    """Return a resolver of a field that every list of spans has."""

    def resolve(root: strawberry.Parent[PlacedSpan]) -> Any:
        return getattr(root.span, name)

    return resolve


def deferred_of_span(name: str) -> Any:
    """Return a resolver of a field that is read from the complete form of the span when deferred.

    When the complete form cannot be read, the resolver raises SourceError: the field is null.
    """

    def read(value: Any, _: RequestContext) -> Any:
        if name in value.span.deferred:
            raise NeedsResolver
        return getattr(value.span, name)

    @sync_accessor(read)
    async def resolve(root: strawberry.Parent[PlacedSpan], info: TracegraphInfo) -> Any:
        span = await _complete(root, info) if name in root.span.deferred else root.span
        return getattr(span, name)

    return resolve


def _scores(value: Any, _: RequestContext) -> Any:
    if "scores" in value.span.deferred or value.span.scores_error is not None:
        raise NeedsResolver
    return value.span.scores


@sync_accessor(_scores)
async def span_scores(root: strawberry.Parent[PlacedSpan], info: TracegraphInfo) -> Any:
    """Return the scores of a span.

    Raises:
        SourceError: When they could not be read.
    """
    span = await _complete(root, info) if "scores" in root.span.deferred else root.span
    if span.scores_error is not None:
        raise report_source_error(span.scores_error, info.context)
    return span.scores


def span_vendor_fields(root: strawberry.Parent[PlacedSpan], info: TracegraphInfo) -> Any:
    """Return the vendor's object unchanged, and the complete object where the list has only a part."""
    return _complete_object(root, info) if "raw" in root.span.deferred else _decoded(root.span)


async def _complete_object(root: PlacedSpan, info: TracegraphInfo) -> Any:
    return _decoded(await _complete(root, info))


async def _complete(root: PlacedSpan, info: TracegraphInfo) -> Span:
    complete = await info.context.loaders[root.source].complete_spans.load(root.ref)
    return root.span if complete is None else complete


def _decoded(span: Span) -> Any:
    return None if span.raw is None else span.raw.decode()


def global_span_id(root: strawberry.Parent[PlacedSpan]) -> strawberry.ID:
    """Return the global ID of a span."""
    return strawberry.ID(span_id(root.source, root.ref))


def parent_span_id(root: strawberry.Parent[PlacedSpan]) -> Any:
    """Return the global ID of the span within which this one ran, None for a root."""
    parent = root.parent_ref
    return None if parent is None else strawberry.ID(span_id(root.source, parent))
