"""An MLflow tracking server, from PyPI, on this machine: `make live` runs the gateway against it.

    python -m tests.live.mlflow_service     # starts a server, prints its address, stops it on Ctrl-C

It has an environment of its own, `.live/mlflow-VERSION`, which is made on first use (850 MB, two minutes).
Each run has a directory of its own under `.live/runs`, which is removed when the server stops.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.live.service import HERE, LIVE, Process, free_port

VERSION = "3.17.2"


def interpreter() -> Path:
    """The Python of the server's environment, with the server installed in it."""
    venv = LIVE / f"mlflow-{VERSION}"
    python, installed = venv / "bin" / "python", venv / "installed.txt"
    if not installed.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip = "-m", "pip", "install", "--quiet", "--disable-pip-version-check"
        subprocess.run([python, *pip, f"mlflow=={VERSION}"], check=True)
        installed.write_text(VERSION)
    return python


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A server with nothing in it, stopped and removed at the end; the block gets its address."""
    python = interpreter()
    runs = LIVE / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    run = Path(tempfile.mkdtemp(dir=runs))
    url = f"http://127.0.0.1:{free_port()}"
    command: list[str | Path] = [
        python.with_name("mlflow"),
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        url.rpartition(":")[2],
    ]
    command += ["--backend-store-uri", f"sqlite:///{run / 'mlflow.db'}", "--workers", "1"]
    command += ["--artifacts-destination", run / "artifacts"]
    try:
        process = Process(command, ready=f"{url}/health", log=run / "server.log", env=_env(run))
        try:
            yield url
        finally:
            process.stop()
    finally:
        shutil.rmtree(run, ignore_errors=True)


def ingest(url: str) -> None:
    """Put the content of the tests into a server."""
    script: list[str | Path] = [interpreter(), HERE / "mlflow_ingest.py", url]
    subprocess.run(script, check=True, env=_env(LIVE / "runs"), capture_output=True, cwd=LIVE)


def _env(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"}
    return kept | quiet | {"HOME": str(home), "TZ": "UTC", "NO_PROXY": "127.0.0.1,localhost"}


def main() -> None:
    """Run a server with the content of the tests until Ctrl-C or a TERM signal."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(KeyboardInterrupt), running() as url:
        ingest(url)
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
