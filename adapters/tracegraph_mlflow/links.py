"""Pages of MLflow's user interface (docs/vendors/mlflow.md#links)."""

from __future__ import annotations

from tracegraph.domain.texts import percent_encoded
from tracegraph.domain.urls import http_url


class Links:
    """The addresses of experiments and sessions."""

    def __init__(self, web_url: str) -> None:
        self._web_url = web_url.rstrip("/")

    def project(self, experiment_id: str) -> str | None:
        """Return the page of the traces of an MLflow experiment."""
        return http_url(f"{self._experiment(experiment_id)}/traces")

    def evaluation(self, experiment_id: str, run_id: str) -> str | None:
        """Return the page of an evaluation run."""
        return http_url(f"{self._experiment(experiment_id)}/evaluation-runs?selectedRunUuid={_escaped(run_id)}")

    def trace(self, experiment_id: str, trace_id: str) -> str | None:
        """Return the page of a trace."""
        return http_url(f"{self._experiment(experiment_id)}/traces?selectedEvaluationId={_escaped(trace_id)}")

    def _experiment(self, experiment_id: str) -> str:
        return f"{self._web_url}/#/experiments/{_escaped(experiment_id)}"


def _escaped(text: str) -> str:
    return percent_encoded(text, "replace")
