"""`/healthz` and `/readyz`, for whatever watches and balances the copies of the gateway."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


async def healthz(request: Request) -> Response:  # noqa: ARG001 - the router's form
    """The process runs."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """The sources are open and queries are taken. A vendor that is down does not make the gateway unready.

    Whoever balances the copies does not say who it is. So where others must, the sources are not named here.
    """
    executor = getattr(request.state, "executor", None)
    if executor is None:
        return JSONResponse({"status": "starting"}, 503)
    if request.state.door.asks_who:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "ready", "sources": [adapter.name for adapter in executor.adapters]})
