"""`tracegraph serve` as a process: it answers, ends cleanly on a signal, and its log keeps secrets."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest

from tests.cli.conftest import Running
from tests.processes import Process, started
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

QUERY = {"query": "{ experiments { nodes { name } } }"}


def ask(url: str) -> httpx.Response:
    return httpx.post(url, json=QUERY, timeout=30, trust_env=False)


def until(condition: Callable[[], bool], within_s: float = 30) -> bool:
    ends_at = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.05)
    return True


def served(process: Process) -> str:
    """Wait until the gateway takes queries, and give its address."""
    url = process.url()

    def ready() -> bool:
        try:
            return httpx.get(url.replace("/graphql", "/readyz"), trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    assert until(ready), process.err
    return url


def serve(vendors: Running, *options: str, more: str = "") -> list[str]:
    return ["serve", "--config", vendors.config(more), "--port", "0", *options]


@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGTERM, 0, marks=pytest.mark.slow), (signal.SIGINT, 130)],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_a_request_in_flight_is_answered_before_the_end(
    vendors_running: Running, number: signal.Signals, code: int
) -> None:
    vendors_running.worlds[0].add(nemo_experiment("slow"))
    with started(*serve(vendors_running), env=vendors_running.env) as process:
        url = served(process)
        vendors_running.nemo.faults.add(Fault("delay", seconds=1.5))
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(ask(url)))
        asking.start()
        assert until(lambda: vendors_running.nemo.in_flight == 1)
        process.send(number)
        asking.join(30)
        assert answers[0].json() == {"data": {"experiments": {"nodes": [{"name": "slow"}]}}}
        assert process.end() == code
        assert process.err.splitlines()[1:] == [line for line in process.err.splitlines() if '"event"' in line]
        with pytest.raises(httpx.ConnectError):
            ask(url)


def page_faults(pid: int) -> int:
    """How many pages the process was given so far, that it had not or not any more."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc to count page faults in")
def test_a_request_is_given_few_pages(vendors_running: Running) -> None:
    """Where a loop's calls step over the end of a piece of the stack, each costs one: thousands a request."""
    sessions = [nemo_session(f"s{number}") for number in range(50)]
    vendors_running.worlds[0].add(nemo_experiment("e"), sessions)
    query = {"query": "{ sessions(first: 50) { nodes { id startedAt metadata } sources { durationMs } } }"}
    with (
        started(*serve(vendors_running), env=vendors_running.env) as process,
        httpx.Client(trust_env=False) as asker,
    ):
        url = served(process)
        for requests in (30, 50):  # the first ones load what the process needs
            before = page_faults(process.pid)
            for _ in range(requests):
                assert len(asker.post(url, json=query).json()["data"]["sessions"]["nodes"]) == 50
        assert (page_faults(process.pid) - before) / requests < 50


def children(pid: int) -> set[int]:
    """The processes whose parent it is."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.add(int(entry.name))
    return found


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc to see processes in")
def test_two_workers_share_a_port_and_leave_no_process_behind(vendors_running: Running) -> None:
    vendors_running.worlds[0].add(nemo_experiment("e"))
    arguments = serve(vendors_running, "--workers", "2", "--insecure")
    with started(*arguments, env=vendors_running.env) as process:
        url = served(process)
        by_another_name = httpx.post(url, json=QUERY, headers={"host": "traces.example"}, trust_env=False)
        assert by_another_name.status_code == 200, "something in front sees to names, and each process knows it"
        workers = children(process.pid)
        assert len(workers) >= 2
        for _ in range(8):
            assert ask(url).json()["data"]["experiments"]["nodes"] == [{"name": "e"}]
        process.send(signal.SIGTERM)
        assert process.end() == 0
        assert until(lambda: not any(is_running(pid) for pid in workers))
        assert "Traceback" not in process.out + process.err


def test_the_log_tells_of_a_failing_vendor_without_its_address_or_a_key(vendors_running: Running) -> None:
    vendors_running.langsmith.faults.add(Fault("status", status=401, times=None))
    vendors_running.meibel.faults.add(
        Fault("status", status=403, times=None, body={"key": vendors_running.secrets[1]})
    )
    with started(*serve(vendors_running, more='[log]\nformat = "json"'), env=vendors_running.env) as process:
        url = served(process)
        answer = ask(url)
        process.send(signal.SIGTERM)
        process.end()
        log = process.err
    lines = [orjson.loads(line) for line in log.splitlines() if line.startswith("{")]
    told = {(line["event"], line.get("source"), line.get("code"), line.get("status")) for line in lines}
    assert ("upstream.failed", "langsmith", "UNAUTHORIZED", 401) in told
    assert ("upstream.failed", "meibel", "UNAUTHORIZED", 403) in told
    (request,) = [line for line in lines if line["event"] == "graphql.request"]
    assert request["sources"] == ["langsmith", "meibel"]
    references = {line["reference"] for line in lines if line["event"] == "upstream.failed"}
    assert references == {report["reference"] for report in answer.json()["extensions"]["sources"]}
    for never in (*vendors_running.secrets, *vendors_running.urls, *(url[7:] for url in vendors_running.urls)):
        assert never not in log
        assert never not in answer.text


def test_the_log_at_its_most_talkative_holds_no_key_and_variables_change_what_the_file_says(
    vendors_running: Running,
) -> None:
    vendors_running.nemo.faults.add(Fault("html"))
    vendors_running.langsmith.faults.add(Fault("status", status=400))
    vendors_running.meibel.faults.add(Fault("reset", times=None))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = vendors_running.env | {
        "TRACEGRAPH_SERVER__PORT": str(port),
        "TRACEGRAPH_SERVER__PLAYGROUND": "false",
        "TRACEGRAPH_LOG__LEVEL": "debug",
    }
    with started("serve", "--config", vendors_running.config("[server]\nport = 1"), env=env) as process:
        url = served(process)
        assert url == f"http://127.0.0.1:{port}/graphql"
        assert httpx.get(url, headers={"accept": "text/html"}, trust_env=False).status_code == 406
        ask(url)
        process.send(signal.SIGTERM)
        process.end()
        assert "upstream.failed.detail" in process.err
        assert all(secret not in process.err for secret in vendors_running.secrets)
