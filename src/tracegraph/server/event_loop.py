"""Event loops with stack headroom, and a server that accepts a balanced share of the connections of a socket.

Up to Python 3.13.0 frames live in stack chunks of 16 KiB, and Python returns an empty chunk to the system at once.
A loop whose calls cross the end of a chunk maps and unmaps memory for each call (python/cpython#142183). At a bad
stack depth, a query with 570 rows caused up to 1,400 page faults and took twice its time. A frame that is larger
than a chunk makes Python allocate a chunk of 256 KiB. The frames of a server never reach the end of that chunk.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import uvloop

T = TypeVar("T")


_STACK_SLOTS = 20_000
"""Slots of 8 bytes, 160 kB in all, so that 96 kB of the chunk are left. Python reserves them without a write."""


def run_with_stack_headroom(call: Callable[[], T]) -> T:
    """Return the result of the call, which runs with stack headroom."""
    return call()


run_with_stack_headroom.__code__ = run_with_stack_headroom.__code__.replace(co_stacksize=_STACK_SLOTS)


class HeadroomLoop(uvloop.Loop):
    """uvloop's event loop, with stack headroom for its callbacks."""

    def run_forever(self) -> None:
        """Run until `stop` is called."""
        run_with_stack_headroom(super().run_forever)


_ACCEPT_PAUSE_S = 0.001
"""The pause after an accept, in which an idle process wakes up. One process still accepts hundreds a second."""


MAX_ACCEPTS_PER_ITERATION = 8
"""The most connections that one iteration of a busy loop accepts. With one per iteration, a flood of connections
delayed others for seconds: an iteration takes as long as all work that arrived meanwhile."""


_DESCRIPTOR_PAUSE_S = 1.0
"""The pause after an accept that failed for lack of file descriptors, as in asyncio."""


MakeProtocol = Callable[[], asyncio.BaseProtocol]


class SharedSocketLoop(HeadroomLoop):
    """The loop of a process that shares its listening socket with others."""

    async def create_server(  # type: ignore[override]  # only the signature that uvicorn calls
        self, protocol_factory: MakeProtocol, *, sock: socket.socket, backlog: int, ssl: None = None
    ) -> BalancedServer:
        """Return a server on a bound socket.

        Args:
            protocol_factory: Creates the protocol of each connection.
            sock: The bound socket.
            backlog: The length of the system's queue of connections.
            ssl: Must be None.

        Raises:
            ValueError: `ssl` is given.
        """
        if ssl is not None:
            raise ValueError("the gateway does not support TLS: terminate TLS in front of it")
        sock.settimeout(0)
        sock.listen(backlog)
        return BalancedServer(self, sock, protocol_factory)


class BalancedServer:
    """Accepts connections until `close`. It implements the part of asyncio's server that uvicorn uses."""

    def __init__(self, loop: SharedSocketLoop, listening: socket.socket, make_protocol: MakeProtocol) -> None:
        self._loop = loop
        self._listening = listening
        self._make_protocol = make_protocol
        self._timer: asyncio.TimerHandle | None = None
        self._accept_budget = 1
        self._opening: set[asyncio.Task[None]] = set()
        self._watch()

    def close(self) -> None:
        """Stop accepting. Accepted connections stay open."""
        self._loop.remove_reader(self._listening)
        if self._timer is not None:
            self._timer.cancel()
        self._listening.close()

    async def wait_closed(self) -> None:
        """Return at once: `close` leaves nothing to wait for."""

    def _watch(self, since: float = math.inf) -> None:
        """Accept the next connection, and one more for each pause that a busy loop missed since `since`."""
        missed = int(max(0.0, self._loop.time() - since) / _ACCEPT_PAUSE_S)
        self._accept_budget = min(1 + missed, MAX_ACCEPTS_PER_ITERATION)
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        """Accept up to the budget, as far as no other process has accepted the connections."""
        try:
            for _ in range(self._accept_budget):
                connection, _ = self._listening.accept()
                opening = self._loop.create_task(self._open(connection))
                self._opening.add(opening)
                opening.add_done_callback(self._opening.discard)
        except (BlockingIOError, ConnectionAbortedError):
            self._pause(_ACCEPT_PAUSE_S)
        except OSError:
            self._pause(_DESCRIPTOR_PAUSE_S)
        else:
            self._pause(_ACCEPT_PAUSE_S)

    async def _open(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        with suppress(OSError):  # the client has closed it
            await self._loop.connect_accepted_socket(self._make_protocol, connection)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._timer = self._loop.call_later(seconds, self._watch, self._loop.time() + seconds)
