"""Objects by their global ID, and the fields from one object to another, for every vendor."""

import base64
from typing import Any
from urllib.parse import quote

import pytest

from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.worlds import fill, listed
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_job, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session


def global_id(*parts: str) -> str:
    """Return an ID by the specification: base64 of the type and its percent-encoded parts."""
    return base64.b64encode(":".join([parts[0], *(quote(part, safe="") for part in parts[1:])]).encode()).decode()


REFS = {NEMO: "n0", LANGSMITH: stable_uuid("session:l0"), MEIBEL: "m0"}
"""The vendors' keys of the first experiments of `fill`."""
SESSION_REFS = {NEMO: "n0-1", LANGSMITH: stable_uuid("run:l0-1"), MEIBEL: "m0-1"}


@pytest.fixture
def filled(vendors: Vendors) -> Vendors:
    fill(vendors, experiments=2, sessions=3)
    return vendors


# -- global IDs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.usefixtures("filled")
async def test_ids_are_the_base64_of_type_source_and_refs(gateway: Gateway, source: str) -> None:
    query = "{ experiments { nodes { id name source { id name } sessions { nodes { id vendorId } } } } }"
    found = (await gateway.ask(query)).data["experiments"]["nodes"]
    (experiment,) = [one for one in found if one["source"]["name"] == source and one["name"].endswith("0")]
    assert experiment["id"] == global_id("Experiment", source, REFS[source])
    assert experiment["source"]["id"] == global_id("Source", source)
    assert global_id("Session", source, REFS[source], SESSION_REFS[source]) in {
        session["id"] for session in experiment["sessions"]["nodes"]
    }


async def test_every_character_of_a_name_survives_an_id(vendors: Vendors, gateway: Gateway) -> None:
    name = "a:b+c@d%41 é&?#"
    vendors.nemo.world.add(nemo_experiment(name), [nemo_session("s:1/2 ü")])
    query = "{ experiments { nodes { id sessions { nodes { id } } } } }"
    (experiment,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    (session,) = experiment["sessions"]["nodes"]
    assert experiment["id"] == global_id("Experiment", NEMO, name)
    assert session["id"] == global_id("Session", NEMO, name, "s:1/2 ü")
    again = await gateway.ask(
        "query($e: ID!, $s: ID!) { experiment(id: $e) { name } session(id: $s) { vendorId } }",
        e=experiment["id"],
        s=session["id"],
    )
    assert again.data == {"experiment": {"name": name}, "session": {"vendorId": "s:1/2 ü"}}


# -- by ID -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.usefixtures("filled")
async def test_an_experiment_is_found_by_its_id(gateway: Gateway, source: str) -> None:
    query = "query($id: ID!) { experiment(id: $id) { id name source { name } createdAt } }"
    identity = global_id("Experiment", source, REFS[source])
    found = (await gateway.ask(query, id=identity)).data["experiment"]
    assert (found["id"], found["source"]["name"], found["name"][-1]) == (identity, source, "0")
    assert found["createdAt"] == "2026-11-01T09:00:00Z"


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.usefixtures("filled")
async def test_a_session_is_found_by_its_id(gateway: Gateway, source: str) -> None:
    query = "query($id: ID!) { session(id: $id) { id vendorId startedAt experiment { id } source { name } } }"
    identity = global_id("Session", source, REFS[source], SESSION_REFS[source])
    assert (await gateway.ask(query, id=identity)).data["session"] == {
        "id": identity,
        "vendorId": SESSION_REFS[source],
        "startedAt": "2026-11-01T09:01:00Z",
        "experiment": {"id": global_id("Experiment", source, REFS[source])},
        "source": {"name": source},
    }


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.usefixtures("filled")
async def test_node_returns_the_object_of_an_id(gateway: Gateway, source: str) -> None:
    query = """query($e: ID!, $s: ID!, $o: ID!) {
      experiment: node(id: $e) { __typename id ... on Experiment { name } }
      session: node(id: $s) { __typename id ... on Session { vendorId } }
      source: node(id: $o) { __typename id ... on Source { name } }
    }"""
    ids = {
        "e": global_id("Experiment", source, REFS[source]),
        "s": global_id("Session", source, REFS[source], SESSION_REFS[source]),
        "o": global_id("Source", source),
    }
    found = (await gateway.ask(query, **ids)).data
    assert [one["__typename"] for one in found.values()] == ["Experiment", "Session", "Source"]
    assert [one["id"] for one in found.values()] == list(ids.values())
    assert found["source"]["name"] == source


@pytest.mark.usefixtures("filled")
async def test_nodes_are_in_the_order_of_their_ids_with_null_for_unknown_ids(gateway: Gateway) -> None:
    ids = [
        global_id("Source", MEIBEL),
        global_id("Experiment", NEMO, "no such"),
        global_id("Session", NEMO, "n0", "n0-2"),
        global_id("Experiment", LANGSMITH, REFS[LANGSMITH]),
        global_id("Source", MEIBEL),
    ]
    found = (await gateway.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)).data["nodes"]
    assert [one and one["id"] for one in found] == [ids[0], None, *ids[2:]]


@pytest.mark.parametrize(
    "parts",
    [
        ("Experiment", NEMO, "no such"),
        ("Experiment", LANGSMITH, stable_uuid("nobody")),
        ("Experiment", LANGSMITH, "not-a-uuid"),
        ("Experiment", MEIBEL, "nobody"),
        ("Experiment", "no-such-source", "n0"),
        ("Session", NEMO, "n0", "no such"),
        ("Session", NEMO, "no such", "n0-1"),
        ("Session", LANGSMITH, REFS[LANGSMITH], stable_uuid("nobody")),
        ("Session", LANGSMITH, stable_uuid("session:l1"), SESSION_REFS[LANGSMITH]),
        ("Session", MEIBEL, "m0", "nobody"),
        ("Session", MEIBEL, "nobody", "m0-1"),
        ("Source", "no-such-source"),
        ("Experiment", NEMO, ""),
        ("Experiment", NEMO, ".."),
        ("Experiment", MEIBEL, "../agents/m0"),
        ("Experiment", MEIBEL, "m0/sessions"),
        ("Session", MEIBEL, "m0", "../../agents"),
    ],
    ids=":".join,
)
@pytest.mark.usefixtures("filled")
async def test_an_unknown_id_is_null_and_no_error(gateway: Gateway, parts: tuple[str, ...]) -> None:
    query = "query($id: ID!) { node(id: $id) { __typename } }"
    assert (await gateway.ask(query, id=global_id(*parts))).data == {"node": None}


@pytest.mark.usefixtures("filled")
async def test_ids_in_the_url_safe_alphabet_or_without_padding_are_accepted(gateway: Gateway) -> None:
    identity = global_id("Experiment", MEIBEL, "m0")
    query = "query($id: ID!) { experiment(id: $id) { name } }"
    for spelling in (identity.rstrip("="), identity.replace("+", "-").replace("/", "_")):
        assert (await gateway.ask(query, id=spelling)).data == {"experiment": {"name": "m0"}}


# -- from one object to another --------------------------------------------------------------------------


async def test_sources_are_those_of_the_configuration_in_its_order(gateway: Gateway) -> None:
    found = (await gateway.ask("{ sources { name vendor health { status circuit lastError { code } } } }")).data
    assert [(source["name"], source["vendor"]) for source in found["sources"]] == [(name, name) for name in NAMES]
    assert [source["health"] for source in found["sources"]] == [
        {"status": "UP", "circuit": "CLOSED", "lastError": None}
    ] * 3


async def test_capabilities_name_the_schemas_own_fields(gateway: Gateway) -> None:
    query = """{
      sources { capabilities { experimentOrders sessionOrders experimentFilters sessionFilters reportedMetrics } }
      experiment: __type(name: "ExperimentFilter") { inputFields { name } }
      session: __type(name: "SessionFilter") { inputFields { name } }
    }"""
    found = (await gateway.ask(query)).data
    for kind in ("experiment", "session"):
        fields = {one["name"] for one in found[kind]["inputFields"]}
        pushed = {name for source in found["sources"] for name in source["capabilities"][f"{kind}Filters"]}
        assert pushed
        assert pushed <= fields


@pytest.mark.usefixtures("filled")
async def test_each_source_lists_its_own_experiments(gateway: Gateway) -> None:
    query = "{ sources { name experiments(first: 1) { totalCount nodes { name source { name } } } } }"
    found = (await gateway.ask(query)).data["sources"]
    assert {one["name"]: listed(one["experiments"]["nodes"]) for one in found} == {
        NEMO: [(NEMO, "n1")],
        LANGSMITH: [(LANGSMITH, "l1")],
        MEIBEL: [(MEIBEL, "m1")],
    }
    assert [one["experiments"]["totalCount"] for one in found] == [2, None, 2]


@pytest.mark.usefixtures("filled")
async def test_a_sources_experiments_have_their_own_cursor(gateway: Gateway) -> None:
    query = """query($id: ID!, $after: String) {
      node(id: $id) { ... on Source { experiments(first: 1, after: $after) {
        nodes { name } pageInfo { endCursor hasNextPage }
      } } }
    }"""
    names: list[str] = []
    after = None
    for goes_on in (True, False):
        answer = await gateway.ask(query, id=global_id("Source", NEMO), after=after)
        page = answer.data["node"]["experiments"]
        names += [node["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasNextPage"] is goes_on
    assert names == ["n1", "n0"]


@pytest.mark.usefixtures("filled")
async def test_an_experiments_sessions_are_its_own_newest_first(gateway: Gateway) -> None:
    query = """{ experiments { nodes { name sessions {
      nodes { vendorId startedAt experiment { name } } pageInfo { hasNextPage } sources { status fetched }
    } } } }"""
    for experiment in (await gateway.ask(query)).data["experiments"]["nodes"]:
        sessions = experiment["sessions"]
        assert [row["startedAt"][-4:-1] for row in sessions["nodes"]] == [":00"] * 3
        starts = [row["startedAt"] for row in sessions["nodes"]]
        assert starts == sorted(starts, reverse=True)
        assert {row["experiment"]["name"] for row in sessions["nodes"]} == {experiment["name"]}
        assert [report["status"] for report in sessions["sources"]] == ["OK"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("statuses: [ERROR]", {"n": ["n1"], "l": ["l1"], "m": ["m1"]}),
        ("statuses: [CANCELLED, UNKNOWN]", {"n": [], "l": [], "m": ["m2"]}),
        ('testCaseId: {eq: "case-n0"}', {"n": ["n0"], "l": [], "m": []}),
        ('startedAt: {gte: "2026-11-01T09:01:00Z"}', {"n": ["n1"], "l": ["l1"], "m": ["m2", "m1"]}),
        ('startedAt: {lt: "2026-11-01T09:01:00Z"}', {"n": ["n0"], "l": ["l0"], "m": ["m0"]}),
    ],
)
async def test_a_filter_of_sessions_holds_for_every_vendor(
    vendors: Vendors, gateway: Gateway, condition: str, expected: dict[str, list[str]]
) -> None:
    later = "2026-11-01T09:01:00"
    vendors.nemo.world.add(
        nemo_experiment("n"), [nemo_session("n0"), nemo_session("n1", started_at=later, status="error")]
    )
    vendors.langsmith.world.add(
        langsmith_session("l"),
        [langsmith_run("l0"), langsmith_run("l1", start_time=f"{later}Z", status="error")],
    )
    vendors.meibel.world.add(
        meibel_agent("m", display_name="m"),
        [
            meibel_session("m0"),
            meibel_session("m1", start_time=f"{later}Z", status="FAILED"),
            meibel_session("m2", start_time="2026-11-01T09:02:00Z", status="TERMINATED"),
        ],
    )
    query = f"""{{ experiments {{ nodes {{ name sessions(filter: {{{condition}}}) {{
      nodes {{ vendorId name }}
    }} }} }} }}"""
    found = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert {
        one["name"]: [row["name"] or row["vendorId"] for row in one["sessions"]["nodes"]] for one in found
    } == expected


async def test_sessions_that_the_filter_names_are_looked_up_within_the_experiment(
    filled: Vendors, gateway: Gateway
) -> None:
    """A session of another experiment is not in the list, and causes no call."""
    query = """query($id: ID!, $ids: [ID!]) {
      experiment(id: $id) { sessions(filter: {ids: $ids}) { nodes { vendorId } pageInfo { hasNextPage } } }
    }"""
    n0 = global_id("Experiment", NEMO, "n0")
    own, other = global_id("Session", NEMO, "n0", "n0-1"), global_id("Session", NEMO, "n1", "n1-1")
    answer = await gateway.ask(query, id=n0, ids=[own, other])
    assert answer.data["experiment"]["sessions"] == {
        "nodes": [{"vendorId": "n0-1"}],
        "pageInfo": {"hasNextPage": False},
    }
    filled.forget_calls()
    answer = await gateway.ask(query, id=n0, ids=[other])
    assert answer.data["experiment"]["sessions"]["nodes"] == []
    assert filled.call_counts == (1, 0, 0)


# -- aggregates ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
async def test_aggregates_are_in_the_requested_order_without_unreported_ones(
    gateway: Gateway,
) -> None:
    query = """query($id: ID!) { experiment(id: $id) {
      some: aggregates(metrics: [{kind: COST}, {kind: FIRST_TOKEN_LATENCY}, {kind: LATENCY}]) { metric { kind } }
      none: aggregate(metric: {kind: FIRST_TOKEN_LATENCY}) { mean }
      one: aggregate(metric: {kind: LATENCY}, basis: REPORTED) { median basis }
    } }"""
    found = (await gateway.ask(query, id=global_id("Experiment", NEMO, "n0"))).data["experiment"]
    assert [one["metric"]["kind"] for one in found["some"]] == ["COST", "LATENCY"]
    assert found["none"] is None
    assert found["one"] == {"median": 1200.0, "basis": "REPORTED"}


@pytest.mark.parametrize("metric", ['{kind: LATENCY, evaluator: "accuracy"}', "{kind: SCORE}"])
@pytest.mark.usefixtures("filled")
async def test_an_evaluator_is_required_for_a_score_and_rejected_for_other_kinds(
    gateway: Gateway, metric: str
) -> None:
    query = f"{{ experiments {{ nodes {{ aggregate(metric: {metric}) {{ mean }} }} }} }}"
    assert set((await gateway.ask(query)).codes) == {"BAD_USER_INPUT"}


# -- deferred fields -------------------------------------------------------------------------------------


async def test_fields_that_meibels_list_omits_are_fetched_when_selected(
    vendors: Vendors, gateway: Gateway
) -> None:
    """An order by name needs no creation time, so an agent's details are read only on demand."""
    vendors.meibel.world.add(meibel_agent("m0", tags=["x"]), [meibel_session("s"), meibel_session("t")])
    query = "{{ experiments(orderBy: {{field: NAME}}) {{ nodes {{ {fields} }} }} }}"
    (bare,) = (await gateway.ask(query.format(fields="name"))).data["experiments"]["nodes"]
    assert (bare, vendors.call_counts[2]) == ({"name": "M0"}, 1)
    vendors.forget_calls()
    fields = "createdAt sessionCount metadata"
    (found,) = (await gateway.ask(query.format(fields=fields))).data["experiments"]["nodes"]
    assert found == {"createdAt": "2026-11-01T09:00:00Z", "sessionCount": 2, "metadata": {"tags": ["x"]}}
    assert vendors.call_counts[2] == 3


async def test_input_output_and_scores_of_meibels_sessions_are_fetched_when_selected(
    vendors: Vendors, gateway: Gateway
) -> None:
    world = vendors.meibel.world
    world.add(meibel_agent("m0"), [meibel_session("s")])
    world.messages["s"] = [
        {"role": role, "message": text, "signal_id": None, "timestamp": "2026-11-01T09:00:00Z"}
        for role, text in (("user", "Where is my order?"), ("assistant", "On its way."))
    ]
    world.jobs.append(meibel_job("s", "faithfulness", 0.75, agent_name="m0"))
    query = """query($id: ID!) {{ experiment(id: $id) {{ sessions {{ nodes {{ {fields} }} }} }} }}"""
    identity = global_id("Experiment", MEIBEL, "m0")
    bare = (await gateway.ask(query.format(fields="status"), id=identity)).data["experiment"]
    assert bare["sessions"]["nodes"] == [{"status": "SUCCESS"}]
    listed_paths = [call.path_class for call in vendors.meibel.calls]
    assert listed_paths == ["/v2/agents/{agent_id}", "/v2/agents/{agent_id}/sessions"]
    full = await gateway.ask(query.format(fields="input output scores { evaluator value }"), id=identity)
    assert full.data["experiment"]["sessions"]["nodes"] == [
        {
            "input": "Where is my order?",
            "output": "On its way.",
            "scores": [{"evaluator": "faithfulness", "value": 0.75}],
        }
    ]


async def test_a_deferred_field_with_several_aliases_is_fetched_once(vendors: Vendors, gateway: Gateway) -> None:
    vendors.meibel.world.add(meibel_agent("m0"))
    query = "{ experiments(orderBy: {field: NAME}) { nodes { a: createdAt b: createdAt models metadata } } }"
    found: Any = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert found[0]["a"] == found[0]["b"] == "2026-11-01T09:00:00Z"
    assert vendors.call_counts[2] == 2
