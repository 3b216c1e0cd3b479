"""The life of `tracegraph serve`: it drains, reloads, watches its workers, and never drops what it has begun."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from tests.cli.conftest import Running
from tests.cli.test_serve import ask, is_running, serve, served, until
from tests.processes import COMMAND, Process, started
from tracegraph.http.auth.api_keys import hash_key, new_key
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.world import nemo_experiment

ONE_OR_TWO = pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
TWO_OR_ONE = pytest.mark.parametrize("workers", [2, pytest.param(1, marks=pytest.mark.slow)])
LONG = {"TRACEGRAPH_SERVER__DRAIN_S": "60", "TRACEGRAPH_LIMITS__DEADLINE_S": "60"}
ONE_SOURCE = '[sources.nemo]\nvendor = "nemo"\nbase_url = "{}"\n'


def readyz(url: str) -> httpx.Response:
    return httpx.get(url.replace("/graphql", "/readyz"), trust_env=False)


def sources(url: str) -> list[str]:
    """Those of whichever process answers."""
    named: list[str] = readyz(url).json()["sources"]
    return named


def events(process: Process, name: str) -> list[dict[str, object]]:
    lines = [orjson.loads(line) for line in process.err.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def wait_for(process: Process, name: str, count: int = 1) -> list[dict[str, object]]:
    assert until(lambda: len(events(process, name)) >= count), process.err
    return events(process, name)


@contextmanager
def serving(running: Running, workers: int, env: dict[str, str] | None = None) -> Iterator[tuple[Process, str]]:
    """A gateway that takes queries with each of its processes; its configuration is given as a relative path."""
    file = Path(running.config())
    arguments = ["serve", "--config", file.name, "--port", "0", "--workers", str(workers)]
    with started(*arguments, env=running.env | (env or {}), cwd=file.parent) as process:
        url = served(process)
        if workers > 1:
            metrics = url.replace("/graphql", "/metrics")
            ready = f"processes {workers}.0"
            assert until(lambda: ready in httpx.get(metrics, trust_env=False).text)
        yield process, url


@contextmanager
def asking_slowly(running: Running, url: str) -> Iterator[list[httpx.Response]]:
    """A query that its vendor holds up, in flight in the block; the answer is in the list after it."""
    before = running.nemo.in_flight
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(ask(url)))
    asking.start()
    assert until(lambda: running.nemo.in_flight > before)
    yield answers
    asking.join(30)
    assert answers


@ONE_OR_TWO
def test_while_it_drains_it_is_unready_and_answers_and_then_the_port_closes(
    vendors_running: Running, workers: int
) -> None:
    vendors_running.worlds[0].add(nemo_experiment("e"))
    with serving(vendors_running, workers, {"TRACEGRAPH_SERVER__DRAIN_S": "4"}) as (process, url):
        with httpx.Client(trust_env=False) as client:
            assert "connection" not in client.post(url, json={"query": "{ __typename }"}).headers
            process.send(signal.SIGTERM)
            wait_for(process, "server.draining", workers)
            answer = client.post(url, json={"query": "{ experiments { nodes { name } } }"})
        assert answer.json() == {"data": {"experiments": {"nodes": [{"name": "e"}]}}}
        assert answer.headers["connection"] == "close", "a client that stays would miss the end"
        assert (readyz(url).status_code, readyz(url).json()) == (503, {"status": "draining"})
        assert httpx.get(url.replace("/graphql", "/healthz"), trust_env=False).status_code == 200
        assert process.end() == 0
        with pytest.raises(httpx.ConnectError):
            ask(url)


@pytest.mark.slow
def test_a_response_in_parts_is_completed_while_it_drains(vendors_running: Running) -> None:
    vendors_running.worlds[0].add(nemo_experiment("e"))
    query = {"query": "{ __typename ... @defer { experiments { nodes { name } } } }"}
    env = {"TRACEGRAPH_SERVER__DRAIN_S": "0", "TRACEGRAPH_SOURCES__NEMO__RELEASE": "0.2"}
    with serving(vendors_running, 1, env) as (process, url):
        vendors_running.nemo.faults.add(Fault("delay", times=None, seconds=1.5))
        accept = {"accept": "multipart/mixed"}
        with (
            httpx.Client(trust_env=False) as client,
            client.stream("POST", url, json=query, headers=accept) as response,
        ):
            chunks = response.iter_text()
            assert '"__typename":"Query"' in next(chunks)
            process.send(signal.SIGTERM)
            assert until(lambda: not can_connect(url))
            rest = "".join(chunks)
        assert '"nodes":[{"name":"e"}]' in rest
        assert rest.endswith("\r\n-----\r\n")
        assert process.end() == 0


@ONE_OR_TWO
def test_once_the_port_is_closed_connections_are_refused_while_requests_are_in_flight(
    vendors_running: Running, workers: int
) -> None:
    """A connection that is taken and never answered would be a failed request at the end of the process."""
    vendors_running.nemo.faults.add(Fault("hang", times=None))
    env = {**LONG, "TRACEGRAPH_SERVER__DRAIN_S": "0", "TRACEGRAPH_SOURCES__NEMO__TIMEOUT_S": "50"}
    with serving(vendors_running, workers, env) as (process, url):
        with asking_slowly(vendors_running, url) as answers:
            process.send(signal.SIGTERM)
            assert until(lambda: not can_connect(url))
            assert not answers
            process.send(signal.SIGTERM)
        assert process.end() == 0


@ONE_OR_TWO
def test_a_second_signal_ends_it_and_what_is_in_flight_gets_503(vendors_running: Running, workers: int) -> None:
    vendors_running.nemo.faults.add(Fault("hang", times=None))
    env = {**LONG, "TRACEGRAPH_SOURCES__NEMO__TIMEOUT_S": "50"}
    with serving(vendors_running, workers, env) as (process, url):
        with asking_slowly(vendors_running, url) as answers:
            process.send(signal.SIGTERM)
            wait_for(process, "server.draining", workers)
            process.send(signal.SIGTERM)
        (error,) = answers[0].json()["errors"]
        assert (answers[0].status_code, error["extensions"]["code"]) == (503, "SHUTTING_DOWN")
        assert process.end() == 0
        assert "Traceback" not in process.err


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_in_a_terminal_waits_for_no_balancer(vendors_running: Running, workers: int) -> None:
    """A terminal sends it to the parent and its workers alike."""
    vendors_running.worlds[0].add(nemo_experiment("slow"))
    vendors_running.nemo.faults.add(Fault("delay", seconds=1))
    with serving(vendors_running, workers, LONG) as (process, url):
        with asking_slowly(vendors_running, url) as answers:
            os.killpg(process.pid, signal.SIGINT)
        assert answers[0].json() == {"data": {"experiments": {"nodes": [{"name": "slow"}]}}}
        assert process.end() == 130
        assert "Traceback" not in process.err


@TWO_OR_ONE
def test_sighup_reads_the_file_again_and_what_is_in_flight_finishes_on_the_old_one(
    vendors_running: Running, workers: int
) -> None:
    vendors_running.worlds[0].add(nemo_experiment("slow"))
    env = {"TRACEGRAPH_LIMITS__DEADLINE_S": "60", "TRACEGRAPH_SOURCES__NEMO__TIMEOUT_S": "50"}
    with serving(vendors_running, workers, env) as (process, url):
        assert sources(url) == ["nemo", "langsmith", "meibel"]
        vendors_running.nemo.faults.add(Fault("delay", seconds=6))
        with asking_slowly(vendors_running, url) as answers:
            changed = ONE_SOURCE.format(vendors_running.urls[0])
            Path(vendors_running.config()).write_text(changed, encoding="utf-8")
            process.send(signal.SIGHUP)
            wait_for(process, "config.reloaded", workers)
            assert {tuple(sources(url)) for _ in range(6)} == {("nemo",)}
            assert not answers
        assert answers[0].json() == {"data": {"experiments": {"nodes": [{"name": "slow"}]}}}
        process.send(signal.SIGTERM)
        assert process.end() == 0
        assert "Traceback" not in process.err


@ONE_OR_TWO
def test_a_broken_file_keeps_the_old_configuration_and_one_sentence_says_so(
    vendors_running: Running, workers: int
) -> None:
    broken = {
        "[server": "this is not TOML",
        "[server]\nprot = 1\n" + ONE_SOURCE: "server.prot is not a setting",
        ONE_SOURCE + '[documents]\ntrusted = "missing.json"\n': "gateway.toml: documents.trusted",
        ONE_SOURCE + "[cache]\nmax_mb = 999999999\n": "gateway.toml: cache.max_mb",
        ONE_SOURCE + "[auth]\nrequests_per_minute = 5\n": "gateway.toml: auth.requests_per_minute",
    }
    with serving(vendors_running, workers) as (process, url):
        file = Path(vendors_running.config())
        for count, (text, reason) in enumerate(broken.items(), 1):
            file.write_text(text.format(vendors_running.urls[0]), encoding="utf-8")
            process.send(signal.SIGHUP)
            said = wait_for(process, "config.kept", count)
            assert reason in str(said[-1]["reason"])
            assert sources(url) == ["nemo", "langsmith", "meibel"]
        file.write_text(ONE_SOURCE.format(vendors_running.urls[0]), encoding="utf-8")
        process.send(signal.SIGHUP)
        wait_for(process, "config.reloaded", workers)
        assert sources(url) == ["nemo"]
        assert len(events(process, "config.kept")) == len(broken), "one line each, however many workers there are"
        assert "Traceback" not in process.err


def test_a_reload_reads_a_vendors_key_in_a_file_again(vendors_running: Running) -> None:
    """Without a failed call before: the vendor accepts both keys while they are exchanged."""
    config = Path(vendors_running.config())
    key = config.parent / "key"
    key.write_text("old-key", encoding="utf-8")
    text = f'[sources.langsmith]\nvendor = "langsmith"\nbase_url = "{vendors_running.urls[1]}"\napi = "v1"\n'
    config.write_text(f'{text}api_key = "file:key"\n', encoding="utf-8")
    sent: list[str] = []
    with started("serve", "--config", str(config), "--port", "0", env=vendors_running.env) as process:
        url = served(process)
        for current in ("old-key", "new-key"):
            key.write_text(current, encoding="utf-8")
            process.send(signal.SIGHUP)
            wait_for(process, "config.reloaded", len(sent) + 1)
            vendors_running.langsmith.calls.clear()
            ask(url)
            sent.append(vendors_running.langsmith.calls[-1].headers["x-api-key"])
        assert not any(secret in process.err for secret in sent)
    assert sent == ["old-key", "new-key"]


def test_a_reload_opens_no_door(vendors_running: Running) -> None:
    """Without [auth], whoever reaches the port would read with the gateway's keys."""
    auth = f'[auth.keys.dashboard]\nsha256 = "{hash_key(new_key())}"\n'
    arguments = ["serve", "--config", vendors_running.config(auth), "--port", "0", "--host", "0.0.0.0"]  # noqa: S104
    with started(*arguments, env=vendors_running.env) as process:
        url = served(process)
        vendors_running.config()
        process.send(signal.SIGHUP)
        (said,) = wait_for(process, "config.kept")
        assert "[auth]" in str(said["reason"])
        assert ask(url).status_code == 401


def test_births_and_deaths_of_workers_are_logged_and_the_dead_are_replaced(vendors_running: Running) -> None:
    with serving(vendors_running, 2) as (process, _):
        first, second = (int(str(line["pid"])) for line in wait_for(process, "worker.started", 2))
        os.kill(first, signal.SIGKILL)
        wait_for(process, "worker.started", 3)
        os.kill(second, signal.SIGTERM)
        pids = {line["pid"] for line in wait_for(process, "worker.started", 4)}
        assert len(pids) == 4
        ends = [
            (line["pid"], line.get("signal"), line.get("exit_code")) for line in events(process, "worker.ended")
        ]
        assert ends == [(first, "SIGKILL", None), (second, None, 0)]
        process.send(signal.SIGTERM)
        assert process.end() == 0
        assert {line["pid"] for line in events(process, "worker.ended")} == pids


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(vendors_running: Running) -> None:
    with serving(vendors_running, 2, LONG) as (process, url):
        workers = [int(str(line["pid"])) for line in wait_for(process, "worker.started", 2)]
        process.send(signal.SIGKILL)
        assert until(lambda: not any(is_running(pid) for pid in workers))
        with pytest.raises(httpx.ConnectError):
            ask(url)


ON_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_it_ends_with_its_terminal(vendors_running: Running, workers: int) -> None:
    """A terminal that is closed sends SIGHUP, too; a gateway that reloaded then would hold its port for ever."""
    ours, theirs = pty.openpty()
    command = [COMMAND, *serve(vendors_running, "--workers", str(workers))]
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *command],
        env=vendors_running.env | LONG,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    os.close(theirs)
    try:
        lines = map(bytes.decode, process.stderr)
        url = next(found[0] for line in lines if (found := re.search(r"http://[\w.:]+/graphql", line)))
        assert until(lambda: can_ask(url))
        os.close(ours)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def can_connect(url: str) -> bool:
    parts = httpx.URL(url)
    try:
        socket.create_connection((parts.host, parts.port or 80)).close()
    except ConnectionRefusedError:
        return False
    return True


def can_ask(url: str) -> bool:
    try:
        return readyz(url).status_code == 200
    except httpx.TransportError:
        return False
