"""The page of the playground and the routes of its assets.

The source of the page is in `playground/` at the root of the repository. `make playground` builds the source into
`index.html` and `assets/` beside this file. The page sends requests only to its own host.
"""

import functools
import gzip
from pathlib import Path
from types import MappingProxyType

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from tracegraph.http.negotiation import combined_header, takes_gzip

PREFIX = "/playground"

_HERE = Path(__file__).parent
_PAGE = (_HERE / "index.html").read_text(encoding="utf-8")
_ASSETS = {path.name: path for path in sorted((_HERE / "assets").iterdir())}
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
_PAGE_HEADERS = MappingProxyType(
    {
        **_SECURITY,
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self' 'unsafe-inline'",  # Monaco writes its themes into style elements
                "img-src 'self' data:",  # and its style sheet underlines errors with images
                "font-src 'self'",
                "connect-src 'self'",
                "worker-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        ),
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-cache",  # the page names the assets, so a browser must revalidate it after an upgrade
        "Vary": "Accept",  # the same URL responds with JSON to other clients
    }
)
_ASSET_HEADERS = MappingProxyType(
    {
        **_SECURITY,
        # The policy of a worker is that of its script: it may load more of its code, and send no requests.
        "Content-Security-Policy": "default-src 'none'; script-src 'self'",
        "Cache-Control": "public, max-age=31536000, immutable",  # the name contains a hash of the content
        "Vary": "Accept-Encoding",
    }
)


def playground_page(prefix: str = PREFIX) -> Response:
    """Return the page for a browser that opens the endpoint.

    `prefix` is the path of the routes as the browser sees it: behind a proxy that strips a path, with that path.
    """
    return HTMLResponse(_PAGE.replace("{prefix}", prefix), headers=_PAGE_HEADERS)


def playground_routes(prefix: str = PREFIX) -> list[BaseRoute]:
    """Return the routes of the page's scripts, styles, workers and fonts."""
    return [Route(f"{prefix}/{{name}}", _asset, name="playground-asset")]


async def _asset(request: Request) -> Response:
    path = _ASSETS.get(request.path_params["name"])
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
