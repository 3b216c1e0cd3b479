"""GraphQL over HTTP: media types, methods, bodies, and a response to every request."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest
import pytest_asyncio

from tests.gateway import Gateway, Vendors, over_http
from tests.worlds import fill
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
GOOD = b'{"query": "{ sources { name } }"}'
UNKNOWN_FIELD = b'{"query": "{ colour }"}'
HALF = b'{"query": "{ sources { name } bad: node(id: \\"nonsense\\") { id } }"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as vendors:
        fill(vendors, experiments=1, sessions=1)
        async with over_http(vendors.settings()) as opened:
            yield opened


async def send(gateway: Gateway, body: bytes, **headers: str) -> httpx.Response:
    """POST the body as JSON by default. Header names have underscores for dashes."""
    given = {"content-type": JSON} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.http.post("/graphql", content=body, headers=given)


def assert_refusal(response: httpx.Response, status: int, *words: str) -> None:
    """Assert that the response is a GraphQL error with a code, and reveals nothing internal."""
    assert response.status_code == status
    body = response.json()
    assert "data" not in body
    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_USER_INPUT"] * len(body["errors"])
    for word in words:
        assert word in body["errors"][0]["message"]
    assert "Traceback" not in response.text
    assert 'File "' not in response.text


# -- media types and status codes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON}, {GRAPHQL};q=0.9", JSON),
        (f"{GRAPHQL}; charset=utf-8", GRAPHQL),
        ("APPLICATION/JSON", JSON),
        (f"text/html, {JSON};q=0.5", JSON),
        (f"{JSON};q=0, {GRAPHQL}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL}, {JSON}, multipart/mixed", GRAPHQL),
        (f"{JSON};q=0.5, {GRAPHQL};q=0.5", GRAPHQL),
        (f"{JSON}; charset=utf-8, {GRAPHQL}", GRAPHQL),
        (f"{JSON}, */*", JSON),
        (f"*/*, {GRAPHQL}", GRAPHQL),
        (f"application/*, {GRAPHQL}", GRAPHQL),
        (f"*/*;q=0.1, {JSON};q=0", GRAPHQL),
        (f"{JSON};charset=utf-8;q=0.1, {JSON}, {GRAPHQL};q=0.5", GRAPHQL),
        (f"{JSON};q=1.0;charset=utf-8", JSON),
        (f"{JSON};q=2, {GRAPHQL};q=0.1", GRAPHQL),
        (f"{JSON};q=nan, {GRAPHQL};q=0.1", GRAPHQL),
    ],
)
async def test_the_response_has_the_media_type_that_the_client_prefers(
    gateway: Gateway, accept: str | None, media: str
) -> None:
    headers = {"accept": accept} if accept is not None else {}
    if accept is None:
        request = gateway.http.build_request("POST", "/graphql", content=GOOD, headers={"content-type": JSON})
        del request.headers["accept"]
        response = await gateway.http.send(request)
    else:
        response = await send(gateway, GOOD, **headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media}; charset=utf-8"
    assert response.json()["data"]["sources"][0] == {"name": "nemo"}


@pytest.mark.parametrize("accept", ["text/html", "image/png", "text/plain", f"{JSON};q=0", "nonsense", ";;;", ","])
async def test_a_client_that_takes_neither_json_is_refused_with_406(gateway: Gateway, accept: str) -> None:
    assert_refusal(await send(gateway, GOOD, accept=accept), 406, GRAPHQL, JSON)


@pytest.mark.parametrize(
    ("body", "in_json", "in_graphql"),
    [
        (GOOD, 200, 200),
        (HALF, 200, 200),
        (UNKNOWN_FIELD, 200, 400),
        (b'{"query": "{"}', 200, 400),
        (b'{"query": "query($x: Int!) { sources { name } }"}', 200, 400),
        (b'{"query": "mutation { x }"}', 200, 400),
        (b"{", 400, 400),
        (b"[]", 400, 400),
        (b'{"variables": {}}', 400, 400),
    ],
    ids=lambda value: value.decode()[:24] if isinstance(value, bytes) else str(value),
)
async def test_a_request_rejected_before_execution_is_400_in_graphqls_own_media_type(
    gateway: Gateway, body: bytes, in_json: int, in_graphql: int
) -> None:
    """In application/json only a malformed request is 400, since older clients expect errors with 200."""
    assert (await send(gateway, body, accept=JSON)).status_code == in_json
    assert (await send(gateway, body, accept=GRAPHQL)).status_code == in_graphql


async def test_a_response_has_data_beside_errors_of_fields(gateway: Gateway) -> None:
    body = (await send(gateway, HALF, accept=GRAPHQL)).json()
    assert (len(body["data"]["sources"]), body["data"]["bad"]) == (3, None)
    assert body["errors"][0]["extensions"]["code"] == "INVALID_ID"


async def test_responses_are_not_stored_by_clients_and_vary_by_accept(gateway: Gateway) -> None:
    headers = (await send(gateway, GOOD)).headers
    assert (headers["cache-control"], headers["vary"]) == ("no-store", "accept, accept-encoding")
    assert "server" not in headers


# -- methods ---------------------------------------------------------------------------------------------


async def test_get_runs_a_query_with_its_variables_and_operation(gateway: Gateway) -> None:
    parameters = {
        "query": "query A($first: Int) { experiments(first: $first) { nodes { name } } } query B { __typename }",
        "variables": json.dumps({"first": 2}),
        "operationName": "A",
    }
    response = await gateway.http.get(f"/graphql?{urlencode(parameters)}", headers={"accept": JSON})
    assert response.status_code == 200
    assert len(response.json()["data"]["experiments"]["nodes"]) == 2


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({}, "query"),
        ({"query": "{ __typename }", "variables": "{"}, "variables"),
        ({"query": "{ __typename }", "variables": "[1]"}, "variables"),
        ({"query": "{ __typename }", "variables": "5"}, "variables"),
        ({"query": "{ __typename }", "extensions": "5"}, "extensions"),
        ({"query": ""}, "query"),
    ],
    ids=str,
)
async def test_a_get_that_is_no_request_is_refused(
    gateway: Gateway, parameters: dict[str, str], word: str
) -> None:
    response = await gateway.http.get(f"/graphql?{urlencode(parameters)}", headers={"accept": GRAPHQL})
    assert_refusal(response, 400, word)


@pytest.mark.parametrize("name", ["query", "variables", "operationName", "extensions", "documentId"])
@pytest.mark.parametrize("value", ["", "{}", "{ sources { name } }"])
async def test_a_get_that_names_a_parameter_twice_is_refused(gateway: Gateway, name: str, value: str) -> None:
    """Parsers differ about repeated parameters, as about repeated keys in a body."""
    query = urlencode([("query", "{ sources { name } }"), (name, value), (name, value)])
    assert_refusal(await gateway.http.get(f"/graphql?{query}", headers={"accept": JSON}), 400, name, "once")


@pytest.mark.parametrize("name", ["query", "variables", "operationName", "extensions", "documentId"])
async def test_a_post_with_a_part_of_its_request_in_the_url_is_refused(gateway: Gateway, name: str) -> None:
    body = b'{"query": "query A { sources { name } }", "operationName": "A"}'
    response = await gateway.http.post(
        f"/graphql?{urlencode({name: '{}'})}", content=body, headers={"content-type": JSON}
    )
    assert_refusal(response, 400, name, "body")


@pytest.mark.parametrize("query", ["operationName=A", "op=A&op=B", "a=%41", ""])
async def test_a_post_may_repeat_its_operations_name_in_the_url(gateway: Gateway, query: str) -> None:
    """Some clients repeat the name for the logs of proxies."""
    body = b'{"query": "query A { sources { name } }", "operationName": "A"}'
    response = await gateway.http.post(f"/graphql?{query}", content=body, headers={"content-type": JSON})
    assert response.json()["data"]["sources"]


@pytest.mark.parametrize("query", ["query=%7B%FF%7D", "query=%ED%A0%80", "query={__typename}&variables=%80"])
async def test_a_url_that_is_not_in_utf_8_is_refused(gateway: Gateway, query: str) -> None:
    assert_refusal(await gateway.http.get(f"/graphql?{query}", headers={"accept": JSON}), 400, "UTF-8")


async def test_a_browser_gets_json_and_another_client_its_preferred_media_type(
    gateway: Gateway,
) -> None:
    for accept, media in (
        ("text/html", JSON),
        ("text/html, */*;q=0.8", JSON),
        (f"text/html, {GRAPHQL}", GRAPHQL),
        (f"text/html, {JSON}, {GRAPHQL}", GRAPHQL),
    ):
        response = await gateway.http.get("/graphql?query={__typename}", headers={"accept": accept})
        assert response.headers["content-type"] == f"{media}; charset=utf-8"


async def test_a_mutation_by_get_is_refused(gateway: Gateway) -> None:
    response = await gateway.http.get("/graphql?query=mutation{x}", headers={"accept": GRAPHQL})
    assert response.status_code in {400, 405}
    assert response.json()["errors"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused_with_405_and_the_allowed_methods(gateway: Gateway, method: str) -> None:
    response = await gateway.http.request(method, "/graphql", content=GOOD, headers={"content-type": JSON})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_head_is_refused_without_a_body(gateway: Gateway) -> None:
    response = await gateway.http.head("/graphql")
    assert (response.status_code, response.content) == (405, b"")


@pytest.mark.parametrize("path", ["/nothing", "/", "/graphql/../secret", "/%2e%2e/etc/passwd"])
async def test_other_paths_do_not_exist(gateway: Gateway, path: str) -> None:
    assert (await gateway.http.post(path, content=GOOD)).status_code in {404, 405, 307}


# -- bodies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"5",
        b'"{ sources { name } }"',
        b'["x"]',
        b"[]",
        b'[{"query": "{ sources { name } }"}]',
        b"{",
        b"{}",
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": ["{ sources { name } }"]}',
        b'{"query": {"a": 1}}',
        b'{"query": "{ sources { name } }", "variables": 5}',
        b'{"query": "{ sources { name } }", "variables": "{}"}',
        b'{"query": "{ sources { name } }", "variables": []}',
        b'{"query": "{ sources { name } }", "operationName": 5}',
        b'{"query": "{ sources { name } }", "operationName": ["A"]}',
        b'{"query": "{ sources { name } }", "extensions": 5}',
        b'{"query": "{ sources { name } }"} trailing',
        b'{"query": "\xff\xfe"}',
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b'{"query": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 40_000,
        b"NaN",
        b"query { sources { name } }",
        b"query=%7Bsources%7Bname%7D%7D",
        '{"query": "{ sources { name } }"}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:40])[2:-1] or "empty",
)
async def test_a_body_that_is_no_request_is_refused_with_400(gateway: Gateway, body: bytes) -> None:
    assert_refusal(await send(gateway, body), 400)


async def test_a_batch_is_refused_with_a_remedy(gateway: Gateway) -> None:
    assert_refusal(await send(gateway, b"[" + GOOD + b"," + GOOD + b"]"), 400, "batches", "each operation")


async def test_a_byte_order_mark_before_the_body_is_ignored(gateway: Gateway) -> None:
    assert (await send(gateway, b"\xef\xbb\xbf" + GOOD)).json()["data"]["sources"]
    assert_refusal(await send(gateway, b"\xef\xbb\xbf" * 2 + GOOD), 400)


async def test_an_empty_operation_name_is_ignored(gateway: Gateway) -> None:
    assert (await send(gateway, b'{"query": "{ sources { name } }", "operationName": ""}')).json()["data"]


async def test_null_for_an_optional_member_is_ignored(gateway: Gateway) -> None:
    body = b'{"query": "{ sources { name } }", "variables": null, "operationName": null, "extensions": null}'
    assert (await send(gateway, body)).json()["data"]["sources"]


async def test_keys_that_graphql_does_not_know_do_no_harm(gateway: Gateway) -> None:
    body = b'{"query": "{ sources { name } }", "id": 7, "doc_id": "x"}'
    assert (await send(gateway, body)).json()["data"]["sources"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "",
    ],
)
async def test_another_content_type_is_refused_with_415(gateway: Gateway, content_type: str) -> None:
    """These types include those that a form of another site can send without a preflight request."""
    assert_refusal(await send(gateway, GOOD, content_type=content_type), 415, "application/json")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"],
)
async def test_json_is_json_however_it_is_written(gateway: Gateway, content_type: str) -> None:
    assert (await send(gateway, GOOD, content_type=content_type)).status_code == 200


@pytest.mark.parametrize(
    ("name", "values", "status"),
    [
        ("content-type", [JSON, "text/plain"], 415),
        ("content-type", [JSON, JSON], 415),
        ("content-encoding", ["identity", "gzip"], 415),
        ("x-deadline-ms", ["5000", "6000"], 400),
    ],
)
async def test_a_second_line_of_a_header_that_may_occur_once_is_refused(
    gateway: Gateway, name: str, values: list[str], status: int
) -> None:
    headers = [(name, value) for value in values]
    if name != "content-type":
        headers.append(("content-type", JSON))
    assert_refusal(await gateway.http.post("/graphql", content=GOOD, headers=headers), status)


@pytest.mark.parametrize(
    ("lines", "media"),
    [
        (["text/plain", GRAPHQL], GRAPHQL),
        ([f"{JSON};q=0.5", GRAPHQL], GRAPHQL),
        ([JSON, GRAPHQL], GRAPHQL),
        ([f"{GRAPHQL};q=0.5", JSON], JSON),
    ],
)
async def test_all_lines_of_accept_count(gateway: Gateway, lines: list[str], media: str) -> None:
    headers = [("accept", line) for line in lines] + [("content-type", JSON)]
    request = httpx.Request("POST", gateway.http.base_url.join("/graphql"), content=GOOD, headers=headers)
    response = await gateway.http.send(request)
    assert response.headers["content-type"] == f"{media}; charset=utf-8"


async def test_another_charset_is_refused_with_415(gateway: Gateway) -> None:
    assert_refusal(await send(gateway, GOOD, content_type="application/json; charset=latin-1"), 415, "UTF-8")


async def test_a_compressed_body_is_refused_with_415(gateway: Gateway) -> None:
    assert_refusal(await send(gateway, GOOD, content_encoding="gzip"), 415)


async def test_a_body_of_ten_megabytes_is_refused_with_413(gateway: Gateway) -> None:
    body = orjson.dumps({"query": "{ sources { name } }", "variables": {"x": "x" * 10_000_000}})
    assert_refusal(await send(gateway, body), 413, "250000 bytes")


async def test_a_body_without_a_length_is_refused_once_it_is_too_long(
    gateway: Gateway,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 100_000

    response = await gateway.http.post("/graphql", content=pieces(), headers={"content-type": JSON})
    assert_refusal(response, 413)


async def test_the_connection_stays_usable_after_a_refused_request(gateway: Gateway) -> None:
    await send(gateway, b"null")
    await send(gateway, b"x" * 2_000_000)
    assert (await send(gateway, GOOD)).status_code == 200


async def test_text_of_any_script_comes_back_as_it_was_sent(gateway: Gateway) -> None:
    odd = "Ünï 日本 \U0001f600"
    query = "query($filter: ExperimentFilter) { experiments(filter: $filter) { totalCount } }"
    response = await send(gateway, orjson.dumps({"query": query, "variables": {"filter": {"kinds": [odd]}}}))
    assert odd in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("depth", [20, 500, 5000])
async def test_deeply_nested_variables_are_refused(gateway: Gateway, depth: int) -> None:
    nested: Any = b'{"a":' * depth + b"1" + b"}" * depth
    query = (
        b'{"query": "query($f: ExperimentFilter) { experiments(filter: $f) { totalCount } }", "variables": {"f": '
    )
    assert_refusal(await send(gateway, query + nested + b"}}", accept=GRAPHQL), 400)


@pytest.mark.parametrize("depth", [7, 100, 400, 20_000])
async def test_deeply_nested_documents_are_refused(gateway: Gateway, depth: int) -> None:
    document = "{ sources " + "{ experiments { nodes { source " * depth + "{ name }" + " } } }" * depth + " }"
    response = await send(gateway, orjson.dumps({"query": document}), accept=GRAPHQL)
    assert response.status_code in {400, 413}
    assert response.json()["errors"][0]["extensions"]["code"] in {"QUERY_TOO_COMPLEX", "BAD_USER_INPUT"}
