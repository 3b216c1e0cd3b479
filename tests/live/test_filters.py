"""Filters of the gateway over the services: which rows they leave."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.live.gateway import EXPERIMENTS, Json, Live, instant, known
from tests.live.seed import ExperimentSeed, SessionSeed

pytestmark = pytest.mark.live


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
        ({"datasetName": {"eq": "capitals"}}, lambda one: one.dataset == "capitals"),
        ({"datasetName": {"eq": 'the "best", of all'}}, lambda one: one.name == "quoted"),
        ({"datasetName": {"eq": "capitals, rivers"}}, lambda _: False),
        ({"datasetName": {"eq": "capitals"}, "datasetVersion": {"eq": "4"}}, lambda one: one.name == "tuned+v2"),
        ({"datasetVersion": {"eq": "null"}}, lambda _: False),
        ({"agentName": {"eq": "scout"}}, lambda one: one.name == "nightly@main"),
        ({"agentName": {"eq": "helper"}, "agentVersion": {"eq": "2"}}, lambda one: one.name == "tuned+v2"),
        ({"name": {"contains": "e"}, "datasetName": {"eq": "rivers"}}, lambda one: one.name == "empty"),
        ({"agentName": {"eq": "grader"}, "groupId": {"eq": "no-such"}}, lambda _: False),
        ({"agentName": {"eq": "no-such"}}, lambda _: False),
        ({"vendors": ["nemo"], "kinds": ["EVALUATION"]}, lambda _: True),
        ({"kinds": ["AGENT"]}, lambda _: False),
    ],
)
def test_experiments_are_filtered(live: Live, condition: Json, holds: Callable[[ExperimentSeed], bool]) -> None:
    expected = sorted(one.name for one in live.seeded.experiments.values() if holds(one))
    order = {"field": "NAME", "direction": "ASC"}
    nodes = live.experiments(condition, order=order, first=3)
    assert [node["name"] for node in nodes] == expected
    page = live.gateway.data(EXPERIMENTS, filter=live.of_source(condition), orderBy=order, first=1)["page"]
    assert page["totalCount"] in (None, len(expected))


def test_experiments_are_filtered_by_group(live: Live) -> None:
    for group, group_id in live.seeded.groups.items():
        nodes = live.experiments({"groupId": {"eq": group_id}}, first=3)
        assert {node["name"] for node in nodes} == {
            one.name
            for one in live.seeded.experiments.values()
            if group == one.group or (live.release.has_many_groups and group in one.further_groups)
        }


@pytest.mark.parametrize(("field", "column"), [("createdAt", "created_at"), ("updatedAt", "updated_at")])
def test_a_range_of_time_holds_its_start_and_not_its_end(live: Live, field: str, column: str) -> None:
    rows = sorted(live.intake.held(), key=lambda row: str(row[column]))
    times = [known(instant(row[column])) for row in rows]
    first, last = times[2], times[-3]
    for offset in (timedelta(0), timedelta(hours=2)):  # the same instants, written in another zone
        bounds = {"gte": shifted(first, offset), "lt": shifted(last, offset)}
        nodes = live.experiments({field: bounds}, first=3)
        assert {node["name"] for node in nodes} == {row["name"] for row in rows[2:-3]}
    nodes = live.experiments({field: {"gte": shifted(last, timedelta(0))}})
    assert {node["name"] for node in nodes} == {row["name"] for row in rows[-3:]}
    nodes = live.experiments({field: {"lt": shifted(first, timedelta(0))}})
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
        ({"testCaseId": {"eq": "paris"}}, lambda one: one.case == "paris"),
        ({"testCaseId": {"eq": "oslo, norway"}}, lambda one: one.case == "oslo, norway"),
        ({"testCaseId": {"eq": "no-such"}}, lambda _: False),
        ({"testCaseId": {"eq": "paris"}, "statuses": ["ERROR"]}, lambda one: one.id == "base-3"),
        ({"testCaseId": {"eq": "rome"}, "statuses": ["ERROR", "SUCCESS"]}, lambda one: one.case == "rome"),
    ],
)
def test_sessions_are_filtered(live: Live, condition: Json, holds: Callable[[SessionSeed], bool]) -> None:
    expected = {one.id for one in live.seeded.experiments["base"].sessions if holds(one)}
    nodes = live.sessions(["base"], condition, first=2)
    assert sorted(node["vendorId"] for node in nodes) == sorted(expected)


def test_sessions_are_filtered_by_the_status_that_they_show(live: Live) -> None:
    shown = {node["vendorId"]: node["status"] for node in live.sessions(["base"])}
    for status in set(shown.values()):
        nodes = live.sessions(["base"], {"statuses": [status]})
        assert {node["vendorId"] for node in nodes} == {session for session, its in shown.items() if its == status}


def test_sessions_are_filtered_by_start(live: Live) -> None:
    epoch = live.seeded.epoch
    bounds = {
        "gte": shifted(epoch + timedelta(seconds=10), timedelta(0)),
        "lt": shifted(epoch + timedelta(seconds=30), timedelta(0)),
    }
    nodes = live.sessions(["base"], {"startedAt": bounds}, first=1)
    assert {node["vendorId"] for node in nodes} == {"base-2", "base-3"}


@pytest.mark.parametrize("agent", ["helper", "scout", "grader", "namer"])
def test_experiments_are_filtered_by_agent_as_the_service_filters_them(live: Live, agent: str) -> None:
    if live.release.filters_agents:
        held = live.intake.get(live.release.runs, **{"filter[agent_name]": agent})["data"]
    else:
        held = [row for row in live.intake.held() if agent in row["agent_names"]]
    nodes = live.experiments({"agentName": {"eq": agent}}, first=2)
    assert sorted(node["name"] for node in nodes) == sorted(row["name"] for row in held)


@pytest.mark.parametrize("status", ["success", "error", "cancelled"])
def test_sessions_are_filtered_as_the_service_filters_them(live: Live, status: str) -> None:
    path = f"{live.release.runs}/base/sessions"
    rows = live.intake.get(path, **{"filter[status]": status})["data"]
    nodes = live.sessions(["base"], {"statuses": [status.upper()]}, first=2)
    assert sorted(node["vendorId"] for node in nodes) == sorted(row["session_id"] for row in rows)
