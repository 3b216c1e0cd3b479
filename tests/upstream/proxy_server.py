"""A real HTTP proxy in a process of its own: proxy.py, on a free port of loopback."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTS_WITHIN_S = 30.0


class ProxyServer:
    """A running proxy. `requests` are the lines of its access log."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "proxy.log"
        self.port_file = folder / "proxy.port"

    @property
    def address(self) -> str:
        """The host and port."""
        return f"127.0.0.1:{self.port_file.read_text().split()[0]}"

    @property
    def requests(self) -> list[str]:
        """The method and target of each request, which the proxy logs when the connection ends."""
        lines = [line for line in self._log.read_text().splitlines() if "access_log" in line]
        return [" ".join(line.split(" - ")[3].split()[:2]) for line in lines]


@contextmanager
def proxy_running(folder: Path, credential: str | None = None) -> Iterator[ProxyServer]:
    """Run a proxy while the block runs; with a credential, `user:password`, it demands it."""
    server = ProxyServer(folder)
    options = ["--hostname", "127.0.0.1", "--port", "0", "--port-file", str(server.port_file)]
    options += ["--num-workers", "1", "--num-acceptors", "1", "--log-file", str(folder / "proxy.log")]
    options += [] if credential is None else ["--basic-auth", credential]
    process = subprocess.Popen([sys.executable, "-m", "proxy", *options])
    try:
        ends_at = time.monotonic() + STARTS_WITHIN_S
        while not (server.port_file.exists() and server.port_file.read_text().strip()):
            assert process.poll() is None, "the proxy does not start: proxy.py of the extra dev is not installed"
            assert time.monotonic() < ends_at, "the proxy does not answer"
            time.sleep(0.02)
        yield server
    finally:
        process.terminate()
        process.wait()
