"""Spans of the gateway, against those that the service holds."""

from __future__ import annotations

import pytest

from tests.live.gateway import Json, Live, instant

pytestmark = pytest.mark.live

SPANS = """
    query Spans($first: Int, $filter: SessionFilter) {
      sessions(first: $first, filter: $filter) { nodes { vendorId rootSpanId spans(first: 100) {
        totalCount
        nodes {
          id vendorId parentId depth kind name status vendorStatus startedAt endedAt model provider toolName
          agentName input output costUsd tokens { input output cached } scores { evaluator value } vendorFields
        }
      } } }
    }
"""
SAME = {
    "name": "name",
    "vendorStatus": "status",
    "model": "model",
    "provider": "provider",
    "toolName": "tool_name",
    "agentName": "agent_name",
    "input": "input",
    "output": "output",
    "costUsd": "cost_total_usd",
}
"""Fields, and the columns of the service with the same values."""


def spans_of(live: Live, name: str) -> dict[str, Json]:
    """The spans of each session of a run, by the session's id."""
    found = live.gateway.data(SPANS, first=100, filter={"experimentIds": live.ids(name)})
    return {node["vendorId"]: node["spans"] for node in found["sessions"]["nodes"]}


def held_spans(live: Live, session_id: str) -> dict[str, Json]:
    """The spans that the service has of a session. The bound keeps 0.2.0 from leaving out older ones."""
    conditions = {"filter[session_id]": session_id, "filter[started_at][$gte]": "2000-01-01T00:00:00Z"}
    rows = live.intake.get("spans", page_size=1000, sort="started_at", **conditions)["data"]
    return {row["span_id"]: row for row in rows}


@pytest.mark.parametrize("name", ["base", "tuned+v2", "graded", "talk"])
def test_spans_are_those_of_the_service(live: Live, name: str) -> None:
    by_session = spans_of(live, name)
    assert set(by_session) == {session.id for session in live.seeded.experiments[name].sessions}
    for session_id, connection in by_session.items():
        held = held_spans(live, session_id)
        assert connection["totalCount"] == len(held)
        assert {node["vendorId"] for node in connection["nodes"]} == set(held)
        for node in connection["nodes"]:
            row = held[node["vendorId"]]
            assert node["vendorFields"] == row
            expected = {field: row.get(column) for field, column in SAME.items()}
            assert {field: node[field] for field in SAME} == expected
            assert instant(node["startedAt"]) == instant(row["started_at"])
            tokens = node["tokens"] or {}
            for field in ("input", "output", "cached"):
                assert tokens.get(field) == row.get(f"{field}_tokens")


def test_parents_come_before_their_children(live: Live) -> None:
    for connection in spans_of(live, "base").values():
        depths: dict[str, int] = {}
        for node in connection["nodes"]:
            parent = node["parentId"]
            assert node["depth"] == (0 if parent is None else depths[parent] + 1)
            depths[node["id"]] = node["depth"]


def test_scores_are_those_of_each_span(live: Live) -> None:
    for session_id, connection in spans_of(live, "base").items():
        condition = {"filter[session_id]": session_id}
        rows = live.intake.get("evaluator-results", page_size=1000, **condition)["data"]
        for node in connection["nodes"]:
            values = {
                row["name"]: row["value"]
                for row in rows
                if row["span_id"] == node["vendorId"] and row.get("value") is not None
            }
            assert {score["evaluator"]: score["value"] for score in node["scores"]} == values


def test_the_root_of_a_session_is_among_its_spans(live: Live) -> None:
    found = live.gateway.data(SPANS, first=100, filter={"experimentIds": live.ids("base")})
    for node in found["sessions"]["nodes"]:
        roots = {span["vendorId"] for span in node["spans"]["nodes"] if span["depth"] == 0}
        assert node["rootSpanId"] in roots
