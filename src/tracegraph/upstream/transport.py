"""Sends calls to one vendor through an httpx transport, and maps httpx's errors to SourceError.

The calls go to `handle_async_request` directly, with URL and headers from a template. httpx's client would build
and merge both anew, which takes ten times the CPU time of the rest of a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from tracegraph.domain.texts import is_unreserved
from tracegraph.errors import (
    SourceBadResponse,
    SourceError,
    SourceResponseTooLarge,
    SourceTimeout,
    SourceUnavailable,
)
from tracegraph.upstream.body import ACCEPT_ENCODING, BodyTooLargeError, UndecodableBodyError, read_body
from tracegraph.upstream.http_connection import MAX_FIELD_BYTES, MAX_FIELDS, MAX_HEAD_BYTES, HeadTooLarge
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.pooled_transport import PooledTransport
from tracegraph.upstream.tls import ssl_context, unreachable_reason

_KEEP_ALIVE_S = 60.0


_COMMON_HEADERS = {"user-agent": "tracegraph", "accept": "application/json", "accept-encoding": ACCEPT_ENCODING}


_EMPTY = httpx.ByteStream(b"")


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """The address of the vendor, and the limits of one call.

    `timeout_s` limits one attempt as a whole, `connect_timeout_s` the time until there is a connection.
    `max_connections` limits the concurrent calls, `max_response_bytes` a decoded body. `ca_file` holds the only
    trusted authorities, `client_certificate` and `client_key` the files of the gateway's own certificate.

    `implementation` is the pool of this package, or httpx's own transport, which is always used with a `proxy`.
    """

    base_url: str
    timeout_s: float = 4.0
    connect_timeout_s: float = 3.0
    max_connections: int = 200
    max_response_bytes: int = 32 * 1024 * 1024
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    proxy: SecretStr | None = None
    implementation: Literal["pooled", "httpx"] = "pooled"


class RawResponse(NamedTuple):
    """The status, headers (with case-insensitive names) and body of any response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends calls to one base URL. It is an async context manager because it owns the connections."""

    def __init__(
        self, source: str, settings: TransportSettings, http: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Prepare the template of the requests.

        Args:
            source: The configured name of the source.
            settings: The address and the limits.
            http: A transport in place of the one that the settings describe, for tests.

        Raises:
            ValueError: For a base URL that is not http or https with a host.
        """
        self.source = source
        self.settings = settings
        self._given = http
        # httpx applies a target also to its own requests to a proxy. A transport of a test reads the URL.
        self._has_target_in_url = settings.proxy is not None or http is not None
        self._url = read_base_url(settings.base_url)
        self._base = "" if self._url.raw_path == b"/" else self._url.raw_path.decode("ascii")
        self._timeout = {"connect": settings.connect_timeout_s, "read": None, "write": None, "pool": None}
        self._credential: Mapping[str, str] = {}
        self._headers = self._template({})

    async def __aenter__(self) -> Transport:
        self._http = open_http(self.settings) if self._given is None else self._given
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(
        self,
        call: UpstreamRequest,
        headers: Mapping[str, str],
        allowed_s: float,
        on_resend: Callable[[], None] | None = None,
    ) -> RawResponse:
        """Send one request. It waits while `max_connections` are in flight.

        Args:
            call: The request.
            headers: The headers of the credential.
            allowed_s: The time limit.
            on_resend: Called when the request is sent once more because its kept connection was closed.

        Raises:
            SourceTimeout: After `allowed_s` seconds, or without a connection after `connect_timeout_s`.
            SourceUnavailable: When the vendor cannot be reached or closes the connection.
            SourceBadResponse: For a response that exceeds a limit, or does not decompress.
        """
        outcome = await self._outcome(call, headers, allowed_s, on_resend)
        if isinstance(outcome, SourceError):
            raise outcome
        return outcome

    async def _outcome(
        self,
        call: UpstreamRequest,
        headers: Mapping[str, str],
        allowed_s: float,
        on_resend: Callable[[], None] | None,
    ) -> RawResponse | SourceError:
        """Return the response or the error.

        An error that was raised here would hold the frames below, and so a part of the body. Errors may live as
        long as a cached page.
        """
        request = self._request(call, headers)
        if on_resend is not None:
            request.extensions["on_resend"] = on_resend
        try:
            async with asyncio.timeout(allowed_s):
                response = await self._http.handle_async_request(request)
                return await self._read(response)
        except TimeoutError:
            problem = f"did not respond within {round(allowed_s, 2):g} s"
            return SourceTimeout(self.source, f"Source {self.source!r} {problem}.")
        except HeadTooLarge:
            limits = f"a header of more than {MAX_FIELD_BYTES} bytes, or more than {MAX_FIELDS} headers"
            return self._bad_response(f"with {limits} or {MAX_HEAD_BYTES} bytes of them")
        except (httpx.HTTPError, OSError, UnicodeError) as error:  # UnicodeError: the host name is invalid
            unreachable = self._unreachable(error)
            unreachable.__cause__ = _without_frames(error)  # for the log
            return unreachable

    async def _read(self, response: httpx.Response) -> RawResponse | SourceError:
        status, limit = response.status_code, self.settings.max_response_bytes
        try:
            body = await read_body(response, limit)
        except BodyTooLargeError:
            message = f"Source {self.source!r} returned a response of more than {limit} bytes."
            return SourceResponseTooLarge(self.source, message, http_status=status)
        except UndecodableBodyError:
            return self._bad_response("that does not decompress", status)
        return RawResponse(status, response.headers, body)

    def _bad_response(self, problem: str, status: int | None = None) -> SourceBadResponse:
        message = f"Source {self.source!r} returned a response {problem}."
        return SourceBadResponse(self.source, message, http_status=status)

    def _unreachable(self, error: Exception) -> SourceError:
        """Return the error for one of httpx; this is the only place that tells them apart."""
        if isinstance(error, httpx.TimeoutException):
            limit_s = self.settings.connect_timeout_s
            message = f"Source {self.source!r} did not accept a connection within {limit_s:g} s."
            return SourceTimeout(self.source, message)
        message = f"Source {self.source!r} cannot be reached, or closed the connection early."
        return SourceUnavailable(self.source, message, reason=unreachable_reason(error))

    def _request(self, call: UpstreamRequest, headers: Mapping[str, str]) -> httpx.Request:
        """Return the request. Raise ValueError for a path that is not escaped, or a header with a line break."""
        target = self._base + call.path
        if call.query:
            target += f"?{_escaped(call.query)}"
        if not target.isprintable() or " " in target:
            raise ValueError("The path of a call must be escaped: a raw line break would end the request line.")
        if headers != self._credential:
            self._headers, self._credential = self._template(headers), dict(headers)
        url, content, raw_target = self._url, call.content(), (target or "/").encode("ascii")
        extensions: dict[str, Any] = {"target": raw_target, "timeout": self._timeout}
        if self._has_target_in_url:
            url, extensions = url.copy_with(raw_path=raw_target), {"timeout": self._timeout}
        stream = _EMPTY if content is None else httpx.ByteStream(content)
        request = httpx.Request(call.method, url, headers=self._headers, stream=stream, extensions=extensions)
        if content is not None:
            request.headers["content-type"] = "application/json"
            request.headers["content-length"] = str(len(content))
        return request

    def _template(self, headers: Mapping[str, str]) -> httpx.Headers:
        if not all(map(str.isprintable, headers.values())):
            raise ValueError("A header's value must be printable: a line break would end its line.")
        return httpx.Headers({"host": self._url.netloc.decode("ascii"), **_COMMON_HEADERS, **headers})


def _without_frames(error: BaseException) -> BaseException:
    """Return the error without the frames of its traceback, nor those of the errors behind it."""
    current: BaseException | None = error
    while current is not None:
        current.__traceback__ = None
        current = current.__cause__ or current.__context__
    return error


def open_http(settings: TransportSettings) -> httpx.AsyncBaseTransport:
    """Return the transport that the settings describe, without a connection."""
    tls = ssl_context(settings.ca_file, settings.client_certificate, settings.client_key)
    if settings.proxy is None and settings.implementation == "pooled":
        return PooledTransport(verify=tls, max_connections=settings.max_connections, keepalive_s=_KEEP_ALIVE_S)
    proxy = None
    if settings.proxy is not None:
        address = httpx.URL(settings.proxy.get_secret_value())
        proxy = httpx.Proxy(address, ssl_context=ssl_context() if address.scheme == "https" else None)
    connections = settings.max_connections
    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEP_ALIVE_S
    )
    return httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits, proxy=proxy)


def read_base_url(text: str) -> httpx.URL:
    """Return the URL. Raise ValueError unless it is http or https, with a host that can be called."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ValueError("its host cannot be read: it is no valid name of a host") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("it must be an http(s) URL with a host")
    return url


def _escaped(query: Sequence[tuple[str, str]]) -> str:
    """Return the query string. Most queries need no escapes, and urlencode takes 8 us to find that out."""
    if is_unreserved("".join(map("".join, query))):
        return "&".join(map("=".join, query))
    return urlencode(query)
