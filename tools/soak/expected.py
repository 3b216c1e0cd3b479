"""The expected content of the gateway, read from the vendors' own rows without the gateway's code."""

from __future__ import annotations

import base64
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.data import SampleWorlds, sample_worlds

Node = Mapping[str, Any]

EXPERIMENT_FIELDS = "id vendorId name createdAt source { name }"
SESSION_FIELDS = "id vendorId startedAt latencyMs vendorStatus source { name }"


@dataclass(frozen=True, slots=True)
class Item:
    """An expected node, and the time that lists order it by."""

    source: str
    id: str
    vendor_id: str
    at: datetime | None
    node: Node

    def sort_key(self, direction: str) -> tuple[bool, float, str, str]:
        """Return the item's sort key by time: nulls last, equal times by source and vendor id."""
        stamp = 0.0 if self.at is None else self.at.timestamp()
        return self.at is None, stamp if direction == "ASC" else -stamp, self.source, self.vendor_id


@dataclass(frozen=True, slots=True)
class Expected:
    """All experiments, and the sessions of each by its ID."""

    experiments: Sequence[Item]
    sessions: Mapping[str, Sequence[Item]]

    def latencies(self, experiment_id: str) -> list[float]:
        """Return the sorted latencies in milliseconds of the sessions that have one."""
        latencies = (item.node["latencyMs"] for item in self.sessions[experiment_id])
        return sorted(value for value in latencies if value is not None)


def expected() -> Expected:
    """Return the sample data as `tools.processes.vendors_running` serves it."""
    experiments: list[Item] = []
    sessions: dict[str, Sequence[Item]] = {}
    for experiment, own_sessions in _all(sample_worlds()):
        experiments.append(experiment)
        sessions[experiment.id] = sorted(own_sessions, key=lambda item: item.sort_key("DESC"))
    return Expected(experiments, sessions)


def figures(latencies: Sequence[float]) -> dict[str, float | int | None]:
    """Return the statistics that the queries select: percentiles are nearest rank."""
    if not latencies:
        return {"count": 0, "min": None, "median": None, "p90": None, "max": None, "mean": None}
    return {
        "count": len(latencies),
        "min": latencies[0],
        "median": latencies[math.ceil(len(latencies) * 0.5) - 1],
        "p90": latencies[math.ceil(len(latencies) * 0.9) - 1],
        "max": latencies[-1],
        "mean": statistics.fmean(latencies),
    }


def nearly_equal(actual: Any, expected_value: Any) -> bool:
    """Return whether two JSON values are equal, floats within a relative tolerance of 1e-9."""
    if isinstance(actual, float) and isinstance(expected_value, float | int):
        return math.isclose(actual, expected_value, rel_tol=1e-9)
    if isinstance(actual, dict) and isinstance(expected_value, Mapping):
        return actual.keys() == expected_value.keys() and all(
            nearly_equal(actual[key], expected_value[key]) for key in actual
        )
    return bool(actual == expected_value)


def _all(worlds: SampleWorlds) -> Iterable[tuple[Item, list[Item]]]:
    for row in worlds.nemo.experiments:
        rows = worlds.nemo.sessions[row["name"]]
        yield (
            _experiment("nemo", row["name"], row),
            [_nemo_session(row["name"], row_of_session) for row_of_session in rows],
        )
    for row in worlds.langsmith.sessions:
        rows = [
            row_of_session
            for row_of_session in worlds.langsmith.runs[row["id"]]
            if row_of_session["parent_run_id"] is None
        ]
        started = row | {"created_at": row["start_time"]}
        yield (
            _experiment("langsmith", row["id"], started),
            [_langsmith_run(row["id"], row_of_session) for row_of_session in rows],
        )
    for row in worlds.meibel.agents:
        rows = worlds.meibel.sessions[row["id"]]
        named = row | {"name": row["display_name"]}
        yield (
            _experiment("meibel", row["id"], named),
            [_meibel_session(row["id"], row_of_session) for row_of_session in rows],
        )


def _experiment(source: str, ref: str, row: Row) -> Item:
    moment = None if row["created_at"] is None else parse(row["created_at"])
    fields = {"createdAt": _written(moment), "name": row["name"]}
    return _item(_id("Experiment", source, ref), source, row["id"], moment, fields)


def _nemo_session(ref: str, row: Row) -> Item:
    identity = _id("Session", "nemo", ref, row["session_id"])
    moment = parse(row["started_at"])
    return _item(identity, "nemo", row["session_id"], moment, _session_fields(row, moment, row["latency_ms"]))


def _langsmith_run(ref: str, row: Row) -> Item:
    moment = parse(row["start_time"])
    # The simulator serves v2, which writes statuses in upper case.
    fields = _session_fields(row | {"status": row["status"].upper()}, moment, _elapsed_ms(row))
    return _item(_id("Session", "langsmith", ref, row["id"]), "langsmith", row["id"], moment, fields)


def _meibel_session(ref: str, row: Row) -> Item:
    moment = parse(row["start_time"])
    fields = _session_fields(row, moment, _elapsed_ms(row))
    identity = _id("Session", "meibel", ref, row["session_id"])
    return _item(identity, "meibel", row["session_id"], moment, fields)


def _session_fields(row: Row, moment: datetime, latency_ms: float | None) -> dict[str, Any]:
    return {"startedAt": _written(moment), "latencyMs": latency_ms, "vendorStatus": row["status"]}


def _item(identity: str, source: str, vendor_id: str, moment: datetime | None, fields: dict[str, Any]) -> Item:
    node = {"id": identity, "vendorId": vendor_id, "source": {"name": source}, **fields}
    return Item(source, identity, vendor_id, moment, node)


def _id(kind: str, source: str, *parts: str) -> str:
    text = ":".join([kind, source, *(quote(part, safe="") for part in parts)])
    return base64.b64encode(text.encode()).decode()


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _elapsed_ms(row: Row) -> float | None:
    if row["end_time"] is None:
        return None
    return (parse(row["end_time"]) - parse(row["start_time"])).total_seconds() * 1000
