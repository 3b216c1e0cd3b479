"""The `/metrics` route, for Prometheus and other readers of its text format."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.http.endpoint import refused_response
from tracegraph.http.errors import HTTPRequestError
from tracegraph.metrics.collector import Metrics
from tracegraph.metrics.exposition import CONTENT_TYPE


async def metrics(request: Request) -> Response:
    """Return the metrics of all processes that share the port.

    The metrics name every source. They require a principal that may read every source, unless `auth.open_metrics`
    is set.
    """
    try:
        await request.state.access_control.authorize_metrics(request)
    except HTTPRequestError as error:
        return refused_response(request, error)
    collector: Metrics = request.state.metrics
    return Response(await collector.render(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})
