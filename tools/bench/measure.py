"""Measures one case: the server in a separate process, with wrk as the client."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from tools.bench.cases import Case
from tools.processes import terminated
from tracegraph.simulators.vendors import DemoVendors

_SCRIPT = Path(__file__).with_name("post.lua")
_TICKS_PER_MS = os.sysconf("SC_CLK_TCK") / 1000
_WARM_UP_S = 2
_READY_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """The cost of a case: `cpu_ms` per query over all server processes, `rss_mb` of the largest process."""

    name: str
    delay_ms: int
    """The vendors' delay for each call."""
    cpu_ms: float
    queries_per_s: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    calls: float | None
    """Calls to vendors per query; None without vendors."""


class BenchFailed(Exception):
    """The server did not respond, or responded incorrectly."""


def measure_case(
    case: Case, vendors: DemoVendors, seconds: int, connections: int, response_file: Path
) -> Measurement:
    """Measure a case.

    Args:
        case: The case.
        vendors: The vendors of the benchmark.
        seconds: The duration.
        connections: The number of connections.
        response_file: The file of the gateway's response, which stock strawberry serves.

    Raises:
        BenchFailed: A response holds errors, or the two servers' responses differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder, "body.json")
        body.write_bytes(orjson.dumps({"query": case.query}))
        with _serving(case, vendors, Path(folder), response_file) as (process, url):
            content = _first_response(process, url, case)
            if case.served_by == "gateway":
                response_file.write_bytes(content)
            elif _data(content) != _data(response_file.read_bytes()):
                raise BenchFailed(f"{case.name}: the response differs from the gateway's")
            _control(vendors, f"__delay/{case.delay_ms}")
            try:
                return _measure_load(case, process, url, body, vendors, (seconds, connections))
            finally:
                _control(vendors, "__delay/0")


def _data(content: bytes) -> Any:
    """Return the data of a response; strawberry writes UTC as +00:00."""
    return orjson.loads(content.replace(b"+00:00", b"Z"))["data"]


def _measure_load(  # noqa: PLR0917 - the parts of one measurement
    case: Case,
    process: subprocess.Popen[bytes],
    url: str,
    body: Path,
    vendors: DemoVendors,
    load: tuple[int, int],
) -> Measurement:
    seconds, connections = load
    _wrk(url, body, case, _WARM_UP_S, connections)
    cpu_before, calls_before = _cpu_ms(process.pid), _control(vendors, "__calls")
    result = _wrk(url, body, case, seconds, connections)
    requests = result["requests"]
    if result["failed"] or not requests:
        raise BenchFailed(f"{case.name}: {result}")
    calls = (_control(vendors, "__calls") - calls_before) / requests
    return Measurement(
        case.name,
        case.delay_ms,
        cpu_ms=(_cpu_ms(process.pid) - cpu_before) / requests,
        queries_per_s=requests / result["seconds"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        rss_mb=max(_rss_mb(pid) for pid in _process_tree(process.pid)),
        calls=calls if case.served_by == "gateway" else None,
    )


# -- the server ----------------------------------------------------------------------------------------


@contextmanager
def _serving(
    case: Case, vendors: DemoVendors, folder: Path, response_file: Path
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = _free_port()
    if case.served_by == "gateway":
        config = folder / "tracegraph.toml"
        config.write_text(_configuration(case, vendors), encoding="utf-8")
        command = ["-c", "from tracegraph.cli import main; main()", "serve", "--config", str(config)]
        command += ["--port", str(port), "--workers", str(case.workers)]
    else:
        command = ["-m", "tools.bench.stock", str(response_file), str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACEGRAPH_")}
    environment |= {"BENCH_LANGSMITH_KEY": vendors.langsmith_api_key, "BENCH_MEIBEL_KEY": vendors.meibel_api_key}
    process = subprocess.Popen([sys.executable, *command], env=environment, stderr=subprocess.DEVNULL)
    with terminated(process):
        yield process, f"http://127.0.0.1:{port}/graphql"


def _configuration(case: Case, vendors: DemoVendors) -> str:
    keys = {name: f'api_key = "env:BENCH_{name.upper()}_KEY"' for name in ("langsmith", "meibel")} | {"nemo": ""}
    if case.own_keys:
        keys = {name: f'pass_through = "x-{name}-key"' for name in keys}
    return f"""
{case.tables}
[log]
level = "warning"

[sources.nemo]
vendor = "nemo"
base_url = "{vendors.nemo_url}"
workspace = "{vendors.nemo_workspace}"
release = "0.2"
{keys["nemo"]}

[sources.langsmith]
vendor = "langsmith"
base_url = "{vendors.langsmith_url}"
api = "v1"
{keys["langsmith"]}

[sources.meibel]
vendor = "meibel"
base_url = "{vendors.meibel_url}"
{keys["meibel"]}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_response(process: subprocess.Popen[bytes], url: str, case: Case) -> bytes:
    """Return the first response, as soon as there is one."""
    headers = {f"x-{vendor}-key": "warm" for vendor in ("nemo", "langsmith", "meibel")}
    until = time.monotonic() + _READY_TIMEOUT_S
    while process.poll() is None and time.monotonic() < until:
        try:
            response = httpx.post(url, json={"query": case.query}, headers=headers, timeout=30)
        except httpx.ConnectError:
            time.sleep(0.1)
            continue
        payload = orjson.loads(response.content)
        if response.status_code != 200 or payload.get("errors"):
            raise BenchFailed(f"{case.name}: {response.text[:500]}")
        return response.content
    raise BenchFailed(f"{case.name}: the server did not start")


# -- figures -------------------------------------------------------------------------------------------


def _wrk(url: str, body: Path, case: Case, seconds: int, connections: int) -> dict[str, Any]:
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(_SCRIPT),
        url,
        "--",
    ]
    command += [str(body), "own" if case.own_keys else "shared"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, Any] = orjson.loads(output[output.index("MEASURED ") + 9 :])
    return result


def _control(vendors: DemoVendors, path: str) -> int:
    """Send a control request to the vendors' server, and return the number of calls so far."""
    calls: int = httpx.get(f"{vendors.nemo_url}/{path}").json()["calls"]
    return calls


def _process_tree(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(descendant for child in children for descendant in _process_tree(int(child)))]


def _cpu_ms(pid: int) -> float:
    ticks = 0
    for member in _process_tree(pid):
        fields = Path(f"/proc/{member}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_MS


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
