"""For a principal that is limited to some sources the other sources do not exist, through any field of the schema.

The principal may use IDs, cursors and filters of an unlimited principal. It always gets the response of a gateway
without the other source.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Answer, Gateway, Vendors, in_process
from tests.http.walk import Values, Walk
from tests.worlds import fill
from tracegraph.graphql.relay.ids import encode_id
from tracegraph.graphql.schema import build_schema
from tracegraph.http.auth.api_keys import hash_key, new_key
from tracegraph.simulators.core.faults import Fault

ALL, SOME = new_key(), new_key()
VISIBLE = [NEMO, MEIBEL]


WIDE = {"max_tokens": 100_000, "max_aliases": 10_000, "max_cost": 10**9}
"""Limits for the walk, which requests every field at once."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The gateway over all sources, and a gateway without the hidden source."""

    whole: Gateway
    without: Gateway


@pytest.fixture
async def pair(vendors: Vendors) -> AsyncIterator[Pair]:
    fill(vendors, experiments=2, sessions=2)
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(in_process(settings)) for settings in both(vendors, limits=WIDE)]
        yield Pair(*opened)


def both(vendors: Vendors, **tables: Any) -> list[Any]:
    auth = {"keys": {"all": {"sha256": hash_key(ALL)}, "some": {"sha256": hash_key(SOME), "sources": VISIBLE}}}
    few = {name: table for name, table in vendors.sources().items() if name in VISIBLE}
    # On a busy machine documents wait long in the parse queue.
    tables = {"auth": auth, "limits": {"deadline_s": 60}, **tables}
    return [vendors.settings(**tables), vendors.settings(sources=few, **tables)]


async def ask_as(gateway: Gateway, key: str, query: str, variables: dict[str, Any] | None = None) -> Answer:
    body = orjson.dumps({"query": query, "variables": variables or {}, "extensions": {"cost": True}})
    return await gateway.post(body, authorization=f"Bearer {key}")


def comparable(answer: Answer) -> tuple[int, Any, dict[str, str]]:
    """Return a response without what differs each time: times, IDs of references and requests, some lengths."""
    text = answer.content.decode()
    text = re.sub(r'("[A-Za-z_]*(?:checkedAt|durationMs)"):("[^"]*"|[0-9.]+)', r"\1", text)
    text = re.sub(r'("reference"):"[0-9a-f]{8}"|Reference [0-9a-f]{8}', r"\1", text)
    headers = {
        name: value for name, value in answer.headers.items() if name not in {"content-length", "x-request-id"}
    }
    return answer.status, text, headers


async def values(gateway: Gateway) -> Values:
    """Return everything that an unlimited principal can pass on: IDs and cursors of every kind and source."""
    harvest = """{
      sources { id name experiments(first: 1) { edges { cursor } } }
      experiments(first: 50) {
        edges { cursor } nodes { id source { name } sessions { edges { cursor node { id } } } }
      }
      byName: experiments(orderBy: {field: NAME}) { edges { cursor } }
      sessions(first: 50) { edges { cursor } }
    }"""
    found = (await ask_as(gateway, ALL, harvest)).data
    experiments: dict[str, list[str]] = {}
    for node in found["experiments"]["nodes"]:
        experiments.setdefault(node["source"]["name"], []).append(node["id"])
    here, hidden = experiments[NEMO], experiments[LANGSMITH]
    cases = """query($ids: [ID!]!) { comparison(experimentIds: $ids) { cases(metric: {kind: LATENCY}) {
      edges { cursor } nodes { id } } } }"""
    compared = [
        (await ask_as(gateway, ALL, cases, {"ids": ids})).data["comparison"]["cases"]
        for ids in ([here[0], hidden[0]], [hidden[0], hidden[1]], [hidden[0], here[0]])
    ]
    ids = [
        *here,
        *hidden,
        *experiments[MEIBEL],
        *(source["id"] for source in found["sources"]),
        *(edge["node"]["id"] for node in found["experiments"]["nodes"] for edge in node["sessions"]["edges"]),
        *(node["id"] for one in compared for node in one["nodes"]),
        encode_id("Experiment", LANGSMITH, "nothing"),
        encode_id("Experiment", "nothing", "nothing"),
    ]
    groups = [
        [here[0], here[1]],
        [here[0], hidden[0]],
        [hidden[0], here[0]],
        [hidden[0], hidden[1]],
        [hidden[0], hidden[0]],
        [here[0], encode_id("Experiment", LANGSMITH, "nothing")],
    ]
    pages = [
        *(source["experiments"] for source in found["sources"]),
        found["experiments"],
        found["byName"],
        found["sessions"],
        *(node["sessions"] for node in found["experiments"]["nodes"]),
        *compared,
    ]
    named = [{"sources": [LANGSMITH]}, {"sources": [NEMO, LANGSMITH]}, {"vendors": ["langsmith"]}]
    assert len(hidden) == 2
    return {
        "id": ids,
        "ids": [[one] for one in ids] + groups,
        "experimentIds": groups,
        "baselineId": [here[0], hidden[0]],
        "after": [edge["cursor"] for page in pages for edge in page["edges"][:3]],
        "before": [edge["cursor"] for page in pages for edge in page["edges"][:3]],
        "first": [1, 0],
        "last": [1, 0],
        "activeExperiments": [1, 100, 0],
        "filter: ExperimentFilter": [*named, *({"ids": group} for group in groups)],
        "filter: SessionFilter": [*named, *({"experimentIds": group} for group in groups)],
        "filter: ExperimentSessionFilter": [{"statuses": ["SUCCESS"]}, {"name": {"exists": True}}],
        "orderBy: ExperimentOrder": [
            {"field": "NAME"},
            {"field": "CREATED_AT", "direction": "ASC"},
            {"field": "SESSION_COUNT"},
        ],
        "orderBy: SessionOrder": [{"field": "STARTED_AT", "direction": "ASC"}, {"field": "LATENCY"}],
        "orderBy: CaseOrder": [{"field": "KEY"}, {"field": "DELTA", "experimentId": hidden[0]}],
        "text": ["answer"],
        "range": [{"gte": "2026-01-01T00:00:00Z", "lt": "2026-01-01T01:00:00Z"}],
        "timeZone": ["UTC", "Mars/Olympus"],
        "bins": [3],
        "lower": [0.0],
        "upper": [1e6],
        "metric": [{"kind": "LATENCY"}, {"kind": "SCORE", "evaluator": "quality"}],
        "metrics": [[{"kind": "LATENCY"}, {"kind": "COST"}]],
    }


@pytest.mark.slow
async def test_every_field_responds_as_if_the_hidden_source_were_not_configured(
    pair: Pair, vendors: Vendors
) -> None:
    walk = Walk(build_schema()._schema, await values(pair.whole))
    vendors.forget_calls()
    requested = executed = 0
    for document, variables in walk.documents():
        limited = await ask_as(pair.whole, SOME, document, variables)
        assert comparable(limited) == comparable(await ask_as(pair.without, SOME, document, variables)), (
            document,
            variables,
        )
        requested += 1
        executed += "data" in limited.body
    assert vendors.langsmith.calls == []
    assert executed == requested > 300


@pytest.mark.parametrize("condition", [{"sources": [LANGSMITH]}, {"vendors": ["langsmith"]}], ids=str)
async def test_the_name_of_a_hidden_source_is_as_unknown_as_one_that_does_not_exist(
    pair: Pair, condition: dict[str, Any]
) -> None:
    query = "query($f: ExperimentFilter) { experiments(filter: $f) { totalCount } }"
    answer = await ask_as(pair.whole, SOME, query, {"f": condition})
    assert (answer.codes, answer.errors[0]["message"]) == (
        ["BAD_USER_INPUT"],
        f"filter.{next(iter(condition))} has 'langsmith', which is unknown; known names: meibel, nemo.",
    )
    assert (await ask_as(pair.whole, ALL, query, {"f": condition})).codes == []


async def test_cached_data_of_an_unlimited_principal_is_not_used_for_a_limited_one(vendors: Vendors) -> None:
    fill(vendors, experiments=2, sessions=2)
    whole_settings, without_settings = both(vendors, cache={"url": "memory://", "ttl_s": 60})
    async with in_process(whole_settings) as whole, in_process(without_settings) as without:
        found = await values(whole)
        for one in found["id"]:
            query = "query($id: ID!) { node(id: $id) { __typename id } experiment(id: $id) { name } }"
            limited = await ask_as(whole, SOME, query, {"id": one})
            assert comparable(limited) == comparable(await ask_as(without, SOME, query, {"id": one}))
        vendors.forget_calls()
        for one in found["after"]:
            query = "query($after: String) { experiments(after: $after) { nodes { name } } }"
            limited = await ask_as(whole, SOME, query, {"after": one})
            assert comparable(limited) == comparable(await ask_as(without, SOME, query, {"after": one}))
        assert vendors.langsmith.calls == []


async def test_a_hidden_source_that_is_down_with_its_circuit_open_is_not_reported(
    pair: Pair, vendors: Vendors
) -> None:
    vendors.langsmith.fail(Fault("status", status=500, times=None))
    query = """{ experiments { nodes { name } sources { status } } sessions { nodes { id } sources { status } }
      sources { name health { status circuit lastError { message } } } }"""
    for _ in range(6):
        troubled = await ask_as(pair.whole, ALL, query)
    assert troubled.troubles.keys() == {LANGSMITH}
    assert comparable(await ask_as(pair.whole, SOME, query)) == comparable(await ask_as(pair.without, SOME, query))


async def test_an_unlimited_principal_sees_what_is_hidden_from_the_other(pair: Pair) -> None:
    query = "{ sources { name } experiments { nodes { source { name } } } }"
    every = await ask_as(pair.whole, ALL, query)
    some = await ask_as(pair.whole, SOME, query)
    assert LANGSMITH in every.content.decode()
    assert LANGSMITH not in some.content.decode()
    assert [source["name"] for source in some.data["sources"]] == VISIBLE
