"""Programs that serve HTTP on loopback, each in a process group of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

READY_WITHIN_S = 180.0
STOP_WITHIN_S = 20.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses of this machine, whatever proxy the environment names."""


def free_port() -> int:
    """Return a TCP port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A program that serves HTTP, in a process group of its own.

    Raises:
        RuntimeError: It ended, or did not answer within three minutes.
    """

    def __init__(self, command: Sequence[str | Path], *, ready: str, log: Path, env: Mapping[str, str]) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=env,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(ready)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, url: str) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), DIRECT.open(url, timeout=5):
                return
            time.sleep(0.1)
        end = self._log.read_text(errors="replace")[-4000:]
        raise RuntimeError(f"{url} did not answer; exit code {self._process.poll()}; the log ends with:\n{end}")

    def stop(self) -> None:
        """End the program and what it started: first by asking, then by force."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_WITHIN_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
