"""`@defer`: which clients get parts, their two forms, multipart and events around them."""

import json
from random import Random
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, NEMO, Gateway, Vendors
from tests.graphql.side_by_side import made_up, put
from tests.http.parts import EVENTS, IDS, PATHS, all_parts, in_parts, merged
from tests.worlds import fill

URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)
APOLLO = "multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9"
MULTIPART_IDS = 'multipart/mixed; boundary="-"; incrementalSpec=v0.2'
MULTIPART_PATHS = 'multipart/mixed; boundary="-"; deferSpec=20220824'
EVENT_STREAM = "text/event-stream; charset=utf-8"
JSON = "application/json; charset=utf-8"
GRAPHQL = "application/graphql-response+json; charset=utf-8"

STATIC = '{ gateway { __typename } ... @defer(label: "later") { __typename } }'
NESTED = """
query Nested($later: Boolean! = true) {
  sources { name }
  ...Lists @defer(if: $later, label: "lists")
}
fragment Lists on Query {
  experiments(first: 4) {
    nodes {
      name
      ... @defer(label: "sessions") {
        sessions(first: 2) { nodes { id ... on Session @defer { status latencyMs } } }
      }
    }
  }
  comparison(experimentIds: ["no ID", "another"]) { missingIds }
}
"""


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (APOLLO, MULTIPART_PATHS),
        ("multipart/mixed; deferSpec=20220824", MULTIPART_PATHS),
        ('multipart/mixed; DeferSpec="20220824"', MULTIPART_PATHS),
        (URQL, MULTIPART_IDS),
        ("multipart/mixed", MULTIPART_IDS),
        ("multipart/mixed;incrementalSpec=v0.2,application/json", MULTIPART_IDS),
        ("multipart/mixed;incrementalSpec=v0.2, multipart/mixed;deferSpec=20220824;q=0.9", MULTIPART_IDS),
        ("multipart/mixed;boundary=graphql, application/json", MULTIPART_IDS),
        ('multipart/mixed; boundary="a,b"; deferSpec=20220824, application/json', MULTIPART_PATHS),
        ("text/event-stream", EVENT_STREAM),
        ("application/json, text/event-stream", EVENT_STREAM),
        ("text/event-stream, multipart/mixed;q=0.5", EVENT_STREAM),
        ("*/*", JSON),
        ("", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL),
        ("application/json, multipart/mixed;q=0.5", JSON),
        ("application/json, multipart/mixed;q=0", JSON),
        ("multipart/mixed;q=0.9, */*", JSON),
        ("multipart/*, application/json", JSON),
        ("multipart/mixed;deferSpec=20990101, application/json", JSON),
        ("multipart/mixed;boundary=graphql;subscriptionSpec=1.0, application/json", JSON),
    ],
)
async def test_the_accept_header_selects_the_form(gateway: Gateway, accept: str, expected: str) -> None:
    response = await gateway.http.post("/graphql", json={"query": STATIC}, headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, expected)


@pytest.mark.parametrize("accept", [APOLLO, URQL, IDS])
@pytest.mark.parametrize(
    "query",
    [
        "{ gateway { version } }",
        "query defer { deferred: gateway { version } }",
        "query A { gateway { version } } query B { ... @defer { gateway { version } } }",
    ],
)
async def test_an_operation_without_defer_is_never_multipart(gateway: Gateway, accept: str, query: str) -> None:
    """Clients such as urql accept multipart with every request."""
    body = {"query": query, "operationName": "A"} if "query A" in query else {"query": query}
    response = await gateway.http.post("/graphql", json=body, headers={"accept": accept})
    assert response.headers["content-type"] in {JSON, GRAPHQL}
    assert response.json().keys() == {"data"}


async def test_a_client_of_events_alone_gets_any_response_as_events(gateway: Gateway) -> None:
    response = await gateway.http.post(
        "/graphql", json={"query": "{ __typename }"}, headers={"accept": "text/event-stream"}
    )
    assert response.headers["content-type"] == EVENT_STREAM
    assert response.text == 'event: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata:\n\n'


async def test_multipart_with_paths(gateway: Gateway) -> None:
    """Apollo Client's form. A boundary follows each part at once: clients read a part when they see it."""
    response = await gateway.http.post("/graphql", json={"query": STATIC}, headers={"accept": APOLLO})
    assert response.content == (
        b"\r\n---\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        b'{"data":{"gateway":{"__typename":"Gateway"}},"hasNext":true}'
        b"\r\n---\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        b'{"incremental":[{"data":{"__typename":"Query"},"path":[],"label":"later"}],"hasNext":false}'
        b"\r\n-----\r\n"
    )


async def test_multipart_with_ids(gateway: Gateway) -> None:
    response = await gateway.http.post("/graphql", json={"query": STATIC}, headers={"accept": IDS})
    assert response.content == (
        b"\r\n---\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        b'{"data":{"gateway":{"__typename":"Gateway"}},"pending":[{"id":"0","path":[],"label":"later"}],"hasNext":true}'
        b"\r\n---\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        b'{"incremental":[{"id":"0","data":{"__typename":"Query"}}],"completed":[{"id":"0"}],"hasNext":false}'
        b"\r\n-----\r\n"
    )


@pytest.mark.parametrize("accept", [APOLLO, IDS, EVENTS])
async def test_an_empty_label_is_a_label(gateway: Gateway, accept: str) -> None:
    query = '{ gateway { version } ... @defer(label: "") { __typename } }'
    response = await gateway.http.post("/graphql", json={"query": query}, headers={"accept": accept})
    assert '"label":""' in response.text


async def test_a_client_that_accepts_no_form_is_told_the_forms(gateway: Gateway) -> None:
    response = await gateway.http.post("/graphql", json={"query": STATIC}, headers={"accept": "image/png"})
    message = response.json()["errors"][0]["message"]
    assert response.status_code == 406
    assert all(form in message for form in ("application/json", "text/event-stream", "multipart/mixed"))


async def test_events(gateway: Gateway) -> None:
    response = await gateway.http.post("/graphql", json={"query": STATIC}, headers={"accept": EVENTS})
    assert response.text == (
        'event: next\ndata: {"data":{"gateway":{"__typename":"Gateway"}},'
        '"pending":[{"id":"0","path":[],"label":"later"}],"hasNext":true}\n\n'
        'event: next\ndata: {"incremental":[{"id":"0","data":{"__typename":"Query"}}],'
        '"completed":[{"id":"0"}],"hasNext":false}\n\n'
        "event: complete\ndata:\n\n"
    )


@pytest.mark.parametrize("accept", [PATHS, IDS, EVENTS])
async def test_the_parts_add_up_to_the_response_in_place(vendors: Vendors, served: Gateway, accept: str) -> None:
    fill(vendors)
    whole = (await served.ask(NESTED)).body
    parts = await all_parts(served, NESTED, accept)
    assert len(parts) > 2
    assert parts[0]["data"] == {"sources": whole["data"]["sources"]}
    assert merged(parts) == whole
    labels = {entry.get("label") for part in parts for entry in part.get("incremental", ())}
    assert accept != PATHS or labels == {"lists", "sessions", None}


SERIES = """
timeSeries(
  metrics: [{kind: LATENCY}], interval: DAY, timeZone: "UTC",
  range: {gte: "2026-10-01T00:00:00Z", lt: "2026-12-01T00:00:00Z"}
) { complete buckets { sessionCount } }
"""
ROWS = "query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Experiment {{ name ... @defer {{ {} }} }} }} }}"
COMPARED = "query($ids: [ID!]!) {{ comparison(experimentIds: $ids) {{ missingIds ... @defer {{ {} }} }} }}"


@pytest.mark.parametrize(
    ("outer", "deferred"),
    [
        (ROWS, "sessions(first: 3) { nodes { id latencyMs } isComplete }"),
        (ROWS, "aggregates(basis: COMPUTED) { metric { name } mean p99 count }"),
        (ROWS, SERIES),
        (ROWS, "sessions(first: 2) { nodes { name ... @defer { spans(first: 5) { nodes { name depth } } } } }"),
        (ROWS, "sessionGroups(by: STATUS, metrics: [{kind: LATENCY}]) { groups { key sessionCount } }"),
        (COMPARED, "cases(metric: {kind: LATENCY}) { nodes { key entries { value outcome } } }"),
        (COMPARED, "metrics { metric { name } entries { value delta } }"),
    ],
)
async def test_what_takes_calls_may_be_deferred(
    vendors: Vendors, gateway: Gateway, outer: str, deferred: str
) -> None:
    ids = put(vendors, *(made_up(Random(1), source, f"{source}-made-up") for source in (NEMO, LANGSMITH)))
    query = outer.format(deferred)
    expected = (await gateway.ask(query, ids=ids)).body
    assert "errors" not in expected
    parts = await all_parts(gateway, query, IDS, ids=ids)
    assert merged(parts) == expected
    assert len(parts) > 1
    names = {key for entry in parts[1:] for one in entry.get("incremental", ()) for key in one["data"]}
    assert deferred.partition("(")[0].split()[0] in names


@pytest.mark.parametrize("accept", [PATHS, IDS])
async def test_fragments_that_a_variable_does_not_defer_are_in_the_only_part(
    vendors: Vendors, served: Gateway, accept: str
) -> None:
    fill(vendors)
    query = NESTED.replace("@defer(label", "@defer(if: $later, label").replace(
        "Session @defer", "Session @defer(if: $later)"
    )
    (part,) = await all_parts(served, query, accept, later=False)
    assert part.pop("hasNext") is False
    assert part == (await served.ask(query, later=True)).body


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('{ ... @defer(label: "a") { __typename } ... @defer(label: "a") { __typename } }', "label"),
        ("query($l: String) { ... @defer(label: $l) { __typename } }", "label"),
        ("{ gateway @defer { version } }", "@defer"),
        ("{ sources @stream { name } }", "@stream"),
    ],
)
async def test_a_wrong_directive_is_an_invalid_document(gateway: Gateway, query: str, message: str) -> None:
    response = await gateway.http.post("/graphql", json={"query": query}, headers={"accept": URQL})
    assert (response.status_code, response.headers["content-type"]) == (400, GRAPHQL)
    assert message in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({}, "GET", 200),
        ({"sec-fetch-site": "cross-site"}, "GET", 403),
        ({}, "HEAD", 405),
        ({"origin": "https://elsewhere.example"}, "GET", 403),
    ],
)
async def test_a_get_with_defer_follows_the_rules_of_every_get(
    gateway: Gateway, headers: dict[str, str], method: str, status: int
) -> None:
    response = await gateway.http.request(
        method, "/graphql", params={"query": STATIC}, headers={"accept": IDS, **headers}
    )
    assert response.status_code == status
    assert (response.headers["content-type"] == MULTIPART_IDS) == (status == 200)


async def test_a_post_that_is_no_json_is_refused_as_ever(gateway: Gateway) -> None:
    """A page of another site can send such a POST without asking (CSRF)."""
    headers = {"accept": IDS, "content-type": "text/plain"}
    response = await gateway.http.post("/graphql", content=json.dumps({"query": STATIC}), headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (415, JSON)


async def test_parts_are_neither_compressed_nor_stored_nor_held_back(vendors: Vendors, served: Gateway) -> None:
    fill(vendors, experiments=10)
    query = "{ ... @defer { experiments(first: 30) { edges { cursor node { id name createdAt } } } } }"
    async with in_parts(served, query, headers={"accept-encoding": "gzip"}) as parts:
        assert len(json.dumps(await parts.rest())) > 4000
        headers = parts.response.headers
    assert "content-encoding" not in headers
    assert "content-length" not in headers
    assert headers["cache-control"] == "no-store"
    assert headers["vary"] == "accept, accept-encoding"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("plans", [True, False])
async def test_the_parts_are_the_same_with_plans_and_without(
    open_gateway: OpenGateway, vendors: Vendors, *, plans: bool
) -> None:
    fill(vendors)
    reference = await open_gateway(server={"compiled_plans": True})
    gateway = await open_gateway(server={"compiled_plans": plans})
    expected, found = [await all_parts(one, NESTED, PATHS) for one in (reference, gateway)]
    assert found[0] == expected[0]
    assert merged(found) == merged(expected)


async def test_introspection_names_the_one_directive(gateway: Gateway) -> None:
    query = "{ __schema { directives { name locations args { name type { kind } defaultValue } } } }"
    found: dict[str, Any] = {one["name"]: one for one in (await gateway.ask(query)).data["__schema"]["directives"]}
    assert found["defer"]["locations"] == ["FRAGMENT_SPREAD", "INLINE_FRAGMENT"]
    assert found["defer"]["args"] == [
        {"name": "if", "type": {"kind": "NON_NULL"}, "defaultValue": "true"},
        {"name": "label", "type": {"kind": "SCALAR"}, "defaultValue": None},
    ]
    assert "stream" not in found
