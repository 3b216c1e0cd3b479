"""uvicorn's HTTP/1.1 protocol with limits for the request head, and GraphQL errors for input that is no request.

The parser of uvicorn accepts any number of headers of any length. Each header costs time in Python, and again at
each lookup. The parser also buffers an incomplete head.

A server may ignore the offer of a protocol other than WebSocket (RFC 9110, 7.8), also for a request with a body.
Java's client offers h2c with every first request. The parser mistakes such a body for bytes of the other protocol,
or for the next request. The protocol therefore parses the request again, without the offer.
"""

from __future__ import annotations

import logging
import sys
from http import HTTPStatus

import httptools
import orjson
from starlette.responses import JSONResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tracegraph.http.negotiation import JSON
from tracegraph.server.reload import Reloadable

MAX_HEADERS = 100


MAX_HEAD_BYTES = 65_536
"""The maximum size of a request's target and the names and values of its headers, together."""


_NO_WEBSOCKETS = JSONResponse(
    {
        "errors": [
            {
                "message": "The gateway supports no WebSockets and no subscriptions: send queries by POST.",
                "extensions": {"code": "BAD_USER_INPUT"},
            }
        ]
    },
    426,
    {"upgrade": "HTTP/1.1", "connection": "upgrade, close", "cache-control": "no-store"},
)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Return whether a record of uvicorn is not its warning of malformed HTTP.

    `http.refused` reports these requests, at most 10 in 10 s. A client could fill the log with the warning.
    """
    return record.msg != "Invalid HTTP request received."


logging.getLogger("uvicorn.error").addFilter(_is_no_refusal)


class HeadLimitProtocol(HttpToolsProtocol):
    """HTTP/1.1 that responds with 431 and closes the connection when a head exceeds the limits."""

    _messages = 0
    _is_in_head = False
    _is_too_large = False
    _parsed_bytes = 0
    _received_bytes = 0
    _parsing = b""
    _pending_data: bytes | None = None
    _head_without_upgrade: bytes | None = None

    def on_message_begin(self) -> None:
        """Reset the counters for a new head."""
        super().on_message_begin()
        self._messages += 1
        self._is_in_head = True
        self._parsed_bytes = self._received_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Count a part of the target."""
        self._count_parsed(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count one complete header."""
        self._count_parsed(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Handle a complete head. Like any other, the response to a WebSocket waits for earlier responses."""
        self._is_in_head = False
        if self.parser.should_upgrade():
            if self._requests_websocket():
                self.app = _NO_WEBSOCKETS
                self._record_refusal(426)
            elif self.parser.get_method() != b"CONNECT":
                self._head_without_upgrade = self._head()
                return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Handle a complete request, unless it is parsed again."""
        if self._head_without_upgrade is None:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and count the bytes of an incomplete head, which the parser does not report."""
        message = self._messages
        self._pending_data = data
        while self._pending_data is not None:
            self._parsing, self._pending_data = self._pending_data, None
            super().data_received(self._parsing)
        self._parsing = b""
        if self._is_in_head and message == self._messages and not self.transport.is_closing():
            self._received_bytes += len(data)
            if self._received_bytes > MAX_HEAD_BYTES:
                self._is_too_large = True
                self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the server's signature
        """Send the last response on this connection."""
        if self._is_too_large:
            self._respond_and_close(
                431, f"The head has more than {MAX_HEADERS} headers or {MAX_HEAD_BYTES} bytes: send less."
            )
        else:
            self._respond_and_close(400, "The request is not valid HTTP/1.1.")

    def _requests_websocket(self) -> bool:
        """Return whether the request opens a WebSocket (RFC 6455, 4.1). Other upgrades may be ignored."""
        if self.parser.get_method() != b"GET" or self.parser.get_http_version() != "1.1":
            return False
        protocols = b",".join(value for name, value in self.headers if name == b"upgrade").lower().split(b",")
        return b"websocket" in {protocol.strip() for protocol in protocols}

    def _head(self) -> bytes:
        """Return the received head without the header that offers another protocol."""
        request_line = b"%b %b HTTP/%b\r\n" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        lines = (b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
        return request_line + b"".join(lines) + b"\r\n"

    def _unsupported_upgrade_warning(self) -> None:
        """Parse the request again, and log nothing: uvicorn would advise to install a package."""
        upgrade = sys.exception()
        if self._head_without_upgrade is not None and isinstance(upgrade, httptools.HttpParserUpgrade):
            self._pending_data = self._head_without_upgrade + self._parsing[upgrade.args[0] :]
            self._head_without_upgrade = None
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def close_after_response(self) -> None:
        """Add `connection: close` to the response of the request in flight, if there is one."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def _count_parsed(self, size: int) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > MAX_HEAD_BYTES or len(self.headers) >= MAX_HEADERS:
            self._is_too_large = True
            raise ValueError("the head is too large")  # the server then calls `send_400_response`

    def _record_refusal(self, status: int) -> None:
        if isinstance(self.config.app, Reloadable):
            self.config.app.record_refusal(status, "BAD_USER_INPUT")

    def _respond_and_close(self, status: int, message: str) -> None:
        self._record_refusal(status)
        body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": "BAD_USER_INPUT"}}]})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nconnection: close\r\ncache-control: no-store\r\n"
            f"content-type: {JSON}; charset=utf-8\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
