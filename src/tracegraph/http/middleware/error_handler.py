"""Masking of unexpected exceptions: a reference for the client, and a traceback without secrets for the log."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracegraph.graphql.errors import mask_exception


class ErrorMaskingMiddleware:
    """ASGI middleware: responds with 500 when the application raises, and aborts a response that has started."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the application's response, or the masked error."""
        has_started = False

        async def track_start(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, track_start)
        except Exception as exception:
            if scope["type"] != "http":
                raise
            error = mask_exception(exception).formatted
            if not has_started:  # otherwise the server sees an incomplete response, and closes the connection
                await JSONResponse({"errors": [error]}, 500)(scope, receive, send)
