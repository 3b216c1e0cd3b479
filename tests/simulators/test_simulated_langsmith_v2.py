"""The LangSmith simulator serves v2 as docs/vendors/langsmith.md describes, beside v1 or alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import SUNSET, Deployment
from tracegraph.simulators.langsmith.world import (
    LangSmithWorld,
    langsmith_dataset,
    langsmith_example,
    langsmith_run,
    langsmith_session,
)

DAY = datetime(2026, 11, 1, tzinfo=UTC)
ALPHA, BETA, GAMMA = (stable_uuid(f"session:{name}") for name in ("alpha", "beta", "gamma"))
DATASET, CASE = stable_uuid("dataset:cases"), stable_uuid("example:case")
ALL_TIME = "2000-01-01T00:00:00Z"


@pytest.fixture
def world() -> LangSmithWorld:
    """Two projects and an experiment, one a day. The clock shows two hours after the first day's start."""
    world = LangSmithWorld(now=DAY + timedelta(hours=2))
    good = langsmith_run("good", start_time=DAY, latency_s=1.0, first_token_time="2026-11-01T00:00:00.5Z")
    bad = langsmith_run("bad", start_time=DAY + timedelta(hours=1), latency_s=3.0, status="error")
    child = langsmith_run("child", start_time=DAY, latency_s=0.5, parent=good)
    world.add(langsmith_session("alpha", start_time=DAY), [good, bad, child])
    world.add(langsmith_session("beta", start_time=DAY + timedelta(days=1), type="AGENT"))
    metadata = {"dataset_version": "2026-10-01T00:00:00+00:00", "model": "m"}
    world.add(
        langsmith_session(
            "gamma",
            start_time=DAY - timedelta(days=9),
            reference_dataset_id=DATASET,
            extra={"metadata": metadata},
        ),
        [langsmith_run("case", start_time=DAY - timedelta(days=8), reference_example_id=CASE)],
    )
    world.add_dataset(langsmith_dataset("cases"), [langsmith_example("case"), langsmith_example("other")])
    return world


@pytest.fixture
def deployment() -> Deployment:
    """A deployment with both dialects."""
    return Deployment.of("both")


@pytest.fixture
def client(world: LangSmithWorld, deployment: Deployment, connect: Connect) -> httpx.AsyncClient:
    """A client with the valid key."""
    return connect(langsmith.create_app(world, deployment), "/api", {"X-API-Key": world.api_key})


async def fetched(client: httpx.AsyncClient, path: str, body: Any = None) -> Row:
    """Return the answer to a GET, or to a POST with a body."""
    method = "GET" if body is None else "POST"
    answer = await client.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    content: Row = answer.json()
    return content


async def runs(client: httpx.AsyncClient, **body: Any) -> list[Row]:
    """Return the runs of the first project, of all time unless the body says otherwise."""
    whole = {"project_ids": [ALPHA], "min_start_time": ALL_TIME, "selects": ["NAME"], **body}
    return list((await fetched(client, "/v2/runs/query", whole))["items"])


async def run_names(client: httpx.AsyncClient, **body: Any) -> list[str]:
    """Return the names of those runs."""
    return [run["name"] for run in await runs(client, **body)]


async def session_names(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """Return the names of the listed sessions."""
    return [row["name"] for row in (await fetched(client, f"/v2/sessions{query}"))["items"]]


async def test_info_names_the_backends_and_needs_no_key(deployment: Deployment, connect: Connect) -> None:
    client = connect(langsmith.create_app(LangSmithWorld(), deployment))
    flags = (await client.get("/api/v1/info")).json()["instance_flags"]
    assert flags == {"ch_query_enabled": True, "sdb_query_enabled": True}
    deployment.v1_runs = False
    flags = (await client.get("/api/v1/info")).json()["instance_flags"]
    assert flags == {"ch_query_enabled": False, "sdb_query_enabled": True}


async def test_v1_run_reads_can_end_while_the_simulator_runs_and_its_lists_stay(
    client: httpx.AsyncClient, deployment: Deployment
) -> None:
    body = {"session": [ALPHA]}
    assert (await client.post("/v1/runs/query", json=body)).status_code == 200
    deployment.v1_runs = False
    for answer in (
        await client.post("/v1/runs/query", json=body),
        await client.get(f"/v1/runs/{stable_uuid('run:good')}"),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    for path in ("/v1/sessions", "/v1/datasets", "/v1/feedback"):
        assert (await client.get(path)).status_code == 200


async def test_deprecated_reads_send_the_date_of_their_end(
    client: httpx.AsyncClient, deployment: Deployment
) -> None:
    answer = await client.post("/v1/runs/query", json={"session": [ALPHA]})
    assert (answer.headers["deprecation"], answer.headers["sunset"]) == ("true", SUNSET)
    assert "deprecation" not in (await client.get("/v1/sessions")).headers
    deployment.deprecated = False
    answer = await client.post("/v1/runs/query", json={"session": [ALPHA]})
    assert "deprecation" not in answer.headers


@pytest.mark.parametrize("path", ["/v2/sessions", "/v2/datasets", f"/v2/runs/{ALPHA}"])
async def test_a_deployment_without_v2_refuses_its_paths(
    client: httpx.AsyncClient, deployment: Deployment, path: str
) -> None:
    deployment.v2 = False
    assert (await client.get(path)).json() == {"detail": "Not Found"}
    deployment.without_v2 = 501
    answer = await client.get(path)
    assert answer.status_code == 501
    assert answer.json()["title"] == "Not Implemented"


async def test_a_deployment_can_have_runs_of_v2_without_its_lists(
    client: httpx.AsyncClient, deployment: Deployment
) -> None:
    deployment.v2_lists = False
    assert (await client.get("/v2/sessions")).status_code == 404
    assert await run_names(client) != []


async def test_a_wrong_key_is_401_and_a_missing_workspace_403_with_problem_details(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/v2/sessions", headers={"X-API-Key": "wrong"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.json().keys() == {"type", "title", "status", "detail"}
    world.org_scoped_key = True
    assert (await client.get("/v2/sessions")).status_code == 403
    assert (await client.get("/v2/sessions", headers={"X-Tenant-Id": world.tenant_id})).status_code == 200


async def test_runs_have_the_id_only_unless_fields_are_selected(client: httpx.AsyncClient) -> None:
    assert await runs(client, selects=None, has_error=True) == [{"id": stable_uuid("run:bad")}]


async def test_selected_fields_come_in_lower_case_with_enumerations_in_upper_case(
    client: httpx.AsyncClient,
) -> None:
    selects = ["STATUS", "RUN_TYPE", "START_TIME", "LATENCY_SECONDS", "PROJECT_ID", "IS_ROOT", "PARENT_RUN_IDS"]
    assert await runs(client, is_root=False, selects=selects) == [
        {
            "status": "SUCCESS",
            "run_type": "LLM",
            "start_time": "2026-11-01T00:00:00Z",
            "latency_seconds": 0.5,
            "project_id": ALPHA,
            "is_root": False,
            "parent_run_ids": [stable_uuid("run:good")],
        }
    ]


async def test_the_default_window_is_the_last_day(world: LangSmithWorld, client: httpx.AsyncClient) -> None:
    assert len(await runs(client, min_start_time=None)) == 3
    world.now = DAY + timedelta(hours=24, minutes=30)
    assert await run_names(client, min_start_time=None) == ["bad"]
    world.now = DAY + timedelta(minutes=30)
    assert sorted(await run_names(client)) == ["child", "good"]


async def test_a_datasets_runs_start_at_its_first_experiment_by_default(client: httpx.AsyncClient) -> None:
    body = {"project_ids": None, "min_start_time": None, "reference_dataset_id": DATASET}
    assert await run_names(client, **body) == ["case"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"is_root": True}, ["bad", "good"]),
        ({"has_error": True}, ["bad"]),
        ({"has_error": False, "is_root": True}, ["good"]),
        ({"run_type": "LLM"}, ["child"]),
        ({"trace_id": stable_uuid("run:good"), "is_root": True}, ["good"]),
        ({"ids": [stable_uuid("run:bad"), stable_uuid("run:case")]}, ["bad"]),
        ({"ids": [stable_uuid("run:bad")], "project_ids": [BETA]}, []),
        ({"ids": [stable_uuid("run:bad")], "max_start_time": "2026-11-01T00:30:00Z"}, []),
        ({"project_ids": [ALPHA, GAMMA], "is_root": True}, ["bad", "good", "case"]),
        ({"project_ids": [ALPHA, GAMMA], "reference_examples": [CASE]}, ["case"]),
        ({"min_start_time": "2026-11-01T00:30:00+00:00"}, ["bad"]),
        ({"filter": 'and(eq(is_root, true), eq(status, "success"))'}, ["good"]),
    ],
)
async def test_every_filter_applies_also_with_ids(
    client: httpx.AsyncClient, body: Row, expected: list[str]
) -> None:
    assert await run_names(client, **body) == expected


@pytest.mark.parametrize(("inclusive", "expected"), [(True, ["bad"]), (False, [])])
async def test_the_upper_bound_can_be_inclusive_or_not(
    world: LangSmithWorld, client: httpx.AsyncClient, *, inclusive: bool, expected: list[str]
) -> None:
    world.max_start_inclusive = inclusive
    bounds = {"min_start_time": "2026-11-01T00:30:00Z", "max_start_time": "2026-11-01T01:00:00Z"}
    assert await run_names(client, **bounds) == expected


async def test_usage_of_the_tree_is_served_on_request_only(client: httpx.AsyncClient) -> None:
    selects = ["TOTAL_TOKENS", "TOTAL_COST", "FIRST_TOKEN_TIME"]
    own = await runs(client, trace_id=stable_uuid("run:good"), selects=["NAME", *selects])
    assert {run["name"]: run["total_tokens"] for run in own} == {"good": None, "child": 120}
    (whole,) = await runs(client, ids=[stable_uuid("run:good")], selects=selects, include_subtree_usage=True)
    expected = {"total_tokens": 120, "total_cost": 0.001, "first_token_time": "2026-11-01T00:00:00.500000Z"}
    assert whole == expected


async def test_details_threads_and_feedback_have_v2s_form(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    world.runs[ALPHA][1] |= {
        "prompt_token_details": {"cache_read": 5},
        "extra": {"metadata": {"thread_id": "chat-7"}},
        "feedback_stats": {"acc": {"n": 1, "avg": 0.4, "values": {}, "comments": ["why"]}},
    }
    selects = ["PROMPT_TOKEN_DETAILS", "THREAD_ID", "FEEDBACK_STATS"]
    (run,) = await runs(client, has_error=True, include_subtree_usage=True, selects=selects)
    assert run["prompt_token_details"] == {"raw": {"cache_read": 5}}
    assert run["thread_id"] == "chat-7"
    stats = run["feedback_stats"]["acc"]
    assert (stats["min"], stats["max"], stats["stdev"], stats["comments"]) == (0.4, 0.4, None, ["why"])


async def test_fields_without_a_value_can_be_left_out(world: LangSmithWorld, client: httpx.AsyncClient) -> None:
    assert await runs(client, has_error=True, selects=["NAME", "THREAD_ID"]) == [
        {"name": "bad", "thread_id": None}
    ]
    world.omit_nulls = True
    assert await runs(client, has_error=True, selects=["NAME", "THREAD_ID"]) == [{"name": "bad"}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"project_ids": None}, 400),
        ({"project_ids": []}, 400),
        ({"reference_dataset_id": DATASET}, 400),
        ({"filter": "eq(status"}, 400),
        ({"cursor": "made up"}, 400),
        ({"tree_filter": "eq(status, 'error')"}, 400),
        ({"project_ids": ["alpha"]}, 422),
        ({"project_ids": ALPHA}, 422),
        ({"page_size": 0}, 422),
        ({"page_size": 1001}, 422),
        ({"page_size": "10"}, 422),
        ({"selects": ["name"]}, 422),
        ({"run_type": "llm"}, 422),
        ({"is_root": "true"}, 422),
        ({"min_start_time": "soon"}, 422),
        ({"min_start_time": "2026-11-01T00:00:00"}, 422),
        ({"order": "asc"}, 422),
        ({"session": [ALPHA]}, 422),
    ],
)
async def test_an_invalid_run_query_is_refused_with_problem_details(
    client: httpx.AsyncClient, body: Row, status: int
) -> None:
    whole = {"project_ids": [ALPHA], "min_start_time": ALL_TIME, **body}
    answer = await client.post("/v2/runs/query", json=whole)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"type", "title", "status", "detail"}


@pytest.mark.parametrize("shuffled", [False, True])
async def test_cursors_visit_every_run_once_newest_first(
    world: LangSmithWorld, client: httpx.AsyncClient, *, shuffled: bool
) -> None:
    world.shuffle_ties = shuffled
    starts = [DAY + timedelta(minutes=number // 10) for number in range(45)]
    world.runs[ALPHA] = [langsmith_run(f"r{number}", start_time=start) for number, start in enumerate(starts)]
    body = {
        "project_ids": [ALPHA],
        "min_start_time": ALL_TIME,
        "page_size": 7,
        "selects": ["ID", "START_TIME"],
    }
    page = await fetched(client, "/v2/runs/query", body)
    found = page["items"]
    while page["next_cursor"] is not None:
        page = await fetched(client, "/v2/runs/query", {**body, "cursor": page["next_cursor"]})
        found += page["items"]
    assert len(found) == len({run["id"] for run in found}) == 45
    times = [run["start_time"] for run in found]
    assert times == sorted(times, reverse=True)


async def test_a_cursor_belongs_to_its_other_parameters_and_can_expire(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    body = {"project_ids": [ALPHA], "min_start_time": ALL_TIME, "page_size": 1}
    cursor = (await fetched(client, "/v2/runs/query", body))["next_cursor"]
    assert await fetched(client, "/v2/runs/query", {**body, "cursor": cursor})
    for other in ({"page_size": 2}, {"is_root": True}, {"project_ids": [ALPHA, BETA]}):
        answer = await client.post("/v2/runs/query", json={**body, **other, "cursor": cursor})
        assert answer.status_code == 400
    world.cursor_generation += 1
    assert (await client.post("/v2/runs/query", json={**body, "cursor": cursor})).status_code == 400


async def test_a_run_is_found_within_its_project_only(client: httpx.AsyncClient) -> None:
    path = f"/v2/runs/{stable_uuid('run:child')}"
    assert await fetched(client, f"{path}?project_id={ALPHA}&selects=NAME&selects=STATUS") == {
        "name": "child",
        "status": "SUCCESS",
    }
    assert (await client.get(f"{path}?project_id={BETA}")).status_code == 404
    assert (await client.get(path)).status_code == 422


async def test_a_run_has_an_address(world: LangSmithWorld, client: httpx.AsyncClient) -> None:
    run = stable_uuid("run:good")
    answer = await fetched(client, f"/v2/runs/{run}/url?project_id={ALPHA}&trace_id={run}")
    assert answer["url"] == f"https://smith.langchain.com/o/{world.tenant_id}/projects/p/{ALPHA}/r/{run}"


async def test_a_traces_runs_come_at_once_the_earliest_first(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    good = world.runs[ALPHA][0]
    world.runs[ALPHA].insert(0, langsmith_run("late", start_time=DAY + timedelta(seconds=1), parent=good))
    path = f"/v2/traces/{good['id']}/runs?project_id={ALPHA}&selects=NAME"
    answer = await fetched(client, path)
    assert answer.keys() == {"items"}
    assert [run["name"] for run in answer["items"]][-1] == "late"
    llm = await fetched(client, f'{path}&filter=eq(run_type, "llm")')
    assert {run["name"] for run in llm["items"]} == {"late", "child"}
    assert (await client.get(f"{path}&min_start_time={ALL_TIME}")).status_code == 422


async def test_traces_have_the_usage_of_their_runs_beside_the_root(client: httpx.AsyncClient) -> None:
    body = {
        "project_id": ALPHA,
        "min_start_time": "2026-11-01T00:00:00Z",
        "max_start_time": "2026-11-01T01:00:00Z",
        "selects": ["NAME", "TOTAL_TOKENS"],
    }
    assert (await fetched(client, "/v2/traces/query", body))["items"] == [
        {"root_run": {"name": "good"}, "trace_aggregates": {"total_tokens": 120}}
    ]


async def test_sessions_have_a_type_and_a_workspace(world: LangSmithWorld, client: httpx.AsyncClient) -> None:
    rows = (await fetched(client, "/v2/sessions"))["items"]
    types = {row["name"]: row["type"] for row in rows}
    assert types == {"beta": "AGENT", "alpha": "PROJECT", "gamma": "EXPERIMENT"}
    assert {row["tenant_id"] for row in rows} == {world.tenant_id}
    assert {row["trace_tier"] for row in rows} == {"LONG_LIVED"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["beta", "alpha", "gamma"]),
        ("?sort_order=asc", ["gamma", "alpha", "beta"]),
        ("?sort_by=NAME&sort_order=asc", ["alpha", "beta", "gamma"]),
        ("?sort_by=LAST_RUN_START_TIME", ["alpha", "gamma", "beta"]),
        ("?sort_by=ERROR_RATE", ["alpha", "gamma", "beta"]),
        ("?sort_by=LATENCY_P50", ["alpha", "gamma", "beta"]),
        ("?type=AGENT&type=PROJECT", ["beta", "alpha"]),
        (f"?id={ALPHA}&id={BETA}", ["beta", "alpha"]),
        (f"?reference_dataset_id={DATASET}", ["gamma"]),
        ("?name=beta", ["beta"]),
        ("?name_contains=ET", ["beta"]),
        ('?metadata={"model":"m"}', ["gamma"]),
        ("?dataset_version=2026-10-01T00:00:00Z", ["gamma"]),
        ("?filter=eq(name, 'beta')", ["beta"]),
    ],
)
async def test_sessions_can_be_filtered_and_sorted(
    client: httpx.AsyncClient, query: str, expected: list[str]
) -> None:
    assert await session_names(client, query) == expected


async def test_sessions_can_be_sorted_by_feedback_within_a_dataset(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    for name, score in (("low", 0.1), ("high", 0.9)):
        stats = {"acc": {"n": 1, "avg": score, "values": {}}}
        world.add(langsmith_session(name, reference_dataset_id=DATASET, feedback_stats=stats))
    query = f"?reference_dataset_id={DATASET}&sort_by=FEEDBACK&sort_by_feedback_key=acc"
    assert await session_names(client, query) == ["high", "low", "gamma"]


async def test_figures_of_sessions_are_numbers_with_medians_and_come_on_request(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    for run, score in zip(world.runs[ALPHA], (1.0, 0.5), strict=False):
        run["feedback_stats"] = {"acc": {"n": 1, "avg": score, "values": {}}}
    row = await fetched(client, f"/v2/sessions/{ALPHA}")
    assert (row["run_count"], row["total_cost"], row["feedback_stats"]) == (None, None, None)
    row = await fetched(client, f"/v2/sessions/{ALPHA}?include_stats=true")
    assert (row["run_count"], row["total_cost"], row["error_rate"]) == (2, 0.002, 0.5)
    stats = row["feedback_stats"]["acc"]
    assert (stats["type"], stats["n"], stats["median"]) == ("PRIMARY", 2, 0.75)


@pytest.mark.parametrize(
    "query",
    [
        "?page_size=101",
        "?page_size=0",
        "?page_size=ten",
        "?limit=10",
        "?offset=1",
        "?sort_by=start_time",
        "?sort_by=RUNS_COUNT",
        "?sort_order=DESC",
        "?type=experiment",
        "?id=alpha",
        "?include_stats=1",
        "?metadata=[]",
        "?dataset_version=v7",
        "?sort_by=FEEDBACK",
        "?stats_start_time=2026-09-01T00:00:00Z",
    ],
)
async def test_a_parameter_that_sessions_do_not_take_is_422(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v2/sessions{query}")
    assert answer.status_code == 422
    assert answer.json()["title"] == "Unprocessable Entity"


async def test_an_unknown_session_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v2/sessions/{stable_uuid('nobody')}")
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


@pytest.mark.parametrize("sort", ["START_TIME", "NAME", "LATENCY_P50"])
async def test_sessions_added_meanwhile_do_not_shift_the_pages(
    world: LangSmithWorld, client: httpx.AsyncClient, sort: str
) -> None:
    world.sessions[:] = [langsmith_session(f"s{number}") for number in range(5)]
    query = f"?page_size=2&sort_by={sort}"
    page = await fetched(client, f"/v2/sessions{query}")
    first_cursor = page["next_cursor"]
    found = [row["name"] for row in page["items"]]
    world.add(langsmith_session("zz-new", start_time=DAY + timedelta(days=90), latency_p50=99.0))
    while page["next_cursor"] is not None:
        page = await fetched(client, f"/v2/sessions{query}&cursor={page['next_cursor']}")
        found += [row["name"] for row in page["items"]]
    assert sorted(found) == [f"s{number}" for number in range(5)]
    foreign = await client.get(f"/v2/sessions{query}&name=s1&cursor={first_cursor}")
    assert foreign.status_code == 400


async def test_datasets_have_names_in_both_dialects(client: httpx.AsyncClient) -> None:
    v1 = (await client.get(f"/v1/datasets?id={DATASET}&id={stable_uuid('other')}")).json()
    assert [row["name"] for row in v1] == ["cases"]
    page = await fetched(client, f"/v2/datasets?id={DATASET}&exclude=example_count")
    (row,) = page["items"]
    assert (row["name"], row["session_count"], row["example_count"]) == ("cases", 1, None)
    assert page["next_cursor"] is None


async def test_the_runs_of_experiments_come_by_example(client: httpx.AsyncClient) -> None:
    path = f"/v2/datasets/{DATASET}/experiment-runs"
    body = {"experiment_ids": [GAMMA], "page_size": 1, "selects": ["NAME", "TOTAL_TOKENS"]}
    page = await fetched(client, path, body)
    assert [run["name"] for run in page["items"][0]["runs"]] == ["case"]
    assert page["items"][0]["id"] == CASE
    page = await fetched(client, path, {**body, "cursor": page["next_cursor"]})
    assert [(item["name"], item["runs"]) for item in page["items"]] == [("other", [])]
    assert page["next_cursor"] is None


async def test_examples_can_be_filtered_and_sorted_by_feedback(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    other = langsmith_run("other", reference_example_id=stable_uuid("example:other"))
    world.runs[GAMMA].append(other)
    for run, score in zip(world.runs[GAMMA], (0.2, 0.8), strict=True):
        run["feedback_stats"] = {"acc": {"n": 1, "avg": score, "values": {}}}
    path = f"/v2/datasets/{DATASET}/experiment-runs"
    body: Row = {"experiment_ids": [GAMMA], "sort": {"by": "feedback.acc"}}
    assert [item["name"] for item in (await fetched(client, path, body))["items"]] == ["other", "case"]
    filtered = {"experiment_ids": [GAMMA], "filters": {GAMMA: ["gt(feedback_score, 0.5)"]}}
    assert [item["name"] for item in (await fetched(client, path, filtered))["items"]] == ["other"]


@pytest.mark.parametrize(
    ("dataset", "body", "status"),
    [
        (DATASET, {}, 400),
        (DATASET, {"experiment_ids": [GAMMA, ALPHA], "sort": {"by": "acc"}}, 400),
        (stable_uuid("no dataset"), {"experiment_ids": [GAMMA]}, 404),
        (DATASET, {"experiment_ids": [GAMMA], "page_size": 101}, 422),
        (DATASET, {"experiment_ids": [GAMMA], "example_ids": [CASE] * 1001}, 422),
        (DATASET, {"session_ids": [GAMMA]}, 422),
    ],
)
async def test_an_invalid_query_by_example_is_refused(
    client: httpx.AsyncClient, dataset: str, body: Row, status: int
) -> None:
    answer = await client.post(f"/v2/datasets/{dataset}/experiment-runs", json=body)
    assert answer.status_code == status, answer.text


async def test_feedback_follows_from_a_runs_figures_unless_the_world_states_it(
    world: LangSmithWorld, client: httpx.AsyncClient
) -> None:
    bad = world.runs[ALPHA][1]
    bad["feedback_stats"] = {
        "acc": {"n": 1, "avg": 0.4, "values": {}, "comments": ["too short"]},
        "tone": {"n": 2, "avg": None, "values": {"curt": 2}},
    }
    rows = (await client.get(f"/v1/feedback?run={bad['id']}")).json()
    assert [(row["key"], row["score"], row["value"], row["comment"]) for row in rows] == [
        ("acc", 0.4, None, "too short"),
        ("tone", None, "curt", None),
        ("tone", None, "curt", None),
    ]
    assert len((await client.get(f"/v1/feedback?run={bad['id']}&key=acc")).json()) == 1
    world.feedback[bad["id"]] = [{"id": stable_uuid("f"), "key": "acc", "score": True, "comment": "fine"}]
    rows = (await client.get(f"/v1/feedback?run={bad['id']}&run={stable_uuid('run:good')}")).json()
    assert [(row["score"], row["comment"], row["session_id"]) for row in rows] == [(True, "fine", ALPHA)]


async def test_both_dialects_serve_the_same_objects(client: httpx.AsyncClient) -> None:
    v1 = (await client.post("/v1/runs/query", json={"session": [ALPHA]})).json()["runs"]
    v2 = await runs(client, selects=["ID"])
    assert {run["id"] for run in v1} == {run["id"] for run in v2}
    sessions = (await client.get("/v1/sessions")).json()
    assert [row["name"] for row in sessions] == await session_names(client)
