"""uvicorn's server with an end in steps: unready but serving, then closed to new connections, then over."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import structlog
import uvicorn

from tracegraph.server.http_protocol import HeadLimitProtocol
from tracegraph.server.reload import Reloadable

_MARGIN_S = 5.0
"""What a request in flight has beyond its deadline, for its body to come in and its answer to go out."""


_LAST_ANSWERS_S = 0.5
"""How long the 503 of a request that is cut may take to reach its client."""


_TICK_S = 0.1


_log = structlog.get_logger("tracegraph.server")


class Terminal:
    """The terminal from which the process was started, if there was one."""

    def __init__(self) -> None:
        self._was_there = _has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN  # as nohup has it

    @property
    def is_gone(self) -> bool:
        """Whether a SIGHUP means that the terminal was closed, and not that somebody wants a reload."""
        return self._was_there and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Server(uvicorn.Server):
    """A server of one process.

    SIGTERM: `/readyz` answers 503 and each answer closes its connection, while the port stays open for
    `server.drain_s`. SIGINT, which a terminal sends: the port closes at once. Either way a request in flight has
    its deadline and five seconds, and is answered with 503 after that. A second signal cuts it now; a third one
    ends the process without an answer. SIGHUP reads the configuration again.
    """

    def __init__(self, config: uvicorn.Config, running: Reloadable, margin_s: float = _MARGIN_S) -> None:
        super().__init__(config)
        self._margin_s = margin_s
        self._running = running
        self._terminal = Terminal()
        self._is_quick = False
        self._is_at_once = False
        self._is_to_reload = False
        self._reloading: asyncio.Task[None] | None = None

    def end(self, *, quick: bool = False) -> None:
        """Begin to end; with `quick` without serving on for `drain_s`. A later quick end shortens a slow one."""
        self._is_quick = self._is_quick or quick
        self.should_exit = True

    def end_at_once(self) -> None:
        """End, and answer 503 to what is in flight."""
        self._is_at_once = True
        self.end(quick=True)

    def reload(self) -> None:
        """Read the configuration again, unless the end has begun."""
        self._is_to_reload = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As the library's, with SIGHUP; but after SIGTERM and the last answer the process ends with 0.

        The library raises it again, so that a clean end would look like a process that was killed.
        """
        with super().capture_signals():
            before = signal.signal(signal.SIGHUP, self.handle_hangup) if self._running.can_reload else None
            try:
                yield
            finally:
                self._captured_signals = [each for each in self._captured_signals if each != signal.SIGTERM]
                if before is not None:
                    signal.signal(signal.SIGHUP, before)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the library's form
        """SIGTERM or SIGINT: the first one ends in order, the second at once, the third without a word."""
        self._captured_signals.append(sig)
        if self._is_at_once:
            os._exit(128 + sig)
        if self.should_exit:
            self.end_at_once()
        else:
            self.end(quick=sig == signal.SIGINT)

    def handle_hangup(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as a handler is called
        """SIGHUP: reload; but when the terminal was closed, end as on Ctrl-C."""
        if self._terminal.is_gone:
            if not self.should_exit:  # a shell sends it a second time
                self.handle_exit(signal.SIGINT, frame)
        else:
            self.reload()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self._is_to_reload and not self.should_exit:
            self._is_to_reload = False
            self._reloading = asyncio.create_task(self._running.reload())
        return await super().on_tick(counter)

    async def main_loop(self) -> None:
        """Serve until the end begins, and while the process drains."""
        await super().main_loop()
        if not self._is_quick:
            await self._drain()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, have requests in flight answered, and close the application."""
        if self._reloading is not None:
            with suppress(asyncio.CancelledError):
                self._reloading.cancel()
                await self._reloading
        cutting = asyncio.create_task(self._cut_late_requests())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _drain(self) -> None:
        """Serve on, so that a balancer learns of the end before the port closes."""
        drain_s = self._running.settings.server.drain_s
        _log.info("server.draining", drain_s=drain_s, connections=len(self.server_state.connections))
        self._running.drain()
        self.config.encoded_headers.append((b"connection", b"close"))
        for connection in self.server_state.connections:
            if isinstance(connection, HeadLimitProtocol):
                connection.close_after_answer()
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + drain_s
        while loop.time() < ends_at and not self._is_quick:
            await self.on_tick(0)
            await asyncio.sleep(_TICK_S)

    async def _cut_late_requests(self) -> None:
        """Cancel what runs for too long, which `Reloadable` answers, and break off what nobody reads or sends."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._running.settings.limits.deadline_s + self._margin_s
        while loop.time() < ends_at and not self._is_at_once:
            await self.on_tick(0)
            await asyncio.sleep(_TICK_S)
        self._running.cut()
        while True:
            for task in list(self.server_state.tasks):
                task.cancel()
            await asyncio.sleep(_LAST_ANSWERS_S)
            for connection in list(self.server_state.connections):
                connection.transport.abort()
