"""A gateway in its own process, which is checked for crashes, logged errors and memory growth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson

from tests.cli.configurations import over, written
from tests.cli.test_serve import served
from tests.processes import Process, environment, started
from tracegraph.simulators.vendors import demo_vendors

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MAX_GROWTH_MB = 60
_WITHOUT_RATES = """
[sources.langsmith.limits.rates]
"runs/query" = "off"
"*" = "off"
"""
_ERROR_LEVELS = {"error", "critical"}


class WatchedGateway:
    """`tracegraph serve` over the demo's data."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.url = served(process)
        self.http = httpx.Client(trust_env=False, timeout=60)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return httpx.URL(self.url).port or 0

    def ask(self, query: str, **headers: str) -> httpx.Response:
        """POST a query."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(self.url, json={"query": query}, headers=given)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Assert after the block that the process responds, has logged no bug, and has hardly grown."""
        self._assert_responds()
        before_mb = self._resident_mb()
        yield
        self._assert_responds()
        assert [line for line in self._process.err.splitlines()[1:] if _reports_a_bug(line)] == []
        assert self._resident_mb() - before_mb < MAX_GROWTH_MB

    def _assert_responds(self) -> None:
        assert self.ask("{ __typename }").json() == {"data": {"__typename": "Query"}}

    def _resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * _PAGE_BYTES / 2**20


def _reports_a_bug(line: str) -> bool:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:  # only the log may write there
        return True
    return event["level"] in _ERROR_LEVELS or "exception" in event


@contextmanager
def watched_gateway(folder: Path, more: str = "") -> Iterator[WatchedGateway]:
    """Run a gateway during the block. `more` are additional lines of its configuration."""
    with demo_vendors() as vendors:
        env = environment(
            SMITH_KEY=vendors.langsmith_api_key,
            MEIBEL_KEY=vendors.meibel_api_key,
            TRACEGRAPH_SOURCES__NEMO__WORKSPACE=vendors.nemo_workspace,
        )
        urls = vendors.nemo_url, vendors.langsmith_url, vendors.meibel_url.removesuffix("/v2")
        config = written(folder, over(*urls, _WITHOUT_RATES + more))
        with started("serve", "--config", str(config), "--port", "0", env=env) as process:
            gateway = WatchedGateway(process)
            with gateway.http:
                yield gateway
