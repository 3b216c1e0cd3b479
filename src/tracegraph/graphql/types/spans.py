"""GraphQL types of spans."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from tracegraph.domain import models
from tracegraph.federation.spans import PlacedSpan
from tracegraph.graphql.compiler.field_access import instances_of
from tracegraph.graphql.resolvers.spans import (
    deferred_of_span,
    global_span_id,
    of_span,
    parent_span_id,
    span_scores,
    span_vendor_fields,
)
from tracegraph.graphql.types.objects import Connection, Edge, Node, Score, TokenUsage


@strawberry.type(description="One step of a session: a call of a model, a tool, a retriever or an agent.")
class Span(Node):
    """The GraphQL type of `federation.spans.PlacedSpan`."""

    id: strawberry.ID = strawberry.field(resolver=global_span_id)
    vendor_id: str = strawberry.field(resolver=of_span("vendor_id"))
    parent_id: strawberry.ID | None = strawberry.field(
        resolver=parent_span_id,
        description="The ID of the span that this one ran in. Null for a root, and when its parent is unknown.",
    )
    depth: int = strawberry.field(description="The number of spans around this one: 0 for a root.")
    kind: models.SpanKind = strawberry.field(resolver=of_span("kind"))
    vendor_kind: str | None = strawberry.field(resolver=of_span("vendor_kind"))
    name: str | None = strawberry.field(resolver=of_span("name"))
    status: models.SessionStatus = strawberry.field(resolver=of_span("status"))
    vendor_status: str | None = strawberry.field(resolver=of_span("vendor_status"))
    started_at: datetime | None = strawberry.field(resolver=of_span("started_at"))
    ended_at: datetime | None = strawberry.field(resolver=of_span("ended_at"))
    latency_ms: float | None = strawberry.field(resolver=of_span("latency_ms"))
    first_token_ms: float | None = strawberry.field(resolver=of_span("first_token_ms"))
    model: str | None = strawberry.field(resolver=of_span("model"))
    provider: str | None = strawberry.field(resolver=of_span("provider"))
    tool_name: str | None = strawberry.field(resolver=of_span("tool_name"))
    agent_name: str | None = strawberry.field(resolver=of_span("agent_name"))
    input: str | None = strawberry.field(resolver=deferred_of_span("input"))
    output: str | None = strawberry.field(resolver=deferred_of_span("output"))
    error: str | None = strawberry.field(resolver=deferred_of_span("error"))
    tokens: TokenUsage | None = strawberry.field(resolver=of_span("tokens"))
    cost_usd: float | None = strawberry.field(resolver=of_span("cost_usd"))
    scores: list[Score] | None = strawberry.field(resolver=span_scores)
    metadata: JSON | None = strawberry.field(resolver=deferred_of_span("metadata"))
    vendor_fields: JSON | None = strawberry.field(
        resolver=span_vendor_fields, description="The vendor's object, unchanged. Null when it is not at hand."
    )

    is_type_of = instances_of(PlacedSpan)


@strawberry.type(description="A span and the cursor that continues right after the span.")
class SpanEdge(Edge[Span]):
    """The GraphQL type of `relay.span_pages.SpanEdge`."""


@strawberry.type(description="A page of the spans of one session, depth first, siblings by their start.")
class SpanConnection(Connection[Span, SpanEdge]):
    """The GraphQL type of `relay.span_pages.SpanConnection`."""

    total_count: int | None = strawberry.field(description="The number of spans of the session; never null.")
