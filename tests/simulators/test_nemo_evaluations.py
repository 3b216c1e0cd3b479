"""The NeMo simulator serves evaluations and groups as 0.3.0, and as 0.4.0 and later, do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.app import NemoSimulator
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

BASE = "/apis/intake/v2/workspaces/research"
DAY = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def world() -> NemoWorld:
    """Three evaluations, one a day: the first is pinned, the second has sessions, the third is in two groups."""
    world = NemoWorld(workspace="research")
    world.add(nemo_experiment("first", created_at=DAY, pinned_at="2026-11-09T00:00:00", metadata={"team": "a"}))
    sessions = [
        nemo_session("s1", test_case_id="t1", cost_total_usd=0.01, evaluator_scores={"acc.v1": 0.4}),
        nemo_session("s2", test_case_id="t2", cost_total_usd=0.02, evaluator_scores={"acc.v1": 0.8}),
        nemo_session("s3", test_case_id="t1", cost_total_usd=0.03, failed_evaluators=["acc.v1"]),
        nemo_session("s4", test_case_id=None, cost_total_usd=1.0, evaluator_scores={"acc.v1": 1.0}),
    ]
    second = nemo_experiment("second", created_at=DAY + timedelta(days=1), agent_name=None, agent_names=["a", "b"])
    world.add(second, sessions)
    groups = ["experiment-group-default", "experiment-group-other"]
    world.add(nemo_experiment("third", created_at=DAY + timedelta(days=2), experiment_ids=groups))
    return world


@pytest.fixture
def simulator(world: NemoWorld) -> NemoSimulator:
    """A NeMo of 0.8."""
    return nemo.create_app(world, "0.8")


@pytest.fixture
def client(simulator: NemoSimulator, connect: Connect) -> httpx.AsyncClient:
    """A client with relative paths under the workspace."""
    return connect(simulator, BASE)


async def names(client: httpx.AsyncClient, query: str = "", path: str = "/evaluations") -> list[str]:
    """Return the listed names in order."""
    response = await client.get(f"{path}{query}")
    assert response.status_code == 200, response.text
    return [row["name"] for row in response.json()["data"]]


async def refused(client: httpx.AsyncClient, query: str) -> tuple[int, Any]:
    """Return the status and the detail of an error response."""
    response = await client.get(f"/evaluations{query}")
    return response.status_code, response.json()["detail"]


@pytest.mark.parametrize(
    ("dialect", "statuses"),
    [
        ("0.2", {"experiments": 200, "evaluations": 404, "experiment-groups": 404, "traces/metrics": 404}),
        ("0.3", {"experiments": 404, "evaluations": 200, "experiment-groups": 200, "traces/metrics": 404}),
        ("0.8", {"experiments": 200, "evaluations": 200, "experiment-groups": 200, "traces/metrics": 200}),
    ],
)
async def test_a_dialect_decides_which_paths_exist(
    world: NemoWorld, connect: Connect, dialect: Any, statuses: dict[str, int]
) -> None:
    client = connect(nemo.create_app(world, dialect), BASE)
    assert {path: (await client.get(f"/{path}")).status_code for path in statuses} == statuses


async def test_experiments_are_groups_and_have_no_sessions(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/experiments")).json()["data"]
    counts = {row["name"]: row["evaluation_count"] for row in rows}
    assert counts == {"default": 3, "other": 1}
    assert all("default_sort" in row and "dataset_name" not in row for row in rows)
    assert (await client.get("/experiments/second/sessions")).status_code == 404


async def test_a_service_is_upgraded_while_it_runs(simulator: NemoSimulator, client: httpx.AsyncClient) -> None:
    simulator.dialect = "0.2"
    assert await names(client, path="/experiments") == ["third", "second", "first"]
    assert (await client.get("/evaluations")).status_code == 404
    simulator.dialect = "0.8"
    assert await names(client) == ["first", "third", "second"]
    assert simulator.dialect == "0.8"


@pytest.mark.parametrize(("dialect", "version"), [("0.2", "0.2.0"), ("0.3", "0.3.0"), ("0.8", "0.8.1")])
async def test_cluster_info_reports_the_release_without_a_token(
    world: NemoWorld, connect: Connect, dialect: Any, version: str
) -> None:
    world.token = "let-me-in"
    response = await connect(nemo.create_app(world, dialect)).get("/cluster-info")
    assert response.json() == {"platform_version": version, "revision": "dev"}


@pytest.mark.parametrize(("dialect", "ready", "status"), [("0.2", 200, "healthy"), ("0.8", 503, "degraded")])
async def test_readiness_tells_that_the_telemetry_store_is_down_in_the_current_release_only(
    world: NemoWorld, connect: Connect, dialect: Any, ready: int, status: str
) -> None:
    client = connect(nemo.create_app(world, dialect))
    assert (await client.get("/health/ready")).json() == {"status": "ready"}
    world.telemetry_down = True
    assert (await client.get("/health/ready")).status_code == ready
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/status")).json()["status"] == status


async def test_pinned_evaluations_come_first_unless_a_sort_is_given(client: httpx.AsyncClient) -> None:
    assert await names(client) == ["first", "third", "second"]
    assert await names(client, "?sort=-created_at") == ["third", "second", "first"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("-run_count", ["second", "first", "third"]),
        ("cost_usd.mean", ["second", "first", "third"]),
        ("-evaluators.acc.v1.mean,-name", ["second", "third", "first"]),
        ("dataset_version", None),
        ("cost_usd.best", None),
        (",", None),
    ],
)
async def test_a_sort_is_a_list_of_columns_and_figures_with_missing_values_last(
    client: httpx.AsyncClient, sort: str, expected: list[str] | None
) -> None:
    """Ties are in ascending order of the name."""
    if expected is None:
        assert (await refused(client, f"?sort={sort}"))[0] == 400
    else:
        assert await names(client, f"?sort={sort}") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?filter[agent_name]=b", ["second"]),
        ("?filter[model_name]=nvidia/nemotron-nano-9b-v2", ["first", "third", "second"]),
        ("?filter[experiment_id]=experiment-group-other", ["third"]),
        ("?filter[experiment_group_id]=experiment-group-default", ["first", "third", "second"]),
        ('?filter={"name":{"$in":["first","third"]}}', ["first", "third"]),
        ("?filter[name][$in]=first,third", ["first", "third"]),
        ("?filter[created_at][$gte]=2026-11-02T00:00:00", ["third", "second"]),
        ("?filter[metadata.team]=a", ["first"]),
        ("?filter[is_pinned]=true", ["first"]),
        ("?filter[is_pinned]=false", ["third", "second"]),
        ("?filter[is_deleted]=true", []),
        ("?filter[run_count][$gte]=1", ["second"]),
        ("?filter[cost_usd.sum][$gt]=0.03&filter[evaluators.acc.v1.mean][$lte]=0.5", ["second"]),
        ("?filter[tokens.mean][$lt]=1", []),
        ('?filter={"$and":[{"run_count":{"$gte":1}},{"name":"first"}]}', []),
    ],
)
async def test_filters_select_evaluations(client: httpx.AsyncClient, query: str, expected: list[str]) -> None:
    assert await names(client, query) == expected


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?filter[foo]=1", 400, "Unknown filter field 'foo'"),
        ("?filter[created_at][$gte]=yesterday", 500, "An unexpected error occurred."),
        ("?filter[name]=a,b", 500, "An unexpected error occurred."),
        ("?filter[run_count]=many", 400, "numeric value"),
        ("?filter[run_count][$in]=1,2", 400, "numeric operators"),
        ("?filter[cost_usd]=1", 400, "Unsupported metric filter field: cost_usd"),
        ('?filter={"$or":[{"run_count":{"$gte":1}}]}', 400, "only be combined with AND"),
        ("?limit=1", 400, "Unsupported query parameter(s): limit"),
        ("/nope", 404, "Evaluation 'research/nope' not found."),
    ],
)
async def test_what_the_service_cannot_do_is_an_error_with_text(
    client: httpx.AsyncClient, query: str, status: int, words: str
) -> None:
    found, detail = await refused(client, query)
    assert found == status
    assert words in detail


async def test_before_0_4_0_agents_and_groups_by_their_new_name_are_no_filters(
    world: NemoWorld, connect: Connect
) -> None:
    client = connect(nemo.create_app(world, "0.3"), BASE)
    for field in ("agent_name", "agent_version", "model_name", "experiment_id"):
        assert (await refused(client, f"?filter[{field}]=a"))[0] == 400
    assert await names(client, "?filter[experiment_group_id]=experiment-group-other") == ["third"]


async def test_filters_on_agents_are_late_and_then_updated_at_has_moved(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.undenormalized.add("second")
    assert await names(client, "?filter[agent_name]=b") == []
    assert (await client.get("/evaluations/second")).json()["agent_names"] == ["a", "b"]
    world.denormalize(DAY + timedelta(days=5))
    assert await names(client, "?filter[agent_name]=b") == ["second"]
    assert await names(client, "?sort=-updated_at") == ["second", "third", "first"]


async def test_figures_are_means_of_test_cases_and_a_missing_score_is_zero(client: httpx.AsyncClient) -> None:
    """A session without test case counts in `run_count` alone."""
    row = (await client.get("/evaluations/second")).json()
    assert (row["run_count"], row["test_case_count"]) == (4, 2)
    assert row["cost_usd"]["sum"] == pytest.approx(0.04)
    score = row["aggregate_scores"]["acc.v1"]
    assert (score["mean"], score["median"], score["count"], score["failed_count"]) == (0.5, 0.8, 2, 1)
    assert row["tokens"]["sum"] == 240


async def test_before_0_8_0_nothing_counts_failed_results(world: NemoWorld, connect: Connect) -> None:
    row = (await connect(nemo.create_app(world, "0.3"), BASE).get("/evaluations/second")).json()
    assert "failed_count" not in row["aggregate_scores"]["acc.v1"]


async def test_more_than_a_thousand_matching_evaluations_are_413(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    for number in range(998):
        world.add(nemo_experiment(f"more-{number}"))
    status, detail = await refused(client, "?page_size=1")
    assert status == 413
    assert "1001 evaluations" in detail
    assert await names(client, "?filter[name]=first") == ["first"]


async def test_a_deleted_evaluation_is_listed_on_request_only(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.experiments[0]["is_deleted"] = True
    assert await names(client) == ["third", "second"]
    assert await names(client, "?filter[is_deleted]=true") == ["first"]
    assert (await refused(client, "/first"))[0] == 404


async def test_with_the_telemetry_store_down_figures_are_absent_and_no_sort_by_them_works(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.telemetry_down = True
    row = (await client.get("/evaluations/second")).json()
    assert (row["run_count"], row["test_case_count"], row["cost_usd"], row["agent_names"]) == (0, 0, None, [])
    assert await names(client, "?sort=name") == ["first", "second", "third"]
    assert (await refused(client, "?sort=-run_count"))[0] == 503
    assert (await refused(client, "?filter[run_count][$gte]=1"))[0] == 503


async def test_groups_are_filtered_sorted_and_found_by_name(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.groups.append(
        {"id": "experiment-group-empty", "name": "a-group", "is_favorite": True, "metadata": {"k": "v"}}
    )
    assert await names(client, "?sort=name", "/experiments") == ["a-group", "default", "other"]
    assert await names(client, "?filter[is_favorite]=true", "/experiments") == ["a-group"]
    assert await names(client, "?filter[metadata.k]=v", "/experiment-groups") == ["a-group"]
    assert (await client.get("/experiments/a-group")).json()["evaluation_count"] == 0
    assert (await client.get("/experiments/nope")).status_code == 404
    assert (await client.get("/experiments?sort=-evaluation_count")).status_code == 422


async def test_every_path_of_a_workspace_needs_the_configured_token(world: NemoWorld, connect: Connect) -> None:
    world.token = "let-me-in"
    simulator = nemo.create_app(world, "0.8")
    paths = [
        "/evaluations",
        "/evaluations/second",
        "/evaluations/second/sessions",
        "/experiments",
        "/spans",
        "/traces",
    ]
    paths += ["/sessions/s1", "/traces/metrics", "/evaluator-results", "/annotations", "/spans/groups?by=trace_id"]
    bearer = {"Authorization": "Bearer let-me-in"}
    for path in paths:
        assert (await connect(simulator, BASE).get(path)).status_code == 401
        assert (await connect(simulator, BASE, bearer).get(path)).status_code == 200
