"""One source's connections, over aiohttp: the only place that knows which HTTP library is used.

It takes aiohttp's pool of connections (addresses, TLS, keep-alive) and its parser of answers, and writes the
requests itself. A call with an answer of 11 KB takes 76 us of CPU so; it took 157 through aiohttp's session, and
611 with httpx on top, whose objects alone take 230 (CPython 3.11, uvloop). None of what is taken is promised to
stay as it is, so aiohttp's version is exact.
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
from tracegraph.upstream.tls import authorities, unreachable_reason

_KEEP_ALIVE_S = 60.0


_LONGEST_LINE, _MOST_HEADERS = 64 * 1024, 256
"""For what stands before the body of an answer. Security headers of 9 kB are seen; aiohttp takes 8,190 bytes."""


_TOO_MANY_HEADERS = "Too many headers received"


_NEEDS_NO_ESCAPE = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


_ON_EVERY_CALL = {"user-agent": "tracegraph", "accept": "application/json", "accept-encoding": "gzip, deflate"}


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Where the vendor is, and what one call may take.

    `timeout_s` bounds one try as a whole, `connect_timeout_s` the time until there is a connection,
    `max_connections` the calls at the same time, `max_response_bytes` a decoded body. `ca_file` holds the only
    certificate authorities that are trusted.
    """

    base_url: str
    timeout_s: float = 4.0
    connect_timeout_s: float = 3.0
    max_connections: int = 200
    max_response_bytes: int = 32 * 1024 * 1024
    ca_file: str | None = None


class RawReply(NamedTuple):
    """Status, headers (whose names have no case) and body of any answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends calls to one base URL. An async context manager: it owns the connections."""

    def __init__(self, source: str, settings: TransportSettings) -> None:
        self.source = source
        self.settings = settings
        self._base = URL(settings.base_url)
        self._target = "" if self._base.raw_path_qs == "/" else self._base.raw_path_qs
        self._headers = _lines({"host": self._base.host_port_subcomponent or "", **_ON_EVERY_CALL})
        self._patience = aiohttp.ClientTimeout(total=None, connect=settings.connect_timeout_s)

    async def __aenter__(self) -> Transport:
        self._pool = aiohttp.TCPConnector(
            limit=self.settings.max_connections,
            keepalive_timeout=_KEEP_ALIVE_S,
            ssl=authorities(self.settings.ca_file),
        )
        self._route = aiohttp.ClientRequest("GET", self._base, loop=asyncio.get_running_loop())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def send(self, call: UpstreamRequest, headers: Mapping[str, str], allowed_s: float) -> RawReply:
        """One request within that time. Raises SourceTimeout, SourceUnavailable, SourceBadResponse (past the cap).

        Whoever calls sees to it that no more than `max_connections` are under way.
        """
        request = self._request(call, headers)
        try:
            async with asyncio.timeout(allowed_s):
                return await self._send(request)
        except TimeoutError as error:
            raise SourceTimeout(
                self.source, f"Source {self.source!r} did not answer within {round(allowed_s, 2):g} s."
            ) from error
        except (
            aiohttp.ClientError,
            HttpProcessingError,
            OSError,
            UnicodeError,
        ) as error:  # the last: no host's name
            if _is_head_too_long(error):
                what = f"with a header of more than {_LONGEST_LINE} bytes, or more than {_MOST_HEADERS} headers"
                raise SourceBadResponse(self.source, self._problem(what)) from None  # the cause holds its text
            raise SourceUnavailable(
                self.source,
                f"Source {self.source!r} cannot be reached, or broke off its answer.",
                reason=unreachable_reason(error),
            ) from error

    async def _send(self, request: bytes) -> RawReply:
        connection = await self._pool.connect(self._route, traces=[], timeout=self._patience)
        try:
            reply = await self._exchange(connection, request)
        except BaseException:
            connection.close()  # or the next call would get the rest of this one's answer
            raise
        connection.release()
        return reply

    async def _exchange(self, connection: Connection, request: bytes) -> RawReply:
        protocol, wire = connection.protocol, connection.transport
        if protocol is None or wire is None or protocol.should_close:  # it sent something while nobody asked
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(
            read_until_eof=True,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            max_headers=_MOST_HEADERS,
        )
        wire.write(request)
        message, payload = await protocol.read()
        while message.code < 200 and message.code != 101:  # "100 Continue" and the like announce the answer
            message, payload = await protocol.read()
        return RawReply(message.code, message.headers, await self._body(payload, message.code))

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
            blocks.clear()  # an error's traceback holds this frame for as long as the error lives

    def _problem(self, what: str) -> str:
        return f"Source {self.source!r} gave an answer {what}."

    def _request(self, call: UpstreamRequest, headers: Mapping[str, str]) -> bytes:
        """The call as it goes over the wire. Raises ValueError for a path that is not escaped."""
        target = self._target + call.path
        if call.query:
            target += f"?{_escaped(call.query)}"
        if not target.isprintable() or " " in target:
            raise ValueError("The path of a call must be escaped: it would end the request's first line.")
        head = f"{call.method} {target or '/'} HTTP/1.1\r\n{self._headers}{_lines(headers)}"
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


def _lines(headers: Mapping[str, str]) -> str:
    """The headers as they go over the wire. Raises ValueError for a value that would go on as another header."""
    if not all(map(str.isprintable, headers.values())):
        raise ValueError("A header's value must be printable: it would end its line.")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def _escaped(query: Sequence[tuple[str, str]]) -> str:
    """The query as a URL has it. Most need no escapes, and urlencode takes 8 us to find that out."""
    if _NEEDS_NO_ESCAPE("".join(map("".join, query))):
        return "&".join(map("=".join, query))
    return urlencode(query)
