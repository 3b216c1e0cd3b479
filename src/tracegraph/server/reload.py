"""One application after another in the same process: a reload opens the next one before the last one closes."""

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

_ENDING = {
    "errors": [
        {
            "message": "The gateway is shutting down and did not finish this request: send it again.",
            "extensions": {"code": "SHUTTING_DOWN"},
        }
    ]
}


_log = structlog.get_logger("tracegraph.config")


class _Generation:
    """An application whose lifespan is open, and the number of requests that it answers now.

    The lifespan runs in a task of its own, since its context managers must be left by the task that entered them.
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
        """Enter the lifespan. Raises what it raises."""
        opened = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(opened))
        try:
            await asyncio.wait({opened, self._task}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if self._task.done():
            opened.cancel()
            await self._task

    async def _live(self, opened: asyncio.Future[None]) -> None:
        async with self.app.router.lifespan_context(self.app) as state:
            self.state = dict(state or {})
            opened.set_result(None)
            await self._over.wait()

    def enter(self) -> None:
        self._in_flight += 1

    def leave(self) -> None:
        self._in_flight -= 1
        if self._is_retired and not self._in_flight:
            self._over.set()

    def retire(self, closed: Callable[[_Generation], None]) -> None:
        """Close once the requests in flight are answered; `closed` is called then."""
        if self._task is not None:
            self._task.add_done_callback(lambda _: closed(self))
        self._is_retired = True
        if not self._in_flight:
            self._over.set()

    async def close(self) -> None:
        """Close now, whatever is in flight. Raises what the lifespan raises."""
        self._over.set()
        if self._task is not None:
            await self._task


class Reloadable:
    """An ASGI application that passes each request to the application that is current when the request comes.

    `prepare` reads the configuration and makes the next application; it runs in a thread, and raises
    ConfigurationError with one sentence. Without it there is no reload.
    """

    def __init__(self, first: Starlette, prepare: Callable[[], Starlette] | None = None) -> None:
        self._first = first
        self._prepare = prepare
        self._current: _Generation | None = None
        self._retired: set[_Generation] = set()
        self._one_at_a_time = asyncio.Lock()
        self._is_cutting = False

    @property
    def settings(self) -> Settings:
        """The configuration of the current application."""
        settings: Settings = self._first.state.settings
        return settings if self._current is None else self._current.settings

    @property
    def can_reload(self) -> bool:
        """Whether there is a configuration to read again."""
        return self._prepare is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The current application's answer."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        current = self._current
        if current is None:  # served without a lifespan
            await self._first(scope, receive, send)
            return
        scope["state"] = current.state.copy()
        current.enter()
        try:
            await current.app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_cutting:
                raise
            with suppress(RuntimeError):  # its answer has begun: the server closes the connection
                await JSONResponse(_ENDING, 503, {"retry-after": "1"})(scope, receive, send)
        finally:
            current.leave()

    async def reload(self) -> None:
        """Put an application with the configuration as it is now in the place of the current one.

        Requests in flight finish on the old one. When the new one cannot be opened, the old one stays, and the
        log says why.
        """
        if self._prepare is None:
            return
        async with self._one_at_a_time:
            try:
                fresh = _Generation(await asyncio.to_thread(self._prepare))
                await fresh.open()
            except ConfigurationError as error:
                _log.error("config.kept", reason=error.message)
                return
            except Exception:
                _log.exception("config.kept", reason="The new configuration could not be opened: a bug.")
                return
            old, self._current = self._current, fresh
            configure_logs(fresh.settings.log, in_background=True)
            _log.info("config.reloaded", sources=list(fresh.settings.sources))
            if old is not None:
                self._retired.add(old)
                old.retire(self._retired.discard)

    def drain(self) -> None:
        """Let `/readyz` say that the process is about to end."""
        if self._current is not None:
            self._current.state[DRAINING] = True

    def cut(self) -> None:
        """From now on, answer 503 for each request whose task is cancelled."""
        self._is_cutting = True

    async def _live(self, receive: Receive, send: Send) -> None:
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
