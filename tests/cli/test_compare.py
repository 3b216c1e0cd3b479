"""`tracegraph compare` shows experiments side by side, asked in its own process or of a running gateway."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.cli.conftest import Running
from tests.processes import COMMAND, run, started
from tests.worlds import minutes
from tracegraph import cli
from tracegraph.commands.compare.command import CompareTarget, run_compare
from tracegraph.commands.compare.query import CompareQuery
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

MILLISECONDS = {"before": [1000, 2000, 3000, 4000], "after": [1000, 1500, 3500, 4000], "smith": [500, 500, 500]}


def identity(source: str, ref: str) -> str:
    return base64.b64encode(f"Experiment:{source}:{ref}".encode()).decode()


BEFORE, AFTER = identity("nemo", "before"), identity("nemo", "after")
SMITH = identity("langsmith", stable_uuid("session:smith"))
IDS = (BEFORE, AFTER, SMITH)


@pytest.fixture
def compared(vendors_running: Running) -> Running:
    """Two NeMo experiments and a LangSmith one over the cases c0, c1, ..."""
    nemo, langsmith, _ = vendors_running.worlds
    for name in ("before", "after"):
        nemo.add(
            nemo_experiment(name),
            [
                nemo_session(
                    f"{name}-{case}",
                    started_at=minutes(case),
                    latency_ms=float(taken),
                    test_case_id=f"c{case}",
                    evaluator_scores={"accuracy": 0.25 * case},
                )
                for case, taken in enumerate(MILLISECONDS[name])
            ],
        )
    runs = [
        langsmith_run(
            f"r{case}", start_time=minutes(case), latency_s=taken / 1000, reference_example_id=f"c{case}"
        )
        for case, taken in enumerate(MILLISECONDS["smith"])
    ]
    langsmith.add(langsmith_session("smith"), runs)
    return vendors_running


def compare(running: Running, *arguments: str, columns: int = 160) -> tuple[int, str, str]:
    """Run the command over the configuration, in this process."""
    env = running.env | {"COLUMNS": str(columns)}
    result = CliRunner().invoke(cli._app, ["compare", *arguments, "--config", running.config()], env=env)
    return result.exit_code, result.stdout, result.stderr


def rows(out: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out)))


# -- forms -----------------------------------------------------------------------------------------------


def test_a_table_marks_the_best_and_says_the_units(compared: Running) -> None:
    code, out, err = compare(compared, *IDS, "--metric", "latency", "--metric", "score:accuracy")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert ["latency:", "lower", "is", "better"] in lines
    assert ["score:accuracy:", "higher", "is", "better"] in lines
    assert ["experiment", "mean", "ms", "p50", "p95", "Δ", "ms", "ratio", "+", "-", "=", "?", "basis"] in lines
    before = "before nemo 2,500.0 3,000.0 4,000.0 baseline - - - - reported"
    after = "after nemo 2,500.0 3,500.0 4,000.0 +0.0 1.000 1 1 2 0 reported"
    smith = "smith langsmith * 500.0 500.0 500.0 -2,000.0 0.200 3 0 0 1 computed"
    unmeasured = "smith langsmith - - - - - 0 0 0 4 computed"
    for line in (before, after, smith, unmeasured):
        assert line.split() in lines


def test_percentiles_are_shown_where_an_experiment_has_them(compared: Running) -> None:
    """NeMo reports none of an error rate, and the compared statistic is not repeated."""
    metrics = ("--metric", "error_rate", "--metric", "latency")
    _, means, _ = compare(compared, BEFORE, AFTER, *metrics, "--basis", "reported")
    _, highs, _ = compare(compared, BEFORE, AFTER, *metrics, "--statistic", "p95")
    assert [headings[1:4] for headings in headings_of(means)] == [["mean", "0..1", "Δ"], ["mean", "ms", "p50"]]
    assert [headings[1:5] for headings in headings_of(highs)][1] == ["p95", "ms", "p50", "Δ"]


def headings_of(out: str) -> list[list[str]]:
    lines = [line.split() for line in out.splitlines()]
    return [line for line in lines if line[:1] == ["experiment"]]


def test_csv_and_json_have_the_percentiles(compared: Running) -> None:
    _, out, _ = compare(compared, *IDS, "--metric", "latency", "--format", "csv")
    assert [(row["median"], row["p95"]) for row in rows(out)] == [
        ("3000.0", "4000.0"), ("3500.0", "4000.0"), ("500.0", "500.0"),
    ]  # fmt: skip


def test_a_table_fits_eighty_columns(compared: Running) -> None:
    _, out, _ = compare(compared, *IDS, columns=80)
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "computed" in out


def test_no_figure_and_no_name_is_cut_in_a_narrower_terminal(compared: Running) -> None:
    _, wide, _ = compare(compared, *IDS, columns=200)
    _, narrow, _ = compare(compared, *IDS, columns=40)
    assert narrow.replace("─", "").split() == wide.replace("─", "").split()


def test_json_is_the_graphql_data(compared: Running) -> None:
    code, out, _ = compare(compared, *IDS, "--format", "json", "--statistic", "max", "--metric", "latency")
    assert code == 0
    found = json.loads(out)["comparison"]
    (figures,) = found["metrics"]
    assert figures["statistic"] == "MAX"
    assert [entry["value"] for entry in figures["entries"]] == [4000, 4000, 500]
    assert [report["status"] for report in found["sources"]] == ["OK", "OK"]


def test_csv_is_a_row_for_each_metric_and_experiment(compared: Running) -> None:
    code, out, _ = compare(compared, *IDS, "--format", "csv", "--baseline", AFTER, "--basis", "computed")
    assert code == 0
    found = rows(out)
    assert {row["metric"] for row in found} >= {"latency", "cost", "error_rate", "score:accuracy"}
    latency = [row for row in found if row["metric"] == "latency"]
    assert [row["experiment"] for row in latency] == ["before", "after", "smith"]
    assert [row["is_baseline"] for row in latency] == ["false", "true", "false"]
    assert [row["is_best"] for row in latency] == ["false", "false", "true"]
    assert (latency[0]["improved"], latency[0]["regressed"], latency[0]["equal"]) == ("1", "1", "2")
    assert (latency[1]["improved"], latency[1]["value"], latency[1]["unit"]) == ("", "2500.0", "MILLISECONDS")
    assert {row["basis"] for row in latency} == {"COMPUTED"}


# -- cases -----------------------------------------------------------------------------------------------


def listed(out: str, title: str) -> list[str]:
    """The lines of the table of that title."""
    after = out[out.index(title) :].splitlines()[1:]
    lines = [" ".join(line.split()) for line in after]
    return [line for line in lines[1 : lines.index("", 1)] if line.strip("─")]


def test_the_largest_regressions_are_listed_for_each_metric_and_experiment(compared: Running) -> None:
    """Worst first: of a latency the largest deltas, of a score the most negative ones."""
    for case, (latency, accuracy) in enumerate([(1500.0, 0.0), (9000.0, 0.25), (3000.0, 0.0), (1.0, 0.5)]):
        row = compared.worlds[0].sessions["after"][case]
        row |= {"latency_ms": latency, "evaluator_scores": {"accuracy": accuracy}}
        compared.worlds[0].sessions["before"][case]["input"] = f"What is\n{case}? " + "long " * 30
    metrics = ("--metric", "latency", "--metric", "score:accuracy", "--basis", "computed")
    code, out, err = compare(compared, *IDS, *metrics, "--cases", "10")
    assert (code, err) == (0, "")
    heading, *latencies = listed(out, "latency: largest regressions of after nemo")
    assert heading == "case baseline ms ms Δ ms input"
    assert [line.split()[:4] for line in latencies] == [
        ["c1", "2,000.0", "9,000.0", "+7,000.0"],
        ["c0", "1,000.0", "1,500.0", "+500.0"],
    ]
    assert "What is 1? long long" in latencies[0]
    assert latencies[0].endswith("…")
    _, *scores = listed(out, "score:accuracy: largest regressions of after nemo")
    assert [line.split()[:4] for line in scores] == [
        ["c2", "0.5000", "0.0000", "-0.5000"],
        ["c3", "0.7500", "0.5000", "-0.2500"],
    ]
    assert "latency: largest regressions of smith langsmith: none" in out


def test_so_many_cases_are_listed_by_the_latency_where_no_metric_is_named(compared: Running) -> None:
    for case in range(4):
        compared.worlds[0].sessions["after"][case]["latency_ms"] = 5000.0 + 1000 * case
    _, out, _ = compare(compared, AFTER, BEFORE, "--baseline", BEFORE, "--cases", "2")
    _, *lines = listed(out, "latency: largest regressions of after nemo")
    assert [line.split()[0] for line in lines] == ["c0", "c1"]
    assert "largest regressions of before" not in out


def test_an_input_that_is_the_key_is_not_repeated(compared: Running) -> None:
    for name in ("before", "after"):
        for case in range(4):
            compared.worlds[0].sessions[name][case]["input"] = f" question\n{case}"
    _, out, _ = compare(compared, BEFORE, AFTER, "--metric", "latency", "--cases", "1", "--join-on", "input")
    assert listed(out, "latency: largest regressions of after nemo") == [
        "case baseline ms ms Δ ms", "question 2 3,000.0 3,500.0 +500.0",
    ]  # fmt: skip


def test_cases_are_not_listed_unless_asked_for(compared: Running) -> None:
    assert "regressions" not in compare(compared, *IDS)[1]


def test_json_has_the_regressions_and_csv_has_no_place_for_them(compared: Running) -> None:
    _, out, _ = compare(compared, *IDS, "--format", "json", "--metric", "latency", "--cases", "3")
    found = json.loads(out)["comparison"]
    assert [case["key"] for case in found["regressions_0_1"]["nodes"]] == ["c2"]
    assert found["regressions_0_2"]["nodes"][0]["entries"][1]["delta"] == 500
    code, out, err = compare(compared, *IDS, "--format", "csv", "--cases", "3")
    assert (code, out) == (2, "")
    assert err.startswith("--cases goes with --format table or json")


def test_an_experiment_without_a_column_has_no_regressions(compared: Running) -> None:
    """The columns of the others are still theirs."""
    unknown = identity("nemo", "nowhere")
    code, out, _ = compare(compared, unknown, BEFORE, AFTER, "--metric", "latency", "--cases", "3")
    assert code == 2
    _, line = listed(out, "latency: largest regressions of after nemo")
    assert line.split()[:4] == ["c2", "3,000.0", "3,500.0", "+500.0"]
    assert "regressions of before" not in out


def test_a_running_gateway_gives_the_same(compared: Running) -> None:
    """Asked by a process of its own."""
    arguments = (*IDS, "--metric", "latency", "--format", "csv")
    _, own, _ = compare(compared, *arguments)
    with started("serve", "--config", compared.config(), "--port", "0", env=compared.env) as gateway:
        url = gateway.url().removesuffix("/graphql")
        header = ("--header", "Authorization: Bearer env:TOKEN")
        env = compared.env | {"TOKEN": "t0ken"}
        assert run("compare", *arguments, "--url", url, *header, env=env) == (0, own, "")


# -- trouble ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_source_that_fails_keeps_its_column_and_is_named(compared: Running, form: str) -> None:
    """Exit code 1; standard output holds the comparison all the same, and no secret."""
    compared.langsmith.faults.add(Fault("status", status=401, times=None))
    code, out, err = compare(compared, *IDS, "--metric", "latency", "--format", form)
    assert code == 1
    assert err.startswith("langsmith failed: Source 'langsmith' rejected the credential (401).")
    assert "before" in out
    assert stable_uuid("session:smith") in out if form != "table" else "2,500.0" in out
    for never in (*compared.secrets, "Traceback", "127.0.0.1"):
        assert never not in out + err


def test_an_experiment_that_no_source_has_is_named_beside_the_comparison_of_the_others(compared: Running) -> None:
    unknown = identity("nemo", "nowhere")
    code, out, err = compare(compared, *IDS, unknown, "--metric", "latency")
    assert code == 2
    assert "before" in out
    assert err == f"No source has an experiment with the ID {unknown}: the comparison omits it.\n"


def test_a_wrong_question_ends_with_2_and_a_sentence(compared: Running) -> None:
    assert compare(compared, BEFORE, "nonsense") == (2, "", "This is not an ID of this gateway.\n")


def refused(capsys: pytest.CaptureFixture[str], question: CompareQuery, asked: CompareTarget) -> tuple[int, str]:
    """The exit code and what stands on standard error, without a process of its own."""
    code = run_compare(question, asked, "table", Console(stderr=True))
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    return code, said.err


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (CompareQuery([BEFORE]), "experimentIds has 1 IDs: a comparison takes 2 to 20."),
        (
            CompareQuery([BEFORE, identity("nemo", "nowhere")]),
            "The sources have 1 of the experiments in experimentIds: a comparison takes at least 2.",
        ),
        (CompareQuery([BEFORE, AFTER], baseline_id=SMITH), "baselineId is not among experimentIds"),
        (CompareQuery([BEFORE, AFTER], metrics=["speed"]), "'speed' is not a metric: use latency"),
        (CompareQuery([BEFORE, AFTER], metrics=["score"]), "'score' is not a metric"),
        (CompareQuery([BEFORE, AFTER], metrics=["latency:x"]), "'latency:x' is not a metric"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_wrong_question_is_refused_in_a_sentence(
    compared: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    question: CompareQuery,
    sentence: str,
) -> None:
    for name in ("SMITH_KEY", "MEIBEL_KEY"):
        monkeypatch.setenv(name, compared.env[name])
    code, said = refused(capsys, question, CompareTarget(config=Path(compared.config())))
    assert code == 2
    assert said.startswith(sentence)


@pytest.mark.parametrize(
    ("asked", "code", "sentence"),
    [
        (CompareTarget(url="file:///etc/hostname"), 2, "--url must be an http(s) URL"),
        (CompareTarget(url="http://127.0.0.1:9", headers=["nothing"]), 2, "--header is written as 'Name: value'"),
        (
            CompareTarget(url="http://127.0.0.1:9", headers=["A: env:NOT_SET_AT_ALL"]),
            2,
            "--header cannot be used: the env",
        ),
        (CompareTarget(url="http://127.0.0.1:9"), 1, "The gateway did not respond"),
        (CompareTarget(config=Path("missing.toml")), 2, "missing.toml: the file does not exist"),
        (
            CompareTarget(config=Path("missing.toml"), url="http://127.0.0.1:9"),
            2,
            "Give --config or --url, not both",
        ),
        (CompareTarget(headers=["A: b"]), 2, "--header goes with --url only."),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_place_that_cannot_be_asked_is_told_in_a_sentence(
    capsys: pytest.CaptureFixture[str], asked: CompareTarget, code: int, sentence: str
) -> None:
    found, said = refused(capsys, CompareQuery([BEFORE, AFTER]), asked)
    assert found == code
    assert said.startswith(sentence)


def test_an_address_that_is_no_graphql_endpoint_is_told_apart(
    compared: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = CompareTarget(url=f"{compared.urls[0]}/elsewhere")
    code, said = refused(capsys, CompareQuery([BEFORE, AFTER]), asked)
    assert code == 1
    assert "check --url" in said


# -- a terminal ------------------------------------------------------------------------------------------


def test_a_terminal_sees_how_far_reading_is(compared: Running) -> None:
    """The bar is on standard error; standard output holds the comparison alone."""
    compared.nemo.faults.add(Fault("delay", seconds=0.3, times=2))
    ours, theirs = pty.openpty()
    command = [COMMAND, "compare", *IDS, "--format", "csv", "--config", compared.config()]
    env = compared.env | {"TERM": "xterm"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        out, _ = process.communicate(timeout=60)
    shown = _read_all(ours)
    assert process.returncode == 0
    assert "Reading sessions" in shown
    assert "11/11" in shown
    assert rows(out.decode())[0]["experiment"] == "before"


def _read_all(terminal: int) -> str:
    chunks = []
    with open(terminal, "rb", buffering=0) as stream:
        try:
            while chunk := stream.read(65536):
                chunks.append(chunk)
        except OSError:  # Linux says so when the other end is closed
            pass
    return b"".join(chunks).decode()
