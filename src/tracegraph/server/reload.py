"""Reload without downtime: the next application opens in the same process before the current one closes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tracegraph.config.settings import Settings
from tracegraph.errors import ConfigurationError
from tracegraph.http.routes.health import DRAINING
from tracegraph.observability.logging import configure_logs

_SHUTTING_DOWN = {
    "errors": [
        {
            "message": "The gateway is shutting down and did not finish this request: send it again.",
            "extensions": {"code": "SHUTTING_DOWN"},
        }
    ]
}


_log = structlog.get_logger("tracegraph.config")


class _Generation:
    """An application with an open lifespan, and the number of its requests in flight.

    The lifespan runs in a task of its own, since one task must both enter and exit its context managers.
    """

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.settings: Settings = app.state.settings
        self.state: dict[str, Any] = {}
        self._in_flight = 0
        self._is_retired = False
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Enter the lifespan, and raise its exceptions."""
        ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run_lifespan(ready))
        try:
            await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if self._task.done():
            ready.cancel()
            await self._task

    async def _run_lifespan(self, ready: asyncio.Future[None]) -> None:
        async with self.app.router.lifespan_context(self.app) as state:
            self.state = dict(state or {})
            ready.set_result(None)
            await self._over.wait()

    def enter(self) -> None:
        self._in_flight += 1

    def leave(self) -> None:
        self._in_flight -= 1
        if self._is_retired and not self._in_flight:
            self._over.set()

    def retire(self, closed: Callable[[_Generation], None]) -> None:
        """Close after the last request in flight, and then call `closed`."""
        if self._task is not None:
            self._task.add_done_callback(lambda _: closed(self))
        self._is_retired = True
        if not self._in_flight:
            self._over.set()

    async def close(self) -> None:
        """Close without regard to requests in flight, and raise the exceptions of the lifespan."""
        self._over.set()
        if self._task is not None:
            await self._task


class Reloadable:
    """An ASGI application that passes each request to the current application.

    `prepare` reads the configuration and creates the next application. It runs in a thread, and raises
    ConfigurationError with one sentence. Without `prepare` the application cannot reload.
    """

    def __init__(self, first: Starlette, prepare: Callable[[], Starlette] | None = None) -> None:
        self._first = first
        self._prepare = prepare
        self._current: _Generation | None = None
        self._retired: set[_Generation] = set()
        self._reload_lock = asyncio.Lock()
        self._responds_to_cancelled = False

    @property
    def settings(self) -> Settings:
        """The configuration of the current application."""
        settings: Settings = self._first.state.settings
        return settings if self._current is None else self._current.settings

    @property
    def can_reload(self) -> bool:
        """Whether the configuration can be read again."""
        return self._prepare is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response of the current application."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        current = self._current
        if current is None:  # the server runs no lifespan
            await self._first(scope, receive, send)
            return
        scope["state"] = current.state.copy()
        current.enter()
        try:
            await current.app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._responds_to_cancelled:
                raise
            with suppress(RuntimeError):  # the response has started: the server closes the connection
                await JSONResponse(_SHUTTING_DOWN, 503, {"retry-after": "1"})(scope, receive, send)
        finally:
            current.leave()

    async def reload(self) -> None:
        """Replace the current application by one with the configuration as it is now.

        Requests in flight finish on the old application. When the new application cannot open, the old one stays,
        and the log gives the reason.
        """
        if self._prepare is None:
            return
        async with self._reload_lock:
            try:
                new = _Generation(await asyncio.to_thread(self._prepare))
                await new.open()
            except ConfigurationError as error:
                _log.error("config.kept", reason=error.message)
                return
            except Exception:
                _log.exception("config.kept", reason="A bug prevents the new configuration: see the exception.")
                return
            old, self._current = self._current, new
            configure_logs(new.settings.log, in_background=True)
            _log.info("config.reloaded", sources=list(new.settings.sources))
            if old is not None:
                self._retired.add(old)
                old.retire(self._retired.discard)

    def drain(self) -> None:
        """Make `/readyz` report that the process shuts down."""
        if self._current is not None:
            self._current.state[DRAINING] = True

    def record_refusal(self, status: int, code: str) -> None:
        """Count and log a request that the server refuses before the application sees it."""
        refusals = None if self._current is None else self._current.state.get("refusals")
        if refusals is not None:
            refusals.refused(status, code)

    def respond_to_cancelled_requests(self) -> None:
        """From now on, respond with 503 to each request whose task is cancelled."""
        self._responds_to_cancelled = True

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        current = _Generation(self._first)
        try:
            await current.open()
        except ConfigurationError as error:
            await send({"type": "lifespan.startup.failed", "message": error.message})
            return
        self._current = current
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for generation in (self._current, *self._retired):
            await generation.close()
        await send({"type": "lifespan.shutdown.complete"})
