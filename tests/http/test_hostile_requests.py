"""Hostile requests: each is refused with a GraphQL error in bounded memory, without calls to vendors."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
import pytest_asyncio

from tests.gateway import Gateway, Vendors, over_http
from tests.graphql.test_document_limits import HOSTILE
from tests.http.raw import raw
from tests.worlds import fill
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
MAX_GROWTH_MB = 50


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendors() -> AsyncIterator[Vendors]:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as opened:
        fill(opened, experiments=1, sessions=1)
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(vendors: Vendors) -> AsyncIterator[Gateway]:
    async with over_http(vendors.settings()) as opened:
        yield opened


async def send(gateway: Gateway, body: bytes, accept: str = GRAPHQL, **headers: str) -> httpx.Response:
    given = {"content-type": JSON, "accept": accept} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return await gateway.http.post("/graphql", content=body, headers=given)


def code(response: httpx.Response) -> str:
    body = response.json()
    assert "data" not in body
    found: str = body["errors"][0]["extensions"]["code"]
    return found


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_document_is_refused_in_either_media_type(
    vendors: Vendors, gateway: Gateway, text: str, accept: str
) -> None:
    vendors.forget_calls()
    response = await send(gateway, orjson.dumps({"query": text}), accept)
    if response.status_code == 413:  # the longest exceed the limit for bodies
        assert code(response) == "BAD_USER_INPUT"
    else:
        assert (response.status_code, code(response)) == (400, "QUERY_TOO_COMPLEX")
    assert vendors.call_counts == (0, 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        "{ experiments(first: 1000) { nodes { sessions(first: 1000) { nodes { id } } } } }",
        "{ experiments(first: 1000) { nodes { aggregate(metric: {kind: COST}, basis: BEST) { sum } } } }",
        "{" + "".join(f"a{i}: experiments(first: 1000) {{ totalCount }} " for i in range(100)) + "}",
        "query($n: Int = 1000) { experiments(first: $n) { nodes { sessions(first: $n) { totalCount } } } }",
    ],
)
async def test_a_query_that_costs_too_much_is_refused_with_its_cost_and_the_limit(
    vendors: Vendors, gateway: Gateway, text: str
) -> None:
    vendors.forget_calls()
    response = await send(gateway, orjson.dumps({"query": text}), JSON)
    assert (response.status_code, code(response)) == (400, "QUERY_TOO_COMPLEX")
    assert "the limit is 100000" in response.json()["errors"][0]["message"]
    assert vendors.call_counts == (0, 0, 0)


async def test_many_ids_in_a_variable_are_included_in_the_cost(gateway: Gateway) -> None:
    body = {
        "query": "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        "variables": {"ids": ["U291cmNlOm5lbW8="] * 10_000},
    }
    response = await send(gateway, orjson.dumps(body))
    assert (response.status_code, code(response)) == (400, "QUERY_TOO_COMPLEX")


async def test_the_cost_is_reported_on_request(gateway: Gateway) -> None:
    query = "{ experiments(first: 5) { totalCount } }"
    response = (await send(gateway, orjson.dumps({"query": query, "extensions": {"cost": True}}))).json()
    assert response["extensions"]["cost"] == 35
    for extensions in ({}, {"cost": False}, {"cost": "yes"}, {"other": 1}, None):
        answer = (await send(gateway, orjson.dumps({"query": query, "extensions": extensions}))).json()
        assert "cost" not in answer.get("extensions", {})


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"query": "{ sources { name } }", "variables": ' + b'{"a":' * 40_000,
        b'{"query": "{ sources { name } }", "variables": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b'{"query": "\\ud800"}',
        b'{"query": "{ sources { name } }", "query": "{ __typename }"}',
        b'{"query": "{ sources { name } }", "variables": {"a": 1, "b": {"c": 1, "c": 1}}}',
        b'{"query": "{ sources { name } }", "variables": {"a": 1, "\\u0061": 2}}',
        b'{"query": "{ sources { name } }", "variables": {"a": Infinity}}',
        b'{"query": "{ sources { name } }", "variables": {"a": -NaN}}',
        b"\x1f\x8b\x08" + b"\x00" * 100,
    ],
    ids=lambda body: repr(body[:60]),
)
async def test_json_that_is_invalid_or_ambiguous_is_refused(gateway: Gateway, body: bytes) -> None:
    response = await send(gateway, body)
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "objects",
    [
        b"{" + b", ".join(b'"n%d" : 1' % index for index in range(10_001)) + b"}",
        b"[" + b", ".join([b'{"n": 1}'] * 10_001) + b"]",
        b"[" + b", ".join([b"{ }"] * 10_001) + b"]",
    ],
    ids=["one object", "an object each", "empty objects"],
)
async def test_more_than_10_000_keys_are_refused_unparsed(gateway: Gateway, objects: bytes) -> None:
    response = await send(gateway, b'{"query": "{ sources { name } }", "variables": {"a": %s}}' % objects)
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")
    assert "more than 10000 keys" in response.json()["errors"][0]["message"]


async def test_many_values_and_colons_in_strings_are_no_keys(gateway: Gateway) -> None:
    values = {"a": list(range(20_000)), "b": "a: b, " * 15_000}
    response = await send(gateway, orjson.dumps({"query": "{ sources { name } }", "variables": values}))
    assert response.status_code == 200


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e99999999", "9" * 400, "1" * 5000])
async def test_a_number_beyond_all_bounds_is_refused_or_is_no_int(gateway: Gateway, number: str) -> None:
    body = '{"query": "query($n: Int) { experiments(first: $n) { totalCount } }", "variables": {"n": NUMBER}}'
    response = await send(gateway, body.replace("NUMBER", number).encode())
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize("number", ["1e999", "-1e400", "1" * 400])
async def test_a_number_in_the_document_beyond_all_bounds_is_refused(gateway: Gateway, number: str) -> None:
    query = f"{{ sessions(filter: {{latencyMs: {{gte: {number}}}}}) {{ totalCount }} }}"
    response = await send(gateway, orjson.dumps({"query": query}))
    assert (response.status_code, code(response)) == (400, "BAD_USER_INPUT")
    assert "beyond 1.79e308" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "x-unknown"])
async def test_a_compressed_body_is_refused_without_being_opened(gateway: Gateway, encoding: str) -> None:
    response = await send(gateway, b"\x00" * 1000, content_encoding=encoding)
    assert (response.status_code, code(response)) == (415, "BAD_USER_INPUT")


async def test_bodies_of_many_megabytes_are_not_buffered(gateway: Gateway) -> None:
    before_mb = peak_mb()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 100_000

    responses = await asyncio.gather(
        *(gateway.http.post("/graphql", content=pieces(), headers={"content-type": JSON}) for _ in range(10))
    )
    assert {(one.status_code, code(one)) for one in responses} == {(413, "BAD_USER_INPUT")}
    assert peak_mb() - before_mb < MAX_GROWTH_MB


HEAD = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def test_a_body_that_does_not_arrive_is_refused_in_time_and_the_connection_closed(vendors: Vendors) -> None:
    async with over_http(vendors.settings(limits={"body_timeout_s": 0.2})) as gateway:
        answer = await raw(gateway, HEAD + b"Content-Length: 100\r\n\r\n", b'{"query"')
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head
    assert json.loads(body)["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_body_that_never_ends_loses_its_connection(gateway: Gateway) -> None:
    endless = [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"] + [b"186a0\r\n" + b" " * 100_000 + b"\r\n"] * 400
    answer = await raw(gateway, *endless)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_with_a_length_beyond_the_limit_is_refused_before_it_arrives(gateway: Gateway) -> None:
    """If the body arrives nevertheless, the server discards it, and the connection stays usable."""
    after = b'{"query": "{ __typename }"}'
    good = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(after) + after
    address = urlsplit(str(gateway.http.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(HEAD + b"Content-Length: 250001\r\n\r\n")
    refusal = await reader.readuntil(b"\r\n\r\n")
    assert refusal.startswith(b"HTTP/1.1 413 ")
    writer.write(b" " * 250_001 + good)
    answers = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert b"HTTP/1.1 200 " in answers


async def test_a_body_with_a_length_far_beyond_the_limit_loses_its_connection(gateway: Gateway) -> None:
    answer = await raw(gateway, HEAD + b"Content-Length: 100000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("header", [b"X-Long: " + b"x" * 65_536, b"X" * 65_536], ids=["value", "name"])
async def test_a_header_of_64_kb_is_refused_or_ignored(gateway: Gateway, header: bytes) -> None:
    good = b'{"query": "{ __typename }"}'
    request = HEAD + header + b"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(good) + good
    answer = await raw(gateway, request)
    assert answer[:12] in {b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 431"}
    assert (await gateway.ask("{ __typename }")).data
