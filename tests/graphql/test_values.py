"""Values as issue 2 requires them: one unit, one zone, null for missing values, vendor statuses beside ours."""

from typing import Any

import pytest

from tests.gateway import Gateway, Vendors
from tests.worlds import Row, hours
from tracegraph.simulators.core.ids import TENANT, stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

SESSIONS = """{
  experiments { nodes { sessions { nodes {
    vendorId status vendorStatus name startedAt endedAt latencyMs firstTokenMs traceId rootSpanId testCaseId
    agentName agentVersion input output error tokens { input output cached total } costUsd messageCount
    scores { evaluator value } url metadata
  } } } }
}"""


async def session(gateway: Gateway) -> Any:
    """Return the only session."""
    (experiment,) = (await gateway.ask(SESSIONS)).data["experiments"]["nodes"]
    (found,) = experiment["sessions"]["nodes"]
    return found


async def experiment(gateway: Gateway, fields: str) -> Any:
    """Return fields of the only experiment."""
    (found,) = (await gateway.ask(f"{{ experiments {{ nodes {{ {fields} }} }} }}")).data["experiments"]["nodes"]
    return found


# -- units -----------------------------------------------------------------------------------------------


async def test_a_run_of_1_25_seconds_has_a_latency_of_1250_ms(vendors: Vendors, gateway: Gateway) -> None:
    vendors.langsmith.world.add(langsmith_session("p"), [langsmith_run("r", latency_s=1.25)])
    assert (await session(gateway))["latencyMs"] == 1250


async def test_langsmiths_seconds_are_milliseconds_in_aggregates(vendors: Vendors, gateway: Gateway) -> None:
    figures: Row = {"latency_p50": 1.25, "latency_p99": 0.3, "first_token_p50": 0.125, "first_token_p99": 2}
    vendors.langsmith.world.add(langsmith_session("p", **figures))
    found = await experiment(
        gateway,
        """latency: aggregate(metric: {kind: LATENCY}) { median p99 mean }
        first: aggregate(metric: {kind: FIRST_TOKEN_LATENCY}) { median p99 }""",
    )
    assert found == {
        "latency": {"median": 1250, "p99": 300, "mean": None},
        "first": {"median": 125, "p99": 2000},
    }


async def test_nemos_milliseconds_stay_as_they_are(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s", latency_ms=1250.5)])
    assert (await session(gateway))["latencyMs"] == 1250.5
    assert (await experiment(gateway, "aggregate(metric: {kind: LATENCY}) { median }"))["aggregate"] == {
        "median": 1250.5
    }


async def test_a_meibel_session_lasts_from_its_start_to_its_end(vendors: Vendors, gateway: Gateway) -> None:
    vendors.meibel.world.add(meibel_agent("a"), [meibel_session("s", duration_s=12.5)])
    assert (await session(gateway))["latencyMs"] == 12500


@pytest.mark.parametrize("cost", ["0.0123", 0.0123])
async def test_a_cost_of_a_run_is_the_same_as_text_and_as_number(
    vendors: Vendors, gateway: Gateway, cost: str | float
) -> None:
    vendors.langsmith.world.add(langsmith_session("p"), [langsmith_run("r", total_cost=cost)])
    assert (await session(gateway))["costUsd"] == 0.0123


@pytest.mark.parametrize("as_numbers", [False, True])
async def test_a_cost_of_an_experiment_is_the_same_as_text_and_as_number(
    vendors: Vendors, gateway: Gateway, *, as_numbers: bool
) -> None:
    vendors.langsmith.world.costs_as_numbers = as_numbers
    vendors.langsmith.world.add(langsmith_session("p"), [langsmith_run("r", total_cost="0.0123")])
    assert (await experiment(gateway, "aggregate(metric: {kind: COST}) { sum }"))["aggregate"] == {"sum": 0.0123}


# -- times -----------------------------------------------------------------------------------------------


async def test_nemos_times_without_a_zone_are_utc(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(
        nemo_experiment("e", created_at="2026-11-20T10:00:00"),
        [nemo_session("s", started_at="2026-11-20T10:00:00.25", latency_ms=500)],
    )
    assert (await experiment(gateway, "createdAt"))["createdAt"] == "2026-11-20T10:00:00Z"
    found = await session(gateway)
    assert (found["startedAt"], found["endedAt"]) == ("2026-11-20T10:00:00.250000Z", "2026-11-20T10:00:00.750000Z")


async def test_an_offset_is_turned_into_utc(vendors: Vendors, gateway: Gateway) -> None:
    vendors.langsmith.world.add(langsmith_session("p", start_time="2026-11-20T10:00:00.123456+02:00"))
    assert (await experiment(gateway, "createdAt"))["createdAt"] == "2026-11-20T08:00:00.123456Z"


async def test_a_time_in_a_filter_may_have_any_zone_and_without_one_is_utc(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.nemo.world.add(nemo_experiment("e", created_at="2026-11-20T10:00:00"))
    query = """query($t: DateTime!) {
      experiments(filter: {createdAt: {gte: $t}}) { nodes { name } }
    }"""
    for moment, there in (
        ("2026-11-20T10:00:00", True),
        ("2026-11-20T12:00:00+02:00", True),
        ("2026-11-20T10:00:00.000001Z", False),
    ):
        found = (await gateway.ask(query, t=moment)).data["experiments"]["nodes"]
        assert bool(found) is there, moment


# -- missing values --------------------------------------------------------------------------------------


async def test_absent_token_counts_are_null_and_zero_is_zero(vendors: Vendors, gateway: Gateway) -> None:
    counts: Row = {"input_tokens": None, "output_tokens": 0, "cached_tokens": None}
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s", **counts)])
    assert (await session(gateway))["tokens"] == {"input": None, "output": 0, "cached": None, "total": 0}


async def test_a_session_without_any_count_has_no_tokens(vendors: Vendors, gateway: Gateway) -> None:
    counts: Row = {"input_tokens": None, "output_tokens": None, "cached_tokens": None}
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s", **counts)])
    assert (await session(gateway))["tokens"] is None


async def test_a_run_without_counts_or_cost_has_null_there(vendors: Vendors, gateway: Gateway) -> None:
    absent: Row = dict.fromkeys(["prompt_tokens", "completion_tokens", "total_tokens", "total_cost"])
    vendors.langsmith.world.add(langsmith_session("p"), [langsmith_run("r", **absent)])
    found = await session(gateway)
    assert (found["tokens"], found["costUsd"]) == (None, None)


async def test_meibel_reports_no_costs_test_cases_or_traces(vendors: Vendors, gateway: Gateway) -> None:
    vendors.meibel.world.add(meibel_agent("a"), [meibel_session("s")])
    found = await session(gateway)
    absent = ["costUsd", "firstTokenMs", "testCaseId", "traceId", "rootSpanId", "error", "url", "metadata", "name"]
    assert {name: found[name] for name in absent} == dict.fromkeys(absent)
    assert (await experiment(gateway, "aggregates { mean } errorRate")) == {"aggregates": [], "errorRate": None}


async def test_running_sessions_have_neither_an_end_nor_a_latency(vendors: Vendors, gateway: Gateway) -> None:
    vendors.langsmith.world.add(
        langsmith_session("p"), [langsmith_run("r", latency_s=None, status="pending", outputs=None)]
    )
    vendors.meibel.world.add(meibel_agent("a"), [meibel_session("s", duration_s=None, status="RUNNING")])
    rows = (await gateway.ask(SESSIONS)).data["experiments"]["nodes"]
    found = [row for one in rows for row in one["sessions"]["nodes"]]
    assert [(row["status"], row["endedAt"], row["latencyMs"]) for row in found] == [("RUNNING", None, None)] * 2


async def test_an_experiment_of_no_sessions_has_no_figures_and_not_zero(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.nemo.world.add(nemo_experiment("empty"))
    vendors.nemo.world.add(nemo_experiment("full"), [nemo_session("s")])
    query = (
        "{ experiments(orderBy: {field: NAME, direction: ASC}) { nodes { sessionCount aggregates { mean } } } }"
    )
    empty, full = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert empty == {"sessionCount": 0, "aggregates": []}
    assert (full["sessionCount"], len(full["aggregates"])) == (1, 2)


# -- statuses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("RUNNING", "RUNNING"),
        ("COMPLETED", "SUCCESS"),
        ("FAILED", "ERROR"),
        ("CANCELED", "CANCELLED"),
        ("TERMINATED", "CANCELLED"),
        ("HIBERNATING", "UNKNOWN"),
    ],
)
async def test_meibels_status_is_unified_and_preserved(
    vendors: Vendors, gateway: Gateway, word: str, status: str
) -> None:
    vendors.meibel.world.add(meibel_agent("a"), [meibel_session("s", status=word)])
    found = await session(gateway)
    assert (found["status"], found["vendorStatus"]) == (status, word)


@pytest.mark.parametrize(
    ("word", "status"), [("success", "SUCCESS"), ("error", "ERROR"), ("pending", "RUNNING"), ("paused", "UNKNOWN")]
)
async def test_langsmiths_status_is_unified_and_preserved(
    vendors: Vendors, gateway: Gateway, word: str, status: str
) -> None:
    vendors.langsmith.world.add(langsmith_session("p"), [langsmith_run("r", status=word)])
    found = await session(gateway)
    assert (found["status"], found["vendorStatus"]) == (status, word)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("success", "SUCCESS"),
        ("error", "ERROR"),
        ("cancelled", "CANCELLED"),
        ("unknown", "UNKNOWN"),
        ("deferred", "UNKNOWN"),
    ],
)
async def test_nemos_status_is_unified_and_preserved(
    vendors: Vendors, gateway: Gateway, word: str, status: str
) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s", status=word)])
    found = await session(gateway)
    assert (found["status"], found["vendorStatus"]) == (status, word)


# -- the whole of a row ----------------------------------------------------------------------------------


async def test_every_field_of_a_nemo_session_is_mapped(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(
        nemo_experiment("e"), [nemo_session("s", evaluator_scores={"accuracy": 0.75}, cached_tokens=40)]
    )
    assert await session(gateway) == {
        "vendorId": "s",
        "status": "SUCCESS",
        "vendorStatus": "success",
        "name": None,
        "startedAt": "2026-11-01T09:00:00Z",
        "endedAt": "2026-11-01T09:00:01.200000Z",
        "latencyMs": 1200.0,
        "firstTokenMs": None,
        "traceId": "trace-s",
        "rootSpanId": "span-s",
        "testCaseId": "case-s",
        "agentName": None,
        "agentVersion": None,
        "input": "question of s",
        "output": None,
        "error": None,
        "tokens": {"input": 100, "output": 20, "cached": 40, "total": 120},
        "costUsd": 0.001,
        "messageCount": None,
        "scores": [{"evaluator": "accuracy", "value": 0.75}],
        "url": None,
        "metadata": None,
    }


async def test_every_field_of_a_langsmith_run_is_mapped(vendors: Vendors, gateway: Gateway) -> None:
    example = stable_uuid("example")
    vendors.langsmith.world.add(
        langsmith_session("p"),
        [
            langsmith_run(
                "answer",
                status="error",
                first_token_time="2026-11-01T09:00:00.400000Z",
                reference_example_id=example,
                feedback_stats={"helpful": {"n": 2, "avg": 0.5}},
                extra={"metadata": {"agent_name": "support", "agent_version": "7", "team": "blue"}},
            )
        ],
    )
    run = stable_uuid("run:answer")
    assert await session(gateway) == {
        "vendorId": run,
        "status": "ERROR",
        "vendorStatus": "error",
        "name": "answer",
        "startedAt": "2026-11-01T09:00:00Z",
        "endedAt": "2026-11-01T09:00:01.200000Z",
        "latencyMs": 1200.0,
        "firstTokenMs": 400.0,
        "traceId": run,
        "rootSpanId": run,
        "testCaseId": example,
        "agentName": "support",
        "agentVersion": "7",
        "input": "question of answer",
        "output": "answer to answer",
        "error": "ValueError: the tool failed",
        "tokens": {"input": 100, "output": 20, "cached": None, "total": 120},
        "costUsd": 0.001,
        "messageCount": None,
        "scores": [{"evaluator": "helpful", "value": 0.5}],
        "url": f"http://localhost/o/{TENANT}/projects/p/{stable_uuid('session:p')}/r/{run}?poll=true",
        "metadata": {"agent_name": "support", "agent_version": "7", "team": "blue"},
    }


async def test_every_field_of_a_nemo_experiment_is_mapped(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(
        nemo_experiment(
            "nightly+1@2026",
            updated_at="2026-11-02T09:00:00",
            description="Every night.",
            source_link="https://ci.example.com/1",
            metadata={"branch": "main"},
        ),
        [nemo_session("s", evaluator_scores={"accuracy": 0.75})],
    )
    fields = """vendorId kind name description groupIds agentName agentVersion datasetId datasetName datasetVersion
      models evaluators createdAt updatedAt endedAt sessionCount errorRate sourceUrl metadata
      aggregates { metric { kind evaluator name unit betterWhen } basis population count mean complete }"""
    assert await experiment(gateway, fields) == {
        "vendorId": "experiment-nightly+1@2026",
        "kind": "EVALUATION",
        "name": "nightly+1@2026",
        "description": "Every night.",
        "groupIds": ["experiment-group-default"],
        "agentName": "assistant",
        "agentVersion": "1.0.0",
        "datasetId": None,
        "datasetName": "cases",
        "datasetVersion": "1",
        "models": ["nvidia/nemotron-nano-9b-v2"],
        "evaluators": ["accuracy"],
        "createdAt": "2026-11-01T09:00:00Z",
        "updatedAt": "2026-11-02T09:00:00Z",
        "endedAt": None,
        "sessionCount": 1,
        "errorRate": None,
        "sourceUrl": "https://ci.example.com/1",
        "metadata": {"branch": "main"},
        "aggregates": [
            _reported("LATENCY", "latency", "MILLISECONDS", 1200.0),
            _reported("COST", "cost", "USD", 0.001),
            _reported("SCORE", "score:accuracy", "SCORE", 0.75, evaluator="accuracy", better="HIGHER"),
        ],
    }


def _reported(
    kind: str, name: str, unit: str, mean: float, *, evaluator: str | None = None, better: str = "LOWER"
) -> dict[str, Any]:
    metric = {"kind": kind, "evaluator": evaluator, "name": name, "unit": unit, "betterWhen": better}
    return {
        "metric": metric,
        "basis": "REPORTED",
        "population": "SESSIONS",
        "count": 1,
        "mean": mean,
        "complete": True,
    }


async def test_every_field_of_a_langsmith_session_is_mapped(vendors: Vendors, gateway: Gateway) -> None:
    dataset = stable_uuid("dataset")
    vendors.langsmith.world.add(
        langsmith_session(
            "gpt-test",
            reference_dataset_id=dataset,
            description="Against the golden set.",
            end_time="2026-11-01T10:00:00Z",
            extra={"metadata": {"dataset_version": "3", "models": ["gpt-4.1"]}},
        ),
        [
            langsmith_run("good", feedback_stats={"helpful": {"n": 1, "avg": 1.0}}),
            langsmith_run("bad", status="error", start_time=hours(0.5)),
        ],
    )
    fields = """vendorId kind name description groupIds datasetId datasetName datasetVersion models evaluators
      createdAt updatedAt endedAt sessionCount errorRate metadata
      cost: aggregate(metric: {kind: COST}) { sum mean population }
      tokens: aggregate(metric: {kind: TOTAL_TOKENS}) { sum }"""
    assert await experiment(gateway, fields) == {
        "vendorId": stable_uuid("session:gpt-test"),
        "kind": "EVALUATION",
        "name": "gpt-test",
        "description": "Against the golden set.",
        "groupIds": [],
        "datasetId": dataset,
        "datasetName": None,
        "datasetVersion": "3",
        "models": ["gpt-4.1"],
        "evaluators": ["helpful"],
        "createdAt": "2026-11-01T09:00:00Z",
        "updatedAt": "2026-11-01T09:30:00Z",
        "endedAt": "2026-11-01T10:00:00Z",
        "sessionCount": 2,
        "errorRate": 0.5,
        "metadata": {"dataset_version": "3", "models": ["gpt-4.1"]},
        "cost": {"sum": 0.002, "mean": None, "population": "RUNS"},
        "tokens": {"sum": 240.0},
    }


async def test_every_field_of_a_meibel_agent_is_mapped(vendors: Vendors, gateway: Gateway) -> None:
    vendors.meibel.world.add(
        meibel_agent(
            "refund-approver",
            version="4",
            description="Approves refunds.",
            fallback_models=["gpt-4.1-nano"],
            tags=["finance"],
            last_execution_time="2026-11-03T09:00:00Z",
        ),
        [meibel_session("s")],
    )
    fields = """vendorId kind name description agentName agentVersion models createdAt updatedAt sessionCount
      metadata"""
    assert await experiment(gateway, fields) == {
        "vendorId": "refund-approver",
        "kind": "AGENT",
        "name": "Refund Approver",
        "description": "Approves refunds.",
        "agentName": "refund-approver",
        "agentVersion": "4",
        "models": ["gpt-4.1-mini", "gpt-4.1-nano"],
        "createdAt": "2026-11-01T09:00:00Z",
        "updatedAt": "2026-11-03T09:00:00Z",
        "sessionCount": 1,
        "metadata": {"tags": ["finance"]},
    }


async def test_vendor_fields_are_the_vendors_object_unchanged(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("s", status="deferred")])
    found = await experiment(gateway, "vendorFields sessions { nodes { vendorFields } }")
    assert found["vendorFields"]["dataset_name"] == "cases"
    assert found["vendorFields"]["created_at"] == "2026-11-01T09:00:00"
    (row,) = found["sessions"]["nodes"]
    assert (row["vendorFields"]["status"], row["vendorFields"]["session_id"]) == ("deferred", "s")


async def test_a_value_that_does_not_parse_is_null_and_the_row_is_returned(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.langsmith.world.add(langsmith_session("p", total_cost="a few cents", latency_p50=1.5))
    found = await experiment(
        gateway, "name cost: aggregate(metric: {kind: COST}) { sum } latency: aggregates { median }"
    )
    assert (found["name"], found["cost"], found["latency"][0]) == ("p", None, {"median": 1500.0})


async def test_token_counts_that_do_not_parse_are_null_and_the_session_is_returned(
    vendors: Vendors, gateway: Gateway
) -> None:
    usage = {"prompt_tokens": "many", "completion_tokens": 20}
    vendors.meibel.world.add(meibel_agent("a"), [meibel_session("s", token_usage=usage)])
    assert (await session(gateway))["tokens"] == {"input": None, "output": 20, "cached": None, "total": 20}
