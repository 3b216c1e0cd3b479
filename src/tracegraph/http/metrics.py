"""`/metrics`, for Prometheus and whatever reads its text."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.http.endpoint import refused
from tracegraph.http.refusal import Refusal
from tracegraph.metrics.exposition import CONTENT_TYPE
from tracegraph.metrics.metrics import Metrics


async def metrics(request: Request) -> Response:
    """All figures of all processes that share the port; names and numbers only.

    They tell of every source, so they are for principals that see every source, unless a setting opens them.
    """
    try:
        await request.state.door.admit_watcher(request)
    except Refusal as refusal:
        return refused(refusal)
    counted: Metrics = request.state.metrics
    return Response(await counted.text(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})
