"""What never becomes a request: bytes that are no HTTP, and heads beyond bounds. Each gets a GraphQL error, too.

The server's parser takes any number of headers, of any length. Each costs time in Python, and again wherever one
is looked up; and what there is of a head is kept until it ends.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tracegraph.http.negotiation import JSON

MOST_HEADERS = 100
MOST_BYTES = 65_536
"""Of a request's target, and the names and values of its headers, together."""


class BoundedHeads(HttpToolsProtocol):
    """The server's HTTP/1.1, which answers 431 and closes the connection when a head goes beyond the bounds."""

    _messages = 0
    _is_in_head = False
    _is_too_large = False
    _parsed_bytes = 0
    _received_bytes = 0

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._messages += 1
        self._is_in_head = True
        self._parsed_bytes = self._received_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._count_parsed(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, whole."""
        self._count_parsed(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._is_in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, of a body or of both. Only the parser knows of a header that is not whole yet."""
        message = self._messages
        super().data_received(data)
        if self._is_in_head and message == self._messages and not self.transport.is_closing():
            self._received_bytes += len(data)
            if self._received_bytes > MOST_BYTES:
                self._is_too_large = True
                self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the server's form
        """Give the last answer on this connection."""
        if self._is_too_large:
            self._refuse(431, f"The request has more than {MOST_HEADERS} headers, or {MOST_BYTES} bytes of them.")
        else:
            self._refuse(400, "That is not HTTP/1.1.")

    def close_after_answer(self) -> None:
        """Have the answer to the request in flight, if there is one, say `connection: close`."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def _count_parsed(self, size: int) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > MOST_BYTES or len(self.headers) >= MOST_HEADERS:
            self._is_too_large = True
            raise ValueError("the head is too large")  # ends the parsing, and has the server call the above

    def _refuse(self, status: int, message: str) -> None:
        body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": "BAD_USER_INPUT"}}]})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nconnection: close\r\ncache-control: no-store\r\n"
            f"content-type: {JSON}; charset=utf-8\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
