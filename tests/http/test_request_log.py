"""The log of requests: an id for each, a line for each GraphQL request, and a limited number for refusals."""

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.conftest import OpenGateway
from tests.gateway import Gateway, Vendors, eventually
from tests.http.issuer import RSA_KEYS, token
from tests.http.parts import EVENTS, IDS, PATHS, in_parts
from tests.http.test_jwt import issuer, jwks, table
from tests.worlds import fill
from tracegraph.http.auth.api_keys import hash_key
from tracegraph.http.middleware.request_log import REFUSAL_LINES, RefusalLog
from tracegraph.http.request_record import RequestRecord
from tracegraph.metrics.http_requests import HttpRequests
from tracegraph.simulators.core.faults import Fault

__all__ = ["issuer", "jwks"]
LIST = "query FromTheDocument { experiments { nodes { name } } }"
DEFERRED = "query Deferred { gateway { version } ... @defer { experiments { nodes { name } } } }"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines


def events(log: list[Any], name: str) -> list[Any]:
    return [line for line in log if line["event"] == name]


async def post(gateway: Gateway, query: str, **headers: str) -> str:
    """Send a query, and return the request id of the response."""
    answer = await gateway.post(orjson.dumps({"query": query}), **headers)
    return answer.headers["x-request-id"]


# -- the request id ------------------------------------------------------------------------------------------


async def test_the_clients_request_id_comes_back_and_is_in_the_log(
    vendors: Vendors, gateway: Gateway, log: list[Any]
) -> None:
    fill(vendors)
    assert await post(gateway, LIST, x_request_id="abc-123/4") == "abc-123/4"
    (line,) = events(log, "graphql.request")
    assert line["request_id"] == "abc-123/4"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'quo"te', "<b>"])
async def test_another_request_id_is_replaced_by_a_new_one(gateway: Gateway, given: str) -> None:
    first = await post(gateway, LIST, x_request_id=given)
    assert first != given
    assert len(first) == 32
    assert first != await post(gateway, LIST, x_request_id=given)


async def test_every_response_has_a_request_id_also_a_refusal_and_a_probe(gateway: Gateway) -> None:
    for path in ("/nowhere", "/healthz", "/metrics"):
        assert len((await gateway.http.get(path)).headers["x-request-id"]) == 32


async def test_a_failed_call_is_joined_to_its_request_by_the_id_and_the_trace(
    vendors: Vendors, gateway: Gateway, log: list[Any]
) -> None:
    fill(vendors)
    vendors.meibel.fail(Fault("status", status=403))
    await post(gateway, LIST, x_request_id="mine", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    (failed,) = events(log, "upstream.failed")
    (request,) = events(log, "graphql.request")
    assert (
        (failed["request_id"], failed["trace_id"])
        == ("mine", TRACE)
        == (request["request_id"], request["trace_id"])
    )


@pytest.mark.parametrize("given", [f"00-{'0' * 32}-00f067aa0ba902b7-01", "garbage", f"00-{TRACE.upper()}-1-01"])
def test_an_invalid_trace_parent_is_no_trace(given: str) -> None:
    assert RequestRecord.from_headers([(b"traceparent", given.encode())]).trace_id is None


# -- the line of a GraphQL request ---------------------------------------------------------------------------


async def test_the_line_has_the_name_from_the_document_status_codes_cost_and_cache_result(
    vendors: Vendors, open_gateway: OpenGateway, log: list[Any]
) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "memory://"})
    for headers in ({}, {}, {"cache_control": "no-cache"}):
        await post(gateway, LIST, **headers)
    await asyncio.gather(*(post(gateway, LIST.replace("name", "id")) for _ in range(2)))
    lines = events(log, "graphql.request")
    assert {line["operation"] for line in lines} == {"FromTheDocument"}
    assert {(line["status"], line["errors"], *line["codes"]) for line in lines} == {(200, 0)}
    assert all(line["cost"] > 0 and line["duration_ms"] > 0 for line in lines)
    assert [line["cache"] for line in lines[:3]] == ["MISS", "KEPT", "BYPASS"]
    assert {line["cache"] for line in lines[3:]} == {"MISS", "SHARED"}


async def test_the_line_has_the_codes_of_the_errors(gateway: Gateway, log: list[Any]) -> None:
    await post(gateway, '{ node(id: "x") { id } nodes(ids: ["y"]) { id } }')
    (line,) = events(log, "graphql.request")
    assert (line["codes"], line["errors"]) == (["INVALID_ID"], 2)


@pytest.mark.parametrize("accept", [IDS, PATHS, EVENTS])
async def test_a_response_in_parts_has_the_id_and_a_line_with_the_same_fields_and_those_of_its_parts(
    vendors: Vendors, gateway: Gateway, log: list[Any], accept: str
) -> None:
    fill(vendors)
    await post(gateway, DEFERRED.replace("... @defer", "..."), x_request_id="whole")
    async with in_parts(gateway, DEFERRED, accept, headers={"x-request-id": "mine"}) as parts:
        assert parts.response.headers["x-request-id"] == "mine"
        await parts.rest()
    whole, line = events(log, "graphql.request")
    assert line.keys() == whole.keys() | {"first_part_ms", "fragments"}
    assert (line["request_id"], line["status"], line["operation"]) == ("mine", 200, "Deferred")
    assert (line["fragments"], line["errors"], line["cache"]) == (1, 0, "MISS")
    assert 0 < line["first_part_ms"] <= line["duration_ms"]


@pytest.mark.parametrize("accept", [IDS, PATHS, EVENTS, "application/json"])
async def test_a_client_that_disconnects_has_a_line_with_the_name_from_the_document(
    vendors: Vendors, served: Gateway, log: list[Any], accept: str
) -> None:
    fill(vendors)
    vendors.nemo.fail(Fault("hang", times=None))
    query = {"query": DEFERRED}
    request = asyncio.create_task(served.http.post("/graphql", json=query, headers={"accept": accept}))
    assert await eventually(lambda: vendors.nemo.simulator.in_flight > 0)
    request.cancel()
    await asyncio.wait([request])
    assert await eventually(lambda: bool(events(log, "graphql.client_gone")), within_s=5)
    (line,) = events(log, "graphql.client_gone")
    assert (line["operation"], line["status"], line["principal"]) == ("Deferred", 499, "anybody")
    assert events(log, "graphql.request") == []


# -- refusals ------------------------------------------------------------------------------------------------


async def test_each_kind_of_refusal_has_a_line_with_its_status_and_code(
    open_gateway: OpenGateway, log: list[Any]
) -> None:
    key = {"sha256": hash_key("tg_" + "k" * 43), "requests_per_minute": 4}
    gateway = await open_gateway(
        auth={"keys": {"ada": key}}, limits={"max_body_bytes": 1000}, server={"allowed_hosts": ["known"]}
    )
    json, ada = {"content-type": "application/json"}, {"authorization": "Bearer tg_" + "k" * 43}
    await gateway.http.post("/graphql", content=b"{}", headers=json)
    await gateway.http.post("/graphql", content=b"[]", headers=json | ada)
    await gateway.http.post("/graphql", content=b" " * 2000, headers=json | ada)
    await gateway.http.post("/graphql", content=b"{}", headers=ada)
    await gateway.http.post("/graphql", content=b'{"query": "{ nothing }"}', headers=json | ada)
    await gateway.http.post("/graphql", content=b"{}", headers=json | ada)
    await gateway.http.get("/nowhere")
    await gateway.http.delete("/graphql")
    await gateway.http.get("/graphql", headers={"host": "other.example"})
    refused = events(log, "http.refused")
    assert [(line["status"], line["code"]) for line in refused] == [
        (401, "UNAUTHENTICATED"),
        (400, "BAD_USER_INPUT"),
        (413, "BAD_USER_INPUT"),
        (415, "BAD_USER_INPUT"),
        (200, "BAD_USER_INPUT"),
        (429, "RATE_LIMITED"),
        (404, "NOT_FOUND"),
        (405, "BAD_USER_INPUT"),
        (421, "MISDIRECTED_REQUEST"),
    ]
    assert all(line["log_level"] == "info" and line["request_id"] and line["path"] for line in refused)
    assert refused[4]["principal"] == "key:ada"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(lambda: token(exp=1), "expired", id="expired"),
        pytest.param(lambda: token(aud="other"), "another audience", id="audience"),
        pytest.param(lambda: token(iss="https://other.example"), "another issuer", id="issuer"),
        pytest.param(lambda: token(RSA_KEYS[1]), "wrong signature", id="signature"),
        pytest.param(
            lambda: token(alg="RS512"), "an algorithm that auth.jwt.algorithms does not name", id="algorithm"
        ),
        pytest.param(
            lambda: token(kid="unknown"), "a key ID that the identity provider does not publish", id="key"
        ),
        pytest.param(lambda: token(sub=None), "a required claim is missing", id="claim"),
        pytest.param(lambda: "abc", "not a JSON Web Token", id="no token"),
        pytest.param(lambda: "tg_abc", "unknown API key", id="API key"),
    ],
)
async def test_the_log_says_why_a_credential_was_refused_and_the_response_does_not(
    open_gateway: OpenGateway, jwks: str, log: list[Any], given: Any, reason: str
) -> None:
    gateway = await open_gateway(auth=table(jwks))
    credential = given()
    answer = await gateway.post(b"{}", authorization=f"Bearer {credential}")
    (line,) = events(log, "http.refused")
    assert (line["reason"], line["log_level"]) == (reason, "info")
    assert reason.encode() not in answer.content
    assert credential not in str(line)


def test_a_flood_of_refusals_writes_few_lines_and_the_next_one_counts_the_others() -> None:
    now = [0.0]
    counters = HttpRequests()
    refusals = RefusalLog(counters, clock=lambda: now[0])
    with capture_logs() as lines:
        for _ in range(1000):
            refusals.refused(401, "UNAUTHENTICATED")
        refusals.refused(404, None)
        now[0] = REFUSAL_LINES.per_s
        refusals.refused(401, "UNAUTHENTICATED")
    assert [line["status"] for line in lines] == [401] * REFUSAL_LINES.calls + [404, 401]
    assert lines[-1]["left_out"] == 1000 - REFUSAL_LINES.calls
    assert counters.refused == {(401, "UNAUTHENTICATED"): 1001, (404, "NOT_FOUND"): 1}


async def test_a_probe_of_an_unready_gateway_is_no_refusal(gateway: Gateway, log: list[Any]) -> None:
    await gateway.http.get("/readyz", headers={"host": "10.0.0.1"})
    assert events(log, "http.refused") == []
