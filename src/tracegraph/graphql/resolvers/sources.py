"""What the fields with work behind them do: pages of lists, objects by ID, fields that need a further call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import strawberry
from strawberry.types import Info

from tracegraph.adapter.protocol import Adapter, SourceHealthStatus
from tracegraph.domain.calls import CircuitState
from tracegraph.graphql.compiler.field_access import sync_accessor
from tracegraph.graphql.compiler.resolver_calls import level_time
from tracegraph.graphql.context import RequestContext
from tracegraph.upstream.request_scope import bypass_cache

TracegraphInfo = Info[RequestContext, None]


# -- sources -------------------------------------------------------------------------------------------


def query_sources(info: TracegraphInfo) -> Any:
    """Every configured source."""
    return info.context.adapters


@sync_accessor(lambda value, context: adapter_of(context, value.source))
def source_of(root: strawberry.Parent[Any], info: TracegraphInfo) -> Any:
    """The source that an experiment, a session or a report names."""
    return adapter_of(info.context, root.source)


def adapter_of(context: RequestContext, name: str) -> Adapter:
    """The adapter of that source. Raises LookupError for a name that is not configured."""
    adapter = context.adapter(name)
    if adapter is None:
        raise LookupError(f"there is no source {name!r}")
    return adapter


async def source_health(root: strawberry.Parent[Adapter], info: TracegraphInfo) -> Any:
    """Ask the source one cheap question. What is well but has calls that are not made is DEGRADED."""
    with bypass_cache(), level_time(info):
        health = await root.check()
    guards = info.context.guards.get(root.name)
    circuit = health.circuit if guards is None else guards.worst_circuit_state
    is_whole = circuit is CircuitState.CLOSED or health.status is not SourceHealthStatus.UP
    return replace(health, circuit=circuit, status=health.status if is_whole else SourceHealthStatus.DEGRADED)
