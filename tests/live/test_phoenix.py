"""The gateway over a real Phoenix, against the answers of its REST interface: the adapter reads its GraphQL."""

import base64
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.gateway import (
    AGGREGATE_FIELDS,
    EXPERIMENTS,
    SESSIONS,
    Gateway,
    Json,
    gateway_of,
    instant,
    known,
)
from tests.live.phoenix_ingest import EXAMPLES, PROJECT
from tests.live.phoenix_service import Phoenix, running_phoenix
from tracegraph.real_servers.environments import PHOENIX

pytestmark = pytest.mark.live

REPORTED = f"""
    query Reported($id: ID!) {{ experiment(id: $id) {{ aggregates(basis: REPORTED) {{ {AGGREGATE_FIELDS} }} }} }}
"""
COMPUTED = f"""
    query Computed($id: ID!, $metrics: [MetricInput!]!) {{
      experiment(id: $id) {{ aggregates(metrics: $metrics, basis: COMPUTED) {{ {AGGREGATE_FIELDS} }} }}
    }}
"""
COMPARED = """
    query Compared($ids: [ID!]!, $joinOn: CaseKey!) {
      comparison(experimentIds: $ids, joinOn: $joinOn) {
        cases(metric: {kind: SCORE, evaluator: "exact"}, first: 100) {
          totalCount
          nodes { key input entries { experiment { name } value } }
        }
      }
    }
"""
SPANS = """
    query Spans($id: ID!) {
      session(id: $id) {
        conversationId scores { evaluator value label explanation }
        spans(first: 100) { nodes {
          vendorId parentId kind vendorKind name status startedAt endedAt latencyMs model provider toolName input
          output error costUsd tokens { input output cached total } scores { evaluator value label }
        } }
      }
    }
"""
SESSION_IDS = """
    query SessionIds($filter: SessionFilter) {
      page: sessions(first: 100, filter: $filter) { nodes { id vendorId } }
    }
"""


@pytest.fixture(scope="module")
def phoenix(client: httpx.Client) -> Iterator[Phoenix]:
    with running_phoenix(client) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(phoenix: Phoenix, client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    source = f'[sources.phoenix]\nvendor = "phoenix"\nbase_url = "{phoenix.base_url}"\n'
    with gateway_of([source], client, tmp_path_factory.mktemp("phoenix-gateway")) as opened:
        yield opened


def experiments(gateway: Gateway, **variables: Any) -> list[Json]:
    return gateway.everything(EXPERIMENTS, **variables)


def id_of(gateway: Gateway, name: str) -> str:
    (node,) = experiments(gateway, filter={"name": {"eq": name}})
    return str(node["id"])


def sessions(
    gateway: Gateway, name: str, condition: Mapping[str, Any] | None = None, **variables: Any
) -> list[Json]:
    asked = {"experimentIds": [id_of(gateway, name)], **(condition or {})}
    return gateway.everything(SESSIONS, filter=asked, **variables)


def held_experiments(phoenix: Phoenix) -> list[Json]:
    """The server's experiments over all datasets."""
    return [
        row
        for dataset in phoenix.held("datasets")
        for row in phoenix.held(f"datasets/{dataset['id']}/experiments")
    ]


def duration_ms(row: Mapping[str, Any]) -> float:
    return (known(instant(row["end_time"])) - known(instant(row["start_time"]))) / timedelta(milliseconds=1)


def ids(rows: Sequence[Json]) -> list[str]:
    return [row["context"]["span_id"] for row in rows]


# -- experiments -----------------------------------------------------------------------------------------


def test_the_list_has_every_project_and_every_experiment(phoenix: Phoenix, gateway: Gateway) -> None:
    held = {row["id"]: row["name"] for row in (*phoenix.held("projects"), *held_experiments(phoenix))}
    for first in (2, 100):
        shown = experiments(gateway, first=first)
        assert {node["vendorId"]: node["name"] for node in shown} == held
        assert len(shown) == len(held)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_experiments_are_ordered_by_creation(gateway: Gateway, direction: str) -> None:
    shown = experiments(gateway, first=2, orderBy={"field": "CREATED_AT", "direction": direction})
    times = [known(instant(node["createdAt"])) for node in shown]
    assert times == sorted(times, reverse=direction == "DESC")


def test_an_experiment_has_the_servers_values(phoenix: Phoenix, gateway: Gateway) -> None:
    (dataset,) = phoenix.held("datasets")
    for row in held_experiments(phoenix):
        (node,) = experiments(gateway, filter={"name": {"eq": row["name"]}})
        assert node["kind"] == "EVALUATION"
        assert node["datasetName"] == dataset["name"]
        assert node["datasetVersion"] == row["dataset_version_id"]
        assert node["metadata"] == row["metadata"]
        assert node["sessionCount"] == row["example_count"] == EXAMPLES
        assert instant(node["createdAt"]) == instant(row["created_at"])
        assert node["evaluators"] == ["exact", "verdict"]


def test_experiments_are_filtered_by_name_kind_and_dataset(phoenix: Phoenix, gateway: Gateway) -> None:
    assert [row["name"] for row in experiments(gateway, filter={"name": {"eq": PROJECT}})] == [PROJECT]
    assert {row["name"] for row in experiments(gateway, filter={"datasetName": {"eq": "sums"}})} == {
        "plain",
        "tuned",
    }
    projects = {row["name"] for row in experiments(gateway, filter={"kinds": ["PROJECT"]})}
    assert projects == {row["name"] for row in phoenix.held("projects")}


def test_the_links_lead_to_pages(phoenix: Phoenix, gateway: Gateway, client: httpx.Client) -> None:
    urls = [node["url"] for name in (PROJECT, "plain") for node in sessions(gateway, name)[:2]]
    for url in urls:
        response = client.get(url, follow_redirects=True)
        assert response.status_code == 200, url
        assert response.headers["content-type"].startswith("text/html")
    assert all(url.startswith(f"{phoenix.base_url}/redirects/") for url in urls)


# -- sessions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["STARTED_AT", "LATENCY"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("first", [2, 100])
def test_the_sessions_of_a_project_are_its_root_spans_in_order(
    phoenix: Phoenix, gateway: Gateway, field: str, direction: str, first: int
) -> None:
    shown = sessions(gateway, PROJECT, first=first, orderBy={"field": field, "direction": direction})
    assert sorted(node["vendorId"] for node in shown) == sorted(ids(phoenix.roots(PROJECT)))
    values = [node["startedAt" if field == "STARTED_AT" else "latencyMs"] for node in shown]
    assert values == sorted(values, reverse=direction == "DESC")


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_the_sessions_of_a_project_are_ordered_by_tokens_unknown_ones_last(
    gateway: Gateway, direction: str
) -> None:
    order = {"field": "TOTAL_TOKENS", "direction": direction}
    totals = [(node["tokens"] or {}).get("total") for node in sessions(gateway, PROJECT, first=4, orderBy=order)]
    numbers = [total for total in totals if total is not None]
    assert totals == sorted(numbers, reverse=direction == "DESC") + [None] * 3


def test_a_root_span_has_the_servers_values(phoenix: Phoenix, gateway: Gateway) -> None:
    held = {row["context"]["span_id"]: row for row in phoenix.roots(PROJECT)}
    spans = phoenix.held(f"projects/{PROJECT}/spans")
    for node in sessions(gateway, PROJECT):
        row = held[node["vendorId"]]
        attributes = row["attributes"]
        below = [one for one in spans if one["context"]["trace_id"] == row["context"]["trace_id"]]
        tokens = [one["attributes"].get("llm.token_count.total", 0) for one in below]
        assert node["traceId"] == row["context"]["trace_id"]
        assert node["status"] == ("ERROR" if row["status_code"] == "ERROR" else "SUCCESS")
        assert node["vendorStatus"] == row["status_code"]
        assert instant(node["startedAt"]) == instant(row["start_time"])
        assert node["latencyMs"] == pytest.approx(duration_ms(row))
        assert [node["input"], node["output"]] == [attributes.get("input.value"), attributes.get("output.value")]
        assert (node["tokens"] or {"total": 0})["total"] == sum(tokens)


def test_a_cost_is_unknown_where_the_model_has_no_price(phoenix: Phoenix, gateway: Gateway) -> None:
    spans = phoenix.held(f"projects/{PROJECT}/spans", name="chat")
    priced = {one["context"]["trace_id"] for one in spans if one["attributes"]["llm.model_name"] != "house-model"}
    shown = {node["traceId"] for node in sessions(gateway, PROJECT) if node["costUsd"] is not None}
    assert shown == priced
    assert len(priced) == len(spans) - 1


@pytest.mark.parametrize(
    "condition",
    [
        {"statuses": ["ERROR"]},
        {"statuses": ["SUCCESS"]},
        {"name": {"eq": "first root"}},
        {"name": {"in": ["helper", "two in one"]}},
        {"name": {"contains": "ROOT"}},
        {"latencyMs": {"gte": 1300, "lt": 1900}},
        {"totalTokens": {"gte": 2100, "lt": 5100}},
        {"conversationId": {"eq": "conversation-1"}},
        {"text": "answer 1"},
        {"score": {"evaluator": "helpful", "gte": 0.7}},
        {"metadata": [{"key": "place", "value": {"eq": "4"}}]},
    ],
    ids=json.dumps,
)
def test_a_filter_of_sessions_gives_those_of_all_that_meet_it(gateway: Gateway, condition: Json) -> None:
    """The gateway applies it to all rows as well: the server must not have dropped one."""
    everything = sessions(gateway, PROJECT)
    found = {node["vendorId"] for node in sessions(gateway, PROJECT, condition, first=3)}
    wanted = {node["vendorId"] for node in everything if MEETS[json.dumps(condition)](node)}
    assert found == wanted
    assert found


MEETS: Mapping[str, Any] = {
    '{"statuses": ["ERROR"]}': lambda node: node["vendorStatus"] == "ERROR",
    '{"statuses": ["SUCCESS"]}': lambda node: node["vendorStatus"] != "ERROR",
    '{"name": {"eq": "first root"}}': lambda node: node["vendorFields"]["name"] == "first root",
    '{"name": {"in": ["helper", "two in one"]}}': lambda node: (
        node["vendorFields"]["name"] in {"helper", "two in one"}
    ),
    '{"name": {"contains": "ROOT"}}': lambda node: "root" in node["vendorFields"]["name"],
    '{"latencyMs": {"gte": 1300, "lt": 1900}}': lambda node: 1300 <= node["latencyMs"] < 1900,
    '{"totalTokens": {"gte": 2100, "lt": 5100}}': lambda node: (
        node["tokens"] and 2100 <= node["tokens"]["total"] < 5100
    ),
    '{"conversationId": {"eq": "conversation-1"}}': lambda node: (
        (node["vendorFields"]["trace"]["session"] or {}).get("sessionId") == "conversation-1"
    ),
    '{"text": "answer 1"}': lambda node: "answer 1" in (node["output"] or ""),
    '{"score": {"evaluator": "helpful", "gte": 0.7}}': lambda node: any(
        score["evaluator"] == "helpful" for score in node["scores"]
    ),
    '{"metadata": [{"key": "place", "value": {"eq": "4"}}]}': lambda node: (
        '"place": 4}' in (node["vendorFields"]["metadata"] or "")
    ),
}


def test_a_range_of_starts_includes_its_begin_and_excludes_its_end(phoenix: Phoenix, gateway: Gateway) -> None:
    rows = phoenix.roots(PROJECT)
    begin, end = rows[3]["start_time"], rows[8]["start_time"]
    found = sessions(gateway, PROJECT, {"startedAt": {"gte": begin, "lt": end}}, first=2)
    assert sorted(node["vendorId"] for node in found) == sorted(ids(rows[3:8]))


@pytest.mark.parametrize("name", ["plain", "tuned"])
@pytest.mark.parametrize("first", [7, 100])
def test_the_sessions_of_an_experiment_are_its_runs(
    phoenix: Phoenix, gateway: Gateway, name: str, first: int
) -> None:
    (experiment,) = [row for row in held_experiments(phoenix) if row["name"] == name]
    details = {row["example_id"]: row for row in phoenix.get(f"experiments/{experiment['id']}/json")}
    runs = {row["id"]: row for row in phoenix.get(f"experiments/{experiment['id']}/runs")["data"]}
    shown = sessions(gateway, name, first=first)
    assert sorted(node["vendorId"] for node in shown) == sorted(runs)
    starts = [known(instant(node["startedAt"])) for node in shown]
    assert starts == sorted(starts, reverse=True)
    for node in shown:
        run, detail = runs[node["vendorId"]], details[node["testCaseId"]]
        assert node["testCaseId"] == run["dataset_example_id"]
        assert node["status"] == ("SUCCESS" if run["error"] is None else "ERROR")
        assert node["latencyMs"] == pytest.approx(detail["latency_ms"])
        assert node["input"] == detail["input"]["question"]
        assert node["output"] == (None if run["output"] is None else run["output"]["answer"])
        assert node["traceId"] == run["trace_id"]
        exact = {score["evaluator"]: score["value"] for score in node["scores"]}["exact"]
        assert exact == next(one["score"] for one in detail["annotations"] if one["name"] == "exact")


# -- spans and scores ------------------------------------------------------------------------------------


def spans_of(gateway: Gateway, name: str, session_id: str) -> Json:
    page = gateway.data(SESSION_IDS, filter={"experimentIds": [id_of(gateway, name)]})["page"]
    (global_id,) = [node["id"] for node in page["nodes"] if node["vendorId"] == session_id]
    found: Json = gateway.data(SPANS, id=global_id)["session"]
    return found


def parent_of(node: Json) -> str | None:
    """The vendor's id of the span around one, which the gateway's id ends with."""
    return None if node["parentId"] is None else base64.b64decode(node["parentId"]).decode().rsplit(":", 1)[-1]


def test_the_spans_of_a_session_are_those_of_its_trace(phoenix: Phoenix, gateway: Gateway) -> None:
    for row in phoenix.roots(PROJECT)[:4]:
        held = {
            one["context"]["span_id"]: one
            for one in phoenix.held(f"projects/{PROJECT}/spans", trace_id=row["context"]["trace_id"])
        }
        nodes = spans_of(gateway, PROJECT, row["context"]["span_id"])["spans"]["nodes"]
        assert {node["vendorId"] for node in nodes} == set(held)
        for node in nodes:
            one = held[node["vendorId"]]
            attributes = one["attributes"]
            tokens = node["tokens"] or {"input": None, "output": None, "cached": None, "total": None}
            assert parent_of(node) == one["parent_id"]
            assert [node["kind"], node["name"]] == [one["span_kind"], one["name"]]
            assert instant(node["startedAt"]) == instant(one["start_time"])
            assert node["latencyMs"] == pytest.approx(duration_ms(one))
            assert node["model"] == attributes.get("llm.model_name")
            assert node["provider"] == attributes.get("llm.provider")
            assert node["toolName"] == attributes.get("tool.name")
            assert [node["input"], node["output"]] == [
                attributes.get("input.value"),
                attributes.get("output.value"),
            ]
            assert [tokens["input"], tokens["output"], tokens["cached"]] == [
                attributes.get("llm.token_count.prompt"),
                attributes.get("llm.token_count.completion"),
                attributes.get("llm.token_count.prompt_details.cache_read"),
            ]


def test_each_root_of_a_trace_has_its_own_spans(gateway: Gateway) -> None:
    trees = [
        {node["name"] for node in spans_of(gateway, PROJECT, root)["spans"]["nodes"]}
        for root in ("0000000000a10001", "0000000000a10003")
    ]
    assert trees == [{"first root", "below the first"}, {"second root", "below the second"}]


def test_annotations_are_scores_with_their_words(gateway: Gateway) -> None:
    judged = spans_of(gateway, PROJECT, "0000000000010001")
    assert judged["conversationId"] == "conversation-0"
    assert judged["scores"] == [
        {"evaluator": "helpful", "value": 0.75, "label": "yes", "explanation": "too long"},
        {"evaluator": "resolved", "value": 1.0, "label": None, "explanation": None},
    ]
    (model,) = [node for node in judged["spans"]["nodes"] if node["name"] == "chat"]
    assert model["scores"] == [{"evaluator": "tone", "value": None, "label": "friendly"}]


def test_the_spans_of_a_run_are_those_of_its_task(gateway: Gateway) -> None:
    run = sessions(gateway, "plain")[-1]
    nodes = spans_of(gateway, "plain", run["vendorId"])["spans"]["nodes"]
    assert [node["kind"] for node in nodes] == ["CHAIN", "LLM"]
    assert nodes[1]["model"] == "gpt-4o-mini"


# -- figures ---------------------------------------------------------------------------------------------


def figures(gateway: Gateway, name: str, document: str = REPORTED, **variables: Any) -> dict[str, Json]:
    found = gateway.data(document, id=id_of(gateway, name), **variables)["experiment"]["aggregates"]
    return {
        "".join(filter(None, (one["metric"]["kind"], one["metric"]["evaluator"]))): one
        for one in found
        if one["count"] is not None
        or one["sum"] is not None
        or one["mean"] is not None
        or one["median"] is not None
    }


def test_reported_figures_of_a_project_are_those_of_its_root_spans(phoenix: Phoenix, gateway: Gateway) -> None:
    rows = phoenix.roots(PROJECT)
    latencies = [duration_ms(row) for row in rows]
    shown = figures(gateway, PROJECT)
    assert shown["LATENCY"]["median"] == pytest.approx(statistics.median(latencies))
    assert [shown["LATENCY"][name] for name in ("count", "min", "max")] == [
        len(rows),
        pytest.approx(min(latencies)),
        pytest.approx(max(latencies)),
    ]
    # Phoenix interpolates; the gateway's own percentiles are values that occur.
    assert shown["LATENCY"]["p90"] == pytest.approx(statistics.quantiles(latencies, n=10, method="inclusive")[8])
    errors = [row for row in rows if row["status_code"] == "ERROR"]
    assert shown["ERROR_RATE"]["mean"] == pytest.approx(len(errors) / len(rows))
    spans = phoenix.held(f"projects/{PROJECT}/spans")
    total = sum(one["attributes"].get("llm.token_count.total", 0) for one in spans)
    assert shown["TOTAL_TOKENS"]["sum"] == total


@pytest.mark.parametrize("name", [PROJECT, "plain", "tuned"])
def test_reported_figures_equal_those_that_the_gateway_computes(gateway: Gateway, name: str) -> None:
    """Each example has one run, so an average over examples is one over runs."""
    reported = figures(gateway, name)
    kinds = [{"kind": kind} for kind in ("LATENCY", "COST", "TOTAL_TOKENS", "ERROR_RATE")]
    computed = figures(gateway, name, COMPUTED, metrics=kinds)
    for kind in ("LATENCY", "COST", "TOTAL_TOKENS", "ERROR_RATE"):
        for statistic in ("sum", "mean", "median", "min", "max"):
            held = reported[kind][statistic]
            assert held is None or held == pytest.approx(computed[kind][statistic]), (kind, statistic)


def test_reported_scores_are_those_of_the_runs(phoenix: Phoenix, gateway: Gateway) -> None:
    for row in held_experiments(phoenix):
        details = phoenix.get(f"experiments/{row['id']}/json")
        scores = [one["score"] for detail in details for one in detail["annotations"] if one["name"] == "exact"]
        shown = figures(gateway, row["name"])["SCOREexact"]
        assert shown["mean"] == pytest.approx(statistics.fmean(scores))
        assert [shown["count"], shown["min"], shown["max"]] == [len(scores), min(scores), max(scores)]


@pytest.mark.parametrize("join_on", ["TEST_CASE_ID", "INPUT"])
def test_two_experiments_are_compared_case_by_case(phoenix: Phoenix, gateway: Gateway, join_on: str) -> None:
    """By the id of the example and by its input: both name the same cases."""
    names = ["plain", "tuned"]
    held: dict[str, dict[str, Any]] = {}
    for row in held_experiments(phoenix):
        for detail in phoenix.get(f"experiments/{row['id']}/json"):
            (score,) = [one["score"] for one in detail["annotations"] if one["name"] == "exact"]
            held.setdefault(detail["input"]["question"], {})[row["name"]] = score
    found = gateway.data(COMPARED, ids=[id_of(gateway, name) for name in names], joinOn=join_on)
    page = found["comparison"]["cases"]
    assert page["totalCount"] == EXAMPLES
    shown = {
        node["input"]: {entry["experiment"]["name"]: entry["value"] for entry in node["entries"]}
        for node in page["nodes"]
    }
    assert shown == held


def test_the_command_line_shows_the_version_of_the_server(gateway: Gateway) -> None:
    command: list[str | Path] = [Path(sys.executable).with_name("tracegraph"), "check"]
    checked = subprocess.run(
        [*command, "--json", "--config", gateway.configuration], capture_output=True, text=True, check=True
    )
    (source,) = json.loads(checked.stdout)["sources"]
    assert [source["version"], source["reachable"], source["authorized"]] == [PHOENIX.version, True, True]


def test_unknown_objects_are_not_found(gateway: Gateway) -> None:
    known_id = id_of(gateway, "plain")
    document = "query Nodes($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    answer = gateway.answer(document, ids=[known_id, *map(_changed, (known_id,))])
    assert answer["data"]["nodes"][0]["id"] == known_id
    assert answer["data"]["nodes"][1] is None


def _changed(global_id: str) -> str:
    """The gateway's id of an experiment that Phoenix never had."""
    text = base64.b64decode(global_id).decode()
    unknown = base64.b64encode(b"Experiment:9999").decode()
    known_ref = text.rsplit(":", 1)[-1]
    return base64.b64encode(text.replace(known_ref, unknown).encode()).decode()
