"""What never becomes a request: no HTTP, a head beyond bounds, a WebSocket. Each gets a GraphQL error, too.

The server's parser takes any number of headers, of any length. Each costs time in Python, and again wherever one
is looked up; and what there is of a head is kept until it ends.

A request that offers another protocol than WebSocket may be answered as if it did not (RFC 9110, 7.8), also with a
body: Java's client offers h2c with every first request. The parser takes such a body for bytes of the other
protocol, or for the next request. So the request is parsed again, without the offer.
"""

from __future__ import annotations

import sys
from http import HTTPStatus

import httptools
import orjson
from starlette.responses import JSONResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tracegraph.http.negotiation import JSON

MOST_HEADERS = 100


MOST_BYTES = 65_536
"""Of a request's target, and the names and values of its headers, together."""


_NO_WEBSOCKETS = JSONResponse(
    {
        "errors": [
            {
                "message": "This gateway has no WebSockets and no subscriptions: send queries by POST over HTTP.",
                "extensions": {"code": "BAD_USER_INPUT"},
            }
        ]
    },
    426,
    {"upgrade": "HTTP/1.1", "connection": "upgrade, close", "cache-control": "no-store"},
)


class HeadLimitProtocol(HttpToolsProtocol):
    """The server's HTTP/1.1, which answers 431 and closes the connection when a head goes beyond the bounds."""

    _messages = 0
    _is_in_head = False
    _is_too_large = False
    _parsed_bytes = 0
    _received_bytes = 0
    _parsing = b""
    _to_parse_again: bytes | None = None
    _head_without_offer: bytes | None = None

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
        """The head is whole. An answer to a WebSocket waits, as any other, for those to earlier requests."""
        self._is_in_head = False
        if self.parser.should_upgrade():
            if self._asks_for_websocket():
                self.app = _NO_WEBSOCKETS
            elif self.parser.get_method() != b"CONNECT":
                self._head_without_offer = self._head()
                return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._head_without_offer is None:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, of a body or of both. Only the parser knows of a header that is not whole yet."""
        message = self._messages
        self._to_parse_again = data
        while self._to_parse_again is not None:
            self._parsing, self._to_parse_again = self._to_parse_again, None
            super().data_received(self._parsing)
        self._parsing = b""
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

    def _asks_for_websocket(self) -> bool:
        """Whether RFC 6455 (4.1) has it so; any other upgrade may be ignored, and is (RFC 9110, 7.8)."""
        if self.parser.get_method() != b"GET" or self.parser.get_http_version() != "1.1":
            return False
        protocols = b",".join(value for name, value in self.headers if name == b"upgrade").lower().split(b",")
        return b"websocket" in {one.strip() for one in protocols}

    def _head(self) -> bytes:
        """The head as it came, without the header that offers another protocol."""
        first = b"%b %b HTTP/%b\r\n" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        lines = (b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
        return first + b"".join(lines) + b"\r\n"

    def _unsupported_upgrade_warning(self) -> None:
        """Have the request parsed again, and log nothing: the library would advise to install a package."""
        parsed_up_to = sys.exception()
        if self._head_without_offer is not None and isinstance(parsed_up_to, httptools.HttpParserUpgrade):
            self._to_parse_again = self._head_without_offer + self._parsing[parsed_up_to.args[0] :]
            self._head_without_offer = None
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the library has it

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
