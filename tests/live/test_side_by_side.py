"""All services behind one gateway: their rows merged, and what the command line shows of each."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.live.gateway import EXPERIMENTS, SESSIONS, Gateway, Intake, instant, known
from tests.live.releases import Release

pytestmark = pytest.mark.live

Intakes = Mapping[Release, Intake]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("first", [3, 10])
def test_the_experiments_of_all_services_are_merged(
    intakes: Intakes, gateway: Gateway, direction: str, first: int
) -> None:
    held = [
        (known(instant(row["created_at"])), release.source, row["name"])
        for release, intake in intakes.items()
        for row in intake.held()
    ]
    order = {"field": "CREATED_AT", "direction": direction}
    nodes = gateway.everything(EXPERIMENTS, orderBy=order, first=first)
    shown = [(known(instant(node["createdAt"])), node["source"]["name"], node["name"]) for node in nodes]
    assert shown == sorted(held, reverse=direction == "DESC")


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("first", [2, 25])
def test_the_sessions_of_all_services_are_merged(
    intakes: Intakes, gateway: Gateway, direction: str, first: int
) -> None:
    nodes = gateway.everything(EXPERIMENTS, filter={"name": {"in": ["base", "nightly@main"]}})
    held = [
        (known(instant(row["started_at"])), row["trace_id"])
        for intake in intakes.values()
        for name in ("base", "nightly@main")
        for row in intake.held_sessions(name)
    ]
    order = {"field": "STARTED_AT", "direction": direction}
    asked = {"experimentIds": [node["id"] for node in nodes]}
    sessions = gateway.everything(SESSIONS, filter=asked, orderBy=order, first=first)
    shown = [(known(instant(node["startedAt"])), node["traceId"]) for node in sessions]
    assert sorted(shown) == sorted(held)
    starts = [start for start, _ in shown]
    assert starts == sorted(starts, reverse=direction == "DESC")


def test_the_command_line_shows_interface_and_version_of_each(intakes: Intakes, gateway: Gateway) -> None:
    command: list[str | Path] = [Path(sys.executable).with_name("tracegraph"), "check"]
    checked = subprocess.run(
        [*command, "--json", "--config", gateway.configuration], capture_output=True, text=True, check=True
    )
    shown = {source["name"]: source for source in json.loads(checked.stdout)["sources"]}
    assert set(shown) == {release.source for release in intakes}
    for release, intake in intakes.items():
        source = shown[release.source]
        assert [source["interface"], source["version"]] == [release.interface, release.stated_version]
        assert [source["reachable"], source["authorized"], source["trouble"]] == [True, True, None]
        assert source["experiments"] == str(len(intake.held()))
