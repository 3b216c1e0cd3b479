"""Room on Python's stack, so that no hot loop runs where one piece of the stack ends and another begins.

Up to Python 3.13.0 frames live in pieces of 16 KiB, and an empty piece is given back to the system at once. A loop
whose calls step over the end of one maps and unmaps memory for each (python/cpython#142183): a query with 570 rows
took up to 1,400 page faults and twice its time, by nothing but the depth at which it ran. Below one frame that is
larger than a piece, Python takes a piece of 256 KiB, and the frames of a server never see its end.
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
"""Of 8 bytes: 160 kB, so that 96 kB are left of the piece. They are set apart, not written to."""


def run_with_stack_headroom(call: Callable[[], T]) -> T:
    """What the call gives; all that it calls has room."""
    return call()


run_with_stack_headroom.__code__ = run_with_stack_headroom.__code__.replace(co_stacksize=_STACK_SLOTS)


class HeadroomLoop(uvloop.Loop):
    """uvloop's loop; all that it runs has room."""

    def run_forever(self) -> None:
        """Run until it is stopped."""
        run_with_stack_headroom(super().run_forever)


_LEFT_TO_OTHERS_S = 0.001
"""Long enough for an idle process to wake; one that is alone still takes hundreds of connections a second."""


MAX_ACCEPTS_PER_TURN = 8
"""Connections in one turn of a busy loop. With one a turn, a flood of connections kept others waiting for seconds:
a turn is as long as all that came meanwhile."""


_WITHOUT_DESCRIPTORS_S = 1.0
"""As asyncio has it, where there can be no connection since too many are open."""


MakeProtocol = Callable[[], asyncio.BaseProtocol]


class SharedSocketLoop(HeadroomLoop):
    """The loop of a process that shares its listening socket with others."""

    async def create_server(  # type: ignore[override]  # of the many ways to call it, uvicorn's own
        self, protocol_factory: MakeProtocol, *, sock: socket.socket, backlog: int, ssl: None = None
    ) -> BalancedServer:
        """A server on a socket that is bound. Raises ValueError for TLS, which it does not speak."""
        if ssl is not None:
            raise ValueError("TLS is spoken in front of the gateway")
        sock.settimeout(0)
        sock.listen(backlog)
        return BalancedServer(self, sock, protocol_factory)


class BalancedServer:
    """Takes connections until it is closed; as much of asyncio's server as uvicorn uses."""

    def __init__(self, loop: SharedSocketLoop, listening: socket.socket, make_protocol: MakeProtocol) -> None:
        self._loop = loop
        self._listening = listening
        self._make_protocol = make_protocol
        self._timer: asyncio.TimerHandle | None = None
        self._due = 1
        self._opening: set[asyncio.Task[None]] = set()
        self._watch()

    def close(self) -> None:
        """Take no more connections; those that were taken stay."""
        self._loop.remove_reader(self._listening)
        if self._timer is not None:
            self._timer.cancel()
        self._listening.close()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _watch(self, since: float = math.inf) -> None:
        """Take the next one, and one more for each rest that a busy loop missed `since` it was to watch."""
        missed = int(max(0.0, self._loop.time() - since) / _LEFT_TO_OTHERS_S)
        self._due = min(1 + missed, MAX_ACCEPTS_PER_TURN)
        self._loop.add_reader(self._listening, self._take)

    def _take(self) -> None:
        """The connections that are due, as far as no other process has them yet."""
        try:
            for _ in range(self._due):
                connection, _ = self._listening.accept()
                opening = self._loop.create_task(self._open(connection))
                self._opening.add(opening)
                opening.add_done_callback(self._opening.discard)
        except (BlockingIOError, ConnectionAbortedError):
            self._rest(_LEFT_TO_OTHERS_S)
        except OSError:
            self._rest(_WITHOUT_DESCRIPTORS_S)
        else:
            self._rest(_LEFT_TO_OTHERS_S)

    async def _open(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        with suppress(OSError):  # the client has closed it
            await self._loop.connect_accepted_socket(self._make_protocol, connection)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._timer = self._loop.call_later(seconds, self._watch, self._loop.time() + seconds)
