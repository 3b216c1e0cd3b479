"""`tracegraph spans` prints the steps of a session as a tree."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Running
from tests.processes import run
from tests.worlds import Row, minutes
from tracegraph import cli
from tracegraph.commands.spans import branches
from tracegraph.domain.models import SessionRef
from tracegraph.graphql.relay.ids import session_id
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

SESSION = session_id("nemo", SessionRef("base", "s0"))


def span(name: str, parent: str | None = None, /, **fields: object) -> Row:
    moment = minutes(0).replace(tzinfo=None)
    return {
        "span_id": name,
        "parent_span_id": parent,
        "name": name,
        "kind": "CHAIN",
        "started_at": moment.isoformat(),
        "ended_at": moment.replace(second=1, microsecond=500_000).isoformat(),
        **fields,
    }


@pytest.fixture
def running(vendors_running: Running) -> Running:
    """A session of five spans, one of which failed."""
    world = vendors_running.worlds[0]
    world.add(nemo_experiment("base"), [nemo_session("s0"), nemo_session("s1")])
    world.spans["s0"] = [
        span("root", kind="AGENT"),
        span("a", "root", kind="LLM", model="small", input_tokens=1000, output_tokens=20, cost_total_usd=0.0125),
        span("b", "a", kind="TOOL", status="error", error_type="KeyError", error_message="no such page"),
        span("c", "root", ended_at=None, name="two\nlines \x1b[31m"),
        span("other"),
    ]
    return vendors_running


def spans(running: Running, *arguments: str, columns: int = 160) -> tuple[int, str, str]:
    """Run the command over the configuration, in this process."""
    env = running.env | {"COLUMNS": str(columns)}
    result = CliRunner().invoke(cli._app, ["spans", *arguments, "--config", running.config()], env=env)
    return result.exit_code, result.stdout, result.stderr


def test_the_tree_has_durations_tokens_and_cost(running: Running) -> None:
    code, out, errors = spans(running, SESSION)
    assert (code, errors) == (0, "")
    title, _, heading, _, *lines = [line.rstrip() for line in out.splitlines()]
    assert title == "s0 (nemo): 5 spans"
    assert heading.split() == ["span", "kind", "ms", "tokens", "USD", "error"]
    assert [line.strip().split("  ")[0] for line in lines if line] == [
        "other",
        "root",
        "├ a small",
        "│ └ b",
        "└ two lines ?[31m",
    ]
    shown = next(line for line in lines if "small" in line)
    assert shown.split()[-4:] == ["1,500.0", "1,020", "(1,000+20)", "0.012500"]
    assert "KeyError: no such page" in out
    assert "\x1b" not in out


def test_unknown_values_are_dashes(running: Running) -> None:
    _, out, _ = spans(running, SESSION)
    shown = next(line for line in out.splitlines() if "two lines" in line)
    assert shown.split()[-3:] == ["-", "-", "-"]


def test_json_is_the_answer_of_the_gateway(running: Running) -> None:
    code, out, _ = spans(running, SESSION, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["id"] == SESSION
    assert [(one["name"], one["depth"]) for one in found["spans"]["nodes"]][:2] == [("other", 0), ("root", 0)]


def test_what_is_not_shown_is_counted(running: Running) -> None:
    code, out, errors = spans(running, SESSION, "--first", "2")
    assert code == 0
    assert "other" in out
    assert errors.startswith("3 further spans are not shown")


def test_more_spans_than_a_page_are_read_page_after_page(running: Running) -> None:
    running.worlds[0].spans["s0"] = [span(f"{number:04}") for number in range(2_100)]
    code, out, errors = spans(running, SESSION, "--first", "2050", "--format", "json")
    assert (code, errors.strip()) == (0, "50 further spans are not shown: ask for more with --first.")
    assert [one["name"] for one in json.loads(out)["spans"]["nodes"]] == [f"{n:04}" for n in range(2_050)]


@pytest.mark.parametrize(
    ("identity", "code", "sentence"),
    [
        ("nonsense", 2, "This is not an ID of this gateway."),
        (session_id("nemo", SessionRef("base", "nobody")), 2, "No source has a session with that ID."),
        (session_id("nobody", SessionRef("base", "s0")), 2, "No source has a session with that ID."),
    ],
)
def test_a_session_that_nobody_has_is_a_sentence(
    running: Running, identity: str, code: int, sentence: str
) -> None:
    found, out, errors = spans(running, identity)
    assert (found, out) == (code, "")
    assert errors.strip() == sentence


def test_a_failed_source_is_a_sentence_and_an_exit_code(running: Running) -> None:
    path = "/apis/intake/v2/workspaces/default/spans"
    running.nemo.faults.add(Fault("status", status=503, path=path, times=None))
    code, out, errors = spans(running, SESSION)
    assert (code, out) == (1, "")
    assert "Source 'nemo'" in errors


def test_a_narrow_terminal_shows_every_figure(running: Running) -> None:
    _, out, _ = spans(running, SESSION, columns=40)
    assert "1,500.0" in out
    assert "0.012500" in out


def test_the_command_runs_as_a_process(running: Running) -> None:
    code, out, _ = run("spans", SESSION, "--config", running.config(), env=running.env)
    assert code == 0
    assert "root" in out


@pytest.mark.parametrize(
    ("depths", "lines"),
    [
        ([], []),
        ([0, 1, 2, 1, 0], ["", "├ ", "│ └ ", "└ ", ""]),
        ([0, 1, 2, 3, 2, 1], ["", "├ ", "│ ├ ", "│ │ └ ", "│ └ ", "└ "]),
        ([0, 0], ["", ""]),
    ],
)
def test_the_lines_of_the_tree(depths: list[int], lines: list[str]) -> None:
    assert branches(depths) == lines
