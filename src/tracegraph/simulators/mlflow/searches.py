"""The three searches of a tracking server: what their filters may name."""

from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.mlflow.language import Entity, Language
from tracegraph.simulators.mlflow.world import MlflowWorld, ms

_EXPERIMENT_KEYS = ("name", "experiment_id", "creation_time", "last_update_time")
_RUN_KEYS = ("run_id", "run_name", "status", "user_id", "start_time", "end_time", "artifact_uri")
_TRACE_NUMBERS = ("timestamp_ms", "timestamp", "execution_time_ms", "execution_time", "end_time_ms", "end_time")
_TRACE_KEYS = (*_TRACE_NUMBERS, "request_id", "status", "client_request_id", "name", "run_id")
_TRACE_LISTS = ("status", "request_id", "client_request_id")
"""In place of `name` and `run_id`, which are a tag and metadata, a list is refused."""


def duration_ms(info: Row) -> int | None:
    """Return the duration of a trace in whole milliseconds."""
    text = info.get("execution_duration")
    return round(float(text.removesuffix("s")) * 1000) if isinstance(text, str) and text.endswith("s") else None


def newest(info: Row) -> list[Row]:
    """Return the valid verdicts of a trace."""
    return [one for one in info.get("assessments", []) if one.get("valid") and "feedback" in one]


def aggregate_of(value: Any) -> float | None:
    """Return the number that the server counts for a verdict."""
    if isinstance(value, bool | int | float):
        return float(value)
    return {"yes": 1.0, "no": 0.0}.get(value.strip().lower()) if isinstance(value, str) else None


def _pairs(row: Row, name: str) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in row["data"].get(name, [])}


def _dataset(row: Row, key: str) -> Any:
    inputs = row["inputs"].get("dataset_inputs", [])
    return inputs[0]["dataset"].get(key) if inputs else None


def _feedback(trace: Row, name: str) -> Any:
    values = [
        one["feedback"].get("value") for one in newest(trace["trace_info"]) if one["assessment_name"] == name
    ]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return numbers[-1] if numbers else None


EXPERIMENTS = Language(
    {
        "": Entity(lambda row, key: row.get(key), _EXPERIMENT_KEYS, ("creation_time", "last_update_time")),
        "tags": Entity(lambda row, key: {tag["key"]: tag["value"] for tag in row.get("tags", [])}.get(key)),
    },
    _EXPERIMENT_KEYS,
)

_RUN_INFO = Entity(lambda row, key: row["info"].get(key), _RUN_KEYS, ("start_time", "end_time"), ("run_id",))
RUNS = Language(
    {
        "": _RUN_INFO,
        "attributes": _RUN_INFO,
        "tags": Entity(lambda row, key: _pairs(row, "tags").get(key)),
        "params": Entity(lambda row, key: _pairs(row, "params").get(key)),
        "metrics": Entity(lambda row, key: _pairs(row, "metrics").get(key), None, "*"),
        "dataset": Entity(_dataset, ("name", "digest", "context"), (), ("name", "digest")),
    },
    _RUN_KEYS,
)


def _attribute(trace: Row, key: str) -> Any:
    info = trace["trace_info"]
    start, duration = ms(parse(info["request_time"])), duration_ms(info)
    values = {
        "request_id": info["trace_id"],
        "timestamp": start,
        "execution_time": duration,
        "end_time": start + (duration or 0),
        "status": info.get("state"),
        "name": info.get("tags", {}).get("mlflow.traceName"),
    }
    return values.get(key.removesuffix("_ms"), info.get(key))


def traces_of(world: MlflowWorld) -> Language:
    """Return the language of a search for traces: a run has the traces that name it, and linked ones."""

    def run_of(trace: Row, key: str) -> Any:
        return _RunsOf(world, trace) if key == "run_id" else _attribute(trace, key)

    attributes = Entity(run_of, _TRACE_KEYS, _TRACE_NUMBERS, _TRACE_LISTS)
    return Language(
        {
            **dict.fromkeys(("", "attributes", "attribute", "trace"), attributes),
            "metadata": Entity(lambda trace, key: trace["trace_info"].get("trace_metadata", {}).get(key)),
            "tags": Entity(lambda trace, key: trace["trace_info"].get("tags", {}).get(key)),
            "feedback": Entity(_feedback, None, "*"),
        },
        _TRACE_KEYS,
    )


class _RunsOf:
    """The runs of a trace, equal to each of them."""

    def __init__(self, world: MlflowWorld, trace: Row) -> None:
        info = trace["trace_info"]
        self._runs = {info.get("trace_metadata", {}).get("mlflow.sourceRun")}
        self._runs |= {run_id for run_id, trace_id in world.linked if trace_id == info["trace_id"]}

    def __eq__(self, other: object) -> bool:
        return other in self._runs

    def __hash__(self) -> int:
        return 0
