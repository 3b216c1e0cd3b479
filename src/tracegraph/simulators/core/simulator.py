"""One simulated vendor as an ASGI application: its call log and its faults around its routes."""

import time
from collections import Counter
from collections.abc import Callable
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

_KEPT_HEADERS = frozenset(
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
    """One request that reached the vendor, whatever came of it."""

    method: str
    path: str
    """Percent-decoded."""
    path_class: str
    """The route, for example `/v2/agents/{agent_id}`; `unmatched` for a path that is none of the vendor's."""
    query: dict[str, list[str]]
    body: Any
    """The JSON of the body, or None."""
    headers: dict[str, str]
    """Those that tell who asked and for what, their names in lower case."""
    at: float
    """Seconds of the monotonic clock."""


class Simulator:
    """A vendor's routes, with every request noted in `calls` and the faults in `faults` played first.

    Beside the vendor's own paths it answers these, which are not noted and meet no fault:

        GET /__calls       how many requests came, by class
        DELETE /__calls    count from zero again
        GET /__faults      the faults that wait, in their order
        POST /__faults     queue one, or a list: {"kind": "status", "status": 503, "times": null, "path": "/v2"};
                           the keys are those of `Fault`, 400 for what is none
        DELETE /__faults   forget them; one that plays already plays on
    """

    def __init__(self, app: Starlette, error_body: Callable[[int], Row]) -> None:
        self._app = app
        self.calls: list[RecordedCall] = []
        self.in_flight = 0
        self.peak_in_flight = 0
        """The most requests that were under way at one time."""
        self.faults = Faults(app, error_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
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
            headers={name: value for name, value in headers.items() if name in _KEPT_HEADERS},
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
                given = orjson.loads(await request.body())
                self.faults.add(*(Fault(**one) for one in (given if isinstance(given, list) else [given])))
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
