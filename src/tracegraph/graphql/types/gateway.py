"""GraphQL types of the gateway itself, and of the rates at which a source is called."""

from __future__ import annotations

import strawberry


@strawberry.type(description="What one request may ask for. The configuration sets each limit.")
class GatewayLimits:
    """The GraphQL type of `context.GatewayLimits`."""

    default_first: int = strawberry.field(description="Rows of a page without `first`.")
    max_first: int = strawberry.field(description="The largest `first`, and the most IDs in one filter.")
    max_depth: int = strawberry.field(description="Levels of nested fields, with fragments expanded.")
    max_aliases: int = strawberry.field(description="Aliases in one document, with fragments expanded.")
    max_cost: int = strawberry.field(
        description="The largest cost of a query, in rows. A call to a vendor costs as much as 10 rows."
    )
    deadline_ms: int = strawberry.field(description="The longest duration of a request, in milliseconds.")


@strawberry.type(description="The gateway itself.")
class Gateway:
    """The GraphQL type of `resolvers.gateway.GatewayInfo`."""

    version: str = strawberry.field(description="The version of the gateway's software.")
    limits: GatewayLimits = strawberry.field(description="The limits of one request.")


@strawberry.type(description="At most `calls` calls of a kind in any `perSeconds` seconds.")
class RateLimit:
    """The GraphQL type of `resolvers.gateway.SourceRateLimit`."""

    kind: str = strawberry.field(
        description="The adapter's name for the kind of call. `*`: all kinds without their own limit, together."
    )
    calls: int = strawberry.field(description="The number of calls.")
    per_seconds: float = strawberry.field(description="The duration in seconds.")
