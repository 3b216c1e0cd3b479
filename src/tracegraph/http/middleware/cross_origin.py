"""What a browser may do here for a page of another site: nothing, unless the site is on the list.

A POST takes application/json alone, for which a browser asks first (CORS). A GET is sent without asking, so one
that runs a query must not come from a page elsewhere. Browsers tell by `Sec-Fetch-Site`; over plain HTTP some do
not, and there their GET must carry what needs asking: `Content-Type: application/json`. Cookies are never used.
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
from tracegraph.http.negotiation import JSON, all_lines, media_type

_PREFLIGHT_S = 600


_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class CrossSiteRequest(HTTPRequestError):
    """A GET that a page of another site may have sent."""

    def __init__(self) -> None:
        super().__init__(403, Forbidden.code, "A page of another site may not run queries here by GET: use POST.")


def is_cross_site(headers: Headers, allowed_origins: Sequence[str]) -> bool:
    """Whether a GET may be the doing of a page that is neither the gateway's own nor allowed."""
    if all_lines(headers, "origin") in allowed_origins:
        return False
    site = all_lines(headers, "sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    if "origin" in headers:
        return True
    is_browser = headers.get("user-agent", "").startswith("Mozilla/")  # as every browser's does
    return is_browser and media_type(all_lines(headers, "content-type") or "")[0] != JSON


class SecurityHeaders:
    """Gives every answer the headers that keep browsers from reading more into it; its own ones stand."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application's answer, with the headers that it lacks."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                own = {name for name, _ in given}
                message["headers"] = [*given, *(header for header in _SECURITY if header[0] not in own)]
            await send(message)

        await self._app(scope, receive, with_headers)


def security_middleware(allowed_origins: Sequence[str], known_hosts: Collection[str] | None) -> list[Middleware]:
    """What stands before the routes: security headers, the names to answer to, and CORS for the sites on the list.

    `known_hosts` are names and networks beside those of loopback; with None or "*", every name will do.
    """
    rules = [Middleware(SecurityHeaders)]
    if known_hosts is not None and ANY_HOST not in known_hosts:
        rules.append(Middleware(AllowedHostsMiddleware, known_hosts))
    if allowed_origins:
        rules.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(allowed_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["*"],  # what a page asks for: a token, a deadline; never cookies
                expose_headers=["Retry-After"],
                max_age=_PREFLIGHT_S,
            )
        )
    return rules
