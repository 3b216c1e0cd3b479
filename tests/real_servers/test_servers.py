"""Real servers of the demo and of the live tests, with a small program in place of MLflow and Phoenix."""

import json
import os
import sys
import time
import urllib.error
from dataclasses import replace
from pathlib import Path

import pytest

from tracegraph.commands.real_servers import real_vendors
from tracegraph.errors import ConfigurationError
from tracegraph.real_servers.content import EVALUATED_CASES, MLFLOW_PROFILES, PHOENIX_PROFILES, sample_content
from tracegraph.real_servers.environments import Environment
from tracegraph.real_servers.processes import DIRECT
from tracegraph.real_servers.servers import Server, running

PROGRAM = """
import json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"child": child.pid, "env": dict(os.environ)}).encode())

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def installed(folder: Path) -> Environment:
    """An environment that is this Python."""
    environment = Environment("fake", "1.0", ("fake==1.0",))
    programs = folder / "fake-1.0" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (folder / "fake-1.0" / "installed.txt").write_text("fake==1.0")
    return environment


def server_of(folder: Path, script: str = "") -> Server:
    """A server whose ingestion runs this script."""
    path = folder / "ingest.py"
    path.write_text(script)
    return Server(
        "Fake",
        installed(folder),
        "/",
        "FAKE_",
        path,
        lambda programs, _run, port: [programs / "python", "-c", PROGRAM, str(port)],
        lambda run, _port: {"FAKE_HOME": str(run)},
    )


def test_an_environment_is_installed_only_with_exactly_its_requirements(tmp_path: Path) -> None:
    environment = installed(tmp_path)
    python = tmp_path / "fake-1.0" / "bin" / "python"
    assert environment.installed_in(tmp_path) == python
    assert environment.install_in(tmp_path) == python
    assert replace(environment, requirements=("fake==1.0", "more")).installed_in(tmp_path) is None
    (tmp_path / "fake-1.0" / "installed.txt").unlink()
    assert environment.installed_in(tmp_path) is None


def test_a_server_ends_with_its_children_and_its_folder(tmp_path: Path) -> None:
    with running(server_of(tmp_path), tmp_path) as server:
        told = json.load(DIRECT.open(server.url))
        assert Path(told["env"]["FAKE_HOME"]).is_dir()
    assert not Path(told["env"]["FAKE_HOME"]).exists()
    with pytest.raises(urllib.error.URLError):
        DIRECT.open(server.url)
    assert _ends(told["child"])


def _ends(pid: int) -> bool:
    """Wait until a process has ended, which takes the system a moment. One that ended may wait for its parent."""
    for _ in range(600):
        try:
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_a_server_gets_no_variables_of_its_user_and_of_this_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FAKE_URL", "PYTHONPATH", "PYTHONWARNINGS"):
        monkeypatch.setenv(name, "ignore")
    with running(server_of(tmp_path), tmp_path, MORE="given") as server:
        env = json.load(DIRECT.open(server.url))["env"]
    assert {"FAKE_URL", "PYTHONPATH", "PYTHONWARNINGS"}.isdisjoint(env)
    assert (env["MORE"], env["PATH"]) == ("given", os.environ["PATH"])


def test_content_reaches_the_ingestion_and_its_failure_names_the_server(tmp_path: Path) -> None:
    script = "import sys; sys.exit(f'{sys.argv[1:]} {sys.stdin.read()}')"
    expected = r"The ingestion into Fake 1\.0 failed: .*more.* some content"
    with running(server_of(tmp_path, script), tmp_path) as server, pytest.raises(RuntimeError, match=expected):
        server.ingest("some content", None, "more")


@pytest.mark.parametrize("profiles", [MLFLOW_PROFILES, PHOENIX_PROFILES])
def test_sample_content_is_the_same_each_time_and_asks_the_same_questions(profiles: object) -> None:
    content = json.loads(sample_content(profiles))  # type: ignore[arg-type]
    assert content == json.loads(sample_content(profiles))  # type: ignore[arg-type]
    questions = [{run["case"]["question"] for run in one["runs"]} for one in content["evaluations"]]
    assert [len(one) for one in questions] == [EVALUATED_CASES] * 2
    assert questions[0] == questions[1]


def test_real_vendors_that_are_not_installed_are_named_with_the_remedy(tmp_path: Path) -> None:
    expected = r"Not installed in .*: MLflow 3\.17\.2 and Phoenix 20\.26\.1\. Run `make demo-real`"
    with pytest.raises(ConfigurationError, match=expected), real_vendors(tmp_path):
        pass
