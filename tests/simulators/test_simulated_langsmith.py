"""The LangSmith simulator behaves as docs/vendors/langsmith.md describes."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session

DAY = datetime(2026, 11, 1, tzinfo=UTC)
DATASET = stable_uuid("dataset")


@pytest.fixture
def world() -> LangSmithWorld:
    """Two projects and an experiment, one a day; the first project has two root runs and a child."""
    world = LangSmithWorld()
    good = langsmith_run("good", start_time=DAY, latency_s=1.0)
    bad = langsmith_run("bad", start_time=DAY + timedelta(hours=1), latency_s=3.0, status="error")
    child = langsmith_run("child", start_time=DAY, latency_s=0.5, parent=good)
    world.add(langsmith_session("alpha", start_time=DAY), [good, bad, child])
    world.add(langsmith_session("beta", start_time=DAY + timedelta(days=1)))
    metadata = {"dataset_version": "v7", "model": "m", "git": {"branch": "main"}}
    world.add(
        langsmith_session(
            "gamma-experiment",
            start_time=DAY + timedelta(days=2),
            reference_dataset_id=DATASET,
            extra={"metadata": metadata},
        )
    )
    return world


@pytest.fixture
def client(world: LangSmithWorld, connect: Connect) -> httpx.AsyncClient:
    """A client with the valid key."""
    return connect(langsmith.create_app(world), "/api/v1", {"X-API-Key": world.api_key})


async def sessions(client: httpx.AsyncClient, query: str = "") -> list[Row]:
    """Return the listed tracer sessions."""
    answer = await client.get(f"/sessions{query}")
    assert answer.status_code == 200, answer.text
    rows: list[Row] = answer.json()
    return rows


async def names(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """Return the names of the listed tracer sessions."""
    return [row["name"] for row in await sessions(client, query)]


async def query_runs(client: httpx.AsyncClient, **body: Any) -> Row:
    """Return the response to a run query, over the first project unless another scope is given."""
    answer = await client.post("/runs/query", json={"session": [stable_uuid("session:alpha")], **body})
    assert answer.status_code == 200, answer.text
    response: Row = answer.json()
    return response


async def run_names(client: httpx.AsyncClient, **body: Any) -> list[str]:
    """Return the names of the runs of a run query."""
    return [run["name"] for run in (await query_runs(client, **body))["runs"]]


async def test_sessions_are_a_bare_array_newest_first(client: httpx.AsyncClient) -> None:
    assert await names(client) == ["gamma-experiment", "beta", "alpha"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"?id={stable_uuid('session:alpha')}&id={stable_uuid('session:beta')}", ["beta", "alpha"]),
        ("?name=beta", ["beta"]),
        ("?name_contains=ET", ["beta"]),
        ("?reference_free=true", ["beta", "alpha"]),
        ("?reference_free=false", ["gamma-experiment"]),
        (f"?reference_dataset={DATASET}&reference_dataset={uuid.uuid4()}", ["gamma-experiment"]),
        ("?dataset_version=v7", ["gamma-experiment"]),
        ('?metadata={"model":"m"}', ["gamma-experiment"]),
        ('?metadata={"model":"other"}', []),
        ("?filter=eq(name, 'beta')", ["beta"]),
        ("?offset=1&limit=1", ["beta"]),
        ("?sort_by=name&sort_by_desc=false", ["alpha", "beta", "gamma-experiment"]),
        ("?sort_by=start_time&sort_by_desc=False", ["alpha", "beta", "gamma-experiment"]),
    ],
)
async def test_sessions_can_be_filtered_sorted_and_paged(
    client: httpx.AsyncClient, query: str, expected: list[str]
) -> None:
    assert await names(client, query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "?limit=101",
        "?limit=0",
        "?offset=-1",
        "?sort_by=cost",
        "?id=not-a-uuid",
        "?include_stats=maybe",
        "?metadata=[]",
        "?metadata={",
        "?stats_start_time=soon",
    ],
)
async def test_a_parameter_outside_of_the_contract_is_422(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/sessions{query}")
    assert answer.status_code == 422
    assert {"type", "loc", "msg"} <= answer.json()["detail"][0].keys()


async def test_a_filter_that_cannot_be_read_is_400(client: httpx.AsyncClient) -> None:
    answer = await client.get("/sessions?filter=eq(name")
    assert answer.status_code == 400


async def test_figures_are_null_without_include_stats(client: httpx.AsyncClient) -> None:
    row = (await sessions(client, "?name=alpha"))[0]
    assert (row["run_count"], row["latency_p50"], row["total_cost"], row["feedback_stats"]) == (None,) * 4


async def test_figures_are_over_root_runs_in_seconds_and_dollars(client: httpx.AsyncClient) -> None:
    row = (await sessions(client, "?name=alpha&include_stats=true"))[0]
    assert row["run_count"] == 2
    assert (row["latency_p50"], row["latency_p99"]) == (3.0, 3.0)
    assert (row["total_tokens"], row["total_cost"]) == (240, "0.002")
    assert row["error_rate"] == 0.5


async def test_costs_can_come_as_numbers(world: LangSmithWorld, client: httpx.AsyncClient) -> None:
    world.costs_as_numbers = True
    assert (await sessions(client, "?name=alpha&include_stats=true"))[0]["total_cost"] == 0.002


async def test_stats_can_be_limited_to_a_window(client: httpx.AsyncClient) -> None:
    query = "?name=alpha&include_stats=true&stats_start_time=2026-11-01T00:30:00Z"
    assert (await sessions(client, query))[0]["run_count"] == 1


async def test_feedback_is_pooled_and_labels_have_no_average(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    for run, score, label in zip(
        world.runs[stable_uuid("session:alpha")], (1.0, 0.5), ("yes", "no"), strict=False
    ):
        run["feedback_stats"] = {
            "correct": {"n": 1, "avg": score, "values": {}},
            "tone": {"n": 1, "avg": None, "values": {label: 1}},
        }
    pooled = (await sessions(client, "?name=alpha&include_stats=true"))[0]["feedback_stats"]
    assert pooled["correct"]["n"] == 2
    assert (pooled["correct"]["avg"], pooled["correct"]["min"], pooled["correct"]["max"]) == (0.75, 0.5, 1.0)
    assert pooled["correct"]["stdev"] == pytest.approx(0.3535, abs=1e-3)
    assert pooled["tone"] == {"n": 2, "avg": None, "values": {"yes": 1, "no": 1}}


async def test_a_stated_figure_is_served_and_sorted_as_stated(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    for row, latency in zip(world.sessions, (2.0, 9.0, 5.0), strict=True):
        row["latency_p50"] = latency
    assert await names(client, "?sort_by=latency_p50") == ["beta", "gamma-experiment", "alpha"]


@pytest.mark.parametrize("sort", ["latency_p99", "error_rate", "runs_count", "last_run_start_time"])
async def test_sessions_can_be_sorted_by_a_figure(client: httpx.AsyncClient, sort: str) -> None:
    assert (await names(client, f"?sort_by={sort}"))[0] == "alpha"


async def test_sessions_can_be_sorted_by_the_average_of_a_feedback_key(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    for row, average in zip(world.sessions, (0.5, 0.9, None), strict=True):
        row["feedback_stats"] = {} if average is None else {"correct": {"n": 1, "avg": average, "values": {}}}
    query = "?sort_by=feedback&sort_by_feedback_key=correct"
    assert await names(client, query) == ["beta", "alpha", "gamma-experiment"]


@pytest.mark.parametrize("direction", ["true", "false"])
async def test_sessions_without_runs_come_at_one_end_in_both_directions(
    world: LangSmithWorld, client: httpx.AsyncClient, direction: str
) -> None:
    query = f"?sort_by=last_run_start_time&sort_by_desc={direction}"
    assert (await names(client, query))[0] == "alpha"
    world.nulls_first = True
    assert (await names(client, query))[-1] == "alpha"


async def test_ties_can_be_shuffled_from_call_to_call(world: LangSmithWorld, client: httpx.AsyncClient) -> None:
    world.sessions[:] = [langsmith_session(f"s{number}") for number in range(20)]
    assert await names(client) == await names(client)
    world.shuffle_ties = True
    first, second = await names(client), await names(client)
    assert first != second
    assert sorted(first) == sorted(second)


async def test_one_session_is_found_by_its_id(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/sessions/{stable_uuid('session:alpha')}?include_stats=true")
    assert answer.json()["run_count"] == 2


@pytest.mark.parametrize("path", [f"/sessions/{uuid.UUID(int=1)}", f"/runs/{uuid.UUID(int=1)}", "/nothing"])
async def test_an_unknown_path_is_404_with_a_detail(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert isinstance(answer.json()["detail"], str)


async def test_an_invalid_id_is_422(client: httpx.AsyncClient) -> None:
    assert (await client.get("/sessions/alpha")).status_code == 422


async def test_a_wrong_key_is_401(world: LangSmithWorld, connect: Connect) -> None:
    answer = await connect(langsmith.create_app(world)).get("/api/v1/sessions")
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid token"})


async def test_an_org_scoped_key_needs_the_workspace_header(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    world.org_scoped_key = True
    answer = await client.get("/sessions")
    assert (answer.status_code, answer.json()) == (403, {"error": "org_scoped_key_requires_workspace"})
    assert (await client.get("/sessions", headers={"X-Tenant-Id": world.tenant_id})).status_code == 200


async def test_runs_come_newest_first_with_the_children(client: httpx.AsyncClient) -> None:
    assert (await run_names(client))[0] == "bad"
    assert sorted(await run_names(client)) == ["bad", "child", "good"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"is_root": True}, ["bad", "good"]),
        ({"is_root": False}, ["child"]),
        ({"is_root": True, "order": "asc"}, ["good", "bad"]),
        ({"error": True}, ["bad"]),
        ({"error": False, "is_root": True}, ["good"]),
        ({"run_type": "llm"}, ["child"]),
        ({"trace": stable_uuid("run:bad")}, ["bad"]),
        ({"parent_run": stable_uuid("run:good")}, ["child"]),
        ({"start_time": "2026-11-01T00:30:00"}, ["bad"]),
        ({"end_time": "2026-11-01T00:30:00Z", "is_root": True}, ["good"]),
        ({"filter": 'and(eq(is_root, true), eq(status, "success"))'}, ["good"]),
        ({"session": [stable_uuid("session:beta")]}, []),
        ({"id": [stable_uuid("run:bad")], "session": [stable_uuid("session:beta")], "is_root": False}, ["bad"]),
    ],
)
async def test_runs_can_be_filtered_and_ids_override_every_other_filter(
    client: httpx.AsyncClient, body: Row, expected: list[str]
) -> None:
    assert await run_names(client, **body) == expected


async def test_runs_of_an_example_are_found(world: LangSmithWorld, client: httpx.AsyncClient) -> None:
    example = stable_uuid("example")
    world.runs[stable_uuid("session:alpha")][1]["reference_example_id"] = example
    assert await run_names(client, session=None, reference_example=[example]) == ["bad"]


async def test_only_selected_fields_and_the_id_are_returned(client: httpx.AsyncClient) -> None:
    run = (await query_runs(client, select=["name", "session_id"], error=True))["runs"][0]
    expected = {"id": stable_uuid("run:bad"), "name": "bad", "session_id": stable_uuid("session:alpha")}
    assert run == expected


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"limit": 101}, 400, "Limit exceeds maximum allowed value of 100"),
        ({"limit": 0}, 422, "greater than or equal to 1"),
        ({"limit": "ten"}, 422, "integer"),
        ({"order": "newest"}, 422, "order"),
        ({"session": ["alpha"]}, 422, "uuid"),
        ({"session": stable_uuid("session:alpha")}, 422, "list"),
        ({"start_time": "soon"}, 422, "datetime"),
        ({"session": None}, 400, "At least one of 'session', 'id', 'parent_run', 'trace' or 'reference_example'"),
        ({"filter": "eq(status"}, 400, "Invalid filter"),
        ({"cursor": "made up"}, 400, "Invalid cursor"),
        ({"tree_filter": "eq(status, 'error')"}, 400, "Not simulated: tree_filter"),
    ],
)
async def test_an_invalid_run_query_is_rejected(
    client: httpx.AsyncClient, body: Row, status: int, words: str
) -> None:
    answer = await client.post("/runs/query", json={"session": [stable_uuid("session:alpha")], **body})
    assert answer.status_code == status
    assert words in json.dumps(answer.json(), ensure_ascii=False)


async def test_a_body_that_is_not_json_is_422(client: httpx.AsyncClient) -> None:
    assert (await client.post("/runs/query", content=b"session=alpha")).status_code == 422


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_cursors_visit_every_run_once_for_any_order_of_ties(
    world: LangSmithWorld, client: httpx.AsyncClient, order: str, *, shuffled: bool
) -> None:
    world.shuffle_ties = shuffled
    starts = [DAY + timedelta(minutes=number // 10) for number in range(45)]
    world.runs[stable_uuid("session:alpha")] = [
        langsmith_run(f"r{number}", start_time=start) for number, start in enumerate(starts)
    ]
    runs: list[Row] = []
    cursor = None
    while True:
        page = await query_runs(client, limit=7, order=order, cursor=cursor)
        runs += page["runs"]
        cursor = page["cursors"]["next"]
        if cursor is None:
            break
    assert len(runs) == len({run["id"] for run in runs}) == 45
    times = [run["start_time"] for run in runs]
    assert times == sorted(times, reverse=order == "desc")


async def test_a_full_last_page_has_no_cursor(client: httpx.AsyncClient) -> None:
    assert (await query_runs(client, is_root=True, limit=2))["cursors"]["next"] is None
    assert (await query_runs(client, is_root=True, limit=1))["cursors"]["next"] is not None


async def test_a_run_is_found_by_its_id_child_or_root(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/runs/{stable_uuid('run:child')}")
    assert answer.json()["parent_run_id"] == stable_uuid("run:good")


async def test_info_needs_no_key_and_offers_the_classic_queries_only(
    world: LangSmithWorld, connect: Connect
) -> None:
    answer = await connect(langsmith.create_app(world)).get("/info")
    assert answer.json()["instance_flags"] == {"ch_query_enabled": True, "sdb_query_enabled": False}
