"""The telemetry store of one service is gone, and the others go on."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.live.gateway import EXPERIMENTS, SESSIONS, Live

pytestmark = pytest.mark.live


def sources_failed(answer: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Which sources the whole answer says did not do their part, and how."""
    told = answer.get("extensions", {}).get("sources", ())
    return [(one["source"], one["status"], one["code"]) for one in told]


def test_a_stopped_store_fails_what_it_holds_and_nothing_else(live: Live) -> None:
    """The service then says 200 and no runs for every experiment: no zero of these is shown."""
    (experiment_id,) = live.ids("base")
    asked = {"filter": {"experimentIds": [experiment_id]}, "first": 100}
    before = live.gateway.data(SESSIONS, **asked)["page"]["edges"]
    nested = """
        query One($id: ID!) {
          experiment(id: $id) {
            name
            sessions(first: 5) { nodes { vendorId } totalCount }
          }
        }
    """
    live.intake.service.stop_store()
    try:
        answer = live.gateway.answer(SESSIONS, **asked)
        assert answer["data"] == {"page": None}
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["ALL_SOURCES_FAILED"]
        assert sources_failed(answer) == [(live.release.source, "FAILED", "UNAVAILABLE")]

        answer = live.gateway.answer(nested, id=experiment_id)
        assert answer["data"]["experiment"] == {"name": "base", "sessions": None}
        (error,) = answer["errors"]
        assert error["path"] == ["experiment", "sessions"]
        assert error["extensions"]["code"] == "SOURCE_UNAVAILABLE"
        assert "Telemetry" not in error["message"]
        assert sources_failed(answer) == [(live.release.source, "FAILED", "UNAVAILABLE")]

        answer = live.gateway.answer(EXPERIMENTS, first=100, filter=live.of_source())
        rows = [edge["node"] for edge in answer["data"]["page"]["edges"]]
        assert {row["name"] for row in rows} == set(live.seeded.experiments)
        assert {row["sessionCount"] for row in rows} == {None}
        assert {error["path"][-1] for error in answer["errors"]} >= {"sessionCount"}
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"SOURCE_UNAVAILABLE"}
    finally:
        live.intake.service.start_store()
    deadline = time.monotonic() + 90
    while "errors" in (answer := live.gateway.answer(SESSIONS, **asked)):
        assert time.monotonic() < deadline, answer
        time.sleep(1)
    assert [edge["node"] for edge in answer["data"]["page"]["edges"]] == [edge["node"] for edge in before]
