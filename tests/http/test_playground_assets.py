"""The playground's page and its assets: complete, from this host only, with a strict policy."""

import gzip
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tracegraph.http import playground
from tracegraph.http.playground.page import playground_page, playground_routes

BUILT = Path(playground.__file__).parent
ASSETS = sorted((BUILT / "assets").iterdir())
SCRIPTS = [path for path in ASSETS if path.suffix == ".js"]
STYLES = [path for path in ASSETS if path.suffix == ".css"]
SOURCES = Path(__file__).parents[2] / "web" / "playground"
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=playground_routes())) as client:
        yield client


class Page(HTMLParser):
    """The URLs that a page loads, and the inline code that a strict policy would refuse."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: dict[str, Any] = dict(attrs)
        self.loads += [
            value for name, value in values.items() if name in {"src", "href"} or name.endswith("-worker")
        ]
        self.inline += [f"{tag} {name}" for name in values if name.startswith("on") or name == "style"]
        if tag in {"style", "base"} or (tag == "script" and "src" not in values):
            self.inline.append(tag)


def page(prefix: str = "/playground") -> Page:
    return Page(bytes(playground_page(prefix).body).decode())


def names(path: Path) -> set[str]:
    """Return the assets that a script imports or a style sheet loads."""
    text = path.read_text()
    if path.suffix == ".css":
        return {url for url in re.findall(r"""url\(["']?([^"')]*)""", text) if not url.startswith("data:")}
    return set(re.findall(r"""(?:from|import|import\()["'](\.[^"']*)["']""", text))


def test_the_page_loads_a_script_a_style_sheet_an_icon_and_three_workers() -> None:
    kinds = sorted(re.sub(r"-[A-Z0-9]{8}\.", ".", url) for url in page().loads)
    assert kinds == [
        "/playground/editor.worker.js",
        "/playground/graphql.worker.js",
        "/playground/icon.svg",
        "/playground/json.worker.js",
        "/playground/playground.css",
        "/playground/playground.js",
    ]


def test_everything_that_the_page_loads_is_served(client: TestClient) -> None:
    assert {client.get(url).status_code for url in page().loads} == {200}


def test_the_page_loads_from_another_prefix_too() -> None:
    assert all(url.startswith("/team/playground/") for url in page("/team/playground").loads)
    with TestClient(Starlette(routes=playground_routes("/elsewhere"))) as client:
        assert {client.get(url).status_code for url in page("/elsewhere").loads} == {200}


def test_the_page_holds_no_inline_script_or_style() -> None:
    assert page().inline == []


def test_the_page_is_refused_everything_but_its_own_host() -> None:
    policy = playground_page().headers["content-security-policy"]
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_the_page_is_html_with_security_headers_and_is_revalidated() -> None:
    headers = playground_page().headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-cache"
    assert headers["vary"] == "Accept"


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.name)
def test_an_asset_is_served_as_built_with_its_type_for_ever(client: TestClient, path: Path) -> None:
    types = {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".ttf": "font/ttf",
        ".woff2": "font/woff2",
    }
    answer = client.get(f"/playground/{path.name}", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    assert answer.content == path.read_bytes()
    assert answer.headers["content-type"] == types[path.suffix]
    assert answer.headers["cache-control"] == IMMUTABLE
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; script-src 'self'"
    assert "content-encoding" not in answer.headers


def test_a_script_is_compressed_for_a_client_that_accepts_gzip(client: TestClient) -> None:
    path = max(SCRIPTS, key=lambda path: path.stat().st_size)
    with client.stream("GET", f"/playground/{path.name}", headers={"Accept-Encoding": "br, gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == path.read_bytes()
    assert len(raw) < path.stat().st_size / 3


@pytest.mark.parametrize("lines", [["gzip;q=0"], ["gzip;q=0, *"], ["identity, gzip;q=0.5"], ["x-gzipped"]])
def test_a_script_is_not_compressed_for_a_client_that_does_not_accept_gzip(
    client: TestClient, lines: list[str]
) -> None:
    headers = [("accept-encoding", line) for line in lines]
    assert "content-encoding" not in client.get(f"/playground/{SCRIPTS[0].name}", headers=headers).headers


def test_all_lines_of_the_header_count(client: TestClient) -> None:
    headers = [("accept-encoding", "br"), ("accept-encoding", "gzip")]
    answer = client.get(f"/playground/{SCRIPTS[0].name}", headers=headers)
    assert answer.headers["content-encoding"] == "gzip"


def test_a_font_is_compressed_already(client: TestClient) -> None:
    font = next(path for path in ASSETS if path.suffix == ".woff2")
    answer = client.get(f"/playground/{font.name}", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "name", ["nothing.js", "__init__.py", "../__init__.py", "%2e%2e%2findex.html", "..%5cindex.html", ""]
)
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/playground/{name}").status_code == 404


def test_every_name_contains_a_hash_of_the_content() -> None:
    assert [path.name for path in ASSETS if not re.fullmatch(r"[\w.-]+-[A-Z0-9]{8}\.\w+", path.name)] == []


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES], ids=lambda path: path.name)
def test_assets_load_only_other_assets(path: Path) -> None:
    there = {f"./{asset.name}" for asset in ASSETS}
    assert names(path) - there == set()


def test_the_imports_lead_to_every_script() -> None:
    """If the pattern missed imports, the previous test would prove nothing."""
    loaded = {url.rsplit("/", 1)[1] for url in page().loads}
    new = loaded
    while new:
        paths = [path for path in SCRIPTS + STYLES if path.name in new]
        new = {name.removeprefix("./") for path in paths for name in names(path)} - loaded
        loaded = loaded | new
    assert loaded == {path.name for path in ASSETS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_loads_from_another_host(path: Path) -> None:
    """Links for the reader may name other hosts. A fetch, an import or a worker may not."""
    loads = "fetch|import|importScripts|Worker|WebSocket|EventSource|open|sendBeacon|src=|from"
    assert re.findall(rf"""(?:{loads})\(?["'`](?:\w+:)?//""", path.read_text()) == []


def test_no_source_maps_are_shipped_or_requested() -> None:
    assert [path.name for path in [*SCRIPTS, *STYLES] if "sourceMappingURL=" in path.read_text()[-300:]] == []


def test_the_licences_of_bundled_packages_are_included() -> None:
    text = (BUILT / "THIRD-PARTY-LICENSES.txt").read_text()
    for package in ("graphiql", "graphql", "monaco-editor", "react", "@fontsource/fira-code"):
        assert re.search(rf"^{package} \d+\.\d+\.\d+ \(", text, re.MULTILINE), package
    assert "SIL OPEN FONT LICENSE" in text


def test_the_page_is_built_from_the_present_sources() -> None:
    """After a change in `web/`, run `make web`. The build writes checksums of its sources."""
    names = [
        "../package-lock.json",
        "build.mjs",
        *sorted(f"src/{path.name}" for path in (SOURCES / "src").iterdir()),
    ]
    lines = [f"{hashlib.sha256((SOURCES / name).read_bytes()).hexdigest()}  {name}" for name in names]
    assert (BUILT / "SOURCES.sha256").read_text().splitlines() == lines
