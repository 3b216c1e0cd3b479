"""The page of the playground and the routes of its assets.

The source of the page is in `web/playground/`. `make web` builds the source into `index.html` and `assets/` beside
this file. The page sends requests only to its own host.
"""

from pathlib import Path

from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from tracegraph.http.static_assets import StaticAssets, page_headers

PREFIX = "/playground"

_HERE = Path(__file__).parent
_PAGE = (_HERE / "index.html").read_text(encoding="utf-8")
_ASSETS = StaticAssets(_HERE / "assets")
_HEADERS = {
    **page_headers(
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # Monaco writes its themes into style elements
        "img-src 'self' data:",  # and its style sheet underlines errors with images
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
    ),
    "Vary": "Accept",  # the same URL responds with JSON to other clients
}


def playground_page(prefix: str = PREFIX) -> Response:
    """Return the page for a browser that opens the endpoint.

    `prefix` is the path of the routes as the browser sees it: behind a proxy that strips a path, with that path.
    """
    return HTMLResponse(_PAGE.replace("{prefix}", prefix), headers=_HEADERS)


def playground_routes(prefix: str = PREFIX) -> list[BaseRoute]:
    """Return the routes of the page's scripts, styles, workers and fonts."""
    return [_ASSETS.route(prefix, "playground-asset")]
