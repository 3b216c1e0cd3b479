"""The gateway over NeMo Intake itself: what it answers, against what the service holds and what was put into it.

`make live` runs it. The service answers in tenths of a second, so all tests share one, seeded once; the test that
stops its store is the last.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.live.seed import ExperimentSeed, Seeded, SessionSeed, seed
from tests.live.service import NemoService, Process, free_port, running

pytestmark = pytest.mark.live

Json = dict[str, Any]

EXPERIMENT_FIELDS = """
    id vendorId kind name description groupId agentName agentVersion datasetName datasetVersion models evaluators
    createdAt updatedAt sessionCount metadata vendorFields source { name vendor }
"""
SESSION_FIELDS = """
    vendorId status vendorStatus startedAt endedAt latencyMs traceId rootSpanId testCaseId input costUsd
    tokens { input output cached total } scores { evaluator value } experiment { name }
"""
EXPERIMENTS = f"""
    query Experiments($first: Int, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {{
      page: experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {{
        totalCount
        edges {{ cursor node {{ {EXPERIMENT_FIELDS} }} }}
        pageInfo {{ hasNextPage endCursor }}
        sources {{ status error {{ code }} totalCount }}
      }}
    }}
"""
SESSIONS = f"""
    query Sessions($first: Int, $after: String, $filter: SessionFilter, $orderBy: SessionOrder) {{
      page: sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {{
        totalCount
        edges {{ cursor node {{ {SESSION_FIELDS} }} }}
        pageInfo {{ hasNextPage endCursor }}
        sources {{ status error {{ code }} totalCount }}
      }}
    }}
"""
AGGREGATE_FIELDS = """
    metric { kind evaluator unit } basis population count sum mean median p90 p95 p99 min max complete
"""
AGGREGATES = f"""
    query Aggregates($id: ID!, $metrics: [MetricInput!]) {{
      experiment(id: $id) {{ aggregates(metrics: $metrics) {{ {AGGREGATE_FIELDS} }} }}
    }}
"""
STATISTICS = ("sum", "mean", "median", "p90", "p95", "p99", "count")
PAGES_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Intake:
    """The service itself, and what was put into it."""

    client: httpx.Client
    service: NemoService
    seeded: Seeded

    def held(self, path: str = "experiments") -> list[Json]:
        """All rows of one of the service's lists."""
        response = self.client.get(f"{self.seeded.api}/{path}", params={"page_size": 1000})
        assert response.status_code == 200, response.text
        rows: list[Json] = response.json()["data"]
        return rows

    def held_sessions(self, name: str) -> list[Json]:
        """The sessions of one experiment."""
        return self.held(f"experiments/{quote(name, safe='')}/sessions")


@dataclass(frozen=True, slots=True)
class Live(Intake):
    """The gateway over it."""

    url: str
    configuration: Path

    def answer(self, document: str, **variables: Any) -> Json:
        """The gateway's whole answer."""
        response = self.client.post(f"{self.url}/graphql", json={"query": document, "variables": variables})
        body: Json = response.json()
        return body

    def data(self, document: str, **variables: Any) -> Json:
        """The gateway's data, of an answer without errors."""
        body = self.answer(document, **variables)
        assert "errors" not in body, body["errors"]
        data: Json = body["data"]
        return data

    def everything(self, document: str, *, first: int = 100, **variables: Any) -> list[Json]:
        """The nodes of every page, read to the end."""
        nodes: list[Json] = []
        after: str | None = None
        for _ in range(PAGES_AT_MOST):
            page = self.data(document, first=first, after=after, **variables)["page"]
            assert [source["status"] for source in page["sources"]] == ["OK"], page["sources"]
            assert len(page["edges"]) <= first
            nodes += [edge["node"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                return nodes
            after = page["pageInfo"]["endCursor"]
        pytest.fail(f"no end after {PAGES_AT_MOST} pages")

    def ids(self, *names: str) -> list[str]:
        """The global IDs of the experiments of these names."""
        found = {node["name"]: node["id"] for node in self.everything(EXPERIMENTS)}
        return [found[name] for name in names]


@pytest.fixture(scope="module")
def intake() -> Iterator[Intake]:
    with running() as service, httpx.Client(timeout=60, trust_env=False) as client:
        yield Intake(client, service, seed(service.base_url))


@pytest.fixture(scope="module")
def live(intake: Intake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    directory = tmp_path_factory.mktemp("gateway")
    configuration = directory / "tracegraph.toml"
    configuration.write_text(
        f'[sources.nemo]\nvendor = "nemo"\nbase_url = "{intake.service.base_url}"\nworkspace = "default"\n\n'
        '[cache]\nurl = "off"\n'
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    gateway = Process(
        [Path(sys.executable).with_name("tracegraph"), "serve", "--config", configuration, "--port", str(port)],
        ready=f"{url}/healthz",
        log=directory / "gateway.log",
        env=os.environ,
    )
    try:
        yield Live(intake.client, intake.service, intake.seeded, url, configuration)
    finally:
        gateway.stop()


def instant(text: str | None) -> datetime | None:
    """A time as the service or the gateway writes it; the service leaves out that it is UTC."""
    if text is None:
        return None
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed


def known(value: datetime | None) -> datetime:
    """A time that must be there."""
    assert value is not None
    return value


# ------------------------------------------------------------------ what is there


def test_the_service_holds_what_was_put_in(intake: Intake) -> None:
    rows = {row["name"]: row for row in intake.held()}
    assert set(rows) == set(intake.seeded.experiments)
    for experiment in intake.seeded.experiments.values():
        assert rows[experiment.name]["run_count"] == len(experiment.sessions)
        sessions = {row["session_id"]: row for row in intake.held_sessions(experiment.name)}
        assert set(sessions) == {session.id for session in experiment.sessions}
        for session in experiment.sessions:
            row = sessions[session.id]
            started = intake.seeded.epoch + timedelta(seconds=session.start_s)
            assert instant(row["started_at"]) == started
            assert row["latency_ms"] == session.latency_ms
            assert (row["ended_at"] is None) == (session.latency_ms is None)
            assert [row["status"], row["test_case_id"]] == [session.status, session.case]
            assert [row["input_tokens"], row["output_tokens"]] == [session.input_tokens, session.output_tokens]
            assert row["cost_total_usd"] == session.cost_usd


# ------------------------------------------------------------------ what comes out


def test_experiments_are_those_of_the_service(live: Live) -> None:
    held = {row["id"]: row for row in live.held()}
    nodes = live.everything(EXPERIMENTS)
    assert {node["vendorId"] for node in nodes} == set(held)
    for node in nodes:
        row = held[node["vendorId"]]
        assert node["source"] == {"name": "nemo", "vendor": "nemo"}
        assert node["kind"] == "EVALUATION"
        assert node["vendorFields"] == row
        assert [instant(node["createdAt"]), instant(node["updatedAt"])] == [
            instant(row["created_at"]),
            instant(row["updated_at"]),
        ]
        assert node["createdAt"].endswith("Z")
        same = {
            "name": "name",
            "description": "description",
            "groupId": "experiment_group_id",
            "datasetName": "dataset_name",
            "datasetVersion": "dataset_version",
            "models": "model_names",
            "evaluators": "evaluator_names",
            "sessionCount": "run_count",
            "metadata": "metadata",
        }
        assert {field: node[field] for field in same} == {field: row[column] for field, column in same.items()}


def test_experiments_are_those_that_were_put_in(live: Live) -> None:
    nodes = {node["name"]: node for node in live.everything(EXPERIMENTS)}
    assert set(nodes) == set(live.seeded.experiments)
    for name, experiment in live.seeded.experiments.items():
        node = nodes[name]
        assert node["groupId"] == live.seeded.groups[experiment.group]
        assert node["datasetName"] == experiment.dataset
        assert node["datasetVersion"] == experiment.dataset_version
        assert node["description"] == experiment.description
        assert node["sessionCount"] == len(experiment.sessions)
        # The service learns agents and models from the sessions.
        ran = bool(experiment.sessions)
        assert node["agentName"] == (experiment.agent if ran else None)
        assert node["agentVersion"] == (experiment.agent_version if ran else None)
        assert node["models"] == ([experiment.model] if ran else [])


def test_an_experiment_is_found_by_its_id(live: Live) -> None:
    for node in live.everything(EXPERIMENTS):
        document = (
            f"query One($id: ID!) {{ experiment(id: $id) {{ {EXPERIMENT_FIELDS} }} node(id: $id) {{ id }} }}"
        )
        assert live.data(document, id=node["id"]) == {"experiment": node, "node": {"id": node["id"]}}


@pytest.mark.parametrize("name", ["base", "tuned+v2", "nightly@main", "empty", "a_b"])
def test_sessions_are_those_of_the_service(live: Live, name: str) -> None:
    held = {row["session_id"]: row for row in live.held_sessions(name)}
    assert set(held) == {session.id for session in live.seeded.experiments[name].sessions}
    nodes = live.everything(SESSIONS, filter={"experimentIds": live.ids(name)})
    assert {node["vendorId"] for node in nodes} == set(held)
    for node in nodes:
        row = held[node["vendorId"]]
        assert node["experiment"] == {"name": name}
        assert [instant(node["startedAt"]), instant(node["endedAt"])] == [
            instant(row["started_at"]),
            instant(row["ended_at"]),
        ]
        same = {
            "vendorStatus": "status",
            "latencyMs": "latency_ms",
            "traceId": "trace_id",
            "rootSpanId": "root_span_id",
            "testCaseId": "test_case_id",
            "input": "input",
            "costUsd": "cost_total_usd",
        }
        assert {field: node[field] for field in same} == {field: row[column] for field, column in same.items()}
        assert {score["evaluator"]: score["value"] for score in node["scores"]} == row["evaluator_scores"]


def test_sessions_are_those_that_were_put_in(live: Live) -> None:
    for experiment in live.seeded.experiments.values():
        nodes = {
            node["vendorId"]: node
            for node in live.everything(SESSIONS, filter={"experimentIds": live.ids(experiment.name)})
        }
        for session in experiment.sessions:
            node = nodes[session.id]
            started = live.seeded.epoch + timedelta(seconds=session.start_s)
            assert instant(node["startedAt"]) == started
            assert node["vendorStatus"] == session.status
            assert node["latencyMs"] == session.latency_ms
            assert node["testCaseId"] == session.case
            assert node["costUsd"] == (None if session.cost_usd is None else pytest.approx(session.cost_usd))
            assert (node["tokens"] or tokens(SessionSeed(id="none", start_s=0))) == tokens(session)
            means = {name: sum(values) / len(values) for name, values in session.scores.items()}
            assert {score["evaluator"]: score["value"] for score in node["scores"]} == pytest.approx(means)


def tokens(session: SessionSeed) -> Json:
    """A session's tokens as the gateway shows them."""
    counted = [count for count in (session.input_tokens, session.output_tokens) if count is not None]
    return {
        "input": session.input_tokens,
        "output": session.output_tokens,
        "cached": session.cached_tokens,
        "total": sum(counted) if counted else None,
    }


# ------------------------------------------------------------------ numbers


def test_reported_aggregates_are_the_services_own(live: Live) -> None:
    rows = {row["name"]: row for row in live.held()}
    for name in live.seeded.experiments:
        row = rows[name]
        (experiment_id,) = live.ids(name)
        held: dict[tuple[str, str | None], Json] = {
            (kind, None): row[column]
            for kind, column in (("LATENCY", "latency_ms"), ("COST", "cost_usd"))
            if row[column] is not None
        }
        held |= {("SCORE", evaluator): figures for evaluator, figures in (row["aggregate_scores"] or {}).items()}
        answered = live.data(AGGREGATES, id=experiment_id)["experiment"]["aggregates"]
        assert {(one["metric"]["kind"], one["metric"]["evaluator"]) for one in answered} == set(held)
        for aggregate in answered:
            metric = aggregate["metric"]
            assert [aggregate["basis"], aggregate["population"]] == ["REPORTED", "SESSIONS"]
            assert metric["unit"] == {"LATENCY": "MILLISECONDS", "COST": "USD", "SCORE": "SCORE"}[metric["kind"]]
            figures = held[metric["kind"], metric["evaluator"]]
            assert {statistic: aggregate[statistic] for statistic in STATISTICS} == figures


def test_of_the_metrics_that_are_asked_for_those_that_the_service_reports_are_answered(live: Live) -> None:
    (experiment_id,) = live.ids("base")
    metrics = [{"kind": "SCORE", "evaluator": "acc"}, {"kind": "ERROR_RATE"}, {"kind": "COST"}]
    answered = live.data(AGGREGATES, id=experiment_id, metrics=metrics)["experiment"]["aggregates"]
    assert [one["metric"]["kind"] for one in answered] == ["SCORE", "COST"]


# ------------------------------------------------------------------ filters


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"name": {"eq": "tuned+v2"}}, lambda one: one.name == "tuned+v2"),
        ({"name": {"eq": "Base"}}, lambda _: False),
        (
            {"name": {"in": ["nightly@main", "base", "no-such"]}},
            lambda one: one.name in {"nightly@main", "base"},
        ),
        ({"name": {"contains": "A"}}, lambda one: "a" in one.name),
        ({"name": {"contains": "a_b"}}, lambda one: "a_b" in one.name),
        ({"name": {"contains": "%"}}, lambda _: False),
        ({"name": {"in": ["base", "ab"], "contains": "as"}}, lambda one: one.name == "base"),
        ({"datasetName": "capitals"}, lambda one: one.dataset == "capitals"),
        ({"datasetName": 'the "best", of all'}, lambda one: one.name == "quoted"),
        ({"datasetName": "capitals, rivers"}, lambda _: False),
        ({"datasetName": "capitals", "datasetVersion": "4"}, lambda one: one.name == "tuned+v2"),
        ({"datasetVersion": "null"}, lambda _: False),
        ({"agentName": "scout"}, lambda one: one.name == "nightly@main"),
        ({"agentName": "helper", "agentVersion": "2"}, lambda one: one.name == "tuned+v2"),
        ({"name": {"contains": "e"}, "datasetName": "rivers"}, lambda one: one.name == "empty"),
        ({"sources": ["nemo"], "vendors": ["nemo"], "kinds": ["EVALUATION"]}, lambda _: True),
        ({"kinds": ["AGENT"]}, lambda _: False),
    ],
)
def test_experiments_are_filtered(live: Live, condition: Json, holds: Callable[[ExperimentSeed], bool]) -> None:
    expected = sorted(one.name for one in live.seeded.experiments.values() if holds(one))
    order = {"field": "NAME", "direction": "ASC"}
    nodes = live.everything(EXPERIMENTS, filter=condition, orderBy=order, first=3)
    assert [node["name"] for node in nodes] == expected
    page = live.data(EXPERIMENTS, filter=condition, orderBy=order, first=1)["page"]
    assert page["totalCount"] in (None, len(expected))


def test_experiments_are_filtered_by_group(live: Live) -> None:
    for group, group_id in live.seeded.groups.items():
        nodes = live.everything(EXPERIMENTS, filter={"groupId": group_id})
        assert {node["name"] for node in nodes} == {
            one.name for one in live.seeded.experiments.values() if one.group == group
        }


@pytest.mark.parametrize(("field", "column"), [("createdAt", "created_at"), ("updatedAt", "updated_at")])
def test_a_range_of_time_holds_its_start_and_not_its_end(live: Live, field: str, column: str) -> None:
    rows = sorted(live.held(), key=lambda row: str(row[column]))
    times = [known(instant(row[column])) for row in rows]
    first, last = times[2], times[-3]
    for offset in (timedelta(0), timedelta(hours=2)):  # the same instants, written in another zone
        bounds = {"gte": shifted(first, offset), "lt": shifted(last, offset)}
        nodes = live.everything(EXPERIMENTS, filter={field: bounds}, first=3)
        assert {node["name"] for node in nodes} == {row["name"] for row in rows[2:-3]}
    nodes = live.everything(EXPERIMENTS, filter={field: {"gte": shifted(last, timedelta(0))}})
    assert {node["name"] for node in nodes} == {row["name"] for row in rows[-3:]}
    nodes = live.everything(EXPERIMENTS, filter={field: {"lt": shifted(first, timedelta(0))}})
    assert {node["name"] for node in nodes} == {row["name"] for row in rows[:2]}


def shifted(moment: datetime, offset: timedelta) -> str:
    """The same instant, as a clock that is `offset` ahead of UTC shows it."""
    hours = int(offset.total_seconds() // 3600)
    local = (moment + offset).replace(tzinfo=None)
    return f"{local.isoformat()}+{hours:02}:00"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"statuses": ["ERROR"]}, lambda one: one.status == "error"),
        ({"statuses": ["CANCELLED"]}, lambda one: one.status == "cancelled"),
        ({"statuses": ["ERROR", "CANCELLED"]}, lambda one: one.status in {"error", "cancelled"}),
        ({"statuses": ["UNKNOWN"]}, lambda _: False),
        ({"testCaseId": "paris"}, lambda one: one.case == "paris"),
        ({"testCaseId": "oslo, norway"}, lambda one: one.case == "oslo, norway"),
        ({"testCaseId": "no-such"}, lambda _: False),
        ({"testCaseId": "paris", "statuses": ["ERROR"]}, lambda one: one.id == "base-3"),
        ({"testCaseId": "rome", "statuses": ["ERROR", "SUCCESS"]}, lambda one: one.case == "rome"),
    ],
)
def test_sessions_are_filtered(live: Live, condition: Json, holds: Callable[[SessionSeed], bool]) -> None:
    expected = {one.id for one in live.seeded.experiments["base"].sessions if holds(one)}
    nodes = live.everything(SESSIONS, filter={**condition, "experimentIds": live.ids("base")}, first=2)
    assert sorted(node["vendorId"] for node in nodes) == sorted(expected)


def test_sessions_are_filtered_by_the_status_that_they_show(live: Live) -> None:
    ids = live.ids("base")
    shown = {node["vendorId"]: node["status"] for node in live.everything(SESSIONS, filter={"experimentIds": ids})}
    for status in set(shown.values()):
        nodes = live.everything(SESSIONS, filter={"experimentIds": ids, "statuses": [status]})
        assert {node["vendorId"] for node in nodes} == {session for session, its in shown.items() if its == status}


def test_sessions_are_filtered_by_start(live: Live) -> None:
    epoch = live.seeded.epoch
    bounds = {
        "gte": shifted(epoch + timedelta(seconds=10), timedelta(0)),
        "lt": shifted(epoch + timedelta(seconds=30), timedelta(0)),
    }
    nodes = live.everything(SESSIONS, filter={"experimentIds": live.ids("base"), "startedAt": bounds}, first=1)
    assert {node["vendorId"] for node in nodes} == {"base-2", "base-3"}


# ------------------------------------------------------------------ order and pages


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(
    ("field", "column"), [("CREATED_AT", "created_at"), ("UPDATED_AT", "updated_at"), ("NAME", "name")]
)
@pytest.mark.parametrize("first", [3, 7])
def test_experiments_are_ordered_through_all_pages(
    live: Live, field: str, column: str, direction: str, first: int
) -> None:
    rows = sorted(live.held(), key=lambda row: str(row[column]), reverse=direction == "DESC")
    nodes = live.everything(EXPERIMENTS, orderBy={"field": field, "direction": direction}, first=first)
    assert [node["name"] for node in nodes] == [row["name"] for row in rows]


def in_order(sessions: Sequence[SessionSeed], direction: str) -> list[str]:
    """Session ids by start in one direction; those of one start by id in both."""
    sign = 1 if direction == "ASC" else -1
    return [one.id for one in sorted(sessions, key=lambda one: (sign * one.start_s, one.id))]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("names", [("base",), ("nightly@main",), ("base", "tuned+v2", "empty", "nightly@main")])
@pytest.mark.parametrize("first", [3, 7])
def test_sessions_are_ordered_through_all_pages(
    live: Live, names: Sequence[str], direction: str, first: int
) -> None:
    sessions = [session for name in names for session in live.seeded.experiments[name].sessions]
    order = {"field": "STARTED_AT", "direction": direction}
    nodes = live.everything(SESSIONS, filter={"experimentIds": live.ids(*names)}, orderBy=order, first=first)
    assert [node["vendorId"] for node in nodes] == in_order(sessions, direction)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_every_edge_can_be_gone_on_from(live: Live, direction: str) -> None:
    order = {"field": "STARTED_AT", "direction": direction}
    asked = {"filter": {"experimentIds": live.ids("nightly@main")}, "orderBy": order}
    whole = live.data(SESSIONS, first=100, **asked)["page"]["edges"]
    ids = [edge["node"]["vendorId"] for edge in whole]
    for place, edge in enumerate(whole):
        after = live.data(SESSIONS, first=2, after=edge["cursor"], **asked)["page"]["edges"]
        assert [one["node"]["vendorId"] for one in after] == ids[place + 1 : place + 3]


def test_sessions_within_experiments(live: Live) -> None:
    document = """
        query Nested {
          experiments(first: 100) {
            nodes {
              name
              sessions(first: 4, orderBy: { field: STARTED_AT, direction: DESC }) { nodes { vendorId } totalCount }
            }
          }
        }
    """
    for node in live.data(document)["experiments"]["nodes"]:
        sessions = live.seeded.experiments[node["name"]].sessions
        assert [one["vendorId"] for one in node["sessions"]["nodes"]] == in_order(sessions, "DESC")[:4]
        assert node["sessions"]["totalCount"] in (None, len(sessions))


# ------------------------------------------------------------------ look-ups and the source itself


def test_experiments_and_sessions_are_found_again_by_their_ids(live: Live) -> None:
    listed = """
        query Listed {
          experiments(first: 100) { nodes { id name sessions(first: 100) { nodes { id vendorId } } } }
        }
    """
    again = """
        query Again($ids: [ID!]!) {
          nodes(ids: $ids) { id ... on Experiment { name } ... on Session { vendorId experiment { name } } }
        }
    """
    wanted: list[Json] = []
    for node in live.data(listed)["experiments"]["nodes"]:
        wanted.append({"id": node["id"], "name": node["name"]})
        wanted += [{**session, "experiment": {"name": node["name"]}} for session in node["sessions"]["nodes"]]
    assert len(wanted) == sum(1 + len(one.sessions) for one in live.seeded.experiments.values())
    assert live.data(again, ids=[one["id"] for one in wanted])["nodes"] == wanted


def test_the_source_says_that_it_is_up(live: Live) -> None:
    document = "query Health { sources { name health { status circuit lastError { code } } } }"
    assert live.data(document)["sources"] == [
        {"name": "nemo", "health": {"status": "UP", "circuit": "CLOSED", "lastError": None}}
    ]


def test_the_command_line_checks_it(live: Live) -> None:
    command: list[str | Path] = [
        Path(sys.executable).with_name("tracegraph"),
        "check",
        "--config",
        live.configuration,
    ]
    checked = subprocess.run(command, capture_output=True, text=True, check=True)
    row = next(line for line in checked.stdout.splitlines() if "nemo" in line)
    assert [cell.strip() for cell in row.split("│")[1:6]] == [
        "nemo",
        "nemo",
        "yes",
        "yes",
        str(len(live.seeded.experiments)),
    ]


# ------------------------------------------------------------------ the store is gone


def sources_failed(answer: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Which sources the whole answer says did not do their part, and how."""
    told = answer.get("extensions", {}).get("sources", ())
    return [(one["source"], one["status"], one["code"]) for one in told]


def test_a_stopped_store_fails_what_it_holds_and_nothing_else(live: Live) -> None:
    """The service then says 200 and no runs for every experiment: no zero of these is shown."""
    (experiment_id,) = live.ids("base")
    asked = {"filter": {"experimentIds": [experiment_id]}, "first": 100}
    before = live.data(SESSIONS, **asked)["page"]["edges"]
    nested = """
        query One($id: ID!) {
          experiment(id: $id) {
            name
            sessions(first: 5) { nodes { vendorId } totalCount sources { status error { code httpStatus } } }
          }
        }
    """
    live.service.stop_store()
    try:
        answer = live.answer(SESSIONS, **asked)
        assert answer["data"] is None
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["ALL_SOURCES_FAILED"]
        assert sources_failed(answer) == [("nemo", "FAILED", "UNAVAILABLE")]

        answer = live.answer(nested, id=experiment_id)
        assert answer["data"]["experiment"] == {
            "name": "base",
            "sessions": {
                "nodes": [],
                "totalCount": None,
                "sources": [{"status": "FAILED", "error": {"code": "UNAVAILABLE", "httpStatus": 503}}],
            },
        }
        (error,) = answer["errors"]
        assert error["path"] == ["experiment", "sessions"]
        assert error["extensions"]["code"] == "SOURCE_UNAVAILABLE"
        assert "Telemetry" not in error["message"]
        assert sources_failed(answer) == [("nemo", "FAILED", "UNAVAILABLE")]

        answer = live.answer(EXPERIMENTS, first=100)
        rows = [edge["node"] for edge in answer["data"]["page"]["edges"]]
        assert {row["name"] for row in rows} == set(live.seeded.experiments)
        assert {row["sessionCount"] for row in rows} == {None}
        assert {error["path"][-1] for error in answer["errors"]} >= {"sessionCount"}
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"SOURCE_UNAVAILABLE"}
    finally:
        live.service.start_store()
    deadline = time.monotonic() + 90
    while "errors" in (answer := live.answer(SESSIONS, **asked)):
        assert time.monotonic() < deadline, answer
        time.sleep(1)
    assert [edge["node"] for edge in answer["data"]["page"]["edges"]] == [edge["node"] for edge in before]
