"""Which dialects a simulated LangSmith serves. A test may change the attributes while the simulator runs."""

from dataclasses import dataclass
from typing import Literal

from tracegraph.simulators.core.rows import Row

Dialect = Literal["v1", "both", "v2"]

SUNSET = "Sun, 31 Jan 2027 00:00:00 GMT"
"""The value of `Sunset` for the run reads of v1 (docs/vendors/langsmith.md#deprecations)."""


@dataclass
class Deployment:
    """The query backends of one deployment (docs/vendors/langsmith.md#deprecations).

    Sessions, datasets and feedback of v1 are always there: no end date is published for their lists.
    """

    v1_runs: bool = True
    """The run reads of v1 exist: `POST /api/v1/runs/query` and `GET /api/v1/runs/{id}`. Otherwise they are 404."""
    v2: bool = False
    """The paths under /api/v2 exist."""
    v2_lists: bool = True
    """With `v2`: `/api/v2/sessions` and `/api/v2/datasets` exist too. Otherwise they are 404."""
    without_v2: Literal[404, 501] = 404
    """The status of v2 paths without `v2`: 404 in an older release, 501 in a newer one without its backend."""
    deprecated: bool = False
    """The run reads of v1 send the headers `Deprecation` and `Sunset`."""
    version: str = "0.13.0-simulated"

    @classmethod
    def of(cls, dialect: Dialect) -> "Deployment":
        """Return a deployment of v1 only, of both dialects as in today's cloud, or without the run reads of v1."""
        if dialect == "v1":
            return cls()
        if dialect == "both":
            return cls(v2=True, deprecated=True, version="0.17.3+simulated")
        return cls(v1_runs=False, v2=True, version="0.18.0+simulated")

    def info(self) -> Row:
        """Return the body of `GET /api/v1/info`."""
        return {
            "version": self.version,
            "instance_flags": {"ch_query_enabled": self.v1_runs, "sdb_query_enabled": self.v2},
            "sdk_versions": {"max_python_sdk_version": "0.15.1"},
            "license_expiration_time": None,
            "batch_ingest_config": {},
        }

    def v1_headers(self) -> dict[str, str]:
        """Return the headers of a run read of v1."""
        return {"Deprecation": "true", "Sunset": SUNSET} if self.deprecated else {}
