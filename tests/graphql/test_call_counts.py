"""One query makes the minimum number of calls that the vendors allow, counted at the vendors."""

import base64
from collections import Counter

import pytest

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Gateway, Vendors
from tests.worlds import hours, langsmith_runs, meibel_sessions, minutes, nemo_sessions
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session


def experiment_id(source: str, ref: str) -> str:
    return base64.b64encode(f"Experiment:{source}:{ref}".encode()).decode()


def session_id(source: str, ref: str, session: str) -> str:
    return base64.b64encode(f"Session:{source}:{ref}:{session}".encode()).decode()


def calls_by_class(vendors: Vendors) -> Counter[str]:
    """Return the number of calls per route of any vendor."""
    return Counter(
        call.path_class.rpartition("workspaces/{workspace}")[2] for one in vendors.all for call in one.calls
    )


# -- sessions of a page of experiments -------------------------------------------------------------------


@pytest.mark.parametrize("held", [3, 25, 26, 60, 140])
@pytest.mark.parametrize("order", ["", ", orderBy: {field: STARTED_AT, direction: ASC}"], ids=["newest", "oldest"])
async def test_twenty_nemo_experiments_with_their_first_25_sessions_are_21_calls(
    vendors: Vendors, gateway: Gateway, held: int, order: str
) -> None:
    """NeMo lists sessions oldest first only. The newest are read from the end, whose offset is the run count."""
    for index in range(20):
        vendors.nemo.world.add(nemo_experiment(f"e{index:02}"), nemo_sessions(f"e{index:02}", held))
    query = f"""{{ experiments(first: 20, filter: {{sources: ["nemo"]}}) {{
      nodes {{ name sessions(first: 25{order}) {{ totalCount nodes {{ vendorId }} pageInfo {{ hasNextPage }} }} }}
    }} }}"""
    found = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert vendors.call_counts == (1 + 20, 0, 0)
    shown = [str(index) for index in range(held)]
    expected = shown[:25] if order else shown[::-1][:25]
    for node in found:
        ids = [session["vendorId"].partition("-")[2] for session in node["sessions"]["nodes"]]
        assert ids == expected
        assert node["sessions"]["totalCount"] == held
        assert node["sessions"]["pageInfo"]["hasNextPage"] is (held > 25)


async def test_the_first_five_sessions_of_twenty_langsmith_experiments_are_one_list_and_one_run_query(
    vendors: Vendors, gateway: Gateway
) -> None:
    """All ran at the same time, five runs each: a hundred runs are what one query may give."""
    for index in range(20):
        vendors.langsmith.world.add(langsmith_session(f"p{index}"), langsmith_runs(f"p{index}", 5))
    query = """{ experiments(first: 20, filter: {sources: ["langsmith"]}) {
      nodes { sessions(first: 5) { nodes { id } pageInfo { hasNextPage } } }
    } }"""
    found = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert [len(node["sessions"]["nodes"]) for node in found] == [5] * 20
    assert calls_by_class(vendors) == {"/api/v1/sessions": 1, "/api/v1/runs/query": 1}


async def test_the_first_five_sessions_of_twenty_longer_langsmith_experiments_are_few_run_queries(
    vendors: Vendors, gateway: Gateway
) -> None:
    """The vendor allows 15 run queries in 10 seconds."""
    for index in range(20):
        runs = [
            langsmith_run(f"p{index}-{run}", start_time=minutes(run * 7 + index))
            for run in range(30 if index % 2 else 4)
        ]
        vendors.langsmith.world.add(langsmith_session(f"p{index:02}", start_time=hours(-index)), runs)
    query = """{ experiments(first: 20, filter: {sources: ["langsmith"]}) {
      nodes { name sessions(first: 5) { nodes { name } pageInfo { hasNextPage } } }
    } }"""
    found = (await gateway.ask(query)).data["experiments"]["nodes"]
    for index, node in enumerate(found):
        held = 30 if index % 2 else 4
        names = [f"p{index}-{run}" for run in range(held)][::-1][:5]
        assert [session["name"] for session in node["sessions"]["nodes"]] == names
        assert node["sessions"]["pageInfo"]["hasNextPage"] is (held > 5)
    assert calls_by_class(vendors)["/api/v1/runs/query"] == 2


async def test_sessions_of_five_agents_are_one_call_each(vendors: Vendors, gateway: Gateway) -> None:
    for index in range(5):
        vendors.meibel.world.add(meibel_agent(f"m{index}"), meibel_sessions(f"m{index}", 30))
    query = """{ experiments(filter: {sources: ["meibel"]}, orderBy: {field: NAME}) {
      nodes { sessions(first: 25) { totalCount nodes { status } } }
    } }"""
    assert len((await gateway.ask(query)).data["experiments"]["nodes"]) == 5
    assert calls_by_class(vendors) == {"/v2/agents": 1, "/v2/agents/{agent_id}/sessions": 5}


async def test_the_experiment_of_every_session_of_a_page_is_one_batch(vendors: Vendors, gateway: Gateway) -> None:
    for index in range(3):
        vendors.nemo.world.add(nemo_experiment(f"n{index}"), nemo_sessions(f"n{index}", 4))
        vendors.langsmith.world.add(langsmith_session(f"l{index}"), langsmith_runs(f"l{index}", 4))
    ids = [
        *(experiment_id(NEMO, f"n{index}") for index in range(3)),
        *(experiment_id(LANGSMITH, stable_uuid(f"session:l{index}")) for index in range(3)),
    ]
    query = """query($ids: [ID!]!) {
      sessions(first: 24, filter: {experimentIds: $ids}) { nodes { experiment { name } } }
    }"""
    found = (await gateway.ask(query, ids=ids)).data["sessions"]["nodes"]
    assert Counter(node["experiment"]["name"] for node in found) == dict.fromkeys(
        ["n0", "n1", "n2", "l0", "l1", "l2"], 4
    )
    assert calls_by_class(vendors) == {
        "/experiments/{name}/sessions": 3,
        "/experiments": 1,
        "/api/v1/runs/query": 1,
        "/api/v1/sessions": 1,
    }


# -- objects by ID ---------------------------------------------------------------------------------------


async def test_fifty_langsmith_experiments_by_id_are_one_call(vendors: Vendors, gateway: Gateway) -> None:
    for index in range(50):
        vendors.langsmith.world.add(langsmith_session(f"p{index}"))
    ids = [experiment_id(LANGSMITH, stable_uuid(f"session:p{index}")) for index in range(50)]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Experiment { name sessionCount } } }"
    found = (await gateway.ask(query, ids=ids)).data["nodes"]
    assert [node["name"] for node in found] == [f"p{index}" for index in range(50)]
    assert vendors.call_counts == (0, 1, 0)


async def test_fifty_nemo_experiments_by_id_are_one_call(vendors: Vendors, gateway: Gateway) -> None:
    for index in range(50):
        vendors.nemo.world.add(nemo_experiment(f"e{index}", run_count=1))
    ids = [experiment_id(NEMO, f"e{index}") for index in range(50)]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Experiment { name } } }"
    found = (await gateway.ask(query, ids=ids)).data["nodes"]
    assert [node["name"] for node in found] == [f"e{index}" for index in range(50)]
    assert vendors.call_counts == (1, 0, 0)


@pytest.mark.parametrize(
    ("source", "ref"), [(NEMO, "n"), (LANGSMITH, stable_uuid("session:l")), (MEIBEL, "m")], ids=lambda one: one[:9]
)
async def test_the_same_experiment_in_several_fields_is_one_call(
    vendors: Vendors, gateway: Gateway, source: str, ref: str
) -> None:
    vendors.nemo.world.add(nemo_experiment("n", run_count=1))
    vendors.langsmith.world.add(langsmith_session("l"))
    vendors.meibel.world.add(meibel_agent("m"))
    query = """query($id: ID!) {
      node(id: $id) { id } again: node(id: $id) { id } nodes(ids: [$id, $id]) { id }
      experiment(id: $id) { id name }
    }"""
    found = (await gateway.ask(query, id=experiment_id(source, ref))).data
    assert found["node"] == found["again"] == found["nodes"][0] == found["nodes"][1]
    assert found["experiment"]["name"]
    assert sum(vendors.call_counts) == 1


async def test_the_same_session_in_several_fields_is_one_call(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(nemo_experiment("n"), [nemo_session("s"), nemo_session("t")])
    query = """query($id: ID!, $other: ID!) {
      node(id: $id) { id } session(id: $id) { vendorId } nodes(ids: [$id, $other]) { ... on Session { vendorId } }
    }"""
    answer = await gateway.ask(query, id=session_id(NEMO, "n", "s"), other=session_id(NEMO, "n", "t"))
    assert answer.data["nodes"] == [{"vendorId": "s"}, {"vendorId": "t"}]
    assert vendors.call_counts == (1, 0, 0)


async def test_two_requests_share_no_loader(vendors: Vendors, gateway: Gateway) -> None:
    """A loader's memory is one request's: the second sees what has changed."""
    vendors.langsmith.world.add(langsmith_session("before"))
    query = "query($id: ID!) { experiment(id: $id) { name } }"
    identity = experiment_id(LANGSMITH, stable_uuid("session:before"))
    assert (await gateway.ask(query, id=identity)).data == {"experiment": {"name": "before"}}
    vendors.langsmith.world.sessions[0]["name"] = "after"
    assert (await gateway.ask(query, id=identity)).data == {"experiment": {"name": "after"}}


# -- lists -----------------------------------------------------------------------------------------------


async def test_a_list_calls_every_source_once_per_page(vendors: Vendors, gateway: Gateway) -> None:
    for index in range(40):
        vendors.nemo.world.add(nemo_experiment(f"n{index}", run_count=1, created_at=hours(index)))
        vendors.langsmith.world.add(langsmith_session(f"l{index}", start_time=hours(index)))
    found = (await gateway.ask("{ experiments(first: 20) { nodes { id } sources { upstreamRequests } } }")).data
    assert vendors.call_counts == (1, 1, 1)
    assert [report["upstreamRequests"] for report in found["experiments"]["sources"]] == [1, 1, 1]


@pytest.mark.parametrize("depth", [20, 200])
async def test_a_page_deep_in_a_list_costs_no_more_than_the_first(
    vendors: Vendors, gateway: Gateway, depth: int
) -> None:
    for index in range(240):
        vendors.nemo.world.add(nemo_experiment(f"n{index}", run_count=1, created_at=hours(index)))
        vendors.langsmith.world.add(langsmith_session(f"l{index}", start_time=hours(index)))
    query = """query($after: String, $first: Int!) {
      experiments(first: $first, after: $after) { pageInfo { endCursor } nodes { name } }
    }"""
    start = (await gateway.ask(query, first=2 * depth)).data["experiments"]
    vendors.forget_calls()
    page = (await gateway.ask(query, first=20, after=start["pageInfo"]["endCursor"])).data["experiments"]
    assert len(page["nodes"]) == 20
    assert vendors.call_counts == (1, 1, 1)


async def test_a_source_that_the_filter_excludes_is_not_called(vendors: Vendors, gateway: Gateway) -> None:
    query = """{
      experiments(filter: {kinds: [AGENT], sources: ["meibel", "nemo"]}) { sources { source { name } } }
    }"""
    found = (await gateway.ask(query)).data["experiments"]["sources"]
    assert [report["source"]["name"] for report in found] == [NEMO, MEIBEL]
    assert vendors.call_counts == (0, 0, 1)


async def test_introspection_calls_no_vendor(vendors: Vendors, gateway: Gateway) -> None:
    assert (await gateway.ask("{ __typename sources { name } __schema { types { name } } }")).data
    assert vendors.call_counts == (0, 0, 0)


# -- the query by which the gateway is measured ----------------------------------------------------------

BENCH = """
query Bench($a1: ID = "RXhwZXJpbWVudDptZWliZWw6YTE=", $a2: ID = "RXhwZXJpbWVudDptZWliZWw6YTI=") {
  nemo: experiments(first: 20, filter: {sources: ["nemo"]}) {
    nodes {
      id name agentName agentVersion datasetName createdAt sessionCount
      aggregate(metric: {kind: COST}) { mean p90 }
      sessions(first: 25, orderBy: {field: STARTED_AT, direction: ASC}) {
        nodes { vendorId traceId status startedAt endedAt latencyMs tokens { input output } costUsd }
        totalCount
      }
    }
  }
  langsmith: experiments(first: 20, filter: {sources: ["langsmith"]}) {
    nodes {
      id name createdAt endedAt sessionCount errorRate
      latency: aggregate(metric: {kind: LATENCY}) { median p99 }
      tokens: aggregate(metric: {kind: TOTAL_TOKENS}) { sum }
      cost: aggregate(metric: {kind: COST}) { sum }
    }
  }
  a1: sessions(first: 25, filter: {experimentIds: [$a1]}) { ...Agent }
  a2: sessions(first: 25, filter: {experimentIds: [$a2]}) { ...Agent }
}
fragment Agent on SessionConnection {
  totalCount nodes { vendorId status startedAt endedAt agentName messageCount }
}"""


async def test_the_measured_query_makes_exactly_24_calls(vendors: Vendors, gateway: Gateway) -> None:
    """A list of experiments and 20 of sessions at NeMo, one list at LangSmith, two agents' sessions at Meibel."""
    for index in range(20):
        vendors.nemo.world.add(
            nemo_experiment(f"exp-{index:02}", created_at=hours(index)), nemo_sessions(f"exp-{index:02}", 25)
        )
        vendors.langsmith.world.add(langsmith_session(f"project-{index:02}", start_time=hours(index)))
    for agent in ("a1", "a2"):
        vendors.meibel.world.add(meibel_agent(agent), meibel_sessions(agent, 25))
    found = (await gateway.ask(BENCH)).data
    assert vendors.call_counts == (1 + 20, 1, 2)
    assert [len(node["sessions"]["nodes"]) for node in found["nemo"]["nodes"]] == [25] * 20
    assert len(found["langsmith"]["nodes"]) == 20
    assert [(found[agent]["totalCount"], len(found[agent]["nodes"])) for agent in ("a1", "a2")] == [(25, 25)] * 2
