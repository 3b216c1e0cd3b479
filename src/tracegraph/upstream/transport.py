"""One source's connections: httpx over aiohttp, the only place that knows which HTTP library is used."""

from __future__ import annotations

import asyncio
import functools
import ssl
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from tracegraph.errors import SourceBadResponse, SourceTimeout, SourceUnavailable
from tracegraph.upstream.call import Call

_KEEP_ALIVE_S = 60.0


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Where the vendor is, and what one call may take.

    `timeout_s` bounds one try as a whole, `connect_timeout_s` the time until there is a connection,
    `max_connections` the calls at the same time, `max_response_bytes` a decoded body.
    """

    base_url: str
    timeout_s: float = 10.0
    connect_timeout_s: float = 3.0
    max_connections: int = 32
    max_response_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RawReply:
    """Status, lower-case headers and body of any answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Transport:
    """Sends calls to one base URL. An async context manager: it owns the connections."""

    def __init__(self, source: str, settings: TransportSettings) -> None:
        self.source = source
        self.settings = settings
        self._client = httpx.AsyncClient(
            transport=_pool(settings),
            headers={"user-agent": "tracegraph", "accept": "application/json"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=httpx.Timeout(None, connect=settings.connect_timeout_s),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, call: Call, headers: dict[str, str], allowed_s: float) -> RawReply:
        """One request within that time. Raises SourceTimeout, SourceUnavailable, SourceBadResponse (past the cap).

        Whoever calls sees to it that no more than `max_connections` are under way.
        """
        try:
            async with asyncio.timeout(allowed_s):
                return await self._send(call, headers)
        except (TimeoutError, httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            if _is_timeout(error):
                raise SourceTimeout(
                    self.source, f"Source {self.source!r} did not answer within {round(allowed_s, 2):g} s."
                ) from error
            raise SourceUnavailable(
                self.source, f"Source {self.source!r} cannot be reached, or broke off its answer."
            ) from error

    async def _send(self, call: Call, headers: dict[str, str]) -> RawReply:
        content = call.content()
        if content is not None:
            headers = {**headers, "content-type": "application/json"}
        request = self._client.build_request(
            call.method,
            self.settings.base_url + call.path,
            params=tuple(call.query) or None,
            content=content,
            headers=headers,
        )
        response = await self._client.send(request, stream=True)
        try:
            body = await self._read(response)
        finally:
            await response.aclose()
        return RawReply(response.status_code, dict(response.headers), body)

    async def _read(self, response: httpx.Response) -> bytes:
        limit = self.settings.max_response_bytes
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > limit:
                    chunks.clear()  # the error's traceback holds this frame for as long as the error lives
                    raise SourceBadResponse(
                        self.source,
                        f"Source {self.source!r} gave an answer of more than {limit} bytes.",
                        http_status=response.status_code,
                    )
                chunks.append(chunk)
        except httpx.DecodingError:
            raise SourceBadResponse(
                self.source,
                f"Source {self.source!r} gave an answer that does not decompress.",
                http_status=response.status_code,
            ) from None
        return b"".join(chunks)


def _is_timeout(error: Exception) -> bool:
    """Whether time ran out; httpx-aiohttp calls a connection that was reset a ConnectTimeout, too."""
    if isinstance(error, httpx.TimeoutException):
        cause = error.__cause__
        return not isinstance(cause, aiohttp.ClientConnectionError) or isinstance(cause, TimeoutError)
    return isinstance(error, TimeoutError)


def _pool(settings: TransportSettings) -> AiohttpTransport:
    """Keep-alive for every connection; no cookies, since callers must not share a vendor's session.

    aiohttp would repeat a call by itself when its connection breaks. The retry policy decides that here, and
    counts it: so aiohttp's own repeating is off, for which it has no public word.
    """
    transport = AiohttpTransport(verify=_tls(), trust_env=False)

    def open_session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=settings.max_connections, keepalive_timeout=_KEEP_ALIVE_S, ssl=transport.ssl_context
        )
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        session._retry_connection = False  # noqa: SLF001
        return session

    transport.client = open_session
    return transport


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all sources: reading the certificate authorities takes longer than all else at start."""
    return httpx.create_ssl_context(trust_env=False)
