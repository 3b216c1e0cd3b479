"""A bug in any route: the client gets a reference and nothing else, the log has the story without secrets."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracegraph.graphql.errors import mask_exception


class ErrorMaskingMiddleware:
    """Answers 500 where the application raises; an answer that has begun is broken off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application's answer, or the masked error."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as bug:
            if scope["type"] != "http":
                raise
            error = mask_exception(bug).formatted
            if not begun:  # else the server sees an answer without its end, and closes the connection
                await JSONResponse({"errors": [error]}, 500)(scope, receive, send)
