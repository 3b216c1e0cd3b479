"""One case measured: the server as a process of its own, asked by wrk."""

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
_READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a case cost: `cpu_ms` a query over all processes of the server, `rss_mb` of the largest of them."""

    name: str
    delay_ms: int
    """What the vendors take for each call."""
    cpu_ms: float
    queries_per_s: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    calls: float | None
    """Calls to vendors, a query; None where there are no vendors."""


class BenchFailed(Exception):
    """The server did not answer, or not rightly."""


def measured(case: Case, vendors: DemoVendors, seconds: int, connections: int, answer: Path) -> Measured:
    """Ask for so long. `answer` is the file for the gateway's answer, from which stock strawberry takes its own.

    Raises BenchFailed when an answer holds errors, or one differs from the other.
    """
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder, "body.json")
        body.write_bytes(orjson.dumps({"query": case.query}))
        with _serving(case, vendors, Path(folder), answer) as (process, url):
            given = _answer(process, url, case)
            if case.served_by == "gateway":
                answer.write_bytes(given)
            elif _data(given) != _data(answer.read_bytes()):
                raise BenchFailed(f"{case.name}: that is not the gateway's answer")
            _control(vendors, f"__delay/{case.delay_ms}")
            try:
                return _asked(case, process, url, body, vendors, (seconds, connections))
            finally:
                _control(vendors, "__delay/0")


def _data(answer: bytes) -> Any:
    """What was asked for; strawberry writes UTC as +00:00."""
    return orjson.loads(answer.replace(b"+00:00", b"Z"))["data"]


def _asked(  # noqa: PLR0917 - one measurement's parts
    case: Case,
    process: subprocess.Popen[bytes],
    url: str,
    body: Path,
    vendors: DemoVendors,
    load: tuple[int, int],
) -> Measured:
    seconds, connections = load
    _wrk(url, body, case, _WARM_UP_S, connections)
    cpu_before, calls_before = _cpu_ms(process.pid), _control(vendors, "__calls")
    result = _wrk(url, body, case, seconds, connections)
    requests = result["requests"]
    if result["failed"] or not requests:
        raise BenchFailed(f"{case.name}: {result}")
    calls = (_control(vendors, "__calls") - calls_before) / requests
    return Measured(
        case.name,
        case.delay_ms,
        cpu_ms=(_cpu_ms(process.pid) - cpu_before) / requests,
        queries_per_s=requests / result["seconds"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        rss_mb=max(_rss_mb(pid) for pid in _family(process.pid)),
        calls=calls if case.served_by == "gateway" else None,
    )


# -- the server ----------------------------------------------------------------------------------------


@contextmanager
def _serving(
    case: Case, vendors: DemoVendors, folder: Path, answer: Path
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = _free_port()
    if case.served_by == "gateway":
        config = folder / "tracegraph.toml"
        config.write_text(_configuration(case, vendors), encoding="utf-8")
        command = ["-c", "from tracegraph.cli import main; main()", "serve", "--config", str(config)]
        command += ["--port", str(port), "--workers", str(case.workers)]
    else:
        command = ["-m", "tools.bench.stock", str(answer), str(port)]
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
{keys["nemo"]}

[sources.langsmith]
vendor = "langsmith"
base_url = "{vendors.langsmith_url}"
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


def _answer(process: subprocess.Popen[bytes], url: str, case: Case) -> bytes:
    """The first answer, as soon as there is one."""
    headers = {f"x-{vendor}-key": "warm" for vendor in ("nemo", "langsmith", "meibel")}
    until = time.monotonic() + _READY_WITHIN_S
    while process.poll() is None and time.monotonic() < until:
        try:
            response = httpx.post(url, json={"query": case.query}, headers=headers, timeout=30)
        except httpx.ConnectError:
            time.sleep(0.1)
            continue
        given = orjson.loads(response.content)
        if response.status_code != 200 or given.get("errors"):
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
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = orjson.loads(said[said.index("MEASURED ") + 9 :])
    return found


def _control(vendors: DemoVendors, path: str) -> int:
    """Ask the vendors' server for something; the number of calls so far."""
    calls: int = httpx.get(f"{vendors.nemo_url}/{path}").json()["calls"]
    return calls


def _family(pid: int) -> list[int]:
    """The process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _cpu_ms(pid: int) -> float:
    ticks = 0
    for one in _family(pid):
        fields = Path(f"/proc/{one}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_MS


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
