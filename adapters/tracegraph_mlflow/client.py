"""HTTP client of an MLflow tracking server: its paths, its credential and its words for errors."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from tracegraph.adapter import Reply, VendorClient, bearer, json_object
from tracegraph.domain.secrets import resolve
from tracegraph.errors import SourceError, SourceNotFound, SourceObjectNotFound
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph_mlflow import wire

EXPERIMENTS_MAX = 1000
"""The experiments of a page. The server has 50,000 as its maximum."""

RUNS_MAX = 500

TRACES_MAX = 500
"""The server's own maximum (docs/vendors/mlflow.md#paging)."""

COMPLETE_TRACES_MAX = 20
"""The traces of a call with all their spans, which may be large."""

CALL_KINDS = frozenset({"experiments", "runs", "traces", "spans", "metrics"})

_NOT_FOUND = frozenset({404})
_UNKNOWN = "RESOURCE_DOES_NOT_EXIST"
_API_PATH = re.compile(r"/(?:ajax-)?api(?:/[23]\.0(?:/mlflow)?)?$")


def normalize_base_url(url: str) -> str:
    """Return the tracking URI that an address of the API or of the user interface belongs to."""
    return _API_PATH.sub("", url.partition("#")[0].rstrip("/"))


def authorization(token: SecretStr | None, username: str | None, password: SecretStr | None) -> SecretStr | None:
    """Return the header of a token or of a user. Logs mask the encoded password, too."""
    if token is not None:
        return bearer(token)
    if username is None or password is None:
        return None
    encoded = base64.b64encode(f"{username}:{password.get_secret_value()}".encode()).decode()
    return SecretStr(f"Basic {resolve(SecretStr(encoded)).get_secret_value()}")


class MlflowClient(VendorClient):
    """One method for each path. Each raises SourceError, and SourceObjectNotFound for an unknown id."""

    def __init__(self, upstream: Upstream, header: SecretStr | None) -> None:
        super().__init__(upstream, {"authorization": header})

    async def experiments(self, body: Mapping[str, Any]) -> Reply[wire.ExperimentList]:
        """Return a page of MLflow experiments."""
        return await self.post("experiments", "/api/2.0/mlflow/experiments/search", wire.EXPERIMENTS, body)

    async def experiment(self, experiment_id: str) -> Reply[wire.OneExperiment]:
        """Return one MLflow experiment, which may be deleted."""
        path, query = "/api/2.0/mlflow/experiments/get", (("experiment_id", experiment_id),)
        return await self.get("experiments", path, wire.EXPERIMENT, query, expected_statuses=_NOT_FOUND)

    async def runs(self, body: Mapping[str, Any]) -> Reply[wire.RunList]:
        """Return a page of runs."""
        return await self.post("runs", "/api/2.0/mlflow/runs/search", wire.RUNS, body)

    async def run(self, run_id: str) -> Reply[wire.OneRun]:
        """Return one run, which may be deleted."""
        path, query = "/api/2.0/mlflow/runs/get", (("run_id", run_id),)
        return await self.get("runs", path, wire.RUN, query, expected_statuses=_NOT_FOUND)

    async def traces(self, body: Mapping[str, Any]) -> Reply[wire.TraceList]:
        """Return a page of traces without their spans."""
        return await self.post("traces", "/api/3.0/mlflow/traces/search", wire.TRACES, body)

    async def complete_traces(self, trace_ids: Sequence[str]) -> Reply[wire.CompleteTraces]:
        """Return traces with their spans, without the unknown ones."""
        query = [("trace_ids", trace_id) for trace_id in trace_ids]
        return await self.get("spans", "/api/3.0/mlflow/traces/batchGet", wire.COMPLETE_TRACES, query)

    async def metrics(self, body: Mapping[str, Any]) -> Reply[wire.DataPoints]:
        """Return statistics over traces, spans or assessments."""
        return await self.post("metrics", "/api/3.0/mlflow/traces/metrics", wire.POINTS, body)

    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:  # noqa: ARG002
        """Return SourceObjectNotFound for a 404 about one object. The 404 of an unknown path is HTML."""
        if type(error) is SourceNotFound and (json_object(error.vendor_body) or {}).get("error_code") == _UNKNOWN:
            return error.restated(SourceObjectNotFound, f"Source {self.source!r} has no object with that id.")
        return error
