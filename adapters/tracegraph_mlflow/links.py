"""Pages of MLflow's user interface, and of the code that ran (docs/vendors/mlflow.md#links)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tracegraph.domain.texts import percent_encoded
from tracegraph.domain.urls import http_url

_COMMIT = re.compile(r"[0-9a-f]{7,64}")


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


def source_url(tags: Mapping[str, str | None]) -> str | None:
    """Return the address of the commit that ran, from the tags of a run."""
    repository = http_url(tags.get("mlflow.source.git.repoURL"))
    commit = tags.get("mlflow.source.git.commit") or ""
    if repository is None or not _COMMIT.fullmatch(commit):
        return repository
    return http_url(f"{repository.removesuffix('/').removesuffix('.git')}/commit/{commit}")


def _escaped(text: str) -> str:
    return percent_encoded(text, "replace")
