"""The pages over HTTP: their paths, headers, assets and trusted documents, and that they come from `web/`."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import orjson
import pytest
from graphql import GraphQLSchema, build_schema, parse, validate
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.conftest import OpenGateway
from tests.gateway import Gateway, Vendors
from tests.http.parts import in_parts, merged
from tests.http.test_playground_assets import Page
from tests.worlds import fill
from tracegraph.http import pages
from tracegraph.http.auth.api_keys import hash_key, new_key
from tracegraph.http.pages.routes import DOCUMENTS, pages_routes
from tracegraph.simulators.core.faults import Fault

ROOT = Path(__file__).parents[2]
BUILT = Path(pages.__file__).parent
ASSETS = sorted((BUILT / "assets").iterdir())
PATHS = ["/", "/compare?ids=a,b", "/experiments/RXg6YQ==", "/experiments/a%2Fb", "/sessions/x", "/sources"]
MANIFEST: dict[str, str] = json.loads(DOCUMENTS.read_text())
SOURCE_NAMES = next(key for key, text in MANIFEST.items() if text.startswith("query SourceNames "))
FIRST_PAGES = next(text for text in MANIFEST.values() if "query FirstPages(" in text)
CALLER = new_key()
AUTH = {"keys": {"someone": {"sha256": hash_key(CALLER)}}}


@pytest.mark.parametrize("path", PATHS)
async def test_every_page_has_an_address_that_can_be_opened(gateway: Gateway, path: str) -> None:
    response = await gateway.http.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/nothing", "/experiments", "/experiments/", "/compare/x", "/assets/", "/index.html"]
)
async def test_other_paths_have_no_page(gateway: Gateway, path: str) -> None:
    assert (await gateway.http.get(path)).status_code == 404


async def test_a_page_may_load_and_run_only_what_the_gateway_serves(gateway: Gateway) -> None:
    policy = (await gateway.http.get("/")).headers["content-security-policy"]
    assert dict(part.split(" ", 1) for part in policy.split("; ")) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


async def test_a_page_holds_no_inline_code_and_loads_assets_that_are_there(gateway: Gateway) -> None:
    page = Page((await gateway.http.get("/compare")).text)
    assert page.inline == []
    assert {Path(url).suffix for url in page.loads} == {".js", ".css", ".svg"}
    for url in page.loads:
        response = await gateway.http.get(url)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_behind_a_proxy_with_a_path_a_page_loads_from_that_path() -> None:
    with TestClient(Starlette(routes=pages_routes()), root_path="/team") as client:
        text = client.get("/compare").text
    assert all(url.startswith("/team/assets/") for url in Page(text).loads)
    assert 'data-prefix="/team"' in text


def test_every_name_contains_a_hash_of_the_content() -> None:
    assert [path.name for path in ASSETS if not re.fullmatch(r"[\w-]+-[\w-]{8}\.(js|css|svg)", path.name)] == []


def test_everything_that_a_browser_may_load_has_less_than_250_kilobytes_compressed() -> None:
    """So has the first load of any page, whichever parts it takes."""
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in ASSETS) < 250_000


@pytest.mark.parametrize("path", ["/", "/compare", "/sources", f"/assets/{ASSETS[0].name}"])
async def test_pages_can_be_switched_off(open_gateway: OpenGateway, path: str) -> None:
    gateway = await open_gateway(server={"pages": False})
    assert (await gateway.http.get(path)).status_code == 404


async def test_without_pages_their_documents_are_not_trusted(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(server={"pages": False})
    answer = await gateway.post(orjson.dumps({"documentId": SOURCE_NAMES}))
    assert answer.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_where_only_trusted_documents_run_those_of_the_pages_run_too(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    (tmp_path / "own.graphql").write_text("query Own { sources { vendor } }")
    gateway = await open_gateway(documents={"trusted": str(tmp_path), "only_trusted": True})
    answer = await gateway.post(orjson.dumps({"documentId": SOURCE_NAMES}))
    assert [source["name"] for source in answer.data["sources"]] == ["nemo", "langsmith", "meibel"]
    other = await gateway.ask("{ sources { id } }")
    assert other.errors[0]["extensions"]["code"] == "FORBIDDEN"


async def test_the_first_rows_of_the_list_come_in_a_part_for_each_source(
    vendors: Vendors, served: Gateway
) -> None:
    """A hanging vendor keeps back no rows of the others."""
    fill(vendors, experiments=2, sessions=0)
    ids = [one["id"] for one in (await served.ask("{ sources { id } }")).data["sources"]]
    vendors.nemo.fail(Fault("hang", times=None))
    async with in_parts(served, FIRST_PAGES, ids=ids, first=5) as parts:
        read = [await parts.next()]
        assert [set(node) for node in read[0]["data"]["nodes"]] == [{"__typename", "id"}] * 3
        while len(read) < 2 or sum(len(part["incremental"]) for part in read[1:]) < 2:
            read.append(await parts.next())
        assert vendors.nemo.simulator.in_flight > 0
    nemo, *others = merged(read)["data"]["nodes"]
    assert "experiments" not in nemo
    assert [len(one["experiments"]["nodes"]) for one in others] == [2, 2]


async def test_an_asset_is_compressed_for_a_client_that_accepts_gzip(gateway: Gateway) -> None:
    path = max(ASSETS, key=lambda path: path.stat().st_size)
    async with gateway.http.stream("GET", f"/assets/{path.name}", headers={"accept-encoding": "gzip"}) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == path.read_bytes()


async def test_with_keys_the_pages_are_open_and_their_data_are_not(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(auth=AUTH)
    assert (await gateway.http.get("/")).status_code == 200
    body = orjson.dumps({"documentId": SOURCE_NAMES})
    assert (await gateway.post(body)).status == 401
    assert (await gateway.post(body, authorization=f"Bearer {CALLER}")).status == 200


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text())


@pytest.mark.parametrize("text", MANIFEST.values(), ids=lambda text: text.split()[1].partition("(")[0])
def test_every_document_of_the_pages_is_valid_in_the_schema(schema: GraphQLSchema, text: str) -> None:
    assert validate(schema, parse(text)) == []


def test_the_licences_of_bundled_packages_are_included() -> None:
    text = (BUILT / "THIRD-PARTY-LICENSES.txt").read_text()
    for package in ("react-dom", "urql", "@urql/exchange-graphcache", "@observablehq/plot", "d3-scale", "diff"):
        assert re.search(rf"^{package} \d+\.\d+\.\d+ \(", text, re.MULTILINE), package


def test_the_pages_are_built_from_the_present_sources() -> None:
    """After a change in `web/`, run `make web`. The build writes checksums of its sources."""
    web = ROOT / "web"
    own = ("codegen.ts", "index.html", "package-lock.json", "tsconfig.json", "vite.config.ts")
    sources = [path.relative_to(web).as_posix() for path in (web / "src").rglob("*") if path.is_file()]
    names = sorted([*own, *(name for name in sources if not name.startswith("src/generated/"))])
    lines = [f"{hashlib.sha256((web / name).read_bytes()).hexdigest()}  {name}" for name in names]
    assert (BUILT / "SOURCES.sha256").read_text().splitlines() == lines


def test_the_lock_file_of_the_build_names_no_registry() -> None:
    assert "resolved" not in (ROOT / "web" / "package-lock.json").read_text()
