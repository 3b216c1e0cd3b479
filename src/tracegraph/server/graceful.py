"""uvicorn's server with a graceful shutdown: it drains while unready, closes the port, then stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import structlog
import uvicorn

from tracegraph.server.http_protocol import HeadLimitProtocol
from tracegraph.server.reload import Reloadable
from tracegraph.server.systemd import READY, STOPPING, reloading

_GRACE_S = 5.0
"""The time of a request in flight beyond its deadline, to receive its body and to send its response."""


_FINAL_RESPONSES_S = 0.5
"""The time for the 503 of a cancelled request to reach its client."""


_TICK_S = 0.1


_log = structlog.get_logger("tracegraph.server")


class Terminal:
    """The controlling terminal of the process, if the process has one at its start."""

    def __init__(self) -> None:
        self._was_present = (
            _has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
        )  # nohup ignores SIGHUP

    @property
    def is_gone(self) -> bool:
        """Whether a SIGHUP means that the terminal closed. Otherwise it requests a reload."""
        return self._was_present and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Server(uvicorn.Server):
    """A server of one process, with graceful shutdown and reload.

    - SIGTERM: `/readyz` returns 503 and each response closes its connection. The port stays open for
      `server.drain_s`.
    - SIGINT, which a terminal sends: the port closes at once.
    - After either signal, a request in flight has its deadline and five more seconds, and then gets 503.
    - A second signal cancels requests in flight now. A third signal ends the process without responses.
    - SIGHUP reads the configuration again.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        running: Reloadable,
        grace_s: float = _GRACE_S,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        """Create a server.

        Args:
            config: The configuration of uvicorn.
            running: The application.
            grace_s: The time beyond its deadline that a request in flight has during the shutdown.
            notify: Tells the service manager about the start, reloads and the end. None in a worker.
        """
        super().__init__(config)
        self._notify = notify or (lambda _: None)
        self._grace_s = grace_s
        self._running = running
        self._terminal = Terminal()
        self._is_quick = False
        self._is_at_once = False
        self._is_interrupted = False
        self._is_to_reload = False
        self._reloading: asyncio.Task[None] | None = None

    def end(self, *, quick: bool = False) -> None:
        """Start the shutdown. With `quick`, also of a later call, the shutdown skips the drain period."""
        self._is_quick = self._is_quick or quick
        self.should_exit = True

    def end_at_once(self) -> None:
        """Shut down now, and respond with 503 to requests in flight."""
        self._is_at_once = True
        self.end(quick=True)

    def reload(self) -> None:
        """Read the configuration again, unless the shutdown has started."""
        self._is_to_reload = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while the server runs. After SIGINT, raise KeyboardInterrupt at the end.

        uvicorn's own method also raises SIGTERM again, so that a clean exit would look like a killed process.
        """
        if threading.current_thread() is not threading.main_thread():  # other threads get no signals
            yield
            return
        handlers = {signal.SIGTERM: self.handle_exit, signal.SIGINT: self.handle_exit}
        if self._running.can_reload:
            handlers[signal.SIGHUP] = self.handle_hangup
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self._is_interrupted:
            signal.raise_signal(signal.SIGINT)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Handle SIGTERM or SIGINT: the first shuts down gracefully, the second now, the third exits at once."""
        self._is_interrupted = self._is_interrupted or sig == signal.SIGINT
        if self._is_at_once:
            os._exit(128 + sig)
        if self.should_exit:
            self.end_at_once()
        else:
            self.end(quick=sig == signal.SIGINT)

    def handle_hangup(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        """Handle SIGHUP: reload, or shut down as after Ctrl-C when the terminal closed."""
        if self._terminal.is_gone:
            if not self.should_exit:  # a shell sends it a second time
                self.handle_exit(signal.SIGINT, frame)
        else:
            self.reload()

    async def on_tick(self, counter: int) -> bool:
        """Start a requested reload. uvicorn calls this method ten times a second."""
        if self._is_to_reload and not self.should_exit:
            self._is_to_reload = False
            self._reloading = asyncio.create_task(self._reload())
        return await super().on_tick(counter)

    async def _reload(self) -> None:
        self._notify(reloading())
        try:
            await self._running.reload()
        finally:
            self._notify(READY)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application and the port."""
        await super().startup(sockets)
        if self.started:
            self._notify(READY)

    async def main_loop(self) -> None:
        """Serve until the shutdown starts, and while the process drains."""
        await super().main_loop()
        self._notify(STOPPING)
        if not self._is_quick:
            await self._drain()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, wait for the responses of requests in flight, and close the application."""
        if self._reloading is not None:
            with suppress(asyncio.CancelledError):
                self._reloading.cancel()
                await self._reloading
        cancelling = asyncio.create_task(self._cancel_late_requests())
        try:
            await super().shutdown(sockets)
        finally:
            cancelling.cancel()

    async def _drain(self) -> None:
        """Continue to serve, so that a load balancer sees `/readyz` before the port closes."""
        drain_s = self._running.settings.server.drain_s
        _log.info("server.draining", drain_s=drain_s, connections=len(self.server_state.connections))
        self._running.drain()
        self.config.encoded_headers.append((b"connection", b"close"))
        for connection in self.server_state.connections:
            if isinstance(connection, HeadLimitProtocol):
                connection.close_after_response()
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + drain_s
        while loop.time() < ends_at and not self._is_quick:
            await self.on_tick(0)
            await asyncio.sleep(_TICK_S)

    async def _cancel_late_requests(self) -> None:
        """Cancel requests beyond their deadline, which get 503 from `Reloadable`, and abort idle connections."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._running.settings.limits.deadline_s + self._grace_s
        while loop.time() < ends_at and not self._is_at_once:
            await self.on_tick(0)
            await asyncio.sleep(_TICK_S)
        self._running.respond_to_cancelled_requests()
        while True:
            for task in list(self.server_state.tasks):
                task.cancel()
            await asyncio.sleep(_FINAL_RESPONSES_S)
            for connection in list(self.server_state.connections):
                connection.transport.abort()
