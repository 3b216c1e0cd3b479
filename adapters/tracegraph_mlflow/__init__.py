"""MLflow: the experiments, evaluation runs and traces of one tracking server."""

from tracegraph_mlflow.adapter import Options, open_adapter
from tracegraph_mlflow.client import normalize_base_url

__all__ = ["Options", "normalize_base_url", "open_adapter"]
