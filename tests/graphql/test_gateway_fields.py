"""The gateway's own version and limits, and what it knows of each source."""

from importlib.metadata import version
from typing import Any

import orjson
import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.pages import SESSIONS
from tests.graphql.test_objects import global_id
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault

# -- the gateway -----------------------------------------------------------------------------------------


async def test_the_gateway_gives_its_version_and_the_configured_limits(open_gateway: OpenGateway) -> None:
    limits = {
        "default_first": 7,
        "max_first": 70,
        "max_depth": 9,
        "max_aliases": 8,
        "max_cost": 5000,
        "deadline_s": 2.5,
    }
    gateway = await open_gateway(limits=limits)
    answer = await gateway.ask(
        "{ gateway { version limits { defaultFirst maxFirst maxDepth maxAliases maxCost deadlineMs } } }"
    )
    assert answer.data["gateway"] == {
        "version": version("tracegraph"),
        "limits": {
            "defaultFirst": 7,
            "maxFirst": 70,
            "maxDepth": 9,
            "maxAliases": 8,
            "maxCost": 5000,
            "deadlineMs": 2500,
        },
    }


# -- sources ---------------------------------------------------------------------------------------------


async def test_the_api_version_is_null_before_the_first_call_and_known_after_it(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    fill(vendors, experiments=1, sessions=1)
    sources = vendors.sources()
    sources[NEMO] |= {"release": "auto"}
    sources[LANGSMITH] |= {"api": "auto"}
    gateway = await open_gateway(sources=sources)
    query = "{ sources { name apiVersion } }"
    before = (await gateway.ask(query)).data["sources"]
    await gateway.ask("{ sessions { nodes { id } } }")
    after = {source["name"]: source["apiVersion"] for source in (await gateway.ask(query)).data["sources"]}
    assert [source["apiVersion"] for source in before] == [None] * 3
    assert after[NEMO]
    assert after[LANGSMITH].startswith("v")
    assert after[MEIBEL] is None


async def test_rate_limits_are_those_of_the_configuration_else_of_the_vendors_documentation(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    sources = vendors.sources()
    sources[NEMO] |= {"limits": {"rates": {"sessions": {"calls": 30, "per_s": 10}}}}
    sources[LANGSMITH] |= {"limits": {"rates": {"*": "off"}}}
    gateway = await open_gateway(sources=sources)
    answer = await gateway.ask("{ sources { name rateLimits { kind calls perSeconds } } }")
    rates = {source["name"]: source["rateLimits"] for source in answer.data["sources"]}
    assert rates[NEMO] == [{"kind": "sessions", "calls": 30, "perSeconds": 10}]
    assert rates[LANGSMITH]
    assert "*" not in [rate["kind"] for rate in rates[LANGSMITH]]


async def test_a_source_says_whether_its_sessions_have_spans(gateway: Gateway) -> None:
    answer = await gateway.ask("{ sources { capabilities { spans } } }")
    assert answer.data["sources"] == [{"capabilities": {"spans": True}}] * 3


# -- the sessions of a source ----------------------------------------------------------------------------

OF_SOURCES = """query($first: Int, $after: String, $filter: SessionFilter, $active: Int) { sources { name
  sessions(first: $first, after: $after, filter: $filter, activeExperiments: $active) {
    nodes { vendorId source { name } } pageInfo { hasNextPage endCursor } sources { source { name } status }
  } } }"""


async def test_a_source_lists_its_own_sessions(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors, experiments=2, sessions=3)
    found = (await gateway.ask(OF_SOURCES, first=100)).data["sources"]
    merged = (await gateway.ask(SESSIONS, first=100)).data["sessions"]["edges"]
    for source in found:
        assert [node["vendorId"] for node in source["sessions"]["nodes"]] == [
            edge["node"]["vendorId"] for edge in merged if edge["node"]["source"]["name"] == source["name"]
        ]
        assert [report["source"]["name"] for report in source["sessions"]["sources"]] == [source["name"]]


@pytest.mark.parametrize("name", NAMES)
async def test_a_source_pages_its_sessions(vendors: Vendors, gateway: Gateway, name: str) -> None:
    fill(vendors, experiments=2, sessions=3)
    query = """query($id: ID!, $after: String) { node(id: $id) { ... on Source {
      sessions(first: 2, after: $after) { nodes { vendorId } pageInfo { hasNextPage endCursor } } } } }"""
    seen: list[str] = []
    after, goes_on = None, True
    while goes_on:
        answer = await gateway.ask(query, id=global_id("Source", name), after=after)
        page = answer.data["node"]["sessions"]
        seen += [node["vendorId"] for node in page["nodes"]]
        after, goes_on = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert len(seen) == len(set(seen)) == 6


async def test_the_sessions_of_a_source_that_fails_are_null_and_those_of_the_others_stand(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, experiments=1, sessions=2)
    vendors.nemo.fail(Fault("status", status=401, times=None))
    answer = await gateway.ask(OF_SOURCES)
    found = {one["name"]: one["sessions"] for one in answer.partial["sources"]}
    assert {name: one and len(one["nodes"]) for name, one in found.items()} == {
        NEMO: None,
        LANGSMITH: 2,
        MEIBEL: 2,
    }
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [
        (["sources", 0, "sessions"], "SOURCE_UNAUTHORIZED")
    ]


# -- active experiments ----------------------------------------------------------------------------------

ACTIVE = """query($active: Int) { sessions(first: 100, activeExperiments: $active) {
  nodes { experiment { id } } sources { status } } }"""


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_active_experiments_sets_how_many_experiments_of_each_source_are_read(
    vendors: Vendors, gateway: Gateway, count: int
) -> None:
    fill(vendors, experiments=3, sessions=1)
    found = (await gateway.ask(ACTIVE, active=count)).data["sessions"]
    assert len({node["experiment"]["id"] for node in found["nodes"]}) == 3 * count
    status = "OK" if count == 3 else "SCAN_LIMITED"
    assert {report["status"] for report in found["sources"]} == {status}


@pytest.mark.parametrize("count", [0, -1, 101])
async def test_active_experiments_out_of_range_are_rejected(gateway: Gateway, count: int) -> None:
    answer = await gateway.ask(ACTIVE, active=count)
    assert answer.codes == ["BAD_USER_INPUT"]
    assert "activeExperiments" in answer.errors[0]["message"]


async def cost_of(gateway: Gateway, query: str, **variables: Any) -> int:
    body = {"query": query, "variables": variables, "extensions": {"cost": True}}
    cost: int = (await gateway.post(orjson.dumps(body))).body["extensions"]["cost"]
    return cost


async def test_a_call_for_each_active_experiment_is_charged(gateway: Gateway) -> None:
    query = "query($active: Int) { sessions(first: 1, activeExperiments: $active) { totalCount } }"
    costs = [await cost_of(gateway, query, active=count) for count in (1, 2)]
    literal = await cost_of(gateway, "{ sessions(first: 1, activeExperiments: 2) { totalCount } }")
    assert costs[1] - costs[0] == 3 * 10
    assert literal == costs[1]


async def test_the_sessions_of_one_source_cost_the_calls_of_one_source(gateway: Gateway) -> None:
    query = "{ sources { sessions(first: 1, activeExperiments: 2) { totalCount } } }"
    merged = await cost_of(gateway, "{ sessions(first: 1, activeExperiments: 2) { totalCount } }")
    assert await cost_of(gateway, query) == merged + 3 - 1 + 3


@pytest.mark.parametrize(
    ("plain", "completed"),
    [
        ("orderBy: {field: STARTED_AT}", 'orderBy: {field: SCORE, evaluator: "e"}'),
        ('filter: {name: {eq: "x"}}', 'filter: {text: "x"}'),
    ],
    ids=["order", "filter"],
)
async def test_a_list_of_sessions_by_scores_or_texts_costs_a_call_for_each_row(
    gateway: Gateway, plain: str, completed: str
) -> None:
    """The sources may leave scores and texts out of their lists."""
    query = "{{ sources {{ sessions(first: 2, activeExperiments: 1, {}) {{ totalCount }} }} }}"
    difference = await cost_of(gateway, query.format(completed)) - await cost_of(gateway, query.format(plain))
    assert difference == 3 * 2 * 10


async def test_an_order_by_score_in_a_variable_costs_the_same_as_a_literal(gateway: Gateway) -> None:
    query = "query($order: SessionOrder) { sessions(first: 2, orderBy: $order) { totalCount } }"
    literal = '{ sessions(first: 2, orderBy: {field: SCORE, evaluator: "e"}) { totalCount } }'
    order = {"field": "SCORE", "evaluator": "e"}
    assert await cost_of(gateway, query, order=order) == await cost_of(gateway, literal)


async def test_the_last_rows_of_a_list_cost_as_much_as_the_first(gateway: Gateway) -> None:
    costs = [
        await cost_of(gateway, f"{{ experiments({count}: 7) {{ totalCount }} }}") for count in ("first", "last")
    ]
    assert costs[0] == costs[1]
