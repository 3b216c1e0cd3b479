"""Resolvers of sources, and the adapter of a source."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import strawberry
from strawberry.types import Info

from tracegraph.adapter.protocol import Adapter, SourceHealthStatus
from tracegraph.domain.calls import CircuitState
from tracegraph.graphql.compiler.field_access import sync_accessor
from tracegraph.graphql.compiler.resolver_info import nested_time_share
from tracegraph.graphql.context import RequestContext
from tracegraph.upstream.request_scope import bypass_cache

TracegraphInfo = Info[RequestContext, None]


def query_sources(info: TracegraphInfo) -> Any:
    """Return every configured source."""
    return info.context.adapters


@sync_accessor(lambda value, context: adapter_of(context, value.source))
def source_of(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
    """Return the source of an experiment, a session or a report."""
    return adapter_of(info.context, root.source)


def adapter_of(context: RequestContext, name: str) -> Adapter:
    """Return the adapter of the named source.

    Raises:
        LookupError: When the name is not configured.
    """
    adapter = context.adapter(name)
    if adapter is None:
        raise LookupError(f"no source is named {name!r}")
    return adapter


async def source_health(root: strawberry.Parent[Adapter], info: TracegraphInfo) -> Any:
    """Check the health of a source with one cheap call that bypasses the cache.

    A source that is UP while the circuit breaker holds calls back is DEGRADED.
    """
    with bypass_cache(), nested_time_share(info):
        health = await root.check()
    pipeline = info.context.pipelines.get(root.name)
    circuit = health.circuit if pipeline is None else pipeline.worst_circuit_state
    is_unchanged = circuit is CircuitState.CLOSED or health.status is not SourceHealthStatus.UP
    return replace(health, circuit=circuit, status=health.status if is_unchanged else SourceHealthStatus.DEGRADED)
