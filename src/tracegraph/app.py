"""The gateway as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from tracegraph.federation.listing import Budgets
from tracegraph.graphql.context import PageLimits
from tracegraph.graphql.execution import Executor
from tracegraph.graphql.schema import build_schema
from tracegraph.http.endpoint import GraphQLEndpoint, method_not_allowed
from tracegraph.http.health import healthz, readyz
from tracegraph.http.playground import playground_routes
from tracegraph.logs import configure_logs
from tracegraph.settings import Settings, load_settings
from tracegraph.sources import Sources, open_sources


class _State(TypedDict):
    executor: Executor


def executor_over(sources: Sources, settings: Settings) -> Executor:
    """What runs operations over these sources, within the configured limits."""
    limits = settings.limits
    budgets = Budgets(
        limits.scan_pages,
        limits.active_experiments,
        limits.computed_pages,
        on_grid=settings.cache.url != "off",
    )
    page_limits = PageLimits(limits.default_first, limits.max_first)
    return Executor(build_schema(), sources.adapters, budgets, page_limits, limits.deadline_s, sources.guards)


def create_app(settings: Settings) -> Starlette:
    """The application; its lifespan opens the sources and closes them when the last request is answered."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[_State]:
        async with open_sources(settings) as sources:
            yield {"executor": executor_over(sources, settings)}

    endpoint = GraphQLEndpoint(
        max_body_bytes=settings.limits.max_body_bytes,
        playground=settings.server.playground,
        allow_no_cache=settings.cache.allow_no_cache,
    )
    others = ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    routes: list[BaseRoute] = [
        Route("/graphql", method_not_allowed, methods=others),  # first: the other takes HEAD wherever it takes GET
        Route("/graphql", endpoint.__call__, methods=["GET", "POST"]),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]
    if settings.server.playground:
        routes += playground_routes()
    return Starlette(routes=routes, lifespan=lifespan)


def create_configured_app() -> Starlette:
    """The application from `TRACEGRAPH_CONFIG` and the environment: what each worker process starts."""
    settings = load_settings()
    configure_logs(settings.log)
    return create_app(settings)
