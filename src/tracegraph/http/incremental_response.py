"""The HTTP response of an operation that may have deferred fragments: parts as they come, or one response."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tracegraph.graphql.incremental import FirstPart, Part
from tracegraph.http.disconnect import ClientDisconnected, cancel_on_disconnect
from tracegraph.http.incremental_formats import PartMedia, whole_as_part
from tracegraph.http.instrumentation import OperationObservation
from tracegraph.http.response_cache import ExecutionRequest, OperationResponse, ResponseCache


@dataclass(frozen=True, slots=True)
class PartExchange:
    """One request whose client accepts parts.

    Attributes:
        request: The request to execute.
        media: The media type of the parts.
        always: Whether an operation without deferred fragments has this media type too, as its only part.
        observation: Counts the parts.
        closing: Exits when the response is sent.
        respond: Returns the HTTP response for a whole response that is not sent as a part.
        close: Records and logs the complete response, or None after the client disconnected.
    """

    request: ExecutionRequest
    media: PartMedia
    always: bool
    observation: OperationObservation
    closing: AbstractContextManager[object]
    respond: Callable[[OperationResponse], Awaitable[Response]]
    close: Callable[[OperationResponse | None], None]


class IncrementalResponse(Response):
    """Executes the operation while it sends the parts. A disconnect of the client cancels the execution."""

    def __init__(self, cache: ResponseCache, exchange: PartExchange) -> None:
        super().__init__()
        self._cache = cache
        self._exchange = exchange
        self._is_started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        exchange = self._exchange
        with exchange.closing:
            try:
                response = await cancel_on_disconnect(receive, self._send(send))
            except ClientDisconnected:
                exchange.close(None)
                return
            exchange.close(response)
            if self._is_started:
                await send({"type": "http.response.body", "body": b""})
            else:
                await (await exchange.respond(response))(scope, receive, send)

    async def _send(self, send: Send) -> OperationResponse:
        """Send the parts, if there are any, and return the complete response."""
        exchange = self._exchange
        frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        request = replace(exchange.request, receive=lambda part: frames.put_nowait(self._frame(part)))
        work = asyncio.create_task(self._cache.get_or_execute(request))

        def end(work: asyncio.Task[OperationResponse]) -> None:
            frames.put_nowait(None)
            if not work.cancelled():
                work.exception()  # mark the error as retrieved: the client may be gone

        work.add_done_callback(end)
        try:
            while (frame := await frames.get()) is not None:
                await self._send_frame(frame, send)
            response = await work
        finally:
            work.cancel()
        result = response.result
        if not self._is_started and result.executed and (result.has_deferred or exchange.always):
            body = whole_as_part(response.body) if result.has_deferred else response.body
            await self._send_frame(exchange.media.frame(body, is_first=True, is_last=True), send)
        return response

    def _frame(self, part: Part) -> bytes:
        """Return the bytes of a part, and count the part."""
        media, is_first = self._exchange.media, isinstance(part, FirstPart)
        self._exchange.observation.count_part(part)
        return media.frame(media.encode(part), is_first=is_first, is_last=not part.has_next)

    async def _send_frame(self, frame: bytes, send: Send) -> None:
        if not self._is_started:
            self._is_started = True
            await send({"type": "http.response.start", "status": 200, "headers": self._part_headers()})
        await send({"type": "http.response.body", "body": frame, "more_body": True})

    def _part_headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-type", self._exchange.media.content_type.encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"accept, accept-encoding"),
            (b"x-accel-buffering", b"no"),  # nginx passes on each part at once
        ]
