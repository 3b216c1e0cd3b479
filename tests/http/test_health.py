"""Health probes distinguish a running gateway from a ready gateway."""

import httpx
import pytest

from tests.conftest import OpenGateway
from tests.gateway import Gateway, Vendors
from tracegraph.app import create_app
from tracegraph.http.playground.page import playground_page
from tracegraph.simulators.core.servers import running

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


async def test_healthz_says_that_the_process_runs(served: Gateway) -> None:
    response = await served.http.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_readyz_names_the_sources_and_calls_none_of_them(served: Gateway, vendors: Vendors) -> None:
    response = await served.http.get("/readyz")
    assert (response.status_code, response.json()) == (
        200,
        {"status": "ready", "sources": ["nemo", "langsmith", "meibel"]},
    )
    assert vendors.call_counts == (0, 0, 0)


async def test_vendors_that_are_down_do_not_make_the_gateway_unready(served: Gateway, vendors: Vendors) -> None:
    for vendor in vendors.all:
        await vendor.stop()
    assert (await served.http.get("/readyz")).status_code == 200
    assert (await served.http.get("/healthz")).status_code == 200


async def test_a_gateway_whose_sources_are_not_open_yet_runs_but_is_not_ready(vendors: Vendors) -> None:
    app = create_app(vendors.settings())
    async with running(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503


@pytest.mark.parametrize("path", ["/graphql/", "/healthz/", "/nothing/"])
async def test_a_slash_at_the_end_redirects_nowhere(served: Gateway, path: str) -> None:
    """Behind a proxy a redirect would name the wrong scheme, http."""
    response = await served.http.get(path, params={"query": "{ __typename }"})
    assert response.status_code in {200, 404}
    assert "location" not in response.headers


async def test_graphql_also_responds_with_a_slash_at_the_end(served: Gateway) -> None:
    response = await served.http.post("/graphql/", json={"query": "{ __typename }"})
    assert response.json() == {"data": {"__typename": "Query"}}
    assert (await served.http.put("/graphql/")).status_code == 405


async def test_a_browser_gets_the_playground_at_the_graphql_endpoint(served: Gateway) -> None:
    response = await served.http.get("/graphql", headers={"accept": BROWSER})
    assert response.status_code == 200
    assert response.content == playground_page().body
    assert response.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_browser_that_follows_a_link_with_a_query_gets_its_response(served: Gateway) -> None:
    response = await served.http.get("/graphql?query={__typename}", headers={"accept": BROWSER})
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("path", ["/graphql", "/playground/nothing.js"])
async def test_without_the_playground_a_browser_finds_none(
    vendors: Vendors, open_gateway: OpenGateway, path: str
) -> None:
    gateway = await open_gateway(server={"playground": False})
    response = await gateway.http.get(path, headers={"accept": "text/html"})
    assert response.status_code in {404, 406}
    assert b"<html" not in response.content
    assert vendors.call_counts == (0, 0, 0)
