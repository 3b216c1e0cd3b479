"""The NeMo simulator's sessions, spans, traces and results, as 0.3.0 and later serve them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

BASE = "/apis/intake/v2/workspaces/research"
DAY = datetime(2026, 11, 1, tzinfo=UTC)
ALL_TIME = "filter[started_at][$gte]=2026-09-01T00:00:00Z"


@pytest.fixture
def world() -> NemoWorld:
    """One evaluation with three sessions, an hour apart, of which the second failed and the third runs."""
    world = NemoWorld(workspace="research", now=DAY + timedelta(days=1))
    sessions = [
        nemo_session("s1", started_at=DAY, test_case_id="t1", cost_total_usd=0.01, evaluator_scores={"acc": 0.4}),
        nemo_session(
            "s2",
            started_at=DAY + timedelta(hours=1),
            status="error",
            cost_total_usd=0.03,
            failed_evaluators=["acc"],
        ),
        nemo_session("s3", started_at=DAY + timedelta(hours=2), latency_ms=None, cost_total_usd=None),
    ]
    world.add(nemo_experiment("run"), sessions)
    return world


@pytest.fixture
def client(world: NemoWorld, connect: Connect) -> httpx.AsyncClient:
    """A client of an 0.8 with relative paths under the workspace."""
    return connect(nemo.create_app(world, "0.8"), BASE)


async def rows(client: httpx.AsyncClient, path: str) -> list[Any]:
    """Return the listed rows."""
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


async def sessions(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """Return the ids of the listed sessions in order."""
    return [row["session_id"] for row in await rows(client, f"/evaluations/run/sessions{query}")]


async def refused(client: httpx.AsyncClient, path: str) -> tuple[int, Any]:
    """Return the status and the detail of an error response."""
    response = await client.get(path)
    return response.status_code, response.json()["detail"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["s1", "s2", "s3"]),
        ("?sort=-started_at", ["s3", "s2", "s1"]),
        ("?sort=-latency_ms", ["s1", "s2", "s3"]),
        ("?sort=-cost_total_usd", ["s2", "s1", "s3"]),
        ("?sort=status,-test_case_name", ["s2", "s1", "s3"]),
        ("?sort=tokens", ["s1", "s2", "s3"]),
        ("?sort=-started_at&page=2&page_size=2", ["s1"]),
    ],
)
async def test_sessions_are_sorted_by_a_list_of_fields_with_missing_values_last(
    client: httpx.AsyncClient, query: str, expected: list[str]
) -> None:
    assert await sessions(client, query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?filter[status]=error", ["s2"]),
        ("?filter[test_case_name]=t1", ["s1"]),
        ("?filter[test_case_id]=t1", ["s1"]),
        ("?filter[test_case_name]=t1&filter[test_case_id]=t1", ["s1"]),
        ("?filter[status][$in]=error,success", ["s1", "s2", "s3"]),
        ('?filter={"$or":[{"status":"error"}]}', ["s1", "s2", "s3"]),
    ],
)
async def test_sessions_apply_equality_and_ignore_other_conditions(
    client: httpx.AsyncClient, query: str, expected: list[str]
) -> None:
    assert await sessions(client, query) == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?sort=session_id", 400),
        ("?filter[session_id]=s1", 400),
        ("?filter[test_case_name]=a&filter[test_case_id]=b", 400),
        ("?filter[test_case_name]=a,b", 503),
        ("?mode=short", 422),
        ("?limit=1", 400),
        ("?page_size=1001", 422),
    ],
)
async def test_sessions_refuse_what_they_do_not_know(client: httpx.AsyncClient, query: str, status: int) -> None:
    assert (await refused(client, f"/evaluations/run/sessions{query}"))[0] == status


@pytest.mark.parametrize(("mode", "length"), [("detailed", 301), ("preview", 300), ("summary", None)])
async def test_a_mode_limits_the_texts_of_a_session(
    world: NemoWorld, client: httpx.AsyncClient, mode: str, length: int | None
) -> None:
    world.sessions["run"][0] |= {"input": "x" * 301, "output": "y" * 301}
    row = (await rows(client, f"/evaluations/run/sessions?mode={mode}"))[0]
    assert [text and len(text) for text in (row["input"], row["output"])] == [length, length]


async def test_a_sort_by_cost_of_more_than_ten_thousand_sessions_is_413(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.sessions["run"] = [nemo_session(f"s{number}") for number in range(10_001)]
    assert (await refused(client, "/evaluations/run/sessions?sort=cost_total_usd"))[0] == 413
    assert len(await sessions(client, "?sort=latency_ms&page_size=5")) == 5


async def test_0_3_0_has_both_names_of_an_evaluation_and_no_name_of_a_test_case(
    world: NemoWorld, connect: Connect
) -> None:
    client = connect(nemo.create_app(world, "0.3"), BASE)
    row = (await rows(client, "/evaluations/run/sessions"))[0]
    assert (row["evaluation_name"], row["experiment_name"], row["test_case_id"]) == ("run", "run", "t1")
    assert not {"test_case_name", "failed_evaluators"} & row.keys()
    assert (await refused(client, "/evaluations/run/sessions?sort=test_case_name"))[0] == 400


async def test_a_session_has_an_agent_a_model_call_and_a_tool_call_once_it_has_ended(
    client: httpx.AsyncClient,
) -> None:
    spans = await rows(client, "/spans?filter[session_id]=s1&sort=started_at")
    parents = {span["span_id"]: span.get("parent_span_id") for span in spans}
    assert parents == {"span-s1": None, "trace-s1-llm": "span-s1", "trace-s1-tool": "trace-s1-llm"}
    assert len(await rows(client, "/spans?filter[session_id]=s3")) == 2
    assert (await client.get("/spans/trace-s1-llm")).json()["input_tokens"] == 100
    assert (await refused(client, "/spans/nope"))[0] == 404


async def test_spans_that_the_world_states_are_served_instead(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.spans["s1"] = [
        {"span_id": "a", "kind": "CHAIN", "trace_id": "one", "cost_total_usd": 0.5, "total_tokens": 7},
        {"span_id": "b", "kind": "CHAIN", "trace_id": "two", "cost_total_usd": 0.25},
    ]
    assert {row["id"] for row in await rows(client, "/traces?filter[session_id]=s1")} == {"one", "two"}
    session = (await client.get("/sessions/s1")).json()
    assert (session["trace_count"], session["span_count"], session["cost_usd"]) == (2, 2, 0.75)
    (metrics,) = await rows(client, f"/traces/metrics?bucket=total&{ALL_TIME}&filter[session_id]=s1")
    assert (metrics["run_count"], metrics["total_tokens"]["sum"]) == (2, 7)


async def test_the_first_page_of_spans_and_traces_has_ten(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.sessions["run"] = [nemo_session(f"s{number:02d}") for number in range(12)]
    assert [len(await rows(client, path)) for path in ("/spans", "/traces", "/evaluator-results")] == [10, 10, 0]
    assert [row["id"] for row in await rows(client, "/traces")][:2] == ["trace-s00", "trace-s01"]


async def test_spans_of_one_start_are_in_no_order_of_parents(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.sessions["run"] = [nemo_session(f"s{number}") for number in range(20)]
    spans = await rows(client, "/spans?sort=started_at&page_size=1000")
    place = {span["span_id"]: index for index, span in enumerate(spans)}
    assert {place[f"span-s{number}"] < place[f"trace-s{number}-llm"] for number in range(20)} == {True, False}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/spans?filter[foo]=1", 400, "Unknown filter field 'foo'"),
        ("/spans?filter[status][$in]=error,success", 400, "only supports equality"),
        ("/spans?filter[kind]=AGENCY", 400, "must be one of"),
        ("/spans?filter[name]=a", 400, "Unsupported span filter: name $eq"),
        ("/spans?filter[started_at][$gte]=yesterday", 400, "must be a valid datetime"),
        ('/traces?filter={"$or":[{"status":"error"}]}', 400, "Only AND-combined"),
        ("/traces?filter[evaluation_name]=a&filter[evaluation_id]=b", 400, "Conflicting trace filters"),
        ("/traces/metrics?timezone=Mars/Base", 400, "Unknown timezone"),
        ("/traces/metrics?page=1", 400, "Unsupported query parameter(s): page"),
        ("/spans/groups?by=kind", 400, "Allowed fields: trace_id, session_id"),
        ("/evaluator-results?filter[value]=high", 400, "must be a number"),
        ("/sessions/nope", 404, "Session research/nope not found"),
        ("/traces/nope", 404, "Trace research/nope not found"),
    ],
)
async def test_the_telemetry_store_refuses_conditions_that_it_does_not_support(
    client: httpx.AsyncClient, path: str, status: int, words: str
) -> None:
    found, detail = await refused(client, path)
    assert found == status
    assert words in detail


@pytest.mark.parametrize("path", ["/spans?sort=name", "/traces?mode=short", "/traces/metrics?bucket=year"])
async def test_a_value_outside_of_an_enum_is_422(client: httpx.AsyncClient, path: str) -> None:
    assert (await refused(client, path))[0] == 422


async def test_a_summary_of_traces_has_neither_texts_nor_figures(client: httpx.AsyncClient) -> None:
    row = (await rows(client, "/traces?mode=summary"))[0]
    assert not {"input", "output", "cost_usd", "span_count", "models"} & row.keys()


async def test_metrics_are_true_totals_and_count_failures(client: httpx.AsyncClient) -> None:
    (metrics,) = await rows(client, f"/traces/metrics?bucket=total&filter[evaluation_name]=run&{ALL_TIME}")
    assert (metrics["run_count"], metrics["failed_run_count"]) == (3, 1)
    assert metrics["cost_usd"]["sum"] == pytest.approx(0.04)
    assert metrics["cost_usd"]["p90"] == pytest.approx(0.028)
    assert (metrics["input_tokens"]["sum"], metrics["total_tokens"]) == (300, {})


async def test_metrics_without_a_lower_bound_are_of_the_last_seven_days(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.now = DAY + timedelta(days=7, minutes=30)
    (metrics,) = await rows(client, "/traces/metrics?bucket=total")
    assert metrics["run_count"] == 2
    until = "filter[started_at][$lte]=2026-11-08T00:30:00"
    (metrics,) = await rows(client, f"/traces/metrics?bucket=total&{until}")
    assert metrics["run_count"] == 2


@pytest.mark.parametrize(
    ("query", "starts"),
    [
        ("", ["2026-11-01T00:00:00"]),
        ("?bucket=hour", ["2026-11-01T00:00:00", "2026-11-01T01:00:00", "2026-11-01T02:00:00"]),
        ("?bucket=day&timezone=America/New_York", ["2026-10-31T00:00:00"]),
        ("?bucket=week", ["2026-10-26T00:00:00"]),
        ("?bucket=month", ["2026-11-01T00:00:00"]),
    ],
)
async def test_metrics_by_time_start_in_the_requested_timezone(
    client: httpx.AsyncClient, query: str, starts: list[str]
) -> None:
    assert [point["bucket_start"] for point in await rows(client, f"/traces/metrics{query}")] == starts


async def test_every_score_and_failure_is_a_result(world: NemoWorld, client: httpx.AsyncClient) -> None:
    world.sessions["run"][0]["explanations"] = {"acc": "half of it is right"}
    results = await rows(client, "/evaluator-results?sort=created_at")
    assert [(row["status"], row.get("value")) for row in results] == [("SCORED", 0.4), ("FAILED", None)]
    assert results[0]["comment"] == "half of it is right"
    assert len(await rows(client, "/evaluator-results?filter[status]=FAILED")) == 1
    assert len(await rows(client, "/evaluator-results?filter[value][$gte]=0.4")) == 1
    assert len((await client.get("/spans/span-s1/evaluator-results")).json()) == 1


async def test_results_that_the_world_states_are_served_instead(
    world: NemoWorld, client: httpx.AsyncClient
) -> None:
    world.evaluator_results["s1"] = [{"name": "tone", "data_type": "CATEGORICAL", "string_value": "kind"}]
    (result,) = await rows(client, "/evaluator-results?filter[session_id]=s1")
    assert (result["name"], result["string_value"], "value" in result) == ("tone", "kind", False)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/evaluations/run/sessions", 503),
        ("/evaluations/nope/sessions", 404),
        ("/spans", 500),
        ("/spans/span-s1", 500),
        ("/traces", 500),
        ("/traces/trace-s1", 500),
        ("/traces/metrics", 500),
        ("/sessions/s1", 500),
        ("/evaluator-results", 500),
        ("/annotations", 500),
    ],
)
async def test_with_the_telemetry_store_down_its_paths_fail(
    world: NemoWorld, client: httpx.AsyncClient, path: str, status: int
) -> None:
    world.telemetry_down = True
    assert (await refused(client, path))[0] == status


async def test_the_sample_data_has_totals_results_and_annotations(connect: Connect) -> None:
    from tracegraph.simulators.data import sample_worlds  # noqa: PLC0415 - only here

    world = sample_worlds().nemo
    client = connect(nemo.create_app(world, "0.8"), f"/apis/intake/v2/workspaces/{world.workspace}")
    (metrics,) = await rows(client, f"/traces/metrics?bucket=total&{ALL_TIME}")
    assert metrics["run_count"] == sum(len(owned) for owned in world.sessions.values())
    assert metrics["failed_run_count"] > 0
    assert await rows(client, "/evaluator-results?filter[status]=FAILED")
    assert await rows(client, "/annotations")
    assert (await rows(client, "/evaluations"))[0]["name"] == "support-baseline"
