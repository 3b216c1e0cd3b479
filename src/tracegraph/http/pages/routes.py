"""The routes of the pages and of their assets, and the documents that the pages send.

The source of the pages is in `web/`. `make web` builds it into `index.html`, `assets/` and `documents.json` beside
this file. One HTML page serves every path below: its script shows the page that the path names. The pages send
requests only to `/graphql` of their own host.
"""

import html
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from tracegraph.http.static_assets import StaticAssets, page_headers

DOCUMENTS = Path(__file__).parent / "documents.json"
"""The manifest of the documents that the pages send, by their SHA-256."""

PATHS = ("/", "/compare", "/experiments/{id:path}", "/sessions/{id:path}", "/sources")

_HERE = Path(__file__).parent
_PAGE = (_HERE / "index.html").read_text(encoding="utf-8")
_ASSETS = StaticAssets(_HERE / "assets")
_HEADERS = page_headers("script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'")


def pages_routes() -> list[BaseRoute]:
    """Return the routes of the pages and of their scripts, styles and icon."""
    pages: list[BaseRoute] = [Route(path, _page) for path in PATHS]
    return [*pages, _ASSETS.route("/assets", "pages-asset")]


async def _page(request: Request) -> Response:
    if request.path_params.get("id") == "":
        raise HTTPException(404)
    # Behind a proxy that strips a path, the browser sees the routes with that path.
    prefix = html.escape(request.scope.get("root_path", ""))
    page = _PAGE.replace('="./', f'="{prefix}/').replace('data-prefix=""', f'data-prefix="{prefix}"')
    return HTMLResponse(page, headers=_HEADERS)
