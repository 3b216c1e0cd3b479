"""`/healthz` and `/readyz`, for whatever watches and balances the copies of the gateway."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

LIVE, READY = "/healthz", "/readyz"


PROBES = frozenset({LIVE, READY})
"""Paths that are answered whatever the `Host` header says."""


FOREIGN_HOST = "tracegraph.foreign_host"
"""The key of the scope that marks a probe which came by a name that the gateway does not answer to."""


DRAINING = "draining"
"""The key of the lifespan's state that is true once the process has begun to end."""


async def healthz(request: Request) -> Response:  # noqa: ARG001 - the router's form
    """The process runs; also while it drains."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether queries should be sent here: 200, or 503 before the sources are open and while the process drains.

    A vendor that is down does not make the gateway unready. A balancer brings no credential and may come by any
    name. So the sources are named only where `/graphql` would name them without a credential, to that name.
    """
    executor = getattr(request.state, "executor", None)
    if executor is None:
        return JSONResponse({"status": "starting"}, 503)
    if getattr(request.state, DRAINING, False):
        return JSONResponse({"status": "draining"}, 503)
    if request.state.door.asks_who or request.scope.get(FOREIGN_HOST):
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "ready", "sources": [adapter.name for adapter in executor.adapters]})
