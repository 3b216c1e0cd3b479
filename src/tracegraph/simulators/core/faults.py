"""Fault injection: failures of a vendor or of the network, queued from Python or over HTTP."""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracegraph.simulators.core.rows import Row

TRANSPORT = "tracegraph.transport"
"""The key of the connection's transport in the ASGI scope's state, set by the simulators' server."""


FaultKind = Literal[
    "status",
    "delay",
    "hang",
    "reset",
    "truncate",
    "html",
    "content_type",
    "not_json",
    "wrong_shape",
    "endless",
    "drip",
    "redirect",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, played `times` times (None: without end) for paths that begin with `path`.

        status       responds with `status` and `body`, or the vendor's own error body; `retry_after` as header
        delay        responds correctly, but `seconds` late
        hang         never responds; ends when the client disconnects
        reset        resets the connection without a response
        truncate     sends half of the correct body under the full Content-Length, then closes
        html         responds 200 with a web page, as a proxy or a login form does
        content_type sends the correct body under the Content-Type `content_type`
        not_json     responds 200 with bytes that are neither JSON nor text, under application/json
        wrong_shape  responds 200 with JSON of an unexpected shape (`body`)
        endless      responds 200 with a body that does not end
        drip         sends the correct body in small pieces, `seconds` apart
        redirect     responds 302 to `location`

    hang, reset, truncate and endless need a real connection: a simulator that is `running`. A TLS failure is a
    fault of the port, not of a request: see `servers.running`.
    """

    kind: FaultKind
    path: str = "/"
    times: int | None = 1
    status: int = 500
    retry_after: str | None = None
    seconds: float = 0.05
    location: str = "http://127.0.0.1:9/elsewhere"
    content_type: str = "text/html; charset=utf-8"
    body: Any = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"{self.kind!r} is not a kind of fault: {', '.join(get_args(FaultKind))}")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or None for ever")


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive function that returns the body already read, then the remaining messages."""
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed


class Faults:
    """ASGI middleware that plays the first queued fault with a matching path, else passes the request on."""

    def __init__(self, app: ASGIApp, error_body: Callable[[int], Row]) -> None:
        self._app = app
        self._error_body = error_body
        self.queue: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Queue faults, which are played in this order."""
        self.queue.extend(faults)

    def clear(self) -> None:
        """Remove every fault."""
        self.queue.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, with a fault or without."""
        fault = self._next_fault(scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
            return
        await _HANDLERS[fault.kind](_Injection(fault, self._app, self._error_body, scope, receive, send))

    def _next_fault(self, path: str) -> Fault | None:
        for index, fault in enumerate(self.queue):
            if not path.startswith(fault.path):
                continue
            if fault.times == 1:
                del self.queue[index]
            elif fault.times is not None:
                self.queue[index] = replace(fault, times=fault.times - 1)
            return fault
        return None


@dataclass(frozen=True, slots=True)
class _Injection:
    """A fault and the request that it applies to."""

    fault: Fault
    app: ASGIApp
    error_body: Callable[[int], Row]
    scope: Scope
    receive: Receive
    send: Send

    async def respond(self, status: int, body: bytes, headers: dict[str, str], size: int | None = None) -> None:
        """Send head and body. A `size` larger than the body leaves the response unfinished."""
        length = len(body) if size is None else size
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        head = [*raw, (b"content-length", str(length).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": head})
        await self.send({"type": "http.response.body", "body": body, "more_body": length > len(body)})

    async def correct_response(self) -> tuple[Message, bytes]:
        """Run the vendor and return its response unsent: the start message and the body."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(self.scope, self.receive, collect)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])

    async def disconnected(self) -> None:
        """Wait until the client disconnects."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def transport(self) -> asyncio.Transport:
        """Return the connection of our own server. Raise ConnectionResetError for other servers."""
        transport: asyncio.Transport | None = self.scope.get("state", {}).get(TRANSPORT)
        if transport is None:
            raise ConnectionResetError("the simulated vendor closed the connection")
        return transport


async def _status(injection: _Injection) -> None:
    fault = injection.fault
    headers = {"content-type": "application/json"}
    if fault.retry_after is not None:
        headers["retry-after"] = fault.retry_after
    body = injection.error_body(fault.status) if fault.body is None else fault.body
    await injection.respond(fault.status, orjson.dumps(body), headers)


async def _delay(injection: _Injection) -> None:
    request = await injection.receive()
    disconnect = asyncio.create_task(injection.disconnected())
    await asyncio.wait([disconnect], timeout=injection.fault.seconds)
    if disconnect.done():
        return
    disconnect.cancel()
    await injection.app(injection.scope, replay(request.get("body", b""), injection.receive), injection.send)


async def _hang(injection: _Injection) -> None:
    await injection.disconnected()


async def _reset(injection: _Injection) -> None:
    transport = injection.transport()
    # A linger time of zero makes the kernel send RST; a plain close would send FIN.
    # The option is set on a duplicate, because uvloop's socket object rejects setsockopt.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate:
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await injection.disconnected()


async def _truncate(injection: _Injection) -> None:
    start, body = await injection.correct_response()
    transport = injection.transport()
    headers = {"content-type": "application/json"}
    await injection.respond(start["status"], body[: len(body) // 2], headers, size=len(body))
    transport.close()
    await injection.disconnected()


async def _html(injection: _Injection) -> None:
    page = b"<!doctype html><html><body><h1>Sign in</h1></body></html>"
    await injection.respond(200, page, {"content-type": "text/html; charset=utf-8"})


async def _content_type(injection: _Injection) -> None:
    start, body = await injection.correct_response()
    await injection.respond(start["status"], body, {"content-type": injection.fault.content_type})


async def _not_json(injection: _Injection) -> None:
    await injection.respond(200, b"\x00\xff\xfe{" * 64, {"content-type": "application/json"})


async def _wrong_shape(injection: _Injection) -> None:
    body = {"unexpected": ["shape"]} if injection.fault.body is None else injection.fault.body
    await injection.respond(200, orjson.dumps(body), {"content-type": "application/json"})


async def _endless(injection: _Injection) -> None:
    headers = [(b"content-type", b"application/json")]
    await injection.send({"type": "http.response.start", "status": 200, "headers": headers})
    await injection.send({"type": "http.response.body", "body": b'{"data": [', "more_body": True})
    disconnect = asyncio.create_task(injection.disconnected())
    try:
        while not disconnect.done():
            await injection.send({"type": "http.response.body", "body": b"{}," * 20_000, "more_body": True})
            await asyncio.sleep(0)
    finally:
        disconnect.cancel()


async def _drip(injection: _Injection) -> None:
    start, body = await injection.correct_response()
    await injection.send(start)
    step = max(1, len(body) // 10)
    disconnect = asyncio.create_task(injection.disconnected())
    try:
        for offset in range(0, len(body), step):
            await injection.send(
                {"type": "http.response.body", "body": body[offset : offset + step], "more_body": True}
            )
            await asyncio.wait([disconnect], timeout=injection.fault.seconds)
            if disconnect.done():
                return
    finally:
        disconnect.cancel()
    await injection.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _redirect(injection: _Injection) -> None:
    await injection.respond(302, b"", {"location": injection.fault.location})


_Handler: TypeAlias = Callable[[_Injection], Awaitable[None]]


_HANDLERS: dict[FaultKind, _Handler] = {
    "status": _status,
    "delay": _delay,
    "hang": _hang,
    "reset": _reset,
    "truncate": _truncate,
    "html": _html,
    "content_type": _content_type,
    "not_json": _not_json,
    "wrong_shape": _wrong_shape,
    "endless": _endless,
    "drip": _drip,
    "redirect": _redirect,
}
