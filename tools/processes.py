"""Starts the three simulated vendors and `tracegraph serve` as separate processes on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx

from tracegraph.simulators.vendors import DemoVendors
from tracegraph.upstream.pooled_transport import PooledTransport

_GATEWAY = """
import asyncio, os, signal
def report(*_):
    os.write(2, f"\\nasyncio tasks: {len(asyncio.all_tasks())}\\n".encode())
signal.signal(signal.SIGUSR1, report)
from tracegraph.cli import main
main()
"""
"""The `tracegraph` command, which on SIGUSR1 also reports the number of tasks of its event loop."""
_REPORT_TIMEOUT_S = 10.0
_READY_TIMEOUT_S = 60.0


def http_client(max_connections: int = 100) -> httpx.AsyncClient:
    """Return a client without time limits. It uses the gateway's pool, since httpx's own takes much CPU time."""
    return httpx.AsyncClient(transport=PooledTransport(max_connections=max_connections), timeout=None)  # noqa: S113


class GatewayProcess:
    """A gateway process that listens at `url`."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.pid = process.pid
        self.url = url
        self._process = process
        self._task_counts: SimpleQueue[int] = SimpleQueue()
        threading.Thread(target=self._read_log, daemon=True).start()

    def tasks(self) -> int:
        """Return the current number of asyncio tasks. Raise queue.Empty without a report in time."""
        self._process.send_signal(signal.SIGUSR1)
        return self._task_counts.get(timeout=_REPORT_TIMEOUT_S)

    async def ready(self, http: httpx.AsyncClient) -> None:
        """Wait until the gateway accepts queries. Raise TimeoutError if it does not."""
        async with asyncio.timeout(_READY_TIMEOUT_S):
            while True:
                with suppress(httpx.HTTPError):
                    response = await http.get(self.url.replace("/graphql", "/readyz"))
                    if response.status_code == 200:
                        return
                await asyncio.sleep(0.1)

    def _read_log(self) -> None:
        """Read the log to its end, so that the pipe never fills."""
        for line in self._process.stderr or ():
            if line.startswith("asyncio tasks: "):
                self._task_counts.put(int(line.rpartition(" ")[2]))


@contextmanager
def vendors_running(module: str = "tools.vendors") -> Iterator[DemoVendors]:
    """Start the vendors of a module that prints their URLs and runs until its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the vendors' process has no pipes")
        try:
            yield DemoVendors(**json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()


@contextmanager
def gateway_running(
    vendors: DemoVendors, tables: str = "", source: str = "", port: int = 0
) -> Iterator[GatewayProcess]:
    """Start `tracegraph serve` over the vendors; its log is read and dropped.

    `tables` are further tables of the configuration, `source` further keys of every source. Port 0 is a free one.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "tracegraph.toml")
        config.write_text(_configuration(vendors, source) + tables, encoding="utf-8")
        command = [sys.executable, "-c", _GATEWAY, "serve", "--config", str(config), "--port", str(port)]
        process = subprocess.Popen(command, env=_environment(vendors), stderr=subprocess.PIPE, text=True)
        with terminated(process):
            yield GatewayProcess(process, _url(process))


@contextmanager
def terminated(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Terminate the process at the end of the block."""
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
        if process.stderr is not None:
            process.stderr.close()


def _url(process: subprocess.Popen[str]) -> str:
    """Wait for the log line with the URL."""
    if process.stderr is None:
        raise RuntimeError("the gateway's process has no pipe")
    log = ""
    for line in process.stderr:
        log += line
        if match := re.search(r"http://[\w.:]+/graphql", line):
            return match[0]
    raise RuntimeError(f"the gateway ended before it listened: {log}")


def _environment(vendors: DemoVendors) -> Mapping[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACEGRAPH_")}
    return environment | {
        "SOAK_LANGSMITH_KEY": vendors.langsmith_api_key,
        "SOAK_MEIBEL_KEY": vendors.meibel_api_key,
        "COLUMNS": "200",
        "TRACEGRAPH_SERVER__DRAIN_S": "0",
    }


def _configuration(vendors: DemoVendors, source: str) -> str:
    return f"""
[log]
level = "info"
format = "json"

[sources.nemo]
vendor = "nemo"
base_url = "{vendors.nemo_url}"
workspace = "{vendors.nemo_workspace}"
{source}

[sources.langsmith]
vendor = "langsmith"
base_url = "{vendors.langsmith_url}"
api_key = "env:SOAK_LANGSMITH_KEY"
{source}

[sources.meibel]
vendor = "meibel"
base_url = "{vendors.meibel_url}"
api_key = "env:SOAK_MEIBEL_KEY"
{source}
"""
