"""`Cache-Control: no-cache` on a request bypasses the cache, unless the configuration disables it."""

import pytest

from tests.conftest import OpenGateway
from tests.gateway import Vendors
from tests.worlds import fill

BODY = b'{"query": "{ experiments(first: 3) { nodes { name sessions(first: 1) { nodes { id } } } } }"}'


@pytest.mark.parametrize("header", ["no-cache", "No-Cache", "max-age=0, no-cache"])
async def test_no_cache_bypasses_the_cache(open_gateway: OpenGateway, vendors: Vendors, header: str) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 60})
    await gateway.post(BODY)
    calls = vendors.call_counts
    vendors.forget_calls()
    await gateway.post(BODY)
    assert vendors.call_counts == (0, 0, 0)
    await gateway.post(BODY, cache_control=header)
    assert vendors.call_counts == calls


@pytest.mark.parametrize("lines", [["max-age=0", "no-cache"], ["no-cache", "max-age=0"], ["", "x, no-cache"]])
async def test_all_lines_of_the_header_count(
    open_gateway: OpenGateway, vendors: Vendors, lines: list[str]
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 60})
    await gateway.post(BODY)
    vendors.forget_calls()
    headers = [("content-type", "application/json"), *(("cache-control", line) for line in lines)]
    await gateway.http.post("/graphql", content=BODY, headers=headers)
    assert all(vendors.call_counts)


@pytest.mark.parametrize("header", ["", "max-age=0", "no-cache-please", "no-store"])
async def test_other_directives_do_not_bypass_the_cache(
    open_gateway: OpenGateway, vendors: Vendors, header: str
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 60})
    await gateway.post(BODY)
    vendors.forget_calls()
    await gateway.post(BODY, cache_control=header)
    assert vendors.call_counts == (0, 0, 0)


async def test_a_setting_disables_no_cache(open_gateway: OpenGateway, vendors: Vendors) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 60, "allow_no_cache": False})
    await gateway.post(BODY)
    vendors.forget_calls()
    await gateway.post(BODY, cache_control="no-cache")
    assert vendors.call_counts == (0, 0, 0)
