"""uvicorn's HTTP protocol with bounds on a request's head: it takes any number of headers, of any length.

Each header costs time in Python, and again wherever one is looked up; a head without an end is kept in memory.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any

import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tracegraph.http.negotiation import JSON

MOST_HEADERS = 100
MOST_BYTES = 262_144
"""Of a head that has not come to its end. One that comes at once may be a little longer."""


class BoundedHeads(HttpToolsProtocol):
    """Answers 431 and closes the connection when a head goes beyond the bounds."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._unfinished_bytes: int | None = None

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._unfinished_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. What is raised here ends the reading, and has the server call `send_400_response`."""
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._unfinished_bytes = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, of a body or of both."""
        super().data_received(data)
        if self._unfinished_bytes is not None and not self.transport.is_closing():
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > MOST_BYTES:
                self._refuse_head()

    def send_400_response(self, msg: str) -> None:
        """Tell what is wrong with what is no HTTP request, or one with too long a head."""
        if self._unfinished_bytes is not None and len(self.headers) >= MOST_HEADERS:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _refuse_head(self) -> None:
        message = f"The request has more than {MOST_HEADERS} headers, or longer ones than this gateway reads."
        body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": "BAD_USER_INPUT"}}]})
        head = (
            b"HTTP/1.1 431 Request Header Fields Too Large",
            b"content-type: " + JSON.encode(),
            b"content-length: %d" % len(body),
            b"connection: close",
        )
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        self.transport.close()
