"""The ASGI application of the gateway."""

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
from tracegraph.http.middleware.request_log import RefusalLog, RequestLogMiddleware
from tracegraph.http.pages.routes import DOCUMENTS, pages_routes
from tracegraph.http.persisted_queries import read_documents
from tracegraph.http.playground.page import playground_routes
from tracegraph.http.rate_limit import RateLimiter
from tracegraph.http.request_parser import BodyLimits
from tracegraph.http.response_cache import ResponseCache
from tracegraph.http.routes.health import LIVE, READY, healthz, readyz
from tracegraph.http.routes.metrics import metrics
from tracegraph.metrics.collector import Metrics, open_metrics
from tracegraph.metrics.http_requests import HttpRequests
from tracegraph.observability.logging import configure_logs
from tracegraph.observability.tracing import open_tracing
from tracegraph.server import gc_tuning
from tracegraph.sources import Sources, open_sources

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


WORKERS_FOLDER = "TRACEGRAPH_WORKERS_FOLDER"
"""The environment variable that names the folder in which the processes of one gateway share metrics."""

INSECURE = "TRACEGRAPH_INSECURE"
"""The environment variable with the effect of `serve --insecure`, for `create_configured_app`."""


class _State(TypedDict):
    runner: OperationRunner
    response_cache: ResponseCache
    metrics: Metrics
    tracing: Tracing | None
    access_control: AccessControl
    refusals: RefusalLog


def build_runner(sources: Sources, settings: Settings) -> OperationRunner:
    """Return a runner for operations over these sources, within the configured limits."""
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
    schema = build_schema(documents, compiled_plans=settings.server.compiled_plans)
    return OperationRunner(schema, sources.adapters, budgets, page_limits, limits.deadline_s, sources.pipelines)


def _build_access_control(settings: Settings, authentication: Authentication, sources: Sources) -> AccessControl:
    headers = {name: table.pass_through for name, table in settings.sources.items() if table.pass_through}
    return AccessControl(
        authentication,
        RateLimiter(sources.shared),
        open_metrics=settings.auth.open_metrics,
        pass_through_headers=headers,
    )


async def _open_state(  # noqa: PLR0917 - the parts of one application
    stack: AsyncExitStack,
    settings: Settings,
    origin: str,
    tracing: Tracing | None,
    workers_folder: Path | None,
    http_requests: HttpRequests,
    refusals: RefusalLog,
) -> _State:
    active_tracing = tracing or await stack.enter_async_context(open_tracing(settings.tracing))
    authentication = await stack.enter_async_context(open_authentication(settings.auth))
    sources = await stack.enter_async_context(open_sources(settings, origin, active_tracing))
    runner = build_runner(sources, settings)
    counting = open_metrics(sources, http_requests, settings.metrics.operation_names, workers_folder)
    return {
        "runner": runner,
        "response_cache": ResponseCache(runner, sources.memory, share=settings.cache.share_in_flight),
        "access_control": _build_access_control(settings, authentication, sources),
        "metrics": await stack.enter_async_context(counting),
        "tracing": active_tracing,
        "refusals": refusals,
    }


def create_app(
    settings: Settings,
    *,
    tracing: Tracing | None = None,
    workers_folder: Path | None = None,
    owns_process: bool = False,
    insecure: bool = False,
    origin: str = "the configuration",
) -> Starlette:
    """Return the application. Its lifespan opens the sources, and closes them after the last response.

    Args:
        settings: The configuration. The application holds it as `app.state.settings`.
        tracing: Replaces the tracing of the settings.
        workers_folder: The folder that all processes of this gateway share, for the sum of their metrics.
        owns_process: Whether the process runs this application only, so that the lifespan may tune its GC.
        insecure: Whether a proxy in front authenticates clients and checks host names.
        origin: The name of the configuration in messages, such as its file.

    Raises:
        ConfigurationError: The trusted documents cannot be read.
    """
    http_requests = HttpRequests()
    refusals = RefusalLog(http_requests)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[_State]:
        async with AsyncExitStack() as stack:
            state = await _open_state(stack, settings, origin, tracing, workers_folder, http_requests, refusals)
            if owns_process:
                gc_tuning.freeze_and_relax_gc()
            yield state

    endpoint = _build_endpoint(settings, origin)
    hosts = settings.server.allowed_hosts
    logged = Middleware(RequestLogMiddleware, counters=http_requests, refusals=refusals)
    middleware = security_middleware(
        settings.server.cors_origins,
        known_hosts=hosts if hosts or not (settings.auth.is_on or insecure) else None,
    )
    fast_path = Middleware(FastPathMiddleware, path="/graphql", endpoint=endpoint.__call__)
    app = Starlette(
        routes=_routes(settings, endpoint),
        middleware=[logged, *middleware, Middleware(ErrorMaskingMiddleware), fast_path],
        lifespan=lifespan,
    )
    # Behind a proxy a redirect would name the wrong scheme, and many clients follow no redirect of a POST.
    app.router.redirect_slashes = False
    app.state.settings = settings
    return app


def _build_endpoint(settings: Settings, origin: str) -> GraphQLEndpoint:
    return GraphQLEndpoint(
        read_documents(settings.documents, origin, DOCUMENTS if settings.server.pages else None),
        BodyLimits(settings.limits.max_body_bytes, settings.limits.body_timeout_s),
        playground=settings.server.playground,
        allow_no_cache=settings.cache.allow_no_cache,
        compression=settings.server.compression,
        cors_origins=settings.server.cors_origins,
    )


def _routes(settings: Settings, endpoint: GraphQLEndpoint) -> list[BaseRoute]:
    other_methods = ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    routes: list[BaseRoute] = [
        Route(LIVE, healthz),
        Route(READY, readyz),
    ]
    for path in ("/graphql", "/graphql/"):
        # This route comes first, since a route for GET also matches HEAD.
        routes.append(Route(path, method_not_allowed, methods=other_methods))
        routes.append(Route(path, endpoint.__call__, methods=["GET", "POST"]))
    if settings.metrics.enabled:
        routes.append(Route("/metrics", metrics))
    if settings.server.playground:
        routes += playground_routes()
    if settings.server.pages:
        routes += pages_routes()
    return routes


def create_configured_app() -> Starlette:
    """Return the application for a server other than `tracegraph serve`.

    The configuration comes from the file in `TRACEGRAPH_CONFIG` and from the environment.

    Raises:
        ConfigurationError: The configuration is invalid.
    """
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
    """Return the boolean value of an environment variable. An unset variable is false."""
    value = os.environ.get(variable, "").strip().lower()
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off", ""}:
        return False
    raise ConfigurationError(f"The environment variable {variable} must be true or false, not {value[:50]!r}.")
