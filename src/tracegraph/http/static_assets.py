"""The built files of web pages: assets whose names contain a hash of their content, and the headers of pages."""

import functools
import gzip
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracegraph.http.negotiation import combined_header, takes_gzip

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff2": "font/woff2",
}
_INCOMPRESSIBLE = {".woff2"}

_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ASSET_HEADERS = MappingProxyType(
    {
        **_SECURITY,
        # The policy of a worker is that of its script: it may load more of its code, and send no requests.
        "Content-Security-Policy": "default-src 'none'; script-src 'self'",
        "Cache-Control": "public, max-age=31536000, immutable",  # the name contains a hash of the content
        "Vary": "Accept-Encoding",
    }
)


def page_headers(*policy: str) -> Mapping[str, str]:
    """Return the headers of an HTML page that may load only what the policy's directives allow."""
    always = ("default-src 'none'", *policy, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
    return MappingProxyType(
        {
            **_SECURITY,
            "Content-Security-Policy": "; ".join(always),
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "X-Frame-Options": "DENY",
            # The page names the assets, so a browser must revalidate it after an upgrade.
            "Cache-Control": "no-cache",
        }
    )


class StaticAssets:
    """The files of one folder, read once for each process and compressed for clients that accept gzip."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path for path in sorted(folder.iterdir())}

    def route(self, prefix: str, name: str) -> Route:
        """Return the route of the files below the prefix. The name is the route's."""
        return Route(f"{prefix}/{{name}}", self._respond, name=name)

    async def _respond(self, request: Request) -> Response:
        path = self._files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        compress = path.suffix not in _INCOMPRESSIBLE and takes_gzip(
            combined_header(request.headers, "accept-encoding")
        )
        body = await run_in_threadpool(_gzipped if compress else Path.read_bytes, path)
        headers = {**_ASSET_HEADERS, "Content-Encoding": "gzip"} if compress else _ASSET_HEADERS
        return Response(body, media_type=_MEDIA_TYPES[path.suffix], headers=headers)


@functools.cache
def _gzipped(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), compresslevel=9, mtime=0)
