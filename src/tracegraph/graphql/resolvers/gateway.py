"""Resolvers of the gateway's version and limits, and of how the gateway calls a source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import strawberry

from tracegraph.adapter.protocol import Adapter
from tracegraph.graphql.context import GatewayLimits
from tracegraph.graphql.resolvers.sources import TracegraphInfo


@dataclass(frozen=True, slots=True)
class GatewayInfo:
    """The gateway as `Query.gateway` describes it."""

    version: str
    limits: GatewayLimits


@dataclass(frozen=True, slots=True)
class SourceRateLimit:
    """At most `calls` calls of a kind in any `per_seconds` seconds."""

    kind: str
    calls: int
    per_seconds: float


def query_gateway(info: TracegraphInfo) -> Any:
    """Return the gateway's version and the limits of one request."""
    return GatewayInfo(_version(), info.context.limits)


@cache
def _version() -> str:
    return version("tracegraph")


def source_rate_limits(root: strawberry.Parent[Adapter], info: TracegraphInfo) -> Any:
    """Return the rates at which the gateway calls the source: the configured ones, else the documented ones."""
    pipeline = info.context.pipelines.get(root.name)
    rates = {} if pipeline is None else pipeline.rate_limits
    return [SourceRateLimit(kind, rate.calls, rate.per_s) for kind, rate in sorted(rates.items())]
