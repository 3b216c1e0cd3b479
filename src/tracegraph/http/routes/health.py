"""The health probes `/healthz` and `/readyz`, for orchestrators and load balancers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

LIVE, READY = "/healthz", "/readyz"


PROBES = frozenset({LIVE, READY})
"""The paths that accept every `Host` header."""


FOREIGN_HOST = "tracegraph.foreign_host"
"""The key in the ASGI scope that marks a probe with a host that is not allowed."""


DRAINING = "draining"
"""The key in the lifespan state that is true once the process shuts down."""


async def healthz(request: Request) -> Response:  # noqa: ARG001 - the router's signature
    """Return 200 while the process runs, also while it drains."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Return 200 when the process accepts queries, or 503 while it starts or drains.

    A vendor that is down does not make the gateway unready. A load balancer sends no credential, and may use any
    host name. The response therefore names the sources only where `/graphql` would name them for the same request.
    """
    runner = getattr(request.state, "runner", None)
    if runner is None:
        return JSONResponse({"status": "starting"}, 503)
    if getattr(request.state, DRAINING, False):
        return JSONResponse({"status": "draining"}, 503)
    if request.state.access_control.requires_auth or request.scope.get(FOREIGN_HOST):
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "ready", "sources": [adapter.name for adapter in runner.adapters]})
