"""Faults on demand: what a vendor or the network does wrong, queued from Python or over HTTP."""

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
"""Where our own server leaves the connection's transport in the ASGI scope's state."""


Kind = Literal[
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
    """One thing that goes wrong, `times` times (None: for ever), for paths that begin with `path`.

    status       answers `status` with `body`, or in the vendor's own style; with `retry_after` as header
    delay        answers rightly, but `seconds` late
    hang         never answers; ends when the client goes away
    reset        resets the connection without an answer
    truncate     gives half of the right body under the full Content-Length, then closes
    html         answers 200 with a web page, as a proxy or a login form would
    content_type gives the right body under the Content-Type `content_type`
    not_json     answers 200 with bytes that are neither JSON nor text, under application/json
    wrong_shape  answers 200 with JSON of a shape nobody asked for (`body`)
    endless      answers 200 with a body that does not end
    drip         gives the right body in small pieces, `seconds` apart
    redirect     answers 302 to `location`

    hang, reset, truncate and endless need a real connection: a simulator that is `running`. TLS that fails
    is a fault of the port and not of a request: see `servers.running`.
    """

    kind: Kind
    path: str = "/"
    times: int | None = 1
    status: int = 500
    retry_after: str | None = None
    seconds: float = 0.05
    location: str = "http://127.0.0.1:9/elsewhere"
    content_type: str = "text/html; charset=utf-8"
    body: Any = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"{self.kind!r} is not a kind of fault: {', '.join(get_args(Kind))}")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or None for ever")


def replay(body: bytes, receive: Receive) -> Receive:
    """Give the body, read already, to an application; after it, what else comes (a disconnect)."""
    pending = [body]

    async def replayed() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed


class Faults:
    """ASGI middleware that plays the first queued fault whose path fits, and else lets the request pass."""

    def __init__(self, app: ASGIApp, error_body: Callable[[int], Row]) -> None:
        self._app = app
        self._error_body = error_body
        self.queue: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Queue faults: they come in this order."""
        self.queue.extend(faults)

    def clear(self) -> None:
        """Forget every fault."""
        self.queue.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, rightly or wrongly."""
        fault = self._take(scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
            return
        await _PLAYERS[fault.kind](_Play(fault, self._app, self._error_body, scope, receive, send))

    def _take(self, path: str) -> Fault | None:
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
class _Play:
    """A fault and the request that it befalls."""

    fault: Fault
    app: ASGIApp
    error_body: Callable[[int], Row]
    scope: Scope
    receive: Receive
    send: Send

    async def answer(self, status: int, body: bytes, headers: dict[str, str], size: int | None = None) -> None:
        """Send head and body; with a `size` beyond the body's, the answer stays unfinished."""
        length = len(body) if size is None else size
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        head = [*raw, (b"content-length", str(length).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": head})
        await self.send({"type": "http.response.body", "body": body, "more_body": length > len(body)})

    async def right_answer(self) -> tuple[Message, bytes]:
        """Let the vendor answer, and keep its answer back: the start message and the body."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(self.scope, self.receive, keep)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])

    async def gone(self) -> None:
        """Wait until the client has gone away."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def transport(self) -> asyncio.Transport:
        """Give the connection, when the server is ours; ConnectionResetError otherwise."""
        transport: asyncio.Transport | None = self.scope.get("state", {}).get(TRANSPORT)
        if transport is None:
            raise ConnectionResetError("the simulated vendor closed the connection")
        return transport


async def _status(play: _Play) -> None:
    fault = play.fault
    headers = {"content-type": "application/json"}
    if fault.retry_after is not None:
        headers["retry-after"] = fault.retry_after
    body = play.error_body(fault.status) if fault.body is None else fault.body
    await play.answer(fault.status, orjson.dumps(body), headers)


async def _delay(play: _Play) -> None:
    request = await play.receive()
    gone = asyncio.create_task(play.gone())
    await asyncio.wait([gone], timeout=play.fault.seconds)
    if gone.done():
        return
    gone.cancel()
    await play.app(play.scope, replay(request.get("body", b""), play.receive), play.send)


async def _hang(play: _Play) -> None:
    await play.gone()


async def _reset(play: _Play) -> None:
    transport = play.transport()
    # Lingering for zero seconds makes the kernel send RST, where a plain close would send FIN.
    # It is set through a duplicate, since uvloop's own socket object does not let itself be set.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate:
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await play.gone()


async def _truncate(play: _Play) -> None:
    start, body = await play.right_answer()
    transport = play.transport()
    headers = {"content-type": "application/json"}
    await play.answer(start["status"], body[: len(body) // 2], headers, size=len(body))
    transport.close()
    await play.gone()


async def _html(play: _Play) -> None:
    page = b"<!doctype html><html><body><h1>Sign in</h1></body></html>"
    await play.answer(200, page, {"content-type": "text/html; charset=utf-8"})


async def _content_type(play: _Play) -> None:
    start, body = await play.right_answer()
    await play.answer(start["status"], body, {"content-type": play.fault.content_type})


async def _not_json(play: _Play) -> None:
    await play.answer(200, b"\x00\xff\xfe{" * 64, {"content-type": "application/json"})


async def _wrong_shape(play: _Play) -> None:
    body = {"unexpected": ["shape"]} if play.fault.body is None else play.fault.body
    await play.answer(200, orjson.dumps(body), {"content-type": "application/json"})


async def _endless(play: _Play) -> None:
    headers = [(b"content-type", b"application/json")]
    await play.send({"type": "http.response.start", "status": 200, "headers": headers})
    await play.send({"type": "http.response.body", "body": b'{"data": [', "more_body": True})
    gone = asyncio.create_task(play.gone())
    try:
        while not gone.done():
            await play.send({"type": "http.response.body", "body": b"{}," * 20_000, "more_body": True})
            await asyncio.sleep(0)
    finally:
        gone.cancel()


async def _drip(play: _Play) -> None:
    start, body = await play.right_answer()
    await play.send(start)
    step = max(1, len(body) // 10)
    gone = asyncio.create_task(play.gone())
    try:
        for at in range(0, len(body), step):
            await play.send({"type": "http.response.body", "body": body[at : at + step], "more_body": True})
            await asyncio.wait([gone], timeout=play.fault.seconds)
            if gone.done():
                return
    finally:
        gone.cancel()
    await play.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _redirect(play: _Play) -> None:
    await play.answer(302, b"", {"location": play.fault.location})


_Player: TypeAlias = Callable[[_Play], Awaitable[None]]


_PLAYERS: dict[Kind, _Player] = {
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
