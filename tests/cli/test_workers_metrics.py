"""`/metrics` of several processes on one port: whichever answers tells the sum of all."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Running
from tests.cli.test_serve import ask, children, serve, served, until
from tests.http.metering import Scrape
from tests.processes import started
from tracegraph.metrics.multiprocess import WRITE_INTERVAL_S

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="there is no /proc to see processes in"
)


def scrape(url: str) -> Scrape:
    """Over a connection of its own, so that the system chooses a process each time."""
    return Scrape(httpx.get(url.replace("/graphql", "/metrics"), trust_env=False).text)


def answered(url: str) -> float:
    return scrape(url).value("graphql_requests_total", operation="unnamed", outcome="OK")


def test_any_worker_tells_the_sum_and_one_that_dies_keeps_its_counts(vendors_running: Running) -> None:
    with started(*serve(vendors_running, "--workers", "2"), env=vendors_running.env) as process:
        url = served(process)
        assert until(lambda: scrape(url).value("processes") == 2)
        for _ in range(12):
            ask(url)
        assert until(lambda: {answered(url) for _ in range(6)} == {12})
        calls = len(vendors_running.nemo.calls)
        read = scrape(url)
        kinds = read.by("kind", "upstream_requests_total", source="nemo", outcome="OK")
        assert sum(kinds.values()) == calls
        assert set(read.by("outcome", "upstream_requests_total", source="nemo")) == {"OK"}
        assert scrape(url).by("state", "circuits", source="nemo", kind="experiments") == {"CLOSED": 2}

        time.sleep(2 * WRITE_INTERVAL_S)  # what a process counted since it last laid it down dies with it
        before = _workers(process.pid)
        os.kill(max(before), signal.SIGKILL)
        assert until(lambda: len(_workers(process.pid) - before) == 1)
        assert {answered(url) for _ in range(6)} == {12}
        process.send(signal.SIGTERM)
        assert process.end() == 0
        assert "Traceback" not in process.out + process.err


def _workers(parent: int) -> set[int]:
    """The processes that answer, without the one that multiprocessing keeps beside them."""
    return {pid for pid in children(parent) if b"spawn_main" in _command_line(pid)}


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:  # it ended after it was listed
        return b""
