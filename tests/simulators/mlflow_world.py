"""The objects that the MLflow server held when the samples were recorded."""

import json
from typing import Any

from tests.simulators.sample_comparison import samples
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.mlflow.world import MlflowWorld, mlflow_experiment, mlflow_span


def recorded_world() -> MlflowWorld:
    """The recorded experiments, runs and traces. Traces whose spans were not recorded get one with their cost."""
    bodies: dict[str, Any] = {sample.name: sample.body for sample in samples("mlflow-3.17.2")}
    spans = {one["trace_info"]["trace_id"]: one["spans"] for one in bodies["trace-batchget"]["traces"]}
    infos = bodies["two-experiments"]["traces"]
    default = mlflow_experiment("0", name="Default", creation_time=1, last_update_time=1)
    return MlflowWorld(
        experiments=[default, *bodies["experiments-search"]["experiments"]],
        runs=bodies["runs-search"]["runs"],
        traces=[{"trace_info": info, "spans": spans.get(info["trace_id"]) or [_span(info)]} for info in infos],
    )


def _span(info: Row) -> Row:
    cost = json.loads(info["trace_metadata"]["mlflow.trace.cost"])
    attributes = {"mlflow.llm.cost": cost, "mlflow.llm.model": "gpt-4o-mini"}
    return mlflow_span(info["trace_id"], kind="CHAT_MODEL", attributes=attributes)
