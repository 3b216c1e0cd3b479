"""The `tracegraph` command as a process of its own, for tests that meet it as a user at a terminal does."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

COMMAND = str(Path(sys.executable).parent / "tracegraph")
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 30.0


def environment(**more: str) -> dict[str, str]:
    """This process's environment without any configuration of the gateway, with these variables.

    The setting of `make test-plans-off` stays.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TRACEGRAPH_") or name == "TRACEGRAPH_SERVER__COMPILED_PLANS"
    }
    return kept | {"COLUMNS": "160", "PYTHONWARNINGS": "error"} | more


class Process:
    """A running command; its output is gathered while it runs."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> None:
        self._process = subprocess.Popen(
            [COMMAND, *arguments],
            env=dict(env),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._output: dict[str, list[bytes]] = {"out": [], "err": []}
        self._readers = [
            threading.Thread(target=self._gather, args=(name, stream), daemon=True)
            for name, stream in (("out", self._process.stdout), ("err", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _gather(self, name: str, stream: object) -> None:
        for line in stream:  # type: ignore[attr-defined]
            self._output[name].append(line)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def out(self) -> str:
        """What it wrote to standard output."""
        return b"".join(self._output["out"]).decode()

    @property
    def err(self) -> str:
        """What it wrote to standard error."""
        return b"".join(self._output["err"]).decode()

    def url(self) -> str:
        """Wait until it says where it serves, and return that."""
        return self.wait_for(r"http://[\w.:\[\]]+/graphql")

    def wait_for(self, pattern: str, within_s: float = STARTS_WITHIN_S) -> str:
        """Wait until the pattern shows in its output, and return the match."""
        ends_at = time.monotonic() + within_s
        while time.monotonic() < ends_at:
            found = re.search(pattern, self.out + self.err)
            if found:
                return found[0]
            assert self._process.poll() is None, f"it ended early:\n{self.out}\n{self.err}"
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} did not show:\n{self.out}\n{self.err}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for its end; the exit code, or minus the signal that killed it."""
        code = self._process.wait(ENDS_WITHIN_S)
        for reader in self._readers:
            reader.join(ENDS_WITHIN_S)
        return code

    def close(self) -> None:
        """Leave nothing running: its own processes neither, which would keep its output open."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.end()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def started(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Iterator[Process]:
    """Run `tracegraph` with these arguments while the block runs."""
    process = Process(arguments, environment() if env is None else env, cwd)
    try:
        yield process
    finally:
        process.close()


def run(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
    """Run `tracegraph` to its end: exit code, standard output, standard error."""
    with started(*arguments, env=env, cwd=cwd) as process:
        code = process.end()
        return code, process.out, process.err
