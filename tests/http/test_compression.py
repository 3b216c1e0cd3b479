"""Responses are compressed when they are long, contain data only, and the client accepts gzip."""

import gzip
import zlib
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway import Gateway, Vendors, in_process
from tests.worlds import fill
from tracegraph.app import build_runner
from tracegraph.graphql.runner import Operation
from tracegraph.http.compression import MIN_COMPRESSED_BYTES, deflate, gzip_file
from tracegraph.http.negotiation import takes_gzip
from tracegraph.http.response_cache import ExecutionRequest, ResponseCache
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld
from tracegraph.sources import open_sources

module = pytest.mark.asyncio(loop_scope="module")
LONG = "query Long { experiments(first: 30) { nodes { id name createdAt source { name vendor } } } }"
SHORT = "query Short { experiments(first: 1) { nodes { name } } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendors() -> AsyncIterator[Vendors]:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as opened:
        fill(opened, experiments=10, sessions=1)
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(vendors: Vendors) -> AsyncIterator[Gateway]:
    async with in_process(vendors.settings(cache={"url": "memory://"})) as opened:
        yield opened


async def ask(gateway: Gateway, query: str, *accept_encoding: str) -> httpx.Response:
    """Return the response to a client that sends these lines of Accept-Encoding."""
    headers = [("content-type", "application/json"), ("accept", "application/json")]
    headers += [("accept-encoding", line) for line in accept_encoding]
    body = orjson.dumps({"query": query})
    request = httpx.Request("POST", gateway.http.base_url.join("/graphql"), content=body, headers=headers)
    return await gateway.http.send(request)


@module
async def test_a_long_response_is_compressed_for_a_client_that_accepts_gzip(gateway: Gateway) -> None:
    plain = await ask(gateway, LONG)
    packed = await ask(gateway, LONG, "gzip, deflate, br")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.content == plain.content
    assert len(plain.json()["data"]["experiments"]["nodes"]) == 30


@module
async def test_responses_vary_by_accept_and_accept_encoding(gateway: Gateway) -> None:
    for response in (await ask(gateway, LONG), await ask(gateway, LONG, "gzip"), await ask(gateway, SHORT)):
        assert response.headers["vary"] == "accept, accept-encoding"


@module
async def test_all_lines_of_accept_encoding_count(gateway: Gateway) -> None:
    assert (await ask(gateway, LONG, "br", "gzip")).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in (await ask(gateway, LONG, "gzip;q=0.5", "identity")).headers


@module
async def test_a_short_response_is_not_compressed(gateway: Gateway) -> None:
    response = await ask(gateway, SHORT, "gzip")
    assert len(response.content) < MIN_COMPRESSED_BYTES
    assert "content-encoding" not in response.headers


@module
@pytest.mark.parametrize(
    "query",
    [
        "{ " + "x" * 5000 + " }",
        'query { experiments(first: 30) { nodes { id name createdAt } } nodes(ids: ["'
        + "x" * 5000
        + '"]) { id } }',
        "{ " + " ".join(f"a{index}" for index in range(100)) + " }",
    ],
    ids=["refused", "data beside an error", "many errors"],
)
async def test_a_response_that_repeats_the_request_in_an_error_is_never_compressed(
    gateway: Gateway, query: str
) -> None:
    response = await ask(gateway, query, "gzip")
    assert response.json()["errors"]
    assert "content-encoding" not in response.headers


@module
async def test_equal_responses_have_different_compressed_lengths(gateway: Gateway) -> None:
    lengths = {(await ask(gateway, LONG, "gzip")).headers["content-length"] for _ in range(30)}
    assert len(lengths) > 5


@module
async def test_a_setting_disables_compression(vendors: Vendors) -> None:
    async with in_process(vendors.settings(server={"compression": False})) as gateway:
        response = await ask(gateway, LONG, "gzip")
    assert len(response.content) > MIN_COMPRESSED_BYTES
    assert "content-encoding" not in response.headers


@module
async def test_a_cached_response_is_compressed_once(vendors: Vendors) -> None:
    settings = vendors.settings(cache={"url": "memory://", "ttl_s": 60})
    async with open_sources(settings) as sources:
        cache = ResponseCache(build_runner(sources, settings), sources.memory, share=True)
        request = ExecutionRequest(Operation(LONG), None, {}, bypass_cache=False, charge=None)
        first = await cache.compressed_body(await cache.get_or_execute(request))
        again = await cache.compressed_body(await cache.get_or_execute(request))
        assert again is first
        other = ExecutionRequest(Operation(SHORT), None, {}, bypass_cache=False, charge=None)
        assert await cache.compressed_body(await cache.get_or_execute(other)) != first


@module
async def test_without_a_store_a_response_is_compressed_each_time(vendors: Vendors) -> None:
    settings = vendors.settings()
    async with open_sources(settings) as sources:
        cache = ResponseCache(build_runner(sources, settings), None, share=True)
        request = ExecutionRequest(Operation(LONG), None, {}, bypass_cache=False, charge=None)
        response = await cache.get_or_execute(request)
        assert gzip.decompress(gzip_file(await cache.compressed_body(response))) == response.body


@pytest.mark.parametrize("size", [0, 1, MIN_COMPRESSED_BYTES, 65_536, 65_537, 3_000_000])
async def test_a_compressed_body_of_any_size_decompresses_to_itself(size: int) -> None:
    body = b"ab\xff" * (size // 3) + b"c" * (size % 3)
    packed = gzip_file(await deflate(body))
    assert gzip.decompress(packed) == body
    assert zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed) == body


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0, gzip", True),
        ("identity", False),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip;q=1.0", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=nonsense", False),
        ("gzipped, deflate", False),
    ],
)
def test_weights_decide_whether_gzip_is_accepted(header: str | None, takes: bool) -> None:  # noqa: FBT001
    assert takes_gzip(header) is takes


@given(st.text())
def test_any_accept_encoding_header_is_parsed(header: str) -> None:
    assert takes_gzip(header) in {True, False}
