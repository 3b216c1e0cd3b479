"""`/metrics`, for Prometheus and whatever reads its text."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.metrics.exposition import CONTENT_TYPE
from tracegraph.metrics.metrics import Metrics


async def metrics(request: Request) -> Response:
    """All figures of all processes that share the port; names and numbers only."""
    counted: Metrics = request.state.metrics
    return Response(await counted.text(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})
