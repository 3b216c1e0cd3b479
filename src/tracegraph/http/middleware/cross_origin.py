"""Protection against requests of pages of other sites (CSRF), and the security headers of every response.

A POST must have the type application/json, for which a browser sends a CORS preflight request first. A browser
sends a GET without a preflight request, so a GET with a query must not come from a page of another site. Browsers
report the origin in `Sec-Fetch-Site`. Over plain HTTP some browsers omit this header. Their GET must then have a
header that needs a preflight request: `Content-Type: application/json`. The gateway uses no cookies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracegraph.errors import Forbidden
from tracegraph.http.errors import HTTPRequestError
from tracegraph.http.middleware.allowed_hosts import ANY_HOST, AllowedHostsMiddleware
from tracegraph.http.negotiation import JSON, combined_header, media_type

_PREFLIGHT_S = 600


_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class CrossSiteRequest(HTTPRequestError):
    """A page of another site may have sent the GET."""

    def __init__(self) -> None:
        super().__init__(403, Forbidden.code, "A page of another site may not run queries with GET: use POST.")


def is_cross_site(headers: Headers, allowed_origins: Sequence[str]) -> bool:
    """Return whether a GET may come from a page that is neither the gateway's own nor of an allowed origin."""
    if combined_header(headers, "origin") in allowed_origins:
        return False
    site = combined_header(headers, "sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    if "origin" in headers:
        return True
    is_browser = headers.get("user-agent", "").startswith("Mozilla/")  # as every browser's does
    return is_browser and media_type(combined_header(headers, "content-type") or "")[0] != JSON


class SecurityHeaders:
    """ASGI middleware: adds security headers to every response. Headers of the response itself win."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the application's response with the missing security headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                names = {name for name, _ in headers}
                message["headers"] = [*headers, *(header for header in _SECURITY if header[0] not in names)]
            await send(message)

        await self._app(scope, receive, with_headers)


def security_middleware(allowed_origins: Sequence[str], known_hosts: Collection[str] | None) -> list[Middleware]:
    """Return the middleware for security headers, allowed hosts, and CORS for the allowed origins.

    `known_hosts` are names and networks beside loopback. With None or "*", every host name is allowed.
    """
    middleware = [Middleware(SecurityHeaders)]
    if known_hosts is not None and ANY_HOST not in known_hosts:
        middleware.append(Middleware(AllowedHostsMiddleware, known_hosts))
    if allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(allowed_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["*"],  # such as a token or a deadline; never cookies
                expose_headers=["Retry-After", "X-Request-Id"],
                max_age=_PREFLIGHT_S,
            )
        )
    return middleware
