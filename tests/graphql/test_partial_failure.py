"""A vendor that fails costs its own rows only, and the response reports the failure."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.examples import slow_but
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendor, Vendors, eventually
from tests.graphql.pages import PAGE, nodes
from tests.worlds import Listed, fill, listed, newest_first
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.meibel.world import meibel_agent

DEADLINE_S = 6.0
"""Long enough for two healthy vendors on a busy machine."""

SHORT_DEADLINE_S = 2.0
"""Of requests that need no healthy vendor."""

LIST = """query($first: Int, $after: String) {
  experiments(first: $first, after: $after) {
    nodes { name source { name } }
    pageInfo { hasNextPage endCursor }
    totalCount
    sources { source { name } status error { code message retryable httpStatus } totalCount fetched }
  }
}"""


async def kill(vendor: Vendor[Any]) -> None:
    await vendor.stop()


async def hang(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("hang", times=None))


async def lock(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("status", status=401, times=None))


async def forbid(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("status", status=403, times=None))


async def break_down(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("status", status=503, times=None))


async def throttle(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("status", status=429, retry_after="30", times=None))


async def sign_in(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("html", times=None))


async def babble(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("wrong_shape", times=None))


async def reset(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("reset", times=None))


async def truncate(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("truncate", times=None))


async def redirect(vendor: Vendor[Any]) -> None:
    vendor.fail(Fault("redirect", times=None))


FAILURES = [
    (kill, "UNAVAILABLE", True),
    (lock, "UNAUTHORIZED", False),
    (sign_in, "BAD_RESPONSE", False),
    (babble, "BAD_RESPONSE", False),
]
FURTHER_FAILURES = [
    (forbid, "UNAUTHORIZED", False),
    (break_down, "UNAVAILABLE", True),
    (throttle, "RATE_LIMITED", True),
    (reset, "UNAVAILABLE", True),
    (truncate, "UNAVAILABLE", True),
    (redirect, "BAD_RESPONSE", False),
]
EVERY_FAILURE = [
    *((*failure, name) for failure in FAILURES for name in NAMES),
    *((*failure, NAMES[index % 3]) for index, failure in enumerate(FURTHER_FAILURES)),
]


@pytest.fixture
def filled(vendors: Vendors) -> Vendors:
    fill(vendors, experiments=4, sessions=2)
    return vendors


def without(rows: Sequence[Listed], source: str) -> list[Listed]:
    return [row for row in rows if row[0] != source]


def experiment_id(source: str) -> str:
    """The ID of the source's first experiment."""
    ref = {NEMO: "n0", LANGSMITH: stable_uuid("session:l0"), MEIBEL: "m0"}[source]
    return base64.b64encode(f"Experiment:{source}:{ref}".encode()).decode()


# -- merged lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_it", "code", "retryable", "failed"),
    EVERY_FAILURE,
    ids=[f"{failure[0].__name__} {failure[3]}" for failure in EVERY_FAILURE],
)
async def test_a_failing_vendor_costs_its_own_rows_only(
    filled: Vendors, gateway: Gateway, failed: str, break_it: Any, code: str, *, retryable: bool
) -> None:
    await break_it(filled.named(failed))
    answer = await gateway.ask(LIST, first=100)
    found = answer.data["experiments"]
    assert listed(found["nodes"]) == without(newest_first(filled), failed)
    reports = {report["source"]["name"]: report for report in found["sources"]}
    assert {name: report["status"] for name, report in reports.items()} == {
        name: "FAILED" if name == failed else "OK" for name in NAMES
    }
    error = reports[failed]["error"]
    assert (error["code"], error["retryable"]) == (code, retryable)
    assert all(reports[name]["error"] is None for name in NAMES if name != failed)
    assert answer.troubles == {failed: code}
    assert found["totalCount"] is None
    assert answer.status == 200


@pytest.mark.parametrize("failed", slow_but([LANGSMITH], NAMES))
async def test_a_vendor_that_hangs_costs_its_own_rows_only_and_the_response_arrives_at_the_deadline(
    filled: Vendors, open_gateway: OpenGateway, failed: str
) -> None:
    sources = filled.patient_sources(DEADLINE_S - 0.1)
    gateway = await open_gateway(limits={"deadline_s": DEADLINE_S}, sources=sources)
    patient = await open_gateway(limits={"deadline_s": 60}, sources=filled.patient_sources(50))
    await hang(filled.named(failed))
    waiting = asyncio.create_task(patient.ask(LIST, first=100))
    answer = await gateway.ask(LIST, first=100)
    assert not waiting.done()
    waiting.cancel()
    assert listed(answer.data["experiments"]["nodes"]) == without(newest_first(filled), failed)
    assert answer.troubles == {failed: "TIMEOUT"}


@pytest.mark.parametrize("failed", NAMES)
async def test_a_vendor_killed_during_a_query_costs_its_own_rows_only(
    filled: Vendors, gateway: Gateway, failed: str
) -> None:
    vendor = filled.named(failed)
    vendor.fail(Fault("hang", times=None))
    asking = asyncio.create_task(gateway.ask(LIST, first=100))
    assert await eventually(lambda: bool(vendor.calls))
    await vendor.stop()
    answer = await asking
    assert listed(answer.data["experiments"]["nodes"]) == without(newest_first(filled), failed)
    assert answer.troubles == {failed: "UNAVAILABLE"}


@pytest.mark.parametrize("failed", NAMES)
async def test_the_rows_of_a_vendor_that_recovers_come_on_the_next_page(
    filled: Vendors, gateway: Gateway, failed: str
) -> None:
    filled.named(failed).fail(Fault("status", status=401, times=None))
    first = (await gateway.ask(LIST, first=3)).data["experiments"]
    assert listed(first["nodes"]) == without(newest_first(filled), failed)[:3]
    filled.named(failed).recover()
    answer = await gateway.ask(LIST, first=100, after=first["pageInfo"]["endCursor"])
    rest = answer.data["experiments"]
    assert answer.troubles == {}
    came = [*listed(first["nodes"]), *listed(rest["nodes"])]
    assert sorted(came) == sorted(newest_first(filled))
    assert [row for row in listed(rest["nodes"]) if row[0] == failed] == [
        row for row in newest_first(filled) if row[0] == failed
    ]


@pytest.mark.parametrize("failed", NAMES)
async def test_a_vendor_that_fails_midway_continues_from_its_last_position(
    filled: Vendors, gateway: Gateway, failed: str
) -> None:
    pages, after = [], None
    for number in range(4):
        if number == 1:
            filled.named(failed).fail(Fault("status", status=401, times=None))
        if number == 3:
            filled.named(failed).recover()
        page = (await gateway.ask(LIST, first=3, after=after)).data["experiments"]
        after = page["pageInfo"]["endCursor"]
        pages.append(listed(page["nodes"]))
    rest = (await gateway.ask(LIST, first=100, after=after)).data["experiments"]
    came = [row for page in [*pages, listed(rest["nodes"])] for row in page]
    assert sorted(came) == sorted(newest_first(filled))


async def test_a_vendor_that_fails_briefly_is_retried_within_the_request(
    filled: Vendors, gateway: Gateway
) -> None:
    filled.nemo.fail(Fault("status", status=503, times=1))
    answer = await gateway.ask(LIST, first=100)
    assert listed(answer.data["experiments"]["nodes"]) == newest_first(filled)
    assert answer.troubles == {}
    assert len(filled.nemo.calls) == 2


async def test_all_vendors_failing_is_an_error_that_names_each(filled: Vendors, gateway: Gateway) -> None:
    filled.nemo.fail(Fault("status", status=401, times=None))
    filled.langsmith.fail(Fault("html", times=None))
    await filled.meibel.stop()
    answer = await gateway.ask(LIST)
    assert answer.codes == ["ALL_SOURCES_FAILED"]
    assert answer.errors[0]["path"] == ["experiments"]
    assert all(f"'{name}'" in answer.errors[0]["message"] for name in NAMES)
    assert answer.partial == {"experiments": None}
    assert answer.troubles == {NEMO: "UNAUTHORIZED", LANGSMITH: "BAD_RESPONSE", MEIBEL: "UNAVAILABLE"}


async def test_all_vendors_failing_is_the_same_error_for_sessions(filled: Vendors, gateway: Gateway) -> None:
    for vendor in filled.all:
        vendor.fail(Fault("status", status=401, times=None))
    answer = await gateway.ask("{ sessions { nodes { id } } }")
    assert answer.codes == ["ALL_SOURCES_FAILED"]


@pytest.mark.parametrize("failed", NAMES)
async def test_sessions_of_several_experiments_lose_those_of_the_failing_vendor_only(
    filled: Vendors, gateway: Gateway, failed: str
) -> None:
    filled.named(failed).fail(Fault("status", status=401, times=None))
    query = """query($ids: [ID!]!) {
      sessions(filter: {experimentIds: $ids}) {
        nodes { source { name } } sources { source { name } status error { code } }
      }
    }"""
    answer = await gateway.ask(query, ids=[experiment_id(name) for name in NAMES])
    rows = [row["source"]["name"] for row in answer.data["sessions"]["nodes"]]
    assert sorted(rows) == sorted(name for name in NAMES if name != failed for _ in range(2))
    assert answer.troubles == {failed: "UNAUTHORIZED"}


async def test_a_report_has_our_own_message_with_a_reference_and_no_vendor_text(
    filled: Vendors, gateway: Gateway
) -> None:
    said = {"detail": "no such key lsv2_pt_simulated at https://internal.example/secret"}
    filled.langsmith.fail(Fault("status", status=403, body=said, times=None))
    answer = await gateway.ask(LIST)
    (error,) = [report["error"] for report in answer.data["experiments"]["sources"] if report["error"]]
    assert error["message"].startswith("Source 'langsmith' denies this credential access (403).")
    assert "Reference " in error["message"]
    for secret in (b"lsv2_pt_simulated", b"internal.example", b"127.0.0.1", b"no such key"):
        assert secret not in answer.content


# -- one experiment's sessions ---------------------------------------------------------------------------

NESTED = """{ experiments(filter: {sources: ["nemo", "meibel"]}) {
  nodes { name sessions(first: 5) { nodes { id } totalCount sources { status error { code } } } }
} }"""


async def test_a_nested_list_that_fails_is_an_error_at_its_path_and_its_siblings_are_returned(
    filled: Vendors, gateway: Gateway
) -> None:
    path = "/apis/intake/v2/workspaces/default/experiments/n1/sessions"
    filled.nemo.fail(Fault("status", status=503, path=path, times=None))
    answer = await gateway.ask(NESTED)
    found = answer.partial["experiments"]["nodes"]
    (index,) = [index for index, node in enumerate(found) if node["name"] == "n1"]
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [
        (["experiments", "nodes", index, "sessions"], "SOURCE_UNAVAILABLE")
    ]
    assert answer.errors[0]["extensions"] | {"reference": ""} == {
        "code": "SOURCE_UNAVAILABLE",
        "source": "nemo",
        "retryable": True,
        "httpStatus": 503,
        "reference": "",
    }
    assert answer.errors[0]["locations"]
    assert found[index]["sessions"] is None
    assert [len(node["sessions"]["nodes"]) for node in found if node["name"] != "n1"] == [2] * 7


async def test_run_queries_that_fail_leave_the_experiments_and_the_other_vendors_sessions(
    filled: Vendors, gateway: Gateway
) -> None:
    filled.langsmith.fail(Fault("status", status=400, path="/api/v1/runs/query", times=None))
    query = "{ experiments { nodes { name source { name } sessions { nodes { id } } } } }"
    answer = await gateway.ask(query)
    found = answer.partial["experiments"]["nodes"]
    assert listed(found) == newest_first(filled)
    assert all((node["sessions"] is None) is (node["source"]["name"] == LANGSMITH) for node in found)
    assert answer.codes == ["SOURCE_BAD_REQUEST"] * 4
    assert answer.troubles == {LANGSMITH: "BAD_REQUEST"}


async def test_nemos_store_being_down_is_a_failure_of_its_sessions_and_not_an_empty_list(
    filled: Vendors, gateway: Gateway
) -> None:
    filled.nemo.world.telemetry_down = True
    answer = await gateway.ask(
        '{ experiments(filter: {sources: ["nemo"]}) { nodes { sessions { nodes { id } } } } }'
    )
    assert answer.codes == ["SOURCE_UNAVAILABLE"] * 4


# -- single sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(
    ("break_it", "code", "retryable"),
    [(hang, "TIMEOUT", True), (lock, "UNAUTHORIZED", False)],
    ids=["hang", "lock"],
)
async def test_an_experiment_of_a_failing_source_is_null_with_the_sources_code(
    filled: Vendors, open_gateway: OpenGateway, source: str, break_it: Any, code: str, *, retryable: bool
) -> None:
    gateway = await open_gateway(limits={"deadline_s": SHORT_DEADLINE_S if break_it is hang else 10})
    await break_it(filled.named(source))
    query = "query($id: ID!) { experiment(id: $id) { name } sources { name } }"
    answer = await gateway.ask(query, id=experiment_id(source))
    assert answer.partial == {"experiment": None, "sources": [{"name": name} for name in NAMES]}
    (error,) = answer.errors
    assert (error["path"], error["extensions"]["code"]) == (["experiment"], f"SOURCE_{code}")
    assert (error["extensions"]["source"], error["extensions"]["retryable"]) == (source, retryable)


async def test_nodes_of_a_failing_source_are_null_and_the_others_are_returned(
    filled: Vendors, gateway: Gateway
) -> None:
    filled.langsmith.fail(Fault("status", status=401, times=None))
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Experiment { name } } }"
    answer = await gateway.ask(query, ids=[experiment_id(name) for name in NAMES])
    assert answer.partial["nodes"] == [{"name": "n0"}, None, {"name": "m0"}]
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [
        (["nodes", 1], "SOURCE_UNAUTHORIZED")
    ]


@pytest.mark.parametrize("failed", NAMES)
async def test_a_sources_own_list_that_fails_is_an_error_at_its_path_and_the_other_sources_are_returned(
    filled: Vendors, gateway: Gateway, failed: str
) -> None:
    filled.named(failed).fail(Fault("status", status=401, times=None))
    answer = await gateway.ask("{ sources { name experiments { nodes { name } sources { status } } } }")
    found = {one["name"]: one["experiments"] for one in answer.partial["sources"]}
    assert {name: one and len(one["nodes"]) for name, one in found.items()} == {
        name: None if name == failed else 4 for name in NAMES
    }
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [
        (["sources", NAMES.index(failed), "experiments"], "SOURCE_UNAUTHORIZED")
    ]


@pytest.mark.parametrize("failed", NAMES)
async def test_health_reports_which_source_is_down_and_why(filled: Vendors, gateway: Gateway, failed: str) -> None:
    await filled.named(failed).stop()
    answer = await gateway.ask("{ sources { name health { status lastError { code } checkedAt } } }")
    found = {one["name"]: one["health"] for one in answer.data["sources"]}
    assert all(health.pop("checkedAt") for health in found.values())
    assert found == {
        name: {"status": "DOWN", "lastError": {"code": "UNAVAILABLE"}}
        if name == failed
        else {"status": "UP", "lastError": None}
        for name in NAMES
    }


# -- fields that need a further call ---------------------------------------------------------------------


async def test_a_deferred_field_that_fails_is_null_with_an_error_at_its_path(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.meibel.world.add(meibel_agent("m0", display_name="m0"))
    vendors.meibel.fail(Fault("status", status=403, path="/v2/agents/m0", times=None))
    answer = await gateway.ask("{ experiments(orderBy: {field: NAME}) { nodes { name createdAt sessionCount } } }")
    assert answer.partial["experiments"]["nodes"] == [{"name": "m0", "createdAt": None, "sessionCount": None}]
    assert [(error["path"][-1], error["extensions"]["code"]) for error in answer.errors] == [
        ("createdAt", "SOURCE_UNAUTHORIZED"),
        ("sessionCount", "SOURCE_UNAUTHORIZED"),
    ]


async def test_a_deferred_list_that_fails_is_null_and_costs_no_row(filled: Vendors, gateway: Gateway) -> None:
    filled.meibel.fail(Fault("status", status=403, path="/v2/agents/m0", times=None))
    answer = await gateway.ask("{ experiments(orderBy: {field: NAME}) { nodes { name models } } }")
    found = {node["name"]: node["models"] for node in answer.partial["experiments"]["nodes"]}
    assert len(found) == 12
    assert found["m0"] is None
    assert [error["extensions"]["code"] for error in answer.errors] == ["SOURCE_UNAUTHORIZED"]


async def test_scores_that_cannot_be_read_cost_no_session(filled: Vendors, gateway: Gateway) -> None:
    filled.meibel.fail(Fault("status", status=403, path="/v2/confidence-scoring", times=None))
    filled.meibel.fail(Fault("status", status=403, path="/v2/sessions", times=None))
    answer = await gateway.ask(
        "{ experiments { nodes { name sessions { nodes { vendorId input scores { value } } } } } }"
    )
    found = {node["name"]: node["sessions"]["nodes"] for node in answer.partial["experiments"]["nodes"]}
    assert [len(rows) for rows in found.values()] == [2] * 12
    assert set(answer.codes) == {"SOURCE_UNAUTHORIZED"}


async def test_the_experiment_of_a_session_that_cannot_be_read_is_null_and_the_session_is_returned(
    filled: Vendors, gateway: Gateway
) -> None:
    filled.langsmith.fail(Fault("status", status=403, path="/api/v1/sessions", times=None))
    query = """query($ids: [ID!]) {
      sessions(filter: {experimentIds: $ids}) { nodes { status experiment { name } } }
    }"""
    answer = await gateway.ask(query, ids=[experiment_id(LANGSMITH)])
    assert answer.partial["sessions"]["nodes"] == [{"status": "SUCCESS", "experiment": None}] * 2
    assert answer.codes == ["SOURCE_UNAUTHORIZED"] * 2


async def test_rows_of_the_other_vendors_stay_in_order_while_one_vendor_is_slow(
    filled: Vendors, gateway: Gateway
) -> None:
    filled.meibel.fail(Fault("delay", seconds=0.2, times=None, path="/v2/agents"))
    answer = await gateway.ask(PAGE, first=100)
    assert listed(nodes(answer.data["experiments"])) == newest_first(filled)
