"""Sends requests at a fixed rate regardless of response times, over as many connections as needed.

A request's latency counts from its due time, so that a delayed sender hides nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import uvloop

MAX_CONNECTIONS = 2000
_POLL_S = 0.05
_LAST_RESPONSES_S = 12.0
"""How long the sender waits for responses after the last request: a little more than the gateway's deadline."""
BROKEN = 0
"""The status of a request whose connection was closed without a response."""


class Request(NamedTuple):
    """The bytes of a request in parts, with the name of its kind."""

    kind: str
    content: Sequence[bytes]


@dataclass(slots=True)
class SendStats:
    """The outcome of the requests of each kind."""

    sent: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    unsent: int = 0
    """Requests without a free connection. If there are any, the rate was not reached."""

    def record_response(self, kind: str, status: int, latency_s: float) -> None:
        """Count one response."""
        self.statuses.setdefault(kind, Counter())[status] += 1
        self.latencies_ms.setdefault(kind, []).append(latency_s * 1000)

    @property
    def without_response(self) -> Mapping[str, int]:
        """Return the requests by kind that have neither a response nor a broken connection."""
        return {kind: sent - self.statuses.get(kind, Counter()).total() for kind, sent in self.sent.items()}


class Connection(asyncio.Protocol):
    """One connection with at most one request in flight."""

    def __init__(self, stats: SendStats, idle: list[Connection]) -> None:
        self._stats = stats
        self._idle = idle
        self._kind: str | None = None
        self._due = 0.0
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport is no subclass of asyncio's

    def send(self, request: Request, due: float) -> None:
        """Send a request that was due at a time of the loop's clock."""
        self._kind, self._due = request.kind, due
        self._stats.sent[request.kind] += 1
        if self._transport is None or self._transport.is_closing():
            self._complete(BROKEN)
        else:
            self._transport.writelines(request.content)

    def data_received(self, data: bytes) -> None:
        """Count a response when it is complete."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        lower = bytes(head).lower()
        _, _, length = lower.partition(b"content-length: ")
        if len(body) < int(length.partition(b"\r\n")[0] or b"0"):
            return
        self._received.clear()
        self._complete(int(head[9:12]))
        if b"connection: close" not in lower and self._transport is not None and not self._transport.is_closing():
            self._idle.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Count the request in flight as broken."""
        self._complete(BROKEN)
        if self in self._idle:
            self._idle.remove(self)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _complete(self, status: int) -> None:
        if self._kind is not None:
            self._stats.record_response(self._kind, status, asyncio.get_running_loop().time() - self._due)
            self._kind = None


class Sender:
    """Sends requests to one address."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._idle: list[Connection] = []
        self._all: list[Connection] = []
        self._stats = SendStats()

    async def send(self, requests: Iterable[Request], per_s: float) -> SendStats:
        """Send the requests at a rate. Return the stats when all have a response or the time is over."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        opening: set[asyncio.Task[None]] = set()
        for number, request in enumerate(requests):
            due = began + number / per_s
            await asyncio.sleep(max(due - loop.time(), 0))
            if self._idle:
                self._idle.pop().send(request, due)
            elif len(self._all) < MAX_CONNECTIONS:
                task = asyncio.create_task(self._connect_and_send(request, due))
                opening.add(task)
                task.add_done_callback(opening.discard)
            else:
                self._stats.unsent += 1
        await asyncio.gather(*opening)
        await self._wait_for_responses()
        for connection in self._all:
            connection.close()
        return self._stats

    async def _connect_and_send(self, request: Request, due: float) -> None:
        connection = Connection(self._stats, self._idle)
        self._all.append(connection)
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, self._host, self._port)
        except OSError:
            self._stats.sent[request.kind] += 1
            self._stats.record_response(request.kind, BROKEN, asyncio.get_running_loop().time() - due)
        else:
            connection.send(request, due)

    async def _wait_for_responses(self) -> None:
        for _ in range(int(_LAST_RESPONSES_S / _POLL_S)):
            if not any(self._stats.without_response.values()):
                break
            await asyncio.sleep(_POLL_S)


def send(url: str, requests: Iterable[Request], per_s: float) -> SendStats:
    """Run a sender in an event loop of its own."""
    return uvloop.run(Sender(url).send(requests, per_s))
