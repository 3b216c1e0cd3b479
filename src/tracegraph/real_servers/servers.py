"""Runs MLflow and Phoenix: SQLite in a temporary folder, loopback, a free port, no telemetry."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracegraph.real_servers import environments
from tracegraph.real_servers.environments import Environment
from tracegraph.real_servers.processes import Process, free_port

HERE = Path(__file__).parent
INGEST_WITHIN_S = 600.0


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started.

    Attributes:
        name: Its name in sentences.
        environment: Where it is installed.
        ready: The path that answers once it is ready.
        prefix: The start of the names of its environment variables. Those of the user are left out.
        script: The script that ingests the sample content.
        command: The command line, from the folder of the environment's programs, its own folder and its port.
        variables: Its environment variables, from its own folder and its port.
    """

    name: str
    environment: Environment
    ready: str
    prefix: str
    script: Path
    command: Callable[[Path, Path, int], list[str | Path]]
    variables: Callable[[Path, int], Mapping[str, str]]

    def __str__(self) -> str:
        return f"{self.name} {self.environment.version}"


@dataclass(frozen=True, slots=True)
class Running:
    """A running server: its URL, its Python, and the environment variables of what it runs."""

    server: Server
    url: str
    python: Path
    env: Mapping[str, str]

    def ingest(self, content: str = "", script: Path | None = None, *arguments: str) -> None:
        """Run a script in the server's environment, by default the one for sample content.

        Args:
            content: What the script reads from its standard input.
            script: Another script. Its first argument is the URL.
            arguments: Its further arguments.

        Raises:
            RuntimeError: The script failed.
        """
        command: list[str | Path] = [self.python, script or self.server.script, self.url, *arguments]
        done = subprocess.run(
            command,
            input=content,
            check=False,
            capture_output=True,
            text=True,
            env=self.env,
            cwd=self.env["HOME"],
            timeout=INGEST_WITHIN_S,
        )
        if done.returncode != 0:
            raise RuntimeError(f"The ingestion into {self.server} failed: {done.stderr[-2000:]}")


@contextmanager
def running(server: Server, folder: Path, **variables: str) -> Iterator[Running]:
    """Run a server without content while the block runs.

    Args:
        server: MLFLOW or PHOENIX.
        folder: The folder of all environments. The server is installed there.
        variables: Further environment variables of the server and of what it runs.

    Raises:
        RuntimeError: It does not start.
    """
    python = server.environment.installed_in(folder)
    if python is None:
        raise RuntimeError(f"{server} is not installed in {folder}.")
    with tempfile.TemporaryDirectory(prefix="tracegraph-server-", ignore_cleanup_errors=True) as name:
        run, port = Path(name), free_port()
        url = f"http://127.0.0.1:{port}"
        # PYTHONPATH and PYTHONWARNINGS are meant for this Python, not for that of the server.
        kept = {key: value for key, value in os.environ.items() if not key.startswith((server.prefix, "PYTHON"))}
        own = {"HOME": name, "TZ": "UTC", "NO_PROXY": "127.0.0.1,localhost", **server.variables(run, port)}
        env = {**kept, **own, **variables}
        process = Process(
            server.command(python.parent, run, port), ready=f"{url}{server.ready}", log=run / "server.log", env=env
        )
        try:
            yield Running(server, url, python, env)
        finally:
            process.stop()


def _mlflow_command(programs: Path, run: Path, port: int) -> list[str | Path]:
    address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores: list[str | Path] = ["--backend-store-uri", f"sqlite:///{run / 'mlflow.db'}"]
    return [programs / "mlflow", "server", *address, *stores, "--artifacts-destination", run / "artifacts"]


def _mlflow_variables(_run: Path, _port: int) -> Mapping[str, str]:
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that nothing here needs
    }


def _phoenix_variables(run: Path, port: int) -> Mapping[str, str]:
    return {
        "PHOENIX_WORKING_DIR": str(run),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }


MLFLOW = Server(
    "MLflow",
    environments.MLFLOW,
    "/health",
    "MLFLOW_",
    HERE / "mlflow_ingestion.py",
    _mlflow_command,
    _mlflow_variables,
)
PHOENIX = Server(
    "Phoenix",
    environments.PHOENIX,
    "/healthz",
    "PHOENIX_",
    HERE / "phoenix_ingestion.py",
    lambda programs, _run, _port: [programs / "phoenix", "serve"],
    _phoenix_variables,
)
