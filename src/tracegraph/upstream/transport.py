"""Connections of one source, over aiohttp. No other module imports the HTTP library.

The transport uses aiohttp's connection pool (addresses, TLS, keep-alive) and its response parser, and writes the
requests itself. A call with a body of 11 KB takes 76 us of CPU this way. It took 157 us through aiohttp's session,
and 611 us with httpx on top, whose objects alone take 230 us (CPython 3.11, uvloop). These parts of aiohttp are
not public API, so its version is pinned exactly.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError, LineTooLong
from yarl import URL

from tracegraph.errors import SourceBadResponse, SourceResponseTooLarge, SourceTimeout, SourceUnavailable
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.tls import ssl_context, unreachable_reason

_KEEP_ALIVE_S = 60.0


_MAX_LINE_BYTES, _MAX_HEADERS = 64 * 1024, 256
"""Limits of a response's head. Security headers of 9 kB occur; aiohttp's default limit is 8,190 bytes."""


_TOO_MANY_HEADERS = "Too many headers received"


_IS_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


_COMMON_HEADERS = {"user-agent": "tracegraph", "accept": "application/json", "accept-encoding": "gzip, deflate"}


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """The address of the vendor, and the limits of one call.

    `timeout_s` limits one attempt as a whole, `connect_timeout_s` the time until there is a connection.
    `max_connections` limits the concurrent calls, `max_response_bytes` a decoded body. `ca_file` holds the only
    trusted authorities.
    """

    base_url: str
    timeout_s: float = 4.0
    connect_timeout_s: float = 3.0
    max_connections: int = 200
    max_response_bytes: int = 32 * 1024 * 1024
    ca_file: str | None = None


class RawResponse(NamedTuple):
    """The status, headers (with case-insensitive names) and body of any response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends calls to one base URL. It is an async context manager because it owns the connections."""

    def __init__(self, source: str, settings: TransportSettings) -> None:
        self.source = source
        self.settings = settings
        self._base = URL(settings.base_url)
        self._target = "" if self._base.raw_path_qs == "/" else self._base.raw_path_qs
        self._headers = _header_lines({"host": self._base.host_port_subcomponent or "", **_COMMON_HEADERS})
        self._connect_timeout = aiohttp.ClientTimeout(total=None, connect=settings.connect_timeout_s)

    async def __aenter__(self) -> Transport:
        self._pool = aiohttp.TCPConnector(
            limit=self.settings.max_connections,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=ssl_context(self.settings.ca_file),
        )
        self._route = aiohttp.ClientRequest("GET", self._base, loop=asyncio.get_running_loop())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def send(self, call: UpstreamRequest, headers: Mapping[str, str], allowed_s: float) -> RawResponse:
        """Send one request. The caller ensures that at most `max_connections` are in flight.

        Args:
            call: The request.
            headers: The headers of the credential.
            allowed_s: The time limit.

        Raises:
            SourceTimeout: After `allowed_s` seconds.
            SourceUnavailable: When the vendor cannot be reached or closes the connection.
            SourceBadResponse: For a response that exceeds a limit.
        """
        request = self._request(call, headers)
        try:
            async with asyncio.timeout(allowed_s):
                return await self._send(request)
        except TimeoutError as error:
            raise SourceTimeout(
                self.source, f"Source {self.source!r} did not respond within {round(allowed_s, 2):g} s."
            ) from error
        except (
            aiohttp.ClientError,
            HttpProcessingError,
            OSError,
            UnicodeError,
        ) as error:  # UnicodeError: the host name is invalid
            if _is_head_too_long(error):
                problem = (
                    f"with a header of more than {_MAX_LINE_BYTES} bytes, or more than {_MAX_HEADERS} headers"
                )
                raise SourceBadResponse(
                    self.source, self._problem(problem)
                ) from None  # the cause holds text of the vendor
            raise SourceUnavailable(
                self.source,
                f"Source {self.source!r} cannot be reached, or closed the connection early.",
                reason=unreachable_reason(error),
            ) from error

    async def _send(self, request: bytes) -> RawResponse:
        connection = await self._pool.connect(self._route, traces=[], timeout=self._connect_timeout)
        try:
            reply = await self._exchange(connection, request)
        except BaseException:
            connection.close()  # else the next call would read the rest of this response
            raise
        connection.release()
        return reply

    async def _exchange(self, connection: Connection, request: bytes) -> RawResponse:
        protocol, transport = connection.protocol, connection.transport
        if (
            protocol is None or transport is None or protocol.should_close
        ):  # the vendor sent bytes or closed while the connection was idle
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(
            read_until_eof=True,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
            max_headers=_MAX_HEADERS,
        )
        transport.write(request)
        message, payload = await protocol.read()
        while message.code < 200 and message.code != 101:  # interim responses such as "100 Continue"
            message, payload = await protocol.read()
        return RawResponse(message.code, message.headers, await self._body(payload, message.code))

    async def _body(self, payload: aiohttp.StreamReader, status: int) -> bytes:
        limit = self.settings.max_response_bytes
        blocks: list[bytes] = []
        size = 0
        try:
            while block := await payload.readany():
                size += len(block)
                if size > limit:
                    raise SourceResponseTooLarge(
                        self.source, self._problem(f"of more than {limit} bytes"), http_status=status
                    )
                blocks.append(block)
            return b"".join(blocks)
        except aiohttp.ClientPayloadError as error:
            if isinstance(error.__cause__, ContentEncodingError):
                problem = self._problem("that does not decompress")
                raise SourceBadResponse(self.source, problem, http_status=status) from None
            raise
        finally:
            blocks.clear()  # the traceback of an error keeps this frame, and with it the blocks

    def _problem(self, problem: str) -> str:
        return f"Source {self.source!r} returned a response {problem}."

    def _request(self, call: UpstreamRequest, headers: Mapping[str, str]) -> bytes:
        """Return the bytes of the request. Raise ValueError for a path that is not escaped."""
        target = self._target + call.path
        if call.query:
            target += f"?{_escaped(call.query)}"
        if not target.isprintable() or " " in target:
            raise ValueError("The path of a call must be escaped: a raw line break would end the request line.")
        head = f"{call.method} {target or '/'} HTTP/1.1\r\n{self._headers}{_header_lines(headers)}"
        content = call.content()
        if content is None:
            return f"{head}\r\n".encode("ascii")
        return (
            f"{head}content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode("ascii")
            + content
        )


def _is_head_too_long(error: BaseException) -> bool:
    if not isinstance(error, HttpProcessingError):
        return False
    return isinstance(error.__cause__, LineTooLong) or error.message == _TOO_MANY_HEADERS


def _header_lines(headers: Mapping[str, str]) -> str:
    """Return the lines of the headers. Raise ValueError for a value that would start another header."""
    if not all(map(str.isprintable, headers.values())):
        raise ValueError("A header's value must be printable: a line break would end its line.")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def _escaped(query: Sequence[tuple[str, str]]) -> str:
    """Return the query string. Most queries need no escapes, and urlencode takes 8 us to find that out."""
    if _IS_UNRESERVED("".join(map("".join, query))):
        return "&".join(map("=".join, query))
    return urlencode(query)
