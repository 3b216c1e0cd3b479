"""With `[log] format = "json"`, every line of `tracegraph serve` on standard error is a JSON object."""

import os
import signal
import subprocess
import sys

import httpx
import orjson

from tests.cli.conftest import Running
from tests.cli.test_serve import ask, serve, served
from tests.processes import run, started
from tracegraph.simulators.core.faults import Fault

JSON = '[log]\nformat = "json"'


def test_the_start_the_warnings_the_end_and_everything_between_are_json(vendors_running: Running) -> None:
    vendors_running.nemo.faults.add(Fault("html"))
    env = vendors_running.env | {"TRACEGRAPH_SERVER_PORT": "1"}  # one underscore: a warning
    with started(*serve(vendors_running, more=JSON), env=env) as process:
        url = served(process)
        ask(url)
        httpx.delete(url, trust_env=False)
        process.send(signal.SIGTERM)
        assert process.end() == 0
        lines = [orjson.loads(line) for line in process.err.splitlines()]
    assert process.out == ""
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    by_event = {line["event"]: line for line in lines}
    assert "TRACEGRAPH_SERVER_PORT" in by_event["config.warning"]["reason"]
    start, stop = by_event["server.started"], by_event["server.stopped"]
    assert start["sources"] == ["nemo", "langsmith", "meibel"]
    assert start["file"].endswith("gateway.toml")
    assert (start["url"], start["version"], start["workers"]) == (url, stop["version"], 1)
    assert by_event["http.refused"]["status"] == 405


def test_a_refused_start_is_an_event_where_the_format_is_json_also_of_an_invalid_file(
    vendors_running: Running,
) -> None:
    for more in (f"{JSON}\n[server]\nprot = 1", f"{JSON}\n[server]\nhost = '0.0.0.0'"):
        code, out, err = run(*serve(vendors_running, more=more), env=vendors_running.env)
        (line,) = [orjson.loads(text) for text in err.splitlines()]
        assert (code, out, line["event"], line["level"]) == (2, "", "server.not_started", "critical")
        assert line["reason"].endswith(".")


def test_warnings_and_uncaught_exceptions_of_a_process_are_events() -> None:
    script = (
        "import threading, warnings\n"
        "from tracegraph.observability.logging import capture_warnings_and_exceptions, configure_logs\n"
        "from tracegraph.config.settings import LogSettings\n"
        "configure_logs(LogSettings(format='json'), in_background=True)\n"
        "capture_warnings_and_exceptions()\n"
        "warnings.warn('attention')\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\n"
        "thread.start(); thread.join()\n"
        "class Late:\n"
        "    def __del__(self): raise ValueError('late')\n"
        "Late()\n"
        "raise KeyError('end')\n"
    )
    err = run_python(script)
    lines = [orjson.loads(text) for text in err.splitlines()]
    assert [line["event"] for line in lines] == ["library", *["process.uncaught_exception"] * 3]
    assert "attention" in lines[0]["message"]
    assert ["ZeroDivisionError" in lines[1]["exception"], "late" in lines[2]["exception"]] == [True, True]
    assert "KeyError" in lines[3]["exception"]


def run_python(script: str) -> str:
    """Run a script with the tests' Python, without its warnings as errors; standard error."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    return subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False
    ).stderr
