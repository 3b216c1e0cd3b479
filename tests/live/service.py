"""NeMo Intake itself, from PyPI, on this machine: `make live` runs the gateway against it.

    python -m tests.live.service 0.8.1     # starts this release, prints its address, stops it on Ctrl-C

Each release and its ClickHouse engine have an environment of their own, `.live/PACKAGE-VERSION`, which is made on
first use (about 1.7 GB and two minutes). Each run has a directory of its own under `.live/runs`, with its HOME,
which is removed when it stops.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.live.releases import RELEASES, Release

HERE = Path(__file__).resolve().parent
LIVE = HERE.parent.parent / ".live"
READY_WITHIN_S = 180.0
STOP_WITHIN_S = 20.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses of this machine, whatever proxy the environment names."""


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python_for(release: Release) -> Path:
    """A Python that is new enough for the release: the one that runs the tests, else one on PATH or of pyenv.

    Raises:
        RuntimeError: There is none.
    """
    oldest = tuple(map(int, release.python.split(".")))
    if sys.version_info[:2] >= oldest:
        return Path(sys.executable)
    on_path = shutil.which(f"python{release.python}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = sorted(pyenv.glob(f"{release.python}.*/bin/python"), reverse=True)
    for candidate in [*([] if on_path is None else [Path(on_path)]), *installed]:
        # A shim of pyenv is on PATH for versions that are not active, too, and then fails.
        if subprocess.run([candidate, "--version"], check=False, capture_output=True).returncode == 0:
            return candidate
    raise RuntimeError(
        f"{release.package} {release.version} needs Python {release.python}: install it with pyenv, or put "
        f"python{release.python} on PATH, or leave this release out (LIVE_RELEASES)."
    )


def interpreter(release: Release) -> Path:
    """The Python of the release's environment, with the release installed in it."""
    venv = LIVE / f"{release.package}-{release.version}"
    python = venv / "bin" / "python"
    wanted = "\n".join(release.requirements)
    installed = venv / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        subprocess.run([python_for(release), "-m", "venv", "--clear", venv], check=True)
        pip = "-m", "pip", "install", "--quiet", "--disable-pip-version-check"
        subprocess.run([python, *pip, *release.requirements], check=True)
        installed.write_text(wanted)
    return python


class Process:
    """A program that serves HTTP, in a process group of its own."""

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


class NemoService:
    """A running NeMo platform with Intake, and its telemetry store as a process that can be stopped alone."""

    def __init__(self, release: Release, run: Path) -> None:
        self.release = release
        self._run = run
        self._python = interpreter(release)
        self._store_port = free_port()
        self._store: Process | None = None
        self._service: Process | None = None
        self._port = free_port()
        (run / "home").mkdir()

    @property
    def base_url(self) -> str:
        """What a source's `base_url` is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NMP_", "NHX_"))}
        return kept | {
            "HOME": str(self._run / "home"),
            "TZ": "UTC",
            "NO_PROXY": "127.0.0.1,localhost",
            f"{self.release.prefix}INTAKE_CLICKHOUSE_URL": f"http://127.0.0.1:{self._store_port}",
        }

    def start(self) -> None:
        """Start the store, then the service; returns when both answer."""
        self.start_store()
        nemo = self._python.with_name("nemo")
        which = ["--services", "auth,entities,intake", "--host", "127.0.0.1", "--port", str(self._port)]
        self._service = Process(
            [nemo, "services", "run", *which],
            ready=f"{self.base_url}/health/ready",
            log=self._run / "service.log",
            env=self._env,
        )

    def stop(self) -> None:
        """Stop both."""
        if self._service is not None:
            self._service.stop()
            self._service = None
        self.stop_store()

    def start_store(self) -> None:
        """Start the telemetry store; what it held before is still there."""
        front: list[str | Path] = [self._python, HERE / "clickhouse_front.py", "--port", str(self._store_port)]
        self._store = Process(
            [*front, "--data", self._run / "store"],
            ready=f"http://127.0.0.1:{self._store_port}/ping",
            log=self._run / "store.log",
            env=self._env,
        )

    def stop_store(self) -> None:
        """Stop the telemetry store alone: the service runs on without it."""
        if self._store is not None:
            self._store.stop()
            self._store = None


@contextlib.contextmanager
def running(release: Release) -> Iterator[NemoService]:
    """A service of the release with nothing in it, stopped and removed at the end."""
    runs = LIVE / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    run = Path(tempfile.mkdtemp(dir=runs))
    try:
        service = NemoService(release, run)
        try:
            service.start()
            yield service
        finally:
            service.stop()
    finally:
        shutil.rmtree(run, ignore_errors=True)


def main() -> None:
    """Run a release until Ctrl-C or a TERM signal."""
    known = {release.version: release for release in RELEASES}
    parser = argparse.ArgumentParser(description="Run NeMo Intake on this machine.")
    parser.add_argument("release", choices=known)
    release = known[parser.parse_args().release]

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(KeyboardInterrupt), running(release) as service:
        sys.stdout.write(f"{service.base_url}\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
