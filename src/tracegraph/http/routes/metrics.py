"""`/metrics`, for Prometheus and whatever reads its text."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.http.endpoint import error_response
from tracegraph.http.errors import HTTPRequestError
from tracegraph.metrics.collector import Metrics
from tracegraph.metrics.exposition import CONTENT_TYPE


async def metrics(request: Request) -> Response:
    """All figures of all processes that share the port; names and numbers only.

    They tell of every source, so they are for principals that see every source, unless a setting opens them.
    """
    try:
        await request.state.door.admit_watcher(request)
    except HTTPRequestError as refusal:
        return error_response(refusal)
    counted: Metrics = request.state.metrics
    return Response(await counted.text(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})
