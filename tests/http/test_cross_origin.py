"""Pages of other sites run no query unless their site is allowed, and every response has security headers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.gateway import Gateway, Vendors, in_process, over_http
from tests.http.browser import CHROMEDRIVER, CHROMIUM, open_browser
from tests.worlds import fill
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRIEND = "https://app.example"
QUERY = "/graphql?query={experiments{nodes{name}}}"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendors() -> AsyncIterator[Vendors]:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as opened:
        fill(opened, experiments=1, sessions=1)
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(vendors: Vendors) -> AsyncIterator[Gateway]:
    async with in_process(vendors.settings(server={"cors_origins": [FRIEND]})) as opened:
        yield opened


async def get(gateway: Gateway, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.http.get(QUERY, headers=given)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "accept": "application/graphql-response+json"},
        {"sec_fetch_site": "cross-site", "origin": "https://other.example"},
        {"origin": "https://other.example"},
        {"origin": "null"},
        {"origin": FRIEND + ".other.example"},
        {"user_agent": BROWSER, "accept": "application/json"},
        {"user_agent": BROWSER, "content_type": "text/plain"},
    ],
    ids=str,
)
async def test_a_get_for_a_page_of_another_site_runs_nothing(
    vendors: Vendors, gateway: Gateway, headers: dict[str, str]
) -> None:
    vendors.forget_calls()
    response = await get(gateway, **headers)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
    assert vendors.call_counts == (0, 0, 0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"user_agent": "curl/8.5.0"},
        {"sec_fetch_site": "same-origin", "user_agent": BROWSER},
        {"sec_fetch_site": "none", "user_agent": BROWSER},
        {"sec_fetch_site": "cross-site", "origin": FRIEND, "user_agent": BROWSER},
        {"user_agent": BROWSER, "content_type": "application/json"},
    ],
    ids=str,
)
async def test_a_get_of_a_program_of_the_gateways_own_page_or_of_a_listed_site_runs(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    assert (await get(gateway, **headers)).json()["data"]["experiments"]["nodes"]


async def test_a_listed_site_may_read_the_response_and_another_may_not(gateway: Gateway) -> None:
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,authorization",
    }
    friend = await gateway.http.options("/graphql", headers={"origin": FRIEND, **preflight})
    assert friend.status_code == 200
    assert friend.headers["access-control-allow-origin"] == FRIEND
    assert "authorization" in friend.headers["access-control-allow-headers"]
    other = await gateway.http.options("/graphql", headers={"origin": "https://other.example", **preflight})
    assert other.status_code == 400
    for response in (friend, other, await get(gateway, origin=FRIEND), await gateway.http.get("/healthz")):
        assert "access-control-allow-credentials" not in response.headers
        assert response.headers.get("access-control-allow-origin") in {FRIEND, None}
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    "path", ["/graphql", QUERY, "/healthz", "/readyz", "/metrics", "/nothing", "/playground/x"]
)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_every_response_has_the_security_headers_and_no_cookie(
    gateway: Gateway, path: str, accept: str
) -> None:
    response = await gateway.http.get(path, headers={"accept": accept, "cookie": "session=1"})
    assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert response.headers["cache-control"] in {"no-store", "no-cache"}
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert "set-cookie" not in response.headers


# -- in a browser ----------------------------------------------------------------------------------------

ATTEMPTS = """
<!doctype html><title>waiting</title><body><iframe name="frame"></iframe>
<form id="form" method="get" target="frame" action="GATEWAY/graphql">
  <input name="query" value="{experiments{nodes{name}}}"></form>
<form id="post" method="post" target="frame" enctype="text/plain" action="GATEWAY/graphql">
  <input name='{"query":"{experiments{nodes{name}}}","x":"' value='"}'></form>
<script type="module">
const get = 'GATEWAY/graphql?query={experiments{nodes{name}}}';
const body = JSON.stringify({query: '{experiments{nodes{name}}}'});
const json = {'content-type': 'application/json'};
const attempts = {
  post: () => fetch('GATEWAY/graphql', {method: 'POST', headers: json, body}),
  postAsText: () => fetch('GATEWAY/graphql', {method: 'POST', mode: 'no-cors', body}),
  get: () => fetch(get),
  getBlind: () => fetch(get, {
    mode: 'no-cors', headers: {accept: 'application/json'}, referrerPolicy: 'no-referrer'}),
  beacon: async () => navigator.sendBeacon('GATEWAY/graphql', new Blob([body], {type: 'text/plain'})),
  image: () => new Promise((done) => { const i = new Image(); i.onerror = i.onload = done; i.src = get; }),
  script: () => new Promise((done) => {
    const s = document.createElement('script'); s.onerror = s.onload = done; s.src = get; document.body.append(s);
  }),
  form: () => new Promise((done) => { document.forms.form.submit(); setTimeout(done, 500); }),
  textForm: () => new Promise((done) => { document.forms.post.submit(); setTimeout(done, 500); }),
};
const results = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try { const r = await attempt(); results[name] = r instanceof Response && r.ok ? await r.text() : 'nothing'; }
  catch (error) { results[name] = 'refused'; }
}
document.body.textContent = JSON.stringify(results);
document.title = 'done';
</script>"""


def visit(page: str) -> dict[str, str]:
    with open_browser() as browser:
        browser.driver.get(page)
        browser.wait_until(lambda driver: driver.title == "done" or None, "the page did not finish", timeout=60)
        results: dict[str, str] = json.loads(browser.driver.find_element("css selector", "body").text)
        return results


@pytest.mark.skipif(
    not (Path(CHROMIUM).exists() and Path(CHROMEDRIVER).exists()),
    reason="Chromium or ChromeDriver is not installed; `make test` installs them where it is root",
)
@pytest.mark.parametrize("is_listed", [False, True])
async def test_a_page_of_another_site_in_a_real_browser(vendors: Vendors, is_listed: bool) -> None:  # noqa: FBT001
    """No attempt of the page calls a vendor. Once its site is listed, the page gets responses."""
    gateways: list[str] = []

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(ATTEMPTS.replace("GATEWAY", gateways[0]))

    async with running(Starlette(routes=[Route("/", page)])) as url:
        site = url.replace("127.0.0.1", "localhost")
        server = {"cors_origins": [site] if is_listed else []}
        async with over_http(vendors.settings(server=server)) as gateway:
            gateways.append(str(gateway.http.base_url).rstrip("/"))
            vendors.forget_calls()
            results = await asyncio.to_thread(visit, site)
    if is_listed:
        assert '"experiments"' in results["post"]
        assert '"experiments"' in results["get"]
    else:
        assert set(results.values()) == {"nothing", "refused"}
        assert vendors.call_counts == (0, 0, 0)
