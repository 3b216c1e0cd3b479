"""The playground: GraphiQL for a browser, everything it needs served from this package.

`playground/` at the repository's root holds its source; `make playground` builds that into `index.html` and
`assets/` beside this file. No request of the page leaves the host that serves it.
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

from tracegraph.http.negotiation import all_lines, takes_gzip

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
                "img-src 'self' data:",  # and underlines errors with images in its style sheet
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
        "Cache-Control": "no-cache",  # it names the assets, so it is asked for again after an upgrade
        "Vary": "Accept",  # the same address answers JSON to everything that is not a browser
    }
)
_ASSET_HEADERS = MappingProxyType(
    {
        **_SECURITY,
        # A worker lives under its own script's policy: load more of its code, and talk to nobody.
        "Content-Security-Policy": "default-src 'none'; script-src 'self'",
        "Cache-Control": "public, max-age=31536000, immutable",  # the name changes with the content
        "Vary": "Accept-Encoding",
    }
)


def playground_page(prefix: str = PREFIX) -> Response:
    """Answer a browser that asks for the endpoint itself.

    `prefix` is where the browser finds the routes: behind a proxy that strips a path, that path comes first.
    """
    return HTMLResponse(_PAGE.replace("{prefix}", prefix), headers=_PAGE_HEADERS)


def playground_routes(prefix: str = PREFIX) -> list[BaseRoute]:
    """Return the routes of the page's scripts, styles, workers and fonts."""
    return [Route(f"{prefix}/{{name}}", _asset, name="playground-asset")]


async def _asset(request: Request) -> Response:
    path = _ASSETS.get(request.path_params["name"])
    if path is None:
        raise HTTPException(404)
    compress = path.suffix not in _INCOMPRESSIBLE and takes_gzip(all_lines(request.headers, "accept-encoding"))
    body = await run_in_threadpool(_gzipped if compress else Path.read_bytes, path)
    headers = {**_ASSET_HEADERS, "Content-Encoding": "gzip"} if compress else _ASSET_HEADERS
    return Response(body, media_type=_MEDIA_TYPES[path.suffix], headers=headers)


@functools.cache
def _gzipped(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), compresslevel=9, mtime=0)
