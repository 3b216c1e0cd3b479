"""The gateway as an ASGI application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from tracegraph.config.loader import load_settings
from tracegraph.config.settings import Settings
from tracegraph.errors import ConfigurationError
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.context import PageLimits
from tracegraph.graphql.documents.limits import DocumentLimits
from tracegraph.graphql.runner import OperationRunner
from tracegraph.graphql.schema import build_schema
from tracegraph.http.auth.access_control import AccessControl
from tracegraph.http.auth.authenticator import Authentication, open_authentication
from tracegraph.http.endpoint import GraphQLEndpoint, method_not_allowed
from tracegraph.http.fast_path import FastPathMiddleware
from tracegraph.http.middleware.cross_origin import security_middleware
from tracegraph.http.middleware.error_handler import ErrorMaskingMiddleware
from tracegraph.http.persisted_queries import read_documents
from tracegraph.http.playground import playground_routes
from tracegraph.http.rate_limit import RateLimiter
from tracegraph.http.request_parser import ReadingLimits
from tracegraph.http.response_cache import ResponseCache
from tracegraph.http.routes.health import LIVE, READY, healthz, readyz
from tracegraph.http.routes.metrics import metrics
from tracegraph.metrics.collector import Metrics, open_metrics
from tracegraph.observability.logging import configure_logs
from tracegraph.observability.tracing import open_tracing
from tracegraph.server import gc_tuning as collecting
from tracegraph.sources import Sources, open_sources

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


WORKERS_FOLDER = "TRACEGRAPH_WORKERS_FOLDER"
"""The variable of the environment that names the folder in which the processes of one gateway add up."""

INSECURE = "TRACEGRAPH_INSECURE"
"""The variable of the environment that says of `create_configured_app` what `serve --insecure` says."""


class _State(TypedDict):
    executor: OperationRunner
    answers: ResponseCache
    metrics: Metrics
    tracing: Tracing | None
    door: AccessControl


def executor_over(sources: Sources, settings: Settings) -> OperationRunner:
    """What runs operations over these sources, within the configured limits."""
    limits = settings.limits
    budgets = ScanBudget(
        limits.scan_pages,
        limits.active_experiments,
        limits.computed_pages,
        align_to_cache_pages=settings.cache.url != "off",
    )
    page_limits = PageLimits(limits.default_first, limits.max_first, limits.max_cost)
    documents = DocumentLimits(
        limits.max_tokens, limits.max_depth, limits.max_aliases, introspection=settings.server.introspection
    )
    return OperationRunner(
        build_schema(documents), sources.adapters, budgets, page_limits, limits.deadline_s, sources.pipelines
    )


def _door(settings: Settings, authentication: Authentication, sources: Sources) -> AccessControl:
    headers = {name: table.pass_through for name, table in settings.sources.items() if table.pass_through}
    return AccessControl(
        authentication,
        RateLimiter(sources.shared),
        open_metrics=settings.auth.open_metrics,
        callers_headers=headers,
    )


def create_app(
    settings: Settings,
    *,
    tracing: Tracing | None = None,
    workers_folder: Path | None = None,
    owns_process: bool = False,
    insecure: bool = False,
    origin: str = "the configuration",
) -> Starlette:
    """The application; its lifespan opens the sources and closes them when the last request is answered.

    `app.state.settings` are the settings. `tracing` takes the place of what they say. `workers_folder` is one
    that all processes of this gateway are given, for the sum of their metrics. `owns_process`: this process does
    nothing else, and is set up for it. `insecure`: something in front asks clients who they are, and sees to the
    names by which they come. `origin` is what messages call the configuration, such as its file.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[_State]:
        async with AsyncExitStack() as stack:
            traced = tracing or await stack.enter_async_context(open_tracing(settings.tracing))
            authentication = await stack.enter_async_context(open_authentication(settings.auth))
            sources = await stack.enter_async_context(open_sources(settings, origin, traced))
            names = settings.metrics.operation_names
            executor = executor_over(sources, settings)
            state: _State = {
                "executor": executor,
                "answers": ResponseCache(executor, sources.memory, share=settings.cache.share_in_flight),
                "door": _door(settings, authentication, sources),
                "metrics": await stack.enter_async_context(open_metrics(sources, names, workers_folder)),
                "tracing": traced,
            }
            if owns_process:
                collecting.freeze_and_relax_gc()
            yield state

    endpoint = GraphQLEndpoint(
        read_documents(settings.documents, origin),
        ReadingLimits(settings.limits.max_body_bytes, settings.limits.body_timeout_s),
        playground=settings.server.playground,
        allow_no_cache=settings.cache.allow_no_cache,
        compression=settings.server.compression,
        cors_origins=settings.server.cors_origins,
    )
    hosts = settings.server.allowed_hosts
    rules = security_middleware(
        settings.server.cors_origins,
        known_hosts=hosts if hosts or not (settings.auth.is_on or insecure) else None,
    )
    straight = Middleware(FastPathMiddleware, path="/graphql", endpoint=endpoint.__call__)
    app = Starlette(
        routes=_routes(settings, endpoint),
        middleware=[*rules, Middleware(ErrorMaskingMiddleware), straight],
        lifespan=lifespan,
    )
    # A redirect would name the scheme as it is behind a proxy, and many clients follow none for a POST.
    app.router.redirect_slashes = False
    app.state.settings = settings
    return app


def _routes(settings: Settings, endpoint: GraphQLEndpoint) -> list[BaseRoute]:
    others = ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    routes: list[BaseRoute] = [
        Route(LIVE, healthz),
        Route(READY, readyz),
    ]
    for path in ("/graphql", "/graphql/"):
        # First: the other takes HEAD wherever it takes GET.
        routes.append(Route(path, method_not_allowed, methods=others))
        routes.append(Route(path, endpoint.__call__, methods=["GET", "POST"]))
    if settings.metrics.enabled:
        routes.append(Route("/metrics", metrics))
    if settings.server.playground:
        routes += playground_routes()
    return routes


def create_configured_app() -> Starlette:
    """The application from `TRACEGRAPH_CONFIG` and the environment, for a server other than `tracegraph serve`."""
    settings = load_settings()
    configure_logs(settings.log, in_background=True)
    folder = os.environ.get(WORKERS_FOLDER)
    return create_app(
        settings,
        workers_folder=Path(folder) if folder else None,
        owns_process=True,
        insecure=_is_on(INSECURE),
    )


def _is_on(variable: str) -> bool:
    """What a variable of the environment says of yes and no; one that is not set says no."""
    value = os.environ.get(variable, "").strip().lower()
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off", ""}:
        return False
    raise ConfigurationError(f"The environment variable {variable} must be true or false, not {value[:50]!r}.")
