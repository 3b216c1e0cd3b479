"""One HTTP/1.1 connection: it writes a request and parses the response, over asyncio and httptools.

`pooled_transport` decides which connection sends which request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import httptools
import httpx

MAX_FIELD_BYTES, MAX_FIELDS, MAX_HEAD_BYTES = 64 * 1024, 256, 256 * 1024
"""Limits of a response's head, and of its trailer. Security headers of 9 kB occur."""


_MAX_BUFFERED_BYTES = 256 * 1024
"""The transport stops reading while more of a body than this waits for its reader."""


_MAX_QUOTED_BYTES = 4096
"""A longer line is not quoted in an error: a cut could leave a part of a secret that redaction does not find."""


_SWITCHING_PROTOCOLS = 101


class HeadTooLarge(httpx.RemoteProtocolError):
    """The head of a response exceeds a limit. The message holds no text of the response."""


class HttpConnection(asyncio.Protocol):
    """One connection, which serves one exchange after another.

    An exchange is `send`, `head`, then `next_chunk` until it returns b"". Once `head` has returned, `status` and
    `fields` describe the response.
    """

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.idle_since = 0.0
        self.exchanges = 0
        self.has_response_bytes = False
        self.is_complete = True
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )  # nothing reads this response but its own exchange, so a sloppy server does no harm
        self._waiter: asyncio.Future[None] | None = None
        self._error: httpx.TransportError | None = None
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._reason_bytes = 0
        self._unread_bytes = 0
        self._is_open = self._is_paused = self._has_head = False
        self._can_be_reused = True

    # -- the side of the pool ------------------------------------------------------------------------------

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: the last response is complete and nothing follows it."""
        return (
            self._is_open
            and self.is_complete
            and self._can_be_reused
            and self._transport is not None
            and not self._transport.is_closing()
            and self._transport.get_write_buffer_size() == 0  # the server responded before it read the request
        )

    def send(self, request: bytes) -> None:
        """Write a request, and prepare for its response."""
        self.exchanges += 1
        self._start_message()
        self.is_complete = self.has_response_bytes = False
        if self._transport is not None:
            self._transport.write(request)

    async def head(self) -> None:
        """Wait for the head of the response.

        Raises:
            httpx.ReadError: The connection failed.
            httpx.RemoteProtocolError: The server closed the connection, or its response is not HTTP.
            HeadTooLarge: The head exceeds a limit.
        """
        while not self._has_head or isinstance(self._error, HeadTooLarge):
            await self._wait()

    async def next_chunk(self) -> bytes:
        """Return the next bytes of the body, b"" at its end; the errors are those of `head`."""
        while not self._chunks and not self.is_complete:
            await self._wait()
        chunks = self._chunks
        chunk = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return chunk

    def close(self) -> None:
        """Close the connection at once."""
        self._can_be_reused = False
        self._chunks.clear()
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        if not self._is_open:
            raise httpx.RemoteProtocolError("The server closed the connection without a complete response.")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: httpx.TransportError) -> None:
        self._can_be_reused = False
        if self._error is None and not self.is_complete:
            self._error = error
        self._wake()

    # -- asyncio.Protocol ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._is_open = True

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the response. Bytes outside an exchange belong to no request: they end the connection."""
        if self.is_complete:
            self.close()
            return
        self.has_response_bytes = True
        self._unread_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._can_be_reused = False
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(f"{error}{_quoted(data)}"))
        if self._unread_bytes > MAX_HEAD_BYTES:
            self._fail(_head_too_large())
        elif self._buffered > _MAX_BUFFERED_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """End a body that extends to the end of the connection."""
        self._is_open = False
        if self._has_head and not _is_delimited(self.fields):
            self.is_complete = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """End the exchange."""
        self._is_open = False
        if error is not None:
            failure = httpx.ReadError("The connection failed.")
            failure.__cause__ = error
            self._fail(failure)
        self._wake()

    # -- callbacks of the parser ---------------------------------------------------------------------------

    def _start_message(self) -> None:
        self.fields = []
        self._has_head = False
        self._reason_bytes = self._unread_bytes = 0

    def on_message_begin(self) -> None:
        """Note a response that nobody requested."""
        if self.is_complete:
            self._can_be_reused = False

    def on_status(self, reason: bytes) -> None:
        """Limit the reason phrase, which arrives in pieces."""
        self._reason_bytes += len(reason)
        if self._reason_bytes > MAX_FIELD_BYTES:
            self._fail(_head_too_large())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head, or of the trailer, which is ignored."""
        if self._has_head:
            return
        fields = self.fields
        fields.append((name, value))
        if len(name) + len(value) > MAX_FIELD_BYTES or len(fields) > MAX_FIELDS:
            self._fail(_head_too_large())

    def on_headers_complete(self) -> None:
        """Take the status. An interim response, such as 100 or 103, is skipped."""
        if self.is_complete:
            return
        status = self._parser.get_status_code()
        if status >= 200 or status == _SWITCHING_PROTOCOLS:
            self.status = status
            self._has_head = True
            self._unread_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self.is_complete:
            self._chunks.append(body)
            self._buffered += len(body)
            self._unread_bytes = 0

    def on_message_complete(self) -> None:
        """End the response, or an interim response."""
        if self.is_complete:
            return
        if not self._has_head:
            self._start_message()
            return
        self.is_complete = True
        self._can_be_reused = self._can_be_reused and self._parser.should_keep_alive()


def _is_delimited(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Return whether the response says where its body ends. Else it ends with the connection."""
    names = {name.lower(): value.lower() for name, value in fields}
    coding = names.get(b"transfer-encoding")
    return coding.endswith(b"chunked") if coding is not None else b"content-length" in names


def _head_too_large() -> HeadTooLarge:
    return HeadTooLarge("The head of the response exceeds a limit.")


def _quoted(data: bytes) -> str:
    line = data.partition(b"\n")[0]
    return f": {line!r}" if len(line) <= _MAX_QUOTED_BYTES else ""
