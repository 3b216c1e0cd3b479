"""Requests sent at a fixed rate, whatever the answers take, over as many connections as that needs.

A request's latency counts from the moment at which it was due, so that a sender who had to wait hides nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import uvloop

_MOST_CONNECTIONS = 2000
_LOOK_S = 0.05
_LAST_ANSWERS_S = 12.0
"""How long is waited for answers after the last request: a little more than the gateway's deadline."""
BROKEN = 0
"""Stands for the status of a request whose connection was closed without an answer."""


class Request(NamedTuple):
    """Bytes to send, in parts, under the name of their kind."""

    kind: str
    content: Sequence[bytes]


@dataclass(slots=True)
class Tally:
    """What came of the requests of each kind."""

    sent: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    unsent: int = 0
    """Requests for which no connection was free: more than none, and the rate was not held."""

    def answered(self, kind: str, status: int, latency_s: float) -> None:
        """Count one answer."""
        self.statuses.setdefault(kind, Counter())[status] += 1
        self.latencies_ms.setdefault(kind, []).append(latency_s * 1000)

    @property
    def unanswered(self) -> Mapping[str, int]:
        """Requests by kind that have neither an answer nor a broken connection."""
        return {kind: sent - self.statuses.get(kind, Counter()).total() for kind, sent in self.sent.items()}


class Connection(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self, tally: Tally, idle: list[Connection]) -> None:
        self._tally = tally
        self._idle = idle
        self._kind: str | None = None
        self._due = 0.0
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to send."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's classes

    def send(self, request: Request, due: float) -> None:
        """Send a request that was due at that moment of the loop's clock."""
        self._kind, self._due = request.kind, due
        self._tally.sent[request.kind] += 1
        if self._transport is None or self._transport.is_closing():
            self._answered(BROKEN)
        else:
            self._transport.writelines(request.content)

    def data_received(self, data: bytes) -> None:
        """Count an answer that has come to its end."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        lower = bytes(head).lower()
        _, _, length = lower.partition(b"content-length: ")
        if len(body) < int(length.partition(b"\r\n")[0] or b"0"):
            return
        self._received.clear()
        self._answered(int(head[9:12]))
        if b"connection: close" not in lower and self._transport is not None and not self._transport.is_closing():
            self._idle.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Whatever was under way has no answer."""
        self._answered(BROKEN)
        if self in self._idle:
            self._idle.remove(self)

    def close(self) -> None:
        """Give the connection up."""
        if self._transport is not None:
            self._transport.abort()

    def _answered(self, status: int) -> None:
        if self._kind is not None:
            self._tally.answered(self._kind, status, asyncio.get_running_loop().time() - self._due)
            self._kind = None


class Sender:
    """Sends requests to one address."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname or "", place.port or 80
        self._idle: list[Connection] = []
        self._all: list[Connection] = []
        self._tally = Tally()

    async def send(self, requests: Iterable[Request], per_s: float) -> Tally:
        """Send them at that rate; what came of it when the last is answered, or was not in time."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        opening: set[asyncio.Task[None]] = set()
        for number, request in enumerate(requests):
            due = began + number / per_s
            await asyncio.sleep(max(due - loop.time(), 0))
            if self._idle:
                self._idle.pop().send(request, due)
            elif len(self._all) < _MOST_CONNECTIONS:
                task = asyncio.create_task(self._send_anew(request, due))
                opening.add(task)
                task.add_done_callback(opening.discard)
            else:
                self._tally.unsent += 1
        await asyncio.gather(*opening)
        await self._last_answers()
        for connection in self._all:
            connection.close()
        return self._tally

    async def _send_anew(self, request: Request, due: float) -> None:
        connection = Connection(self._tally, self._idle)
        self._all.append(connection)
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, self._host, self._port)
        except OSError:
            self._tally.sent[request.kind] += 1
            self._tally.answered(request.kind, BROKEN, asyncio.get_running_loop().time() - due)
        else:
            connection.send(request, due)

    async def _last_answers(self) -> None:
        for _ in range(int(_LAST_ANSWERS_S / _LOOK_S)):
            if not any(self._tally.unanswered.values()):
                break
            await asyncio.sleep(_LOOK_S)


def send(url: str, requests: Iterable[Request], per_s: float) -> Tally:
    """The same for a process that does nothing else."""
    return uvloop.run(Sender(url).send(requests, per_s))
