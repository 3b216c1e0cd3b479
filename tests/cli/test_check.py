"""`tracegraph check` says of every source whether it can be used, and why not."""

import re
import socket
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Running
from tracegraph import cli
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent
from tracegraph.simulators.nemo.world import nemo_experiment


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def checked(*arguments: str, env: dict[str, str]) -> tuple[int, str, str]:
    """Run the command in this process: its exit code and what it prints."""
    result = CliRunner().invoke(cli._app, arguments, env={"COLUMNS": "120", **env})
    return result.exit_code, result.stdout, result.stderr


def rows(output: str) -> dict[str, list[str]]:
    """The cells of the table by source, and as the last one the sentence below the table, or nothing."""
    sentences = dict(line.split(": ", 1) for line in output.splitlines() if re.match(r"[a-z]+: ", line))
    lines = [re.split(r"\s*[│┃|]\s*", line.strip())[1:-1] for line in output.splitlines()]
    return {cells[0]: [*cells[1:], sentences.get(cells[0], "")] for cells in lines if len(cells) == 7 and cells[0]}


def without_interface(cells: list[str]) -> list[str]:
    """The vendor, and whether the source can be used, with its number of experiments."""
    return [cells[0], *cells[2:5]]


def test_sources_that_can_be_used_are_shown_with_their_experiments(vendors_running: Running) -> None:
    nemo, langsmith, meibel = vendors_running.worlds
    for index in range(3):
        nemo.add(nemo_experiment(f"n{index}"))
        meibel.add(meibel_agent(f"m{index}"))
    for index in range(130):
        langsmith.add(langsmith_session(f"l{index}"))
    code, out, err = checked("check", "--config", vendors_running.config(), env=vendors_running.env)
    assert (code, err) == (0, "")
    shown = rows(out)
    assert shown.pop("source")[:4] == ["vendor", "interface", "reachable", "authorized"]
    assert {name: cells[:5] for name, cells in shown.items()} == {
        "nemo": ["nemo", "Intake 0.2 / 0.2.0", "yes", "yes", "3"],
        "langsmith": ["langsmith", "v1 / 0.13.0-simulated", "yes", "yes", "130"],
        "meibel": ["meibel", "", "yes", "yes", "3"],
    }
    assert all(cells[5].isdigit() for cells in shown.values())


def test_in_80_columns_every_heading_and_every_sentence_is_complete(vendors_running: Running, nobody: str) -> None:
    """As in `kubectl exec` and other places without a terminal. The interfaces are missing there."""
    config = vendors_running.config(urls=(nobody, *vendors_running.urls[1:]))
    _, out, _ = checked("check", "--config", config, env=vendors_running.env | {"COLUMNS": "80"})
    headings = ["source", "vendor", "reachable", "authorized", "experiments", "ms"]
    assert re.findall(r"\w+", out.splitlines()[2]) == headings
    assert "nemo: Source 'nemo' cannot be reached" in out
    assert max(len(line) for line in out.splitlines() if "│" in line) <= 80


def test_a_source_of_which_a_part_is_down_is_reachable_all_the_same(vendors_running: Running) -> None:
    """NeMo without its telemetry store still lists its experiments."""
    nemo = vendors_running.worlds[0]
    nemo.add(nemo_experiment("n0"))
    nemo.telemetry_down = True
    code, out, _ = checked("check", "--config", vendors_running.config(), env=vendors_running.env)
    assert code == 0
    shown = rows(out)["nemo"]
    assert without_interface(shown) == ["nemo", "yes", "yes", "1"]
    assert shown[6] != ""


def test_sources_that_lack_a_path_are_not_content(vendors_running: Running) -> None:
    """NeMo lacks the path of experiments, Meibel that of sessions."""
    gone = {"detail": "Not Found"}
    vendors_running.worlds[2].add(meibel_agent("m0"))
    vendors_running.nemo.faults.add(Fault("status", status=404, body=gone, times=None))
    path = "/v2/agents/m0/sessions"
    vendors_running.meibel.faults.add(Fault("status", path=path, status=404, body=gone, times=None))
    code, out, _ = checked("check", "--config", vendors_running.config(), env=vendors_running.env)
    assert code == 1
    shown = rows(out)
    assert "does not have the paths of NeMo" in shown["nemo"][6]
    assert without_interface(shown["meibel"]) == ["meibel", "yes", "yes", "1"]
    assert "does not serve lists of sessions" in re.sub(r"\s+", " ", out)


def test_a_source_that_is_down_and_one_that_refuses_the_key_are_told_apart(
    vendors_running: Running, nobody: str
) -> None:
    """Exit code 1, and neither an address nor a key in what is shown."""
    vendors_running.langsmith.faults.add(Fault("status", status=401, times=None))
    urls = (nobody, vendors_running.urls[1], vendors_running.urls[2])
    code, out, err = checked("check", "--config", vendors_running.config(urls=urls), env=vendors_running.env)
    assert code == 1
    shown = rows(out)
    assert without_interface(shown["nemo"]) == ["nemo", "no", "?", ""]
    assert "cannot be reached" in shown["nemo"][6]
    assert without_interface(shown["langsmith"]) == ["langsmith", "yes", "no", ""]
    assert "rejected the credential (401)" in shown["langsmith"][6]
    assert without_interface(shown["meibel"]) == ["meibel", "yes", "yes", "0"]
    for never in (*vendors_running.secrets, "127.0.0.1", "Traceback"):
        assert never not in out + err
