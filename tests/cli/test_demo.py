"""`tracegraph demo`: the first minute of a newcomer."""

import re
import signal
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tests.processes import started
from tracegraph import cli
from tracegraph.commands.demo import FIRST_QUERY
from tracegraph.simulators.vendors import DEFAULT_DIALECTS, Dialects, demo_vendors


def test_the_demo_shows_a_query_and_its_answer_serves_them_and_ends_with_ctrl_c() -> None:
    with started("demo", "--port", "0") as process:
        url = process.url()
        process.wait_for("Ctrl-C")
        shown = process.out
        assert "experiments(first: 8)" in shown
        table = shown.partition("and its result")[2]
        assert all(vendor in table for vendor in ("nemo", "langsmith", "meibel"))
        answer = httpx.post(url, json={"query": "{ sources { health { status } } }"}, timeout=30, trust_env=False)
        assert [one["health"]["status"] for one in answer.json()["data"]["sources"]] == ["UP"] * 3
        *_, last = re.findall(r"http://\S+", shown)
        assert last == url.removesuffix("graphql")  # the pages
        assert httpx.get(last, timeout=30, trust_env=False).headers["content-type"] == "text/html; charset=utf-8"
        process.send(signal.SIGINT)
        assert process.end() == 130
        assert process.err == ""


@pytest.mark.slow
def test_the_demo_ends_with_sigterm_too() -> None:
    with started("demo", "--port", "0") as process:
        process.wait_for("Ctrl-C")
        process.send(signal.SIGTERM)
        assert (process.end(), process.err) == (0, "")


def test_the_fault_that_the_demo_prints_costs_the_rows_of_its_vendor_only() -> None:
    """The printed query with the printed fault: the answer is that without NeMo, whole, and says so."""
    with started("demo", "--port", "0") as process:
        url = process.url()
        process.wait_for("Ctrl-C")
        faults = re.findall(r"curl (\S+/__faults) -d '(.*)'", process.out)
        ((address, fault),) = faults
        query = FIRST_QUERY.replace("pageInfo", "sources { source { name } status error { code } } pageInfo")
        alone = FIRST_QUERY.replace("first: 8", 'first: 8, filter: {sources: ["langsmith", "meibel"]}')
        headers = {"cache-control": "no-cache"}
        with httpx.Client(timeout=60, trust_env=False, headers=headers) as client:
            expected = client.post(url, json={"query": alone}).json()
            assert client.post(address, content=fault).status_code == 200
            found = client.post(url, json={"query": query}).json()
        experiments = found["data"]["experiments"]
        assert experiments["nodes"] == expected["data"]["experiments"]["nodes"]
        statuses = {one["source"]["name"]: one["status"] for one in experiments["sources"]}
        assert statuses == {"nemo": "FAILED", "langsmith": "OK", "meibel": "OK"}
        assert "errors" not in found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], DEFAULT_DIALECTS),
        (["--nemo", "0.8", "--langsmith", "v1"], Dialects("0.8", "v1")),
        (["--nemo", "0.2", "--langsmith", "v1"], Dialects("0.2", "v1")),
        (["--environments", "folder"], DEFAULT_DIALECTS),
    ],
)
def test_options_choose_what_the_vendors_speak(
    monkeypatch: pytest.MonkeyPatch, options: list[str], expected: Dialects
) -> None:
    chosen = []
    monkeypatch.setattr(cli, "run_demo", lambda _, dialects, real: chosen.append((dialects, real)))
    assert CliRunner().invoke(cli._app, ["demo", *options]).exit_code == 0
    assert chosen == [(expected, None)]


def test_real_servers_that_are_not_installed_are_named_with_the_remedy(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cli._app, ["demo", "--real", "--environments", str(tmp_path), "--port", "0"], env={"COLUMNS": "400"}
    )
    assert (result.exit_code, result.stdout) == (2, "")
    assert "MLflow 3.17.2 and Phoenix 20.26.1. Run `make demo-real`" in result.stderr


def test_an_unknown_release_is_refused() -> None:
    assert CliRunner().invoke(cli._app, ["demo", "--nemo", "0.1"]).exit_code == 2


def test_the_chosen_nemo_serves_its_own_paths() -> None:
    with demo_vendors(dialects=Dialects(nemo="0.8", langsmith="v1")) as vendors:
        path = f"{vendors.nemo_url}/apis/intake/v2/workspaces/{vendors.nemo_workspace}/evaluations"
        assert httpx.get(path, trust_env=False).json()["pagination"]["total_results"] == 14
