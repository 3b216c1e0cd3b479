"""One simulated vendor as an ASGI application: its routes with a call log and fault injection."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from tracegraph.simulators.core.faults import Fault, Faults, replay
from tracegraph.simulators.core.responses import Json
from tracegraph.simulators.core.rows import Row

_RECORDED_HEADERS = frozenset(
    {
        "accept",
        "authorization",
        "content-type",
        "meibel-api-key",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-api-key",
        "x-tenant-id",
    }
)


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One request that reached the vendor, regardless of the response."""

    method: str
    path: str
    """Percent-decoded."""
    path_class: str
    """The route, for example `/v2/agents/{agent_id}`; `unmatched` for other paths."""
    query: dict[str, list[str]]
    body: Any
    """The JSON of the body, or None."""
    headers: dict[str, str]
    """The headers of credentials, content negotiation and tracing, with names in lower case."""
    at: float
    """The time in seconds of the monotonic clock."""


class Simulator:
    """A vendor's routes. Every request is recorded in `calls`, and the faults in `faults` are played first.

    These control paths are neither recorded nor subject to faults:

        GET /__calls       the number of requests by class
        DELETE /__calls    reset the count
        GET /__faults      the queued faults, in order
        POST /__faults     queue one, or a list: {"kind": "status", "status": 503, "times": null, "path": "/v2"};
                           the keys are those of `Fault`; 400 for an invalid fault
        DELETE /__faults   remove all; a fault that is being played continues
    """

    def __init__(
        self, app: Starlette, error_body: Callable[[int], Row], recorded_headers: Collection[str] = ()
    ) -> None:
        """Wrap the vendor's routes.

        Args:
            app: The routes.
            error_body: Returns the vendor's error body for a status.
            recorded_headers: Further headers to record, in lower case, such as the vendor's credential.
        """
        self._app = app
        self._recorded_headers = _RECORDED_HEADERS.union(recorded_headers)
        self.calls: list[RecordedCall] = []
        self.in_flight = 0
        self.peak_in_flight = 0
        """The most requests that were in flight at one time."""
        self.faults = Faults(app, error_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in {"/__calls", "/__faults"}:
            await (await self._control(Request(scope, receive)))(scope, receive, send)
            return
        body = await _read(receive)
        self.calls.append(self._call(scope, body))
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            await self.faults(scope, replay(body, receive), send)
        finally:
            self.in_flight -= 1

    def _call(self, scope: Scope, body: bytes) -> RecordedCall:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return RecordedCall(
            method=scope["method"],
            path=scope["path"],
            path_class=self._path_class(scope),
            query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
            body=_json_or_none(body),
            headers={name: value for name, value in headers.items() if name in self._recorded_headers},
            at=time.monotonic(),
        )

    def _path_class(self, scope: Scope) -> str:
        for route in self._app.routes:
            if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
                return route.path
        return "unmatched"

    async def _control(self, request: Request) -> Response:
        if request.url.path == "/__calls":
            if request.method == "DELETE":
                self.calls.clear()
            counts = Counter(f"{call.method} {call.path_class}" for call in self.calls)
            return Json({"total": len(self.calls), "by_class": dict(counts)})
        if request.method == "DELETE":
            self.faults.clear()
        if request.method == "POST":
            try:
                payload = orjson.loads(await request.body())
                self.faults.add(
                    *(Fault(**fields) for fields in (payload if isinstance(payload, list) else [payload]))
                )
            except (TypeError, ValueError) as error:
                return Json({"detail": str(error)}, 400)
        return Json({"queued": [{"kind": fault.kind, "times": fault.times} for fault in self.faults.queue]})


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _json_or_none(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
