"""One source's connections, over aiohttp: the only place that knows which HTTP library is used.

httpx on top of it would cost three times as much: a call of 11 KB took 360 us of CPU with the cheapest use of its
objects, 610 us through its client, and 120 us as it is here (aiohttp 3.14, CPython 3.11, uvloop).
"""

from __future__ import annotations

import functools
import ssl
from asyncio import timeout
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp
import certifi
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from tracegraph.errors import SourceBadResponse, SourceTimeout, SourceUnavailable
from tracegraph.upstream.call import Call

_KEEP_ALIVE_S = 60.0
_ON_EVERY_CALL = {"user-agent": "tracegraph", "accept": "application/json", "accept-encoding": "gzip, deflate"}


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
        self._path = "" if self._base.raw_path == "/" else self._base.raw_path

    async def __aenter__(self) -> Transport:
        self._session = _session(self.settings)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, call: Call, headers: Mapping[str, str], allowed_s: float) -> RawReply:
        """One request within that time. Raises SourceTimeout, SourceUnavailable, SourceBadResponse (past the cap).

        Whoever calls sees to it that no more than `max_connections` are under way.
        """
        try:
            async with timeout(allowed_s):
                return await self._send(call, headers)
        except TimeoutError as error:
            raise SourceTimeout(
                self.source, f"Source {self.source!r} did not answer within {round(allowed_s, 2):g} s."
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnavailable(
                self.source, f"Source {self.source!r} cannot be reached, or broke off its answer."
            ) from error

    async def _send(self, call: Call, headers: Mapping[str, str]) -> RawReply:
        content = call.content()
        if content is not None:
            headers = {**headers, "content-type": "application/json"}
        response = await self._session.request(
            call.method, self._url(call), data=content, headers=headers, allow_redirects=False
        )
        try:
            body = await self._body_of(response)
        except BaseException:
            response.close()  # what is left of the answer is not read: nobody else can use the connection
            raise
        return RawReply(response.status, response.headers, body)

    def _url(self, call: Call) -> URL:
        """Built of parts that are escaped already: to parse and escape all of it again takes twice as long."""
        base = self._base
        return URL.build(
            scheme=base.scheme,
            authority=base.raw_authority,
            path=self._path + call.path,
            query_string=urlencode(call.query) if call.query else base.raw_query_string,
            encoded=True,
        )

    async def _body_of(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self.settings.max_response_bytes
        blocks: list[bytes] = []
        size = 0
        try:
            while block := await response.content.readany():
                size += len(block)
                if size > limit:
                    blocks.clear()  # the error's traceback holds this frame for as long as the error lives
                    raise self._bad_response(f"of more than {limit} bytes", response.status)
                blocks.append(block)
        except aiohttp.ClientPayloadError as error:
            if isinstance(error.__cause__, ContentEncodingError):
                raise self._bad_response("that does not decompress", response.status) from None
            raise
        return b"".join(blocks)

    def _bad_response(self, what: str, status: int) -> SourceBadResponse:
        return SourceBadResponse(self.source, f"Source {self.source!r} gave an answer {what}.", http_status=status)


def _session(settings: TransportSettings) -> aiohttp.ClientSession:
    """Keep-alive for every connection; no cookies, since callers must not share a vendor's session.

    aiohttp would repeat a call by itself when its connection breaks. The retry policy decides that here, and
    counts it: so aiohttp's own repeating is off, for which it has no public word.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=settings.max_connections, keepalive_timeout=_KEEP_ALIVE_S, ssl=_tls()
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_ON_EVERY_CALL,
        timeout=aiohttp.ClientTimeout(total=None, connect=settings.connect_timeout_s),
    )
    session._retry_connection = False  # noqa: SLF001
    return session


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all sources: reading the certificate authorities takes longer than all else at start."""
    return ssl.create_default_context(cafile=certifi.where())
