"""The way to the path that is asked all the time: past the router, a third of a kept answer's time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class FastPathMiddleware:
    """A middleware: GET and POST of `path` go to `endpoint`, all else to the application, which routes it."""

    def __init__(self, app: ASGIApp, *, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The endpoint's answer, or the application's."""
        if scope["type"] == "http" and scope["path"] == self._path and scope["method"] in {"GET", "POST"}:
            response = await self._endpoint(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)
