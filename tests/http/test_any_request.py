"""Any request to /graphql gets a GraphQL response below 500 that reveals nothing internal."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.gateway import Gateway, Vendors, in_process
from tests.worlds import fill
from tracegraph.graphql.relay.ids import encode_id
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")
quickly = settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
VARIABLES = """query Everything(
  $first: Int, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder, $sessions: SessionFilter
  $id: ID!, $ids: [ID!]!, $metric: MetricInput!
) {
  experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    nodes { id aggregate(metric: $metric) { mean } sessions(first: $first, filter: $sessions) { totalCount } }
    totalCount
  }
  node(id: $id) { id } nodes(ids: $ids) { id }
}"""
GOOD: dict[str, Any] = {"id": "U291cmNlOm5lbW8=", "ids": [], "metric": {"kind": "COST"}}
SNIPPETS = [
    "query", "mutation", "fragment", "on", "{", "}", "(", ")", "[", "]", ":", "!", "$", "@", "...", "|", '"', "#",
    "experiments", "sessions", "nodes", "node", "edges", "cursor", "pageInfo", "id", "first: 1", "first: -1", "$a",
    "filter: {kinds: [AGENT]}", 'id: "U291cmNlOm5lbW8="', "@include(if: true)", "@skip(if: $a)", "Experiment",
    "__typename", "__schema", "{ name }", "{ totalCount }", "5", "1e999", "null", "\n", "\ufeff", "\x00", "é",
    "Query", '"""',
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as vendors:
        fill(vendors, experiments=2, sessions=1)
        async with in_process(vendors.settings()) as opened:
            yield opened


def assert_graphql(response: httpx.Response) -> None:
    """Assert that the response is well-formed GraphQL below 500, without an internal error."""
    assert response.status_code < 500
    body = orjson.loads(response.content)
    assert body.keys() <= {"data", "errors", "extensions"}
    assert "data" in body or body["errors"]
    for error in body.get("errors", ()):
        assert isinstance(error["message"], str)
        assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR", error
    assert b"Traceback" not in response.content


async def post(gateway: Gateway, body: bytes, media: str = "application/json") -> httpx.Response:
    return await gateway.http.post("/graphql", content=body, headers={"content-type": media, "accept": media})


@quickly
@given(
    body=st.binary()
    | json_values.map(
        lambda value: orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS) if _fits(value) else b"0"
    )
)
async def test_any_body(gateway: Gateway, body: bytes) -> None:
    assert_graphql(await post(gateway, body))


def _fits(value: Any) -> bool:
    """Return whether orjson can encode the value, with integers up to 64 bits."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@quickly
@given(query=json_values, variables=json_values, name=json_values, extensions=json_values)
async def test_any_values_of_the_four_keys(
    gateway: Gateway, query: Any, variables: Any, name: Any, extensions: Any
) -> None:
    request = {"query": query, "variables": variables, "operationName": name, "extensions": extensions}
    if _fits(request):
        assert_graphql(await post(gateway, orjson.dumps(request)))


@quickly
@given(words=st.lists(st.sampled_from(SNIPPETS), max_size=30))
@example(words=["{", "experiments", "{ totalCount }", "}"])
async def test_any_document(gateway: Gateway, words: list[str]) -> None:
    for document in (" ".join(words), "{ experiments { " + " ".join(words) + " totalCount } }"):
        assert_graphql(await post(gateway, orjson.dumps({"query": document, "variables": {"a": True}})))


@quickly
@given(
    name=st.sampled_from(["first", "after", "filter", "orderBy", "sessions", "id", "ids", "metric"]),
    value=json_values,
)
async def test_any_value_of_any_argument(gateway: Gateway, name: str, value: Any) -> None:
    request = {"query": VARIABLES, "variables": {**GOOD, name: value}}
    if _fits(request):
        assert_graphql(await post(gateway, orjson.dumps(request)))


texts = st.text(max_size=30)
strings = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["eq", "contains", "startsWith"], texts),
        **dict.fromkeys(["in", "notIn"], st.lists(texts, max_size=3)),
        "exists": st.none() | st.booleans(),
    },
)
moments = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()) | texts
times = st.fixed_dictionaries({}, optional={"gte": st.none() | moments, "lt": st.none() | moments})
filters = st.fixed_dictionaries(
    {},
    optional={
        "sources": st.lists(st.sampled_from(["nemo", "meibel", "langsmith"]) | texts, max_size=3),
        "vendors": st.none() | st.lists(texts, max_size=2),
        "kinds": st.lists(st.sampled_from(["AGENT", "PROJECT", "EVALUATION"]), max_size=3),
        **dict.fromkeys(["name", "agentName", "agentVersion", "datasetId", "datasetName"], strings),
        **dict.fromkeys(["datasetVersion", "groupId", "model"], strings),
        "metadata": st.lists(st.fixed_dictionaries({"key": texts}, optional={"value": strings}), max_size=2),
        "createdAt": times,
        "updatedAt": times,
    },
)


@quickly
@given(
    condition=filters,
    field=st.sampled_from(["CREATED_AT", "UPDATED_AT", "NAME"]),
    direction=st.sampled_from(["ASC", "DESC"]),
)
async def test_any_filter_of_experiments_is_answered_by_every_source(
    gateway: Gateway, condition: dict[str, Any], field: str, direction: str
) -> None:
    query = """query($filter: ExperimentFilter, $orderBy: ExperimentOrder) {
      experiments(first: 3, filter: $filter, orderBy: $orderBy) { nodes { name } pageInfo { endCursor } }
    }"""
    variables = {"filter": condition, "orderBy": {"field": field, "direction": direction}}
    response = await post(gateway, orjson.dumps({"query": query, "variables": variables}))
    assert_graphql(response)
    assert "extensions" not in orjson.loads(response.content), "a vendor refused a request of the gateway"


@quickly
@given(
    condition=st.fixed_dictionaries(
        {},
        optional={
            "statuses": st.lists(
                st.sampled_from(["RUNNING", "SUCCESS", "ERROR", "CANCELLED", "UNKNOWN"]), max_size=3
            ),
            "testCaseId": texts | st.uuids().map(str),
            "startedAt": times,
            "vendors": st.lists(texts, max_size=2),
        },
    ),
    direction=st.sampled_from(["ASC", "DESC"]),
)
async def test_any_filter_of_sessions_is_answered_by_every_source(
    gateway: Gateway, condition: dict[str, Any], direction: str
) -> None:
    query = """query($filter: SessionFilter, $direction: OrderDirection!) {
      sessions(first: 3, filter: $filter, orderBy: {field: STARTED_AT, direction: $direction}) { nodes { status } }
    }"""
    body = orjson.dumps({"query": query, "variables": {"filter": condition, "direction": direction}})
    response = await post(gateway, body)
    assert_graphql(response)
    assert "extensions" not in orjson.loads(response.content), "a vendor refused a request of the gateway"


@quickly
@given(parts=st.lists(texts, min_size=1, max_size=3), kind=st.sampled_from(["Experiment", "Session", "Source"]))
async def test_any_id_is_answered(gateway: Gateway, parts: list[str], kind: str) -> None:
    """An invented reference reaches the vendors escaped and is unknown there. It identifies no other resource."""
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }"
    for source in ("nemo", "langsmith", "meibel"):
        identity = encode_id(kind, *[source, *parts][: {"Source": 1, "Experiment": 2, "Session": 3}[kind]])
        response = await post(gateway, orjson.dumps({"query": query, "variables": {"ids": [identity]}}))
        assert_graphql(response)
