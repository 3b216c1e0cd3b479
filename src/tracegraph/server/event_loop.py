"""The event loop of a server process, with one way to accept connections for one process and for several.

The loop of uvloop accepts one connection per iteration. An iteration of a busy loop takes as long as all work that
arrived meanwhile, so a flood of connections delayed others for seconds. This loop accepts several per iteration.
Processes that share a socket also pause after an accept, so that each accepts a balanced share.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from contextlib import suppress

import uvloop

from tracegraph.server.stack_headroom import run_with_stack_headroom

_ACCEPT_PAUSE_S = 0.001
"""The pause after an accept, in which an idle process wakes up, for processes that share a socket. Each process
still accepts hundreds of connections a second."""


MAX_ACCEPTS_PER_ITERATION = 8
"""The most connections that one iteration of a busy loop accepts."""


_DESCRIPTOR_PAUSE_S = 1.0
"""The pause after an accept that failed for lack of file descriptors, as in asyncio."""


MakeProtocol = Callable[[], asyncio.BaseProtocol]


class ServerLoop(uvloop.Loop):
    """The loop of a process that alone listens on its socket, with stack headroom for its callbacks."""

    accept_pause_s = 0.0

    def run_forever(self) -> None:
        """Run until `stop` is called."""
        run_with_stack_headroom(super().run_forever)

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


class SharedSocketLoop(ServerLoop):
    """The loop of a process that shares its listening socket with others."""

    accept_pause_s = _ACCEPT_PAUSE_S


class BalancedServer:
    """Accepts connections until `close`. It implements the part of asyncio's server that uvicorn uses."""

    def __init__(self, loop: ServerLoop, listening: socket.socket, make_protocol: MakeProtocol) -> None:
        self._loop = loop
        self._listening = listening
        self._make_protocol = make_protocol
        self._pause_s = loop.accept_pause_s
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
        """Accept up to the budget in each iteration, which grows by one for each pause that a busy loop missed."""
        if self._pause_s:
            missed = int(max(0.0, self._loop.time() - since) / self._pause_s)
            self._accept_budget = min(1 + missed, MAX_ACCEPTS_PER_ITERATION)
        else:
            self._accept_budget = MAX_ACCEPTS_PER_ITERATION
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
            pass
        except OSError:
            self._pause(_DESCRIPTOR_PAUSE_S)
            return
        if self._pause_s:
            self._pause(self._pause_s)

    async def _open(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        with suppress(OSError):  # the client has closed it
            await self._loop.connect_accepted_socket(self._make_protocol, connection)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._timer = self._loop.call_later(seconds, self._watch, self._loop.time() + seconds)
