"""Phoenix itself, from PyPI, on this machine: `make live` runs the gateway against it.

It has an environment of its own, `.live/arize-phoenix-VERSION` (some 850 MB and a few minutes), and its data in a
directory of `.live/runs` that is removed when it stops. Its licence lets one run it, and nothing of it is copied.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.live.releases import Release
from tests.live.service import HERE, LIVE, Process, free_port, interpreter

CLIENT = "arize-phoenix-client==3.5.0"


class PhoenixRelease(Release):
    """A release of Phoenix with the client that ingests."""

    @property
    def requirements(self) -> list[str]:
        """What is installed for it."""
        return [f"{self.package}=={self.version}", CLIENT]


PHOENIX = PhoenixRelease("arize-phoenix", "20.26.1", "3.11")


@dataclass(frozen=True, slots=True)
class Phoenix:
    """A running server, and its own answers."""

    client: httpx.Client
    base_url: str
    epoch: datetime
    """When the first trace of the project started."""

    def get(self, path: str, **parameters: str | int) -> Any:
        """The server's own answer to a path of its REST interface."""
        response = self.client.get(f"{self.base_url}/v1/{path}", params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def held(self, path: str, **parameters: str | int) -> list[dict[str, Any]]:
        """All rows of one of the server's lists."""
        body = self.get(path, **parameters, limit=1000)
        assert body["next_cursor"] is None
        rows: list[dict[str, Any]] = body["data"]
        return rows

    def roots(self, project: str, **parameters: str | int) -> list[dict[str, Any]]:
        """The root spans of a project, the oldest first."""
        return self.held(
            f"projects/{project}/spans", parent_id="null", sort="start_time", order="asc", **parameters
        )


@contextlib.contextmanager
def running_phoenix(client: httpx.Client) -> Iterator[Phoenix]:
    """A server with the data of `phoenix_ingest.py`, stopped and removed at the end."""
    python = interpreter(PHOENIX)
    runs = LIVE / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    run = Path(tempfile.mkdtemp(dir=runs))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("PHOENIX_")} | {
        "HOME": str(run),
        "NO_PROXY": "127.0.0.1,localhost",
        "PHOENIX_WORKING_DIR": str(run),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    try:
        command: list[str | Path] = [python.with_name("phoenix"), "serve"]
        server = Process(command, ready=f"{url}/healthz", log=run / "service.log", env=env)
        try:
            epoch = (datetime.now(UTC) - timedelta(days=3)).replace(second=0, microsecond=0)
            ingest: list[str | Path] = [python, HERE / "phoenix_ingest.py", url, epoch.isoformat()]
            done = subprocess.run(ingest, check=False, capture_output=True, text=True, env=env, timeout=300)
            if done.returncode != 0:
                raise RuntimeError(f"the ingestion failed: {done.stderr[-2000:]}")
            yield Phoenix(client, url, epoch)
        finally:
            server.stop()
    finally:
        shutil.rmtree(run, ignore_errors=True)
