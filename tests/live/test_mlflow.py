"""The gateway over a real MLflow server, against what the server itself answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.gateway import AGGREGATES, EXPERIMENTS, Gateway, Json, gateway_of, instant, known
from tests.live.mlflow_service import running_mlflow

pytestmark = pytest.mark.live

EVALUATIONS = "tags.`mlflow.runType` = 'genai_evaluate'"
SESSION_FIELDS = """
    id vendorId status vendorStatus name startedAt endedAt latencyMs traceId conversationId input output error
    costUsd inputCostUsd outputCostUsd url metadata tokens { input output cached total }
    scores { evaluator value label explanation failed }
"""
SESSIONS = f"""
    query Sessions($first: Int, $after: String, $filter: SessionFilter, $orderBy: SessionOrder) {{
      page: sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {{
        edges {{ node {{ {SESSION_FIELDS} }} }}
        pageInfo {{ hasNextPage endCursor }}
        sources {{ status error {{ code }} }}
      }}
    }}
"""
ONE_SESSION = f"query Session($id: ID!) {{ session(id: $id) {{ {SESSION_FIELDS} }} }}"
SPANS = """
    query Spans($id: ID!) {
      session(id: $id) { spans(first: 100) { totalCount nodes {
        vendorId parentId depth kind vendorKind name status latencyMs model provider toolName input output error
        costUsd metadata tokens { input output cached total } scores { evaluator value }
      } } }
    }
"""
COMPARISON = """
    query Comparison($ids: [ID!]!) {
      comparison(experimentIds: $ids, metrics: [{kind: SCORE, evaluator: "exact"}], joinOn: INPUT) {
        metrics { entries { value } }
        cases(metric: {kind: SCORE, evaluator: "exact"}, first: 100) { nodes { key entries { value } } }
      }
    }
"""


@dataclass(frozen=True)
class Server:
    """The server, and the gateway over it."""

    client: httpx.Client
    url: str
    gateway: Gateway

    def post(self, path: str, body: Json) -> httpx.Response:
        """The server's own answer."""
        return self.client.post(f"{self.url}/api/{path}", json=body)

    def held_experiments(self) -> list[Json]:
        """The MLflow experiments, the oldest first."""
        body = {"max_results": 100, "order_by": ["creation_time ASC"]}
        rows: list[Json] = self.post("2.0/mlflow/experiments/search", body).json()["experiments"]
        return rows

    def held_runs(self) -> list[Json]:
        """The evaluation runs, the oldest first."""
        ids = [row["experiment_id"] for row in self.held_experiments()]
        body = {"experiment_ids": ids, "filter": EVALUATIONS, "order_by": ["attributes.start_time ASC"]}
        rows: list[Json] = self.post("2.0/mlflow/runs/search", body).json()["runs"]
        return rows

    def experiment_id(self, name: str) -> str:
        """The server's id of the MLflow experiment of this name."""
        return next(str(row["experiment_id"]) for row in self.held_experiments() if row["name"] == name)

    def run_id(self, name: str) -> str:
        """The server's id of the run of this name."""
        return next(str(row["info"]["run_id"]) for row in self.held_runs() if row["info"]["run_name"] == name)

    def held_traces(self, name: str, order: str = "timestamp_ms DESC", **more: Any) -> list[Json]:
        """The traces of an MLflow experiment or of an evaluation run."""
        experiments = {row["name"] for row in self.held_experiments()}
        is_project = name in experiments
        experiment_id = self.experiment_id(name if is_project else "capitals-eval")
        run = {} if is_project else {"filter": f"run_id = '{self.run_id(name)}'"}
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
        body = {"locations": [location], "max_results": 500, "order_by": [order], **run, **more}
        response = self.post("3.0/mlflow/traces/search", body)
        assert response.status_code == 200, response.text
        rows: list[Json] = response.json().get("traces", [])
        return rows

    def figure(self, name: str, view: str, metric: str, *types: str, dimension: str | None = None) -> list[Json]:
        """The server's own statistics over the traces of an evaluation run or of an MLflow experiment."""
        is_project = name in {row["name"] for row in self.held_experiments()}
        body: Json = {
            "experiment_ids": [self.experiment_id(name if is_project else "capitals-eval")],
            "view_type": view,
            "metric_name": metric,
            "aggregations": [{"aggregation_type": one} for one in types],
        }
        if not is_project:
            body["filters"] = [f"trace.metadata.`mlflow.sourceRun` = '{self.run_id(name)}'"]
        if dimension is not None:
            body["dimensions"] = [dimension]
        points: list[Json] = self.post("3.0/mlflow/traces/metrics", body).json().get("data_points", [])
        return points

    def experiments(self, condition: Json | None = None, *, first: int = 100, **order: str) -> list[Json]:
        """The experiments that the gateway lists, read to the end."""
        return self.gateway.everything(EXPERIMENTS, first=first, filter=condition, orderBy=order or None)

    def id_of(self, name: str) -> str:
        """The global ID of the experiment of this name."""
        (node,) = self.experiments({"name": {"eq": name}})
        return str(node["id"])

    def sessions(self, name: str, condition: Json | None = None, *, first: int = 100, **order: str) -> list[Json]:
        """The sessions of an experiment that the gateway lists, read to the end."""
        found = {"experimentIds": [self.id_of(name)], **(condition or {})}
        return self.gateway.everything(SESSIONS, first=first, filter=found, orderBy=order or None)


@pytest.fixture(scope="module")
def server(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the content of `mlflow_ingest.py`."""
    with running_mlflow() as running:
        url = running.url
        source = f'[sources.mlflow]\nvendor = "mlflow"\nbase_url = "{url}"\n'
        with gateway_of([source], client, tmp_path_factory.mktemp("mlflow")) as gateway:
            yield Server(client, url, gateway)


def names(nodes: list[Json]) -> list[str]:
    return [node["name"] for node in nodes]


class TestExperiments:
    def test_both_kinds_are_listed_without_deleted_ones_and_other_runs(self, server: Server) -> None:
        shown = {(node["kind"], node["vendorId"], node["name"]) for node in server.experiments()}
        projects = {("PROJECT", row["experiment_id"], row["name"]) for row in server.held_experiments()}
        runs = {("EVALUATION", row["info"]["run_id"], row["info"]["run_name"]) for row in server.held_runs()}
        assert shown == projects | runs
        assert {"base", "tuned", "empty"} <= {name for _, _, name in shown}
        assert {"deleted", "no evaluation"}.isdisjoint(name for _, _, name in shown)

    @pytest.mark.parametrize("direction", ["ASC", "DESC"])
    @pytest.mark.parametrize("first", [1, 3])
    def test_they_are_ordered_by_creation(self, server: Server, direction: str, first: int) -> None:
        created = [(row["creation_time"], row["name"]) for row in server.held_experiments()]
        created += [(row["info"]["start_time"], row["info"]["run_name"]) for row in server.held_runs()]
        expected = [name for _, name in sorted(created, reverse=direction == "DESC")]
        nodes = server.experiments(first=first, field="CREATED_AT", direction=direction)
        assert names(nodes) == expected

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            ({"kinds": ["EVALUATION"]}, ["base", "tuned"]),
            ({"kinds": ["PROJECT"], "name": {"contains": "CAPITALS"}}, ["capitals-eval", "capitals-live"]),
            ({"name": {"eq": "tuned"}}, ["tuned"]),
            ({"name": {"eq": "TUNED"}}, []),
            ({"name": {"in": ["base", "empty", 'it\'s "odd"']}}, ["base", "empty"]),
            ({"datasetName": {"eq": "capital-cases"}}, ["base", "tuned"]),
            ({"datasetName": {"eq": "capital-cases"}, "name": {"startsWith": "b"}}, ["base"]),
            ({"model": {"eq": "small"}}, ["base", "tuned"]),
            ({"metadata": [{"key": "team", "value": {"eq": "maps"}}]}, ["empty"]),
        ],
    )
    def test_they_are_filtered(self, server: Server, condition: Json, expected: list[str]) -> None:
        assert names(server.experiments(condition, first=1, field="NAME", direction="ASC")) == expected

    def test_a_group_is_the_experiment_of_a_run(self, server: Server) -> None:
        group = server.experiment_id("capitals-eval")
        nodes = server.experiments({"groupId": {"eq": group}}, field="NAME", direction="ASC")
        assert names(nodes) == ["base", "tuned"]
        assert {tuple(node["groupIds"] or ()) for node in nodes} <= {(group,), ()}

    def test_a_range_of_creation_holds_its_start_and_not_its_end(self, server: Server) -> None:
        base, tuned = server.experiments({"kinds": ["EVALUATION"]}, field="CREATED_AT", direction="ASC")
        bounds = {"gte": base["createdAt"], "lt": tuned["createdAt"]}
        assert names(server.experiments({"createdAt": bounds, "kinds": ["EVALUATION"]})) == ["base"]

    def test_an_evaluation_has_its_dataset_model_evaluators_and_sessions(self, server: Server) -> None:
        row = next(row for row in server.held_runs() if row["info"]["run_name"] == "tuned")
        (node,) = server.experiments({"name": {"eq": "tuned"}})
        dataset = row["inputs"]["dataset_inputs"][0]["dataset"]
        assert (node["datasetName"], node["datasetVersion"]) == (dataset["name"], dataset["digest"])
        assert (node["models"], node["evaluators"], node["sessionCount"]) == (["small"], ["exact"], 30)
        assert known(instant(node["createdAt"])).timestamp() * 1000 == pytest.approx(row["info"]["start_time"])
        assert node["vendorFields"] == row

    def test_each_experiment_has_as_many_sessions_as_traces(self, server: Server) -> None:
        shown = {node["name"]: node["sessionCount"] for node in server.experiments()}
        assert shown == {name: len(server.held_traces(name)) for name in shown}


class TestSessions:
    @pytest.mark.parametrize("name", ["capitals-live", "capitals-eval", "tuned"])
    @pytest.mark.parametrize("direction", ["ASC", "DESC"])
    @pytest.mark.parametrize("first", [7, 100])
    def test_they_are_ordered_by_start(self, server: Server, name: str, direction: str, first: int) -> None:
        held = server.held_traces(name, f"timestamp_ms {direction}")
        shown = server.sessions(name, first=first, field="STARTED_AT", direction=direction)
        assert [node["vendorId"] for node in shown] == in_ties(held, "request_time")

    @pytest.mark.parametrize("direction", ["ASC", "DESC"])
    @pytest.mark.parametrize("first", [5, 100])
    def test_they_are_ordered_by_latency(self, server: Server, direction: str, first: int) -> None:
        held = server.held_traces("capitals-live", f"execution_time_ms {direction}")
        shown = server.sessions("capitals-live", first=first, field="LATENCY", direction=direction)
        assert [node["vendorId"] for node in shown] == in_ties(held, "execution_duration")

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ({"statuses": ["ERROR"]}, lambda row: row["state"] == "ERROR"),
            ({"statuses": ["SUCCESS", "RUNNING"]}, lambda row: row["state"] == "OK"),
            ({"conversationId": {"eq": "chat-2"}}, lambda row: conversation(row) == "chat-2"),
            (
                {"conversationId": {"in": ["chat-2", "chat-3"]}},
                lambda row: conversation(row) in {"chat-2", "chat-3"},
            ),
            ({"conversationId": {"eq": 'it\'s "odd"'}}, lambda _: False),
            ({"name": {"eq": "guide"}}, lambda row: row["tags"]["mlflow.traceName"] == "guide"),
            ({"name": {"contains": "GUI"}}, lambda row: row["tags"]["mlflow.traceName"] == "guide"),
            ({"latencyMs": {"gte": 20, "lt": 40.5}}, lambda row: 20 <= milliseconds(row) < 40.5),
            ({"metadata": [{"key": "tier", "value": {"eq": "gold"}}]}, lambda row: row["tags"]["tier"] == "gold"),
            ({"text": "no entry"}, lambda row: row["state"] == "ERROR"),
            (
                {"score": {"evaluator": "accuracy", "gte": 0.5}},
                lambda row: any(
                    one["assessment_name"] == "accuracy" and one["feedback"]["value"] >= 0.5
                    for one in row["assessments"]
                ),
            ),
        ],
    )
    def test_they_are_filtered(self, server: Server, condition: Json, holds: Callable[[Json], bool]) -> None:
        expected = {row["trace_id"] for row in server.held_traces("capitals-live") if holds(row)}
        nodes = server.sessions("capitals-live", condition, first=5)
        assert {node["vendorId"] for node in nodes} == expected

    def test_a_range_of_starts_holds_its_start_and_not_its_end(self, server: Server) -> None:
        times = sorted(row["request_time"] for row in server.held_traces("capitals-live"))
        bounds = {"gte": times[3], "lt": times[-3]}
        shown = server.sessions("capitals-live", {"startedAt": bounds})
        expected = [one for one in times if times[3] <= one < times[-3]]
        assert sorted(known(instant(node["startedAt"])) for node in shown) == [instant(one) for one in expected]

    def test_each_has_the_values_of_its_trace(self, server: Server) -> None:
        held = {row["trace_id"]: row for row in server.held_traces("capitals-live")}
        for node in server.sessions("capitals-live"):
            row = held[node["vendorId"]]
            usage = json.loads(row["trace_metadata"]["mlflow.trace.tokenUsage"])
            cost = json.loads(row["trace_metadata"]["mlflow.trace.cost"])
            assert node["vendorStatus"] == row["state"]
            assert node["latencyMs"] == milliseconds(row)
            assert node["conversationId"] == conversation(row)
            assert node["tokens"]["cached"] == usage["cache_read_input_tokens"]
            assert [node["tokens"][name] for name in ("input", "output", "total")] == [
                usage[name] for name in ("input_tokens", "output_tokens", "total_tokens")
            ]
            assert [node["costUsd"], node["inputCostUsd"], node["outputCostUsd"]] == [
                cost[name] for name in ("total_cost", "input_cost", "output_cost")
            ]
            assert node["metadata"] == {"tier": row["tags"]["tier"], "mlflow.trace.user": "ann"}
            assert node["url"].startswith(f"{server.url}/#/experiments/")

    def test_verdicts_of_each_kind_are_scores(self, server: Server) -> None:
        found = {
            (score["evaluator"], score["value"], score["label"], score["explanation"], score["failed"])
            for node in server.sessions("capitals-live")
            for score in node["scores"]
            if score["evaluator"] != "accuracy"
        }
        assert found == {
            ("helpful", 1, "true", "because", False),
            ("helpful", 0, "false", "because", False),
            ("tone", None, "friendly", None, False),
            ("relevant", 1, "yes", None, False),
            ("judge", None, None, None, True),
        }

    def test_a_look_up_has_the_whole_texts_and_the_error(self, server: Server) -> None:
        nodes = server.sessions("capitals-live", field="STARTED_AT", direction="ASC")
        complete = [server.gateway.data(ONE_SESSION, id=node["id"])["session"] for node in nodes[:6]]
        assert [json.loads(node["input"])["question"] for node in (nodes[0], complete[0])] == [
            "a long question " * 100
        ] * 2
        assert [node["error"] for node in complete] == [None] * 5 + ["ValueError: no entry"]


class TestSpans:
    def test_they_are_those_of_the_server(self, server: Server) -> None:
        for node in server.sessions("capitals-live")[:8]:
            path = f"{server.url}/api/3.0/mlflow/traces/get?trace_id={node['vendorId']}"
            held = server.client.get(path).json()["trace"]["spans"]
            shown = server.gateway.data(SPANS, id=node["id"])["session"]["spans"]
            assert shown["totalCount"] == len(held) == 3
            root, call, tool = shown["nodes"]
            assert [one["depth"] for one in (root, call, tool)] == [0, 1, 1]
            assert [one["kind"] for one in (root, call, tool)] == ["AGENT", "LLM", "TOOL"]
            assert [one["name"] for one in held] == [one["name"] for one in shown["nodes"]]
            assert (call["model"], call["provider"], call["vendorKind"]) == ("gpt-4o-mini", "openai", "CHAT_MODEL")
            assert (call["costUsd"], call["tokens"]) == (node["costUsd"], node["tokens"])
            assert call["metadata"] == {"custom.temperature": 0.5}
            assert (tool["status"], tool["toolName"]) == (node["status"], "look_up")
            assert tool["error"] == ("ValueError: no entry" if node["status"] == "ERROR" else None)

    def test_the_verdicts_about_a_span_are_its_scores(self, server: Server) -> None:
        for node in server.sessions("tuned")[:3]:
            root, *_ = server.gateway.data(SPANS, id=node["id"])["session"]["spans"]["nodes"]
            assert {score["evaluator"] for score in root["scores"]} == {"exact", "verdict"}


class TestFigures:
    @pytest.mark.parametrize("name", ["capitals-live", "base", "tuned"])
    def test_they_are_those_of_the_server(self, server: Server, name: str) -> None:
        shown = self.reported(server, name)
        (latency,) = server.figure(name, "TRACES", "latency", "AVG", "MIN", "MAX")
        assert [shown["LATENCY"][one] for one in ("mean", "min", "max")] == [
            latency["values"][one] for one in ("AVG", "MIN", "MAX")
        ]
        for kind, metric in (("INPUT_TOKENS", "input_tokens"), ("TOTAL_TOKENS", "total_tokens")):
            (tokens,) = server.figure(name, "TRACES", metric, "SUM", "AVG")
            assert [shown[kind]["sum"], shown[kind]["mean"]] == [tokens["values"][one] for one in ("SUM", "AVG")]
        (cost,) = server.figure(name, "SPANS", "total_cost", "SUM")
        assert shown["COST"]["sum"] == pytest.approx(cost["values"]["SUM"])
        assert {one["population"] for one in shown.values()} == {"SESSIONS"}

    @pytest.mark.parametrize("name", ["capitals-live", "base", "tuned"])
    def test_they_are_those_of_the_sessions(self, server: Server, name: str) -> None:
        """The figures that the server reports are those that the gateway computes."""
        reported, computed = self.reported(server, name), self.reported(server, name, basis="COMPUTED")
        assert reported.keys() == computed.keys()
        for kind, figure in reported.items():
            same = [one for one in ("sum", "mean", "min", "max") if figure[one] is not None]
            assert same
            for statistic in same:
                assert figure[statistic] == pytest.approx(computed[kind][statistic]), (kind, statistic)

    def test_the_error_rate_is_that_of_the_traces(self, server: Server) -> None:
        states = [row["state"] for row in server.held_traces("capitals-live")]
        shown = self.reported(server, "capitals-live")["ERROR_RATE"]
        assert (shown["mean"], shown["count"]) == (states.count("ERROR") / len(states), len(states))

    @staticmethod
    def reported(server: Server, name: str, basis: str = "REPORTED") -> Mapping[str, Json]:
        query = AGGREGATES.replace("metrics: $metrics", f"metrics: $metrics, basis: {basis}")
        found = server.gateway.data(query, id=server.id_of(name))["experiment"]["aggregates"]
        return {":".join(filter(None, [one["metric"]["kind"], one["metric"]["evaluator"]])): one for one in found}


class TestComparison:
    def test_two_runs_are_paired_by_input(self, server: Server) -> None:
        ids = [server.id_of("base"), server.id_of("tuned")]
        found = server.gateway.data(COMPARISON, ids=ids)["comparison"]
        (metric,) = found["metrics"]
        assert [one["value"] for one in metric["entries"]] == [pytest.approx(10 / 30), pytest.approx(25 / 30)]
        cases = {node["key"]: [one["value"] for one in node["entries"]] for node in found["cases"]["nodes"]}
        assert cases == {f"question {number:02}": [float(number < 10), float(number < 25)] for number in range(30)}


class TestTheServer:
    """What docs/vendors/mlflow.md says of the server, asked of the server."""

    def test_the_command_line_reaches_it(self, server: Server) -> None:
        command: list[str | Path] = [Path(sys.executable).with_name("tracegraph"), "check"]
        checked = subprocess.run(
            [*command, "--json", "--config", server.gateway.configuration],
            capture_output=True,
            text=True,
            check=True,
        )
        (source,) = json.loads(checked.stdout)["sources"]
        assert [source["reachable"], source["authorized"], source["trouble"]] == [True, True, None]

    @pytest.mark.parametrize(
        ("more", "status"),
        [
            ({"max_results": 500}, 200),
            ({"max_results": 501}, 400),
            ({"max_results": 0}, 400),
            ({"order_by": ["nosuch DESC"]}, 400),
            ({"order_by": ["tags.nosuch DESC"]}, 200),
            ({"filter": "name IN ('a', 'b')"}, 400),
            ({"filter": "status IN ('OK', 'ERROR')"}, 200),
            ({"filter": "metadata.`mlflow.trace.session` IN ('a')"}, 400),
            ({"filter": "metadata.`mlflow.sourceRun` IS NULL"}, 200),
            ({"page_token": "zzz"}, 400),
            ({"page_token": "e30="}, 400),
        ],
    )
    def test_a_search_for_traces_is_answered_or_refused(self, server: Server, more: Json, status: int) -> None:
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}}
        response = server.post("3.0/mlflow/traces/search", {"locations": [location], **more})
        assert response.status_code == status, response.text

    def test_a_list_without_a_row_is_an_empty_object(self, server: Server) -> None:
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "777"}}
        assert server.post("3.0/mlflow/traces/search", {"locations": [location]}).json() == {}
        assert server.post("2.0/mlflow/runs/search", {"experiment_ids": ["777"]}).json() == {}

    def test_a_full_last_page_of_traces_has_a_token(self, server: Server) -> None:
        count = len(server.held_traces("capitals-live"))
        location = {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": server.experiment_id("capitals-live")},
        }
        found = server.post("3.0/mlflow/traces/search", {"locations": [location], "max_results": count}).json()
        rest = {"locations": [location], "page_token": found["next_page_token"]}
        assert server.post("3.0/mlflow/traces/search", rest).json() == {}

    def test_an_unknown_path_is_a_web_page_and_an_unknown_object_an_error_code(self, server: Server) -> None:
        page = server.post("3.0/mlflow/nosuch", {})
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        unknown = server.client.get(f"{server.url}/api/2.0/mlflow/experiments/get?experiment_id=777")
        assert (unknown.status_code, unknown.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def conversation(row: Json) -> str:
    found: str = row["trace_metadata"]["mlflow.trace.session"]
    return found


def milliseconds(row: Json) -> float:
    return round(float(row["execution_duration"].removesuffix("s")) * 1000, 3)


def in_ties(rows: list[Json], field: str) -> list[str]:
    """The ids with those of one value in the order of ids, which is the gateway's order."""
    groups = groupby(rows, key=lambda row: row[field])
    return [one for _, group in groups for one in sorted(row["trace_id"] for row in group)]
