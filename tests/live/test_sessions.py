"""Sessions of the gateway, against those that the services hold and what was put in."""

from datetime import timedelta

import pytest

from tests.live.gateway import Json, Live, instant
from tests.live.seed import SessionSeed

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    "name", ["base", "tuned+v2", "nightly@main", "graded", "talk", "archived", "empty", "a_b"]
)
def test_sessions_are_those_of_the_service(live: Live, name: str) -> None:
    held = {row["session_id"]: row for row in live.intake.held_sessions(name)}
    assert set(held) == {session.id for session in live.seeded.experiments[name].sessions}
    nodes = live.sessions([name])
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
            "testCaseId": live.release.test_case,
            "input": "input",
            "costUsd": "cost_total_usd",
        }
        assert {field: node[field] for field in same} == {field: row[column] for field, column in same.items()}
        assert node["output"] == row.get("output")
        assert node["vendorFields"] == row
        assert (node["tokens"] or NO_TOKENS) == tokens(
            row["input_tokens"], row["output_tokens"], row["cached_tokens"]
        )
        assert values_of(node) == row["evaluator_scores"]


def test_sessions_are_those_that_were_put_in(live: Live) -> None:
    for experiment in live.seeded.experiments.values():
        nodes = {node["vendorId"]: node for node in live.sessions([experiment.name])}
        assert set(nodes) == {session.id for session in experiment.sessions}
        for session in experiment.sessions:
            node = nodes[session.id]
            assert instant(node["startedAt"]) == live.seeded.epoch + timedelta(seconds=session.start_s)
            assert node["vendorStatus"] == session.status
            assert node["latencyMs"] == session.latency_ms
            assert node["testCaseId"] == session.case
            assert node["costUsd"] == pytest.approx(session.spent_usd)
            assert (node["tokens"] or NO_TOKENS) == tokens_of(session)
            means = {name: sum(values) / len(values) for name, values in session.scores.items()}
            assert values_of(node) == pytest.approx(means)


def test_evaluators_that_failed_are_no_scores(live: Live) -> None:
    """From 0.8.0 on the row names them; a release before does not know of such."""
    for name, experiment in live.seeded.experiments.items():
        failed = {session.id: [*session.failed] for session in experiment.sessions}
        for node in live.sessions([name]):
            held = node["vendorFields"].get("failed_evaluators")
            assert held == (failed[node["vendorId"]] if live.release.has_failed_results else None)
            assert not values_of(node).keys() & set(held or ())


@pytest.mark.parametrize("name", ["base", "tuned+v2", "talk"])
def test_models_and_parts_of_the_cost_are_those_of_all_traces(live: Live, name: str) -> None:
    """Those of a conversation are of several traces. A release before 0.4.0 has none."""
    for node in live.sessions([name]):
        session = {"filter[session_id]": node["vendorId"]}
        traces = live.intake.get("traces", page_size=1000, **session)["data"] if live.release.has_totals else []
        for field, column in (("models", "models"), ("providers", "providers")):
            names = {text for trace in traces for text in trace.get(column) or ()}
            assert set(node[field] or ()) == names
        for field, column in (("inputCostUsd", "cost_input_usd"), ("outputCostUsd", "cost_output_usd")):
            parts = [trace.get(column) for trace in traces if trace.get("cost_usd") is not None]
            assert node[field] == (None if not parts or None in parts else pytest.approx(sum(parts)))


def test_explanations_are_the_comments_of_the_service(live: Live) -> None:
    for node in live.sessions(["graded"]):
        session = {"filter[session_id]": node["vendorId"]}
        held = live.intake.get("evaluator-results", page_size=1000, **session)["data"]
        comments = {row["name"]: row["comment"] for row in held if row.get("comment")}
        assert {
            score["evaluator"]: score["explanation"] for score in node["scores"] if score["explanation"]
        } == comments


def values_of(node: Json) -> Json:
    """Return the numbers of a session's scores by evaluator."""
    return {score["evaluator"]: score["value"] for score in node["scores"] if score["value"] is not None}


def test_sessions_link_to_the_page_of_their_root_span(live: Live) -> None:
    for node in live.sessions(["base", "talk"]):
        page = f"/studio/workspaces/default/intake/sessions/{node['vendorId']}"
        at = f"?traceId={node['traceId']}&spanId={node['rootSpanId']}"
        url = live.intake.service.base_url + page + at
        assert node["url"] == (url if live.release.has_session_pages else None)


def tokens_of(session: SessionSeed) -> Json:
    """A session's tokens, over all its traces, as the gateway shows them."""
    counts = [session.input_tokens, session.output_tokens, session.cached_tokens]
    return tokens(*[None if count is None else count * session.traces for count in counts])


def tokens(sent: int | None, received: int | None, cached: int | None) -> Json:
    """Tokens as the gateway shows them."""
    counted = [count for count in (sent, received) if count is not None]
    return {"input": sent, "output": received, "cached": cached, "total": sum(counted) if counted else None}


NO_TOKENS = tokens(None, None, None)


def test_experiments_and_sessions_are_found_again_by_their_ids(live: Live) -> None:
    listed = """
        query Listed($filter: ExperimentFilter) {
          experiments(first: 100, filter: $filter) {
            nodes { id name sessions(first: 100) { nodes { id vendorId } } }
          }
        }
    """
    again = """
        query Again($ids: [ID!]!) {
          nodes(ids: $ids) { id ... on Experiment { name } ... on Session { vendorId experiment { name } } }
        }
    """
    wanted: list[Json] = []
    for node in live.gateway.data(listed, filter=live.of_source())["experiments"]["nodes"]:
        wanted.append({"id": node["id"], "name": node["name"]})
        wanted += [{**session, "experiment": {"name": node["name"]}} for session in node["sessions"]["nodes"]]
    assert len(wanted) == sum(1 + len(one.sessions) for one in live.seeded.experiments.values())
    assert live.gateway.data(again, ids=[one["id"] for one in wanted])["nodes"] == wanted
