"""The NeMo Intake simulator behaves as docs/vendors/nemo.md describes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

BASE = "/apis/intake/v2/workspaces/research"
DAY = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def world() -> NemoWorld:
    """A workspace of three experiments, one a day, of which the second has sessions."""
    world = NemoWorld(workspace="research")
    world.add(nemo_experiment("first", created_at=DAY, dataset_name="old"))
    sessions = [
        nemo_session("s2", started_at=DAY + timedelta(hours=2), status="error", test_case_id="t2"),
        nemo_session("s1", started_at=DAY, test_case_id="t1"),
        nemo_session("s3", started_at=DAY + timedelta(hours=3), latency_ms=None, status="unknown"),
    ]
    world.add(nemo_experiment("second", created_at=DAY + timedelta(days=1)), sessions)
    world.add(nemo_experiment("third+a@b", created_at=DAY + timedelta(days=2)))
    return world


@pytest.fixture
def client(world: NemoWorld, connect: Connect) -> httpx.AsyncClient:
    """A client with relative paths under the workspace."""
    return connect(nemo.create_app(world), BASE)


async def names(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """Return the listed names in order."""
    answer = await client.get(f"/experiments{query}")
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


async def sessions(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """Return the ids of the second experiment's listed sessions in order."""
    answer = await client.get(f"/experiments/second/sessions{query}")
    assert answer.status_code == 200, answer.text
    return [row["session_id"] for row in answer.json()["data"]]


async def refused(client: httpx.AsyncClient, query: str) -> tuple[int, Any]:
    """Return the status and the detail of an error response."""
    answer = await client.get(f"/experiments{query}")
    return answer.status_code, answer.json()["detail"]


async def test_experiments_come_newest_first(client: httpx.AsyncClient) -> None:
    assert await names(client) == ["third+a@b", "second", "first"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["first", "second", "third+a@b"]),
        ("-name", ["third+a@b", "second", "first"]),
        ("created_at", ["first", "second", "third+a@b"]),
        ("-updated_at", ["third+a@b", "second", "first"]),
    ],
)
async def test_a_sort_of_the_enum_is_applied(client: httpx.AsyncClient, sort: str, expected: list[str]) -> None:
    assert await names(client, f"?sort={sort}") == expected


async def test_a_sort_outside_of_the_enum_is_400_with_text(client: httpx.AsyncClient) -> None:
    status, detail = await refused(client, "?sort=-run_count")
    assert status == 400
    assert isinstance(detail, str)


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_nulls_come_last_and_ties_by_ascending_name_in_both_directions(
    world: NemoWorld, client: httpx.AsyncClient, sort: str
) -> None:
    rows = [("d", None), ("b", DAY), ("a", DAY), ("c", DAY)]
    world.experiments[:] = [nemo_experiment(name, created_at=created) for name, created in rows]
    assert await names(client, f"?sort={sort}") == ["a", "b", "c", "d"]


async def test_a_page_is_cut_and_described(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/experiments?page=2&page_size=2")).json()
    assert [row["name"] for row in answer["data"]] == ["first"]
    assert answer["pagination"] == {
        "page": 2,
        "page_size": 2,
        "current_page_size": 1,
        "total_pages": 2,
        "total_results": 3,
    }


async def test_a_page_past_the_end_is_empty_with_right_totals(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/experiments?page=9")).json()
    assert answer["data"] == []
    assert answer["pagination"]["total_results"] == 3


@pytest.mark.parametrize("query", ["?page=0", "?page_size=0", "?page_size=1001", "?page=one"])
async def test_a_page_outside_of_its_bounds_is_422_with_a_list(client: httpx.AsyncClient, query: str) -> None:
    status, detail = await refused(client, query)
    assert status == 422
    assert {"type", "loc", "msg", "input"} <= detail[0].keys()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?filter[name]=first", ["first"]),
        ("?filter[name][$eq]=first", ["first"]),
        ("?filter[name][$in]=first,second", ["second", "first"]),
        ("?filter[name][$nin]=first,second", ["third+a@b"]),
        ("?filter[name][$like]=IR", ["third+a@b", "first"]),
        ("?filter[name][$like]=f%25t", ["first"]),
        ("?filter[dataset_name]=old", ["first"]),
        ("?filter[created_at][$gte]=2026-11-02T00:00:00Z", ["third+a@b", "second"]),
        ("?filter[created_at][gt]=2026-11-02T00:00:00Z", ["third+a@b"]),
        ("?filter[created_at][$lte]=2026-11-02T00:00:00", ["second", "first"]),
        ("?filter[created_at][lt]=2026-11-02T00:00:00Z", ["first"]),
        ("?filter[created_at][$gte]=2026-11-02&filter[created_at][$lt]=2026-11-03", ["second"]),
        ("?filter[created_at][$gte]=2026-11-02T00:00:00%2B05:00", ["third+a@b", "second"]),
        ("?filter[created_at]=2026-11-02T00:00:00", []),
        ("?filter[name][$like]=s_c_nd", ["second"]),
        ('?filter[name][$in]=["first"]', ["first"]),
        ("?filter[name]=", []),
        ('?filter={"name":{"$in":[]}}', []),
        ('?filter={"name":"first"}', ["first"]),
        ('?filter={"id":{"$in":["experiment-first","experiment-second"]}}', ["second", "first"]),
        ('?filter={"$or":[{"name":"first"},{"name":"second"}]}', ["second", "first"]),
        ('?filter={"$not":{"name":"first"}}', ["third+a@b", "second"]),
        ('?filter={"$and":[{"name":{"$like":"ir"}},{"dataset_name":"old"}]}', ["first"]),
        ("?filter[$or][0][name]=first&filter[$or][1][name]=second", ["second", "first"]),
        ("?filter[project]=none", []),
        ('?filter={"created_at":null}', []),
        ("?filter[workspace]=research", ["third+a@b", "second", "first"]),
    ],
)
async def test_experiments_can_be_filtered(client: httpx.AsyncClient, query: str, expected: list[str]) -> None:
    assert await names(client, query) == expected


async def test_a_plus_in_a_query_is_a_space_unless_it_is_escaped(client: httpx.AsyncClient) -> None:
    assert await names(client, "?filter[name]=third+a@b") == []
    assert await names(client, "?filter[name]=third%2Ba%40b") == ["third+a@b"]


async def test_brackets_are_ignored_beside_filter(client: httpx.AsyncClient) -> None:
    assert await names(client, '?filter={"name":"first"}&filter[name]=second') == ["first"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?filter[colour]=red", "dataset_name"),
        ("?filter[run_count][$gte]=1", "Valid fields"),
        ("?filter[name][$near]=x", "$near"),
        ('?filter={"name":"first","$or":[]}', "Logical operators"),
        ('?filter={"name":', "malformed"),
        ("?filter=name is first", "JSON"),
        ('?filter={"$or":5}', "expects a list"),
        ('?filter={"$not":5}', "expected an object"),
        ("?filter={}", "empty"),
        ("?filter[name]={x}", "malformed"),
        ("?colour=red&size=3", "Unsupported query parameter(s): colour, size"),
    ],
)
async def test_an_invalid_filter_is_400_with_the_reason(client: httpx.AsyncClient, query: str, words: str) -> None:
    status, detail = await refused(client, query)
    assert status == 400
    assert words in detail


@pytest.mark.parametrize(
    "query",
    [
        "?filter[created_at][$gte]=yesterday",
        "?filter[name]=first,second",
        "?filter[name][$in]=",
        "?filter[name]=first&filter[name]=second",
        "?filter[name]=first&filter[name][$eq]=second",
    ],
)
async def test_an_unexpected_filter_is_500(client: httpx.AsyncClient, query: str) -> None:
    assert await refused(client, query) == (500, "An unexpected error occurred.")


async def test_the_list_echoes_its_sort_and_its_filter(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/experiments?sort=name&filter[name]=first")).json()
    assert answer["sort"] == "name"
    assert answer["filter"] == {"$and": [{"name": {"$eq": "first"}}, {"is_deleted": {"$eq": False}}]}


async def test_more_than_a_thousand_matches_are_413_on_every_page(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.experiments[:] = [nemo_experiment(f"e{number:04d}") for number in range(1001)]
    assert (await refused(client, "?page_size=1"))[0] == 413
    assert len(await names(client, "?page_size=1000&filter[name][$lt]=e1000")) == 1000


async def test_an_experiment_is_found_by_its_escaped_name(client: httpx.AsyncClient) -> None:
    answer = await client.get("/experiments/third%2Ba%40b")
    assert answer.json()["id"] == "experiment-third+a@b"


async def test_an_unknown_experiment_is_404(client: httpx.AsyncClient) -> None:
    expected = (404, "Experiment 'research/nope' not found.")
    assert await refused(client, "/nope") == expected
    assert await refused(client, "/nope/sessions") == expected


async def test_an_unknown_workspace_and_an_unknown_route_are_404(world: NemoWorld, connect: Connect) -> None:
    client = connect(nemo.create_app(world), "/apis/intake/v2/workspaces")
    workspace = await client.get("/nows/experiments")
    route = await client.get("/research/evaluations")
    assert (workspace.status_code, workspace.json()) == (404, {"detail": "Workspace 'nows' not found"})
    assert (route.status_code, route.json()) == (404, {"detail": "Not Found"})


async def test_times_have_no_zone(client: httpx.AsyncClient) -> None:
    assert (await client.get("/experiments/first")).json()["created_at"] == "2026-11-01T00:00:00"


async def test_figures_are_computed_over_sessions_and_unscored_ones_are_left_out(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    """The observed example has three sessions, one of them without a score.

    See docs/vendors/nemo.md#numbers.
    """
    world.sessions["second"] = [
        nemo_session("a", latency_ms=1000, cost_total_usd=0.01, evaluator_scores={"acc": 0.4}),
        nemo_session("b", latency_ms=2000, cost_total_usd=0.01, evaluator_scores={"acc": 0.8}),
        nemo_session("c", latency_ms=3000, cost_total_usd=0.01),
    ]
    row = (await client.get("/experiments/second")).json()
    assert row["run_count"] == 3
    assert row["evaluator_names"] == ["acc"]
    assert row["aggregate_scores"]["acc"]["count"] == 2
    assert row["aggregate_scores"]["acc"]["mean"] == pytest.approx(0.6)
    assert row["aggregate_scores"]["acc"]["median"] == 0.8
    assert row["latency_ms"]["count"] == 3
    assert row["cost_usd"]["sum"] == pytest.approx(0.03)


async def test_a_figure_without_a_value_is_absent_or_null(world: NemoWorld, client: httpx.AsyncClient) -> None:
    assert "cost_usd" not in (await client.get("/experiments/first")).json()
    world.send_nulls = True
    row = (await client.get("/experiments/first")).json()
    assert (row["cost_usd"], row["latency_ms"], row["aggregate_scores"]) == (None, None, None)
    assert row["run_count"] == 0


async def test_a_stated_figure_is_served_as_stated(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.experiments[0]["run_count"] = 77
    assert (await client.get("/experiments/first")).json()["run_count"] == 77


async def test_sessions_come_oldest_first_for_any_sort(client: httpx.AsyncClient) -> None:
    assert await sessions(client) == ["s1", "s2", "s3"]
    assert await sessions(client, "?sort=-started_at") == ["s1", "s2", "s3"]


async def test_sessions_of_one_start_come_by_root_span(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.sessions["second"] = [nemo_session(name) for name in ("b", "c", "a")]
    assert await sessions(client) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?filter[status]=error", ["s2"]),
        ("?filter[test_case_id]=t1", ["s1"]),
        ("?filter[status]=error&filter[test_case_id]=t1", []),
        ('?filter={"status":"error"}', ["s2"]),
        ("?filter[status][$in]=error", ["s1", "s2", "s3"]),
        ('?filter={"$or":[{"status":"error"}]}', ["s1", "s2", "s3"]),
        ("?filter[name]=s1", ["s1", "s2", "s3"]),
        ("?filter[status]=", ["s1", "s2", "s3"]),
        ("?page=2&page_size=2", ["s3"]),
    ],
)
async def test_sessions_apply_equality_on_status_and_test_case_only(
    client: httpx.AsyncClient, query: str, expected: list[str]
) -> None:
    """All other valid filters return every row with 200 (docs/vendors/nemo.md#session-filters)."""
    assert await sessions(client, query) == expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?filter[session_id]=s1", "session_id"),
        ("?filter[status]=fine", "success, error, cancelled, unknown"),
        ("?limit=3", "Unsupported query parameter(s): limit"),
    ],
)
async def test_sessions_reject_unknown_fields_values_and_parameters(
    client: httpx.AsyncClient, query: str, words: str
) -> None:
    status, detail = await refused(client, f"/second/sessions{query}")
    assert status == 400
    assert words in detail


async def test_a_comma_in_a_sessions_filter_looks_like_an_outage(client: httpx.AsyncClient) -> None:
    expected = (503, "Telemetry store unavailable.")
    answer = await client.get("/experiments/second/sessions?filter[test_case_id]=t1,t2")
    assert (answer.status_code, answer.json()["detail"]) == expected


async def test_sessions_without_a_test_case_are_found_by_an_empty_one(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.sessions["second"][0]["test_case_id"] = None
    assert await sessions(client, '?filter={"test_case_id":""}') == ["s2"]


async def test_with_the_telemetry_store_down_sessions_are_503_and_experiments_show_zero(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.telemetry_down = True
    world.send_nulls = True
    assert await refused(client, "/second/sessions") == (503, "Telemetry store unavailable.")
    row = (await client.get("/experiments/second")).json()
    assert (row["run_count"], row["cost_usd"], row["evaluator_names"], row["model_names"]) == (0, None, [], [])


async def test_without_the_configured_token_every_request_is_401(world: NemoWorld, connect: Connect) -> None:
    world.token = "let-me-in"
    simulator = nemo.create_app(world)
    assert (await connect(simulator, BASE).get("/experiments")).status_code == 401
    bearer = {"Authorization": "Bearer let-me-in"}
    assert (await connect(simulator, BASE, bearer).get("/experiments")).status_code == 200


async def test_a_newer_release_lists_agents(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.shape = "agent_lists"
    row = (await client.get("/experiments/first")).json()
    assert (row["agent_names"], row["agent_versions"]) == (["assistant"], ["1.0.0"])
    assert "agent_name" not in row
    assert (await refused(client, "?filter[agent_name]=assistant"))[0] == 400


async def test_a_helix_release_lists_groups_under_the_same_path(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.shape = "groups"
    row = (await client.get("/experiments")).json()["data"][0]
    assert "default_sort" in row
    assert "dataset_name" not in row
    assert await refused(client, "/second/sessions") == (404, "Not Found")


async def test_a_release_with_evaluations_does_not_know_the_path(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.shape = "evaluations"
    assert await refused(client, "") == (404, "Not Found")


async def test_a_change_of_the_world_is_visible_in_the_next_response(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.add(nemo_experiment("fourth", created_at=DAY + timedelta(days=3)))
    del world.experiments[0]
    assert await names(client) == ["fourth", "third+a@b", "second"]
