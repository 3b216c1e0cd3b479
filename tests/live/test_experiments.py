"""Experiments of the gateway, against the runs that the services hold and what was put in."""

from datetime import timedelta

import pytest

from tests.live.gateway import EXPERIMENT_FIELDS, Live, instant

pytestmark = pytest.mark.live


def test_the_service_holds_what_was_put_in(live: Live) -> None:
    rows = {row["name"]: row for row in live.intake.held()}
    assert set(rows) == set(live.seeded.experiments)
    for experiment in live.seeded.experiments.values():
        assert rows[experiment.name]["run_count"] == len(experiment.sessions)
        sessions = {row["session_id"]: row for row in live.intake.held_sessions(experiment.name)}
        assert set(sessions) == {session.id for session in experiment.sessions}
        for session in experiment.sessions:
            row = sessions[session.id]
            assert instant(row["started_at"]) == live.seeded.epoch + timedelta(seconds=session.start_s)
            assert row["latency_ms"] == session.latency_ms
            assert (row["ended_at"] is None) == (session.latency_ms is None)
            assert [row["status"], row[live.release.test_case]] == [session.status, session.case]
            assert row["cost_total_usd"] == pytest.approx(session.spent_usd)


def test_experiments_are_those_of_the_service(live: Live) -> None:
    held = {row["id"]: row for row in live.intake.held()}
    nodes = live.experiments()
    assert {node["vendorId"] for node in nodes} == set(held)
    for node in nodes:
        row = held[node["vendorId"]]
        assert node["source"] == {"name": live.release.source, "vendor": "nemo"}
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
            "datasetName": "dataset_name",
            "datasetVersion": "dataset_version",
            "models": "model_names",
            "evaluators": "evaluator_names",
            "sessionCount": "run_count",
            "metadata": "metadata",
        }
        assert node["groupIds"][0] == row["experiment_group_id"]
        assert {field: node[field] for field in same} == {field: row[column] for field, column in same.items()}


def test_experiments_are_those_that_were_put_in(live: Live) -> None:
    nodes = {node["name"]: node for node in live.experiments()}
    assert set(nodes) == set(live.seeded.experiments)
    for name, experiment in live.seeded.experiments.items():
        node = nodes[name]
        assert node["groupIds"][0] == live.seeded.groups[experiment.group]
        assert node["datasetName"] == experiment.dataset
        assert node["datasetVersion"] == experiment.dataset_version
        assert node["description"] == experiment.description
        assert node["sessionCount"] == len(experiment.sessions)
        # The service learns agents and models from the sessions, later releases from those with a test case alone.
        is_any_enough = not live.release.averages_test_cases
        ran = any(is_any_enough or session.case is not None for session in experiment.sessions)
        assert node["agentName"] == (experiment.agent if ran else None)
        assert node["agentVersion"] == (experiment.agent_version if ran else None)
        assert node["models"] == ([experiment.model] if ran else [])


def test_an_experiment_is_found_by_its_id(live: Live) -> None:
    document = f"query One($id: ID!) {{ experiment(id: $id) {{ {EXPERIMENT_FIELDS} }} node(id: $id) {{ id }} }}"
    for node in live.experiments():
        answered = live.gateway.data(document, id=node["id"])
        assert answered == {"experiment": node, "node": {"id": node["id"]}}
        row = live.intake.get(f"{live.release.runs}/{node['name']}")
        assert answered["experiment"]["vendorFields"] == row


def test_totals_count_what_the_service_counts(live: Live) -> None:
    document = "query($filter: ExperimentFilter) { experiments(first: 1, filter: $filter) { totalCount } }"
    counted = live.gateway.data(document, filter=live.of_source())["experiments"]["totalCount"]
    assert counted == live.intake.get(live.release.runs, page_size=1)["pagination"]["total_results"]


def test_every_source_is_up(live: Live) -> None:
    document = "query Health { sources { name health { status circuit lastError { code } } } }"
    health = {source["name"]: source["health"] for source in live.gateway.data(document)["sources"]}
    assert health[live.release.source] == {"status": "UP", "circuit": "CLOSED", "lastError": None}
