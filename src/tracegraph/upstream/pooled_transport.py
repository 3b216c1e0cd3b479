"""An httpx transport with a connection pool, over asyncio and httptools.

It speaks HTTP/1.1 without proxies. A call takes a small part of the CPU time that httpx's own transport takes.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import httpx

from tracegraph.upstream.addresses import open_socket
from tracegraph.upstream.http_connection import HttpConnection

T = TypeVar("T")

_Origin = tuple[str, str, int]
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_TIMEOUT: dict[str, float | None] = {}
_CONTROL_OR_BLANK = re.compile(rb"[\x00-\x20\x7f]")


class PooledTransport(httpx.AsyncBaseTransport):
    """Sends requests over kept connections. It serves one event loop.

    It reads these extensions of a request: `target`, the bytes of the request line's target in place of the URL's,
    and `timeout`, with `connect`, `read` and `pool` in seconds. A request's body is read before it is sent, and
    the response body is a stream of undecoded bytes.
    """

    def __init__(
        self, *, verify: ssl.SSLContext | None = None, max_connections: int = 100, keepalive_s: float = 60.0
    ) -> None:
        """Create the pool without a connection.

        Args:
            verify: The TLS settings; None for the default authorities of Python's ssl.
            max_connections: The most connections at one time. Further requests wait.
            keepalive_s: The longest time that a connection stays open without a request.
        """
        self._tls = verify
        self._permits = asyncio.Semaphore(max_connections)
        self._keepalive_s = keepalive_s
        self._idle: dict[_Origin, deque[HttpConnection]] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._lines = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response with its body unread. A request on a kept connection may be sent once more.

        A server may close a kept connection while a request is on its way. If no byte of a response arrived, the
        request is sent again on a new connection.

        Raises:
            httpx.TransportError: ConnectError, ConnectTimeout, PoolTimeout, ReadError, ReadTimeout,
                RemoteProtocolError, LocalProtocolError or UnsupportedProtocol.
        """
        content = await _content_of(request)
        origin, head = _origin(request.url), self._head_of(request)
        waits = request.extensions.get("timeout", _NO_TIMEOUT)
        if self._permits.locked():
            await _within(waits.get("pool"), self._permits.acquire(), httpx.PoolTimeout)
        else:
            await self._permits.acquire()
        try:
            connection = await self._exchange(origin, head + content, waits)
        except BaseException:
            self._permits.release()
            raise
        body: httpx.AsyncByteStream
        if connection.is_complete:
            body = httpx.ByteStream(await connection.next_chunk())
            self.give_back(origin, connection)
        else:
            body = _Body(self, origin, connection, waits.get("read"))
        return httpx.Response(connection.status, headers=connection.fields, stream=body)

    def _head_of(self, request: httpx.Request) -> bytes:
        """Return the head of the request.

        Raises:
            httpx.LocalProtocolError: For a head that a server could read as another request.
            httpx.UnsupportedProtocol: For HEAD and CONNECT, whose responses the parser would misread.
        """
        fields = request.headers.raw
        if fields != self._fields:  # most requests have the fields of the one before
            self._lines, self._fields = _field_lines(fields), fields
        target = request.extensions.get("target") or request.url.raw_path
        if request.method in {"CONNECT", "HEAD"}:
            raise httpx.UnsupportedProtocol(f"The method {request.method} is not supported.")
        if not target.isascii() or _CONTROL_OR_BLANK.search(target):
            raise httpx.LocalProtocolError("The target of the request holds a blank or a control character.")
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (request.method.encode("ascii"), target, self._lines)

    async def aclose(self) -> None:
        """Close the idle connections."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()
        await asyncio.sleep(0)  # the transports close in the next iteration of the loop

    async def _exchange(self, origin: _Origin, request: bytes, waits: dict[str, float | None]) -> HttpConnection:
        """Send the request and return its connection once the head of the response is there."""
        kept = self._take_idle(origin)
        if kept is not None:
            try:
                return await self._send(kept, request, waits)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                if kept.has_response_bytes:
                    raise
        return await self._send(await self._connect(origin, waits.get("connect")), request, waits)

    async def _send(
        self, connection: HttpConnection, request: bytes, waits: dict[str, float | None]
    ) -> HttpConnection:
        try:
            connection.send(request)
            if waits.get("read") is None:  # without a coroutine in between, since this is the hot path
                await connection.head()
            else:
                await _within(waits["read"], connection.head(), httpx.ReadTimeout)
        except BaseException:
            connection.close()  # else the next request would read the rest of this response
            raise
        return connection

    def _take_idle(self, origin: _Origin) -> HttpConnection | None:
        """Return the connection that was used last, if it is still usable."""
        connections = self._idle.get(origin)
        while connections:
            connection = connections.pop()
            if connection.is_reusable:
                return connection
            connection.close()
        return None

    def give_back(self, origin: _Origin, connection: HttpConnection) -> None:
        """Keep the connection if its exchange ended well, else close it."""
        self._permits.release()
        if not connection.is_reusable:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(origin, deque()).append(connection)
        if self._expiry is None:
            self._expiry = loop.call_later(self._keepalive_s, self._close_expired)

    def _close_expired(self) -> None:
        """Close the connections that were idle for too long, and come back when the next one will have been."""
        loop = asyncio.get_running_loop()
        expired = loop.time() - self._keepalive_s
        for connections in self._idle.values():
            while connections and connections[0].idle_since <= expired:
                connections.popleft().close()
        oldest = min((each[0].idle_since for each in self._idle.values() if each), default=None)
        when = None if oldest is None else oldest + self._keepalive_s
        self._expiry = None if when is None else loop.call_at(when, self._close_expired)

    async def _connect(self, origin: _Origin, timeout_s: float | None) -> HttpConnection:
        scheme, host, port = origin
        if scheme not in _DEFAULT_PORTS:
            raise httpx.UnsupportedProtocol(f"The scheme {scheme!r} is neither http nor https.")
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        opening = _open_connection(host, port, self._tls if scheme == "https" else None)
        try:
            return await _within(timeout_s, opening, httpx.ConnectTimeout)
        except (OSError, UnicodeError) as error:  # UnicodeError: the host name is invalid
            raise httpx.ConnectError("No connection could be opened.") from error


class _Body(httpx.AsyncByteStream):
    """The body of one response, which gives its connection back at its end, or closes it."""

    def __init__(
        self, pool: PooledTransport, origin: _Origin, connection: HttpConnection, timeout_s: float | None
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._connection: HttpConnection | None = connection
        self._timeout_s = timeout_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._connection is not None:
            chunk = await _within(self._timeout_s, self._connection.next_chunk(), httpx.ReadTimeout)
            if not chunk:
                self._give_back()
                return
            yield chunk

    async def aclose(self) -> None:
        if self._connection is not None:  # before the end of the body
            self._connection.close()
            self._give_back()

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(self._origin, connection)


async def _open_connection(host: str, port: int, tls: ssl.SSLContext | None) -> HttpConnection:
    socket = await open_socket(host, port)
    loop = asyncio.get_running_loop()
    server_name = host if tls is not None else None
    try:
        _, connection = await loop.create_connection(
            HttpConnection, sock=socket, ssl=tls, server_hostname=server_name
        )
    except BaseException:
        socket.close()
        raise
    return connection


async def _within(timeout_s: float | None, work: Awaitable[T], error: type[httpx.TimeoutException]) -> T:
    """Return the result of the work, or raise the error when it takes longer."""
    if timeout_s is None:
        return await work
    timeout = asyncio.timeout(timeout_s)
    try:
        async with timeout:
            return await work
    except TimeoutError as reason:
        if not timeout.expired():
            raise  # of the system, such as a connection that timed out
        raise error(f"Nothing happened within {timeout_s:g} s.") from reason


def _origin(url: httpx.URL) -> _Origin:
    scheme = url.scheme
    return scheme, url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS.get(scheme, 0)


async def _content_of(request: httpx.Request) -> bytes:
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return b"".join(stream)
    return await request.aread()


def _field_lines(fields: list[tuple[bytes, bytes]]) -> bytes:
    """Return the lines of the fields. Raise LocalProtocolError for a line break in one of them."""
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    if lines.count(b"\n") != len(fields) or lines.count(b"\r") != len(fields) or b"\0" in lines:
        raise httpx.LocalProtocolError("A field of the request holds a line break or a null byte.")
    return lines
