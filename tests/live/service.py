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
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.live.releases import RELEASES, Release
from tracegraph.real_servers.environments import Environment
from tracegraph.real_servers.processes import Process, free_port

HERE = Path(__file__).resolve().parent
LIVE = HERE.parent.parent / ".live"
SOURCES = str(HERE.parent.parent / "src")
"""Where the scripts of the live tests find the functions of `tracegraph.real_servers`."""


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
    environment = Environment(release.package, release.version, tuple(release.requirements))
    return environment.installed_in(LIVE) or environment.install_in(LIVE, python_for(release))


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
