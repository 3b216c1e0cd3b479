"""The content of a simulated MLflow tracking server: plain rows, which may change at any time."""

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH


@dataclass
class MlflowWorld:
    """One tracking server: its experiments, its runs, and its traces, each `{"trace_info": {}, "spans": []}`."""

    experiments: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    traces: list[Row] = field(default_factory=list)
    linked: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of a run and a trace that were linked later: the trace does not name the run."""
    token: str | None = None
    """The bearer token that a proxy requires, None without one."""
    user: tuple[str, str] | None = None
    """The name and the password of the server's own authentication, None without it."""

    @property
    def authorization(self) -> str | None:
        """The header that every call must have, None for a server that is open."""
        if self.token is not None:
            return f"Bearer {self.token}"
        if self.user is None:
            return None
        return "Basic " + base64.b64encode(":".join(self.user).encode()).decode()


def ms(moment: datetime) -> int:
    """Return the whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def hex_of(name: str, digits: int = 32) -> str:
    """Return hexadecimal digits that are the same for a name in every run."""
    return sha256(name.encode()).hexdigest()[:digits]


def mlflow_experiment(experiment_id: str, /, *, created: datetime | None = EPOCH, **fields: Any) -> Row:
    """Create an MLflow experiment; `fields` are keys of its row."""
    row: Row = {
        "experiment_id": experiment_id,
        "name": f"experiment {experiment_id}",
        "artifact_location": f"mlflow-artifacts:/{experiment_id}",
        "lifecycle_stage": "active",
        "workspace": "default",
    }
    if created is not None:
        row |= {"last_update_time": ms(created), "creation_time": ms(created)}
    return row | fields


def mlflow_run(
    name: str,
    /,
    experiment_id: str,
    *,
    started: datetime = EPOCH,
    seconds: float | None = 60.0,
    tags: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    metrics: dict[str, float] | None = None,
    dataset: Row | None = None,
    **info: Any,
) -> Row:
    """Create an evaluation run of `seconds` seconds, None for one that is running; `info` are keys of its info."""
    start, run_id = ms(started), hex_of(f"run {name}")
    all_tags = {"mlflow.user": "ann", "mlflow.runName": name, "mlflow.runType": "genai_evaluate", **(tags or {})}
    data: Row = {"tags": _pairs(all_tags)}
    if params:
        data["params"] = _pairs(params)
    if metrics:
        data["metrics"] = [
            {"key": key, "value": value, "timestamp": start, "step": 0} for key, value in metrics.items()
        ]
    ended = {} if seconds is None else {"end_time": start + round(seconds * 1000)}
    return {
        "info": {
            "run_uuid": run_id,
            "experiment_id": experiment_id,
            "run_name": name,
            "user_id": "ann",
            "status": "RUNNING" if seconds is None else "FINISHED",
            "start_time": start,
            **ended,
            "artifact_uri": f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts",
            "lifecycle_stage": "active",
            "run_id": run_id,
        }
        | info,
        "data": data,
        "inputs": {} if dataset is None else {"dataset_inputs": [{"dataset": dataset}]},
        "outputs": {},
    }


def mlflow_trace(
    name: str,
    /,
    experiment_id: str,
    *,
    started: datetime = EPOCH,
    duration: str | None = "1.500s",
    run_id: str | None = None,
    metadata: Row | None = None,
    tags: Row | None = None,
    spans: list[Row] | None = None,
    **info: Any,
) -> Row:
    """Create a trace with its spans; `info` are keys of its info, and None leaves one out."""
    trace_id = f"tr-{hex_of(f'trace {name}')}"
    source = {} if run_id is None else {"mlflow.sourceRun": run_id}
    row: Row = {
        "trace_id": trace_id,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}},
        "request_time": f"{started.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z",
        "execution_duration": duration,
        "state": "OK",
        "trace_metadata": {"mlflow.trace_schema.version": "3", **source, **(metadata or {})},
        "tags": {"mlflow.traceName": "agent", **(tags or {})},
        "request_preview": json.dumps({"q": name}),
        "response_preview": '"an answer"',
    }
    present = {key: value for key, value in {**row, **info}.items() if value is not None}
    return {"trace_info": present, "spans": [mlflow_span(f"{name} root")] if spans is None else spans}


def mlflow_span(
    name: str,
    /,
    *,
    kind: str = "AGENT",
    parent: str | None = None,
    started: datetime = EPOCH,
    seconds: float | None = 1.0,
    status: Row | None = None,
    attributes: Row | None = None,
    **fields: Any,
) -> Row:
    """Create a span; `parent` is the name of its parent, `attributes` are plain values."""
    start = ms(started) * 10**6
    return {
        "trace_id": _bytes(f"trace of {name}", 16),
        "span_id": _bytes(name, 8),
        **({} if parent is None else {"parent_span_id": _bytes(parent, 8)}),
        "name": name,
        "start_time_unix_nano": start,
        **({} if seconds is None else {"end_time_unix_nano": start + round(seconds * 1e9)}),
        "attributes": [
            {"key": key, "value": typed(value)}
            for key, value in {"mlflow.spanType": kind, **(attributes or {})}.items()
        ],
        "status": status or {"code": "STATUS_CODE_OK"},
    } | fields


def mlflow_feedback(name: str, /, value: Any, *, created: datetime = EPOCH, **fields: Any) -> Row:
    """Create a verdict of an evaluator; `fields` are keys of the assessment."""
    created_at = f"{created.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    return {
        "assessment_id": f"a-{hex_of(f'{name} {value} {created_at}')}",
        "assessment_name": name,
        "source": {"source_type": "CODE", "source_id": name},
        "create_time": created_at,
        "last_update_time": created_at,
        "feedback": {"value": value},
        "valid": True,
    } | fields


def span_hex(name: str) -> str:
    """Return the id of a span by its name, as assessments write it."""
    return hex_of(name, 16)


def typed(value: Any) -> Row:
    """Return a value as the attributes of spans have it: an object that names its type."""
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int):
        return {"int_value": value}
    if isinstance(value, float):
        return {"double_value": value}
    if isinstance(value, dict):
        return {"kvlist_value": {"values": [{"key": key, "value": typed(one)} for key, one in value.items()]}}
    if isinstance(value, list):
        return {"array_value": {"values": [typed(one) for one in value]}}
    return {"string_value": value}


def _pairs(values: dict[str, str]) -> list[Row]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _bytes(name: str, length: int) -> str:
    return base64.b64encode(bytes.fromhex(hex_of(name, 2 * length))).decode()
