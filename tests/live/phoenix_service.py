"""Phoenix itself, from PyPI, on this machine: `make live` runs the gateway against it.

Its licence lets one run it, and nothing of it is copied.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.live.service import HERE, LIVE, SOURCES
from tracegraph.real_servers.servers import PHOENIX, running


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
    PHOENIX.environment.install_in(LIVE)
    with running(PHOENIX, LIVE, PYTHONPATH=SOURCES) as server:
        epoch = (datetime.now(UTC) - timedelta(days=3)).replace(second=0, microsecond=0)
        server.ingest("", HERE / "phoenix_ingest.py", epoch.isoformat())
        yield Phoenix(client, server.url, epoch)
