"""`traces/metrics`: statistics over traces, spans or assessments (docs/vendors/mlflow.md#figures)."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tracegraph.simulators.core.responses import ApiError
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.mlflow.errors import refusal
from tracegraph.simulators.mlflow.searches import aggregate_of, duration_ms

_COUNTS = ("trace_count", "session_count")
_TOKENS = (
    *("input_tokens", "output_tokens", "total_tokens"),
    *("cache_read_input_tokens", "cache_creation_input_tokens"),
)
_NAMES: Mapping[str, Sequence[str]] = {
    "TRACES": (*_COUNTS, "latency", *_TOKENS),
    "SPANS": ("span_count", "latency", "input_cost", "output_cost", "total_cost"),
    "ASSESSMENTS": ("assessment_count", "assessment_value"),
}
_FILTER = re.compile(r"trace\.(?:metadata\.`(?P<metadata>[^`]+)`|(?P<status>status)) = '(?P<value>[^']*)'")
_SIMPLE: Mapping[str, Callable[[Sequence[float]], float]] = {
    "COUNT": lambda values: float(len(values)),
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MIN": min,
    "MAX": max,
}


def data_points(traces: Sequence[Row], body: Row) -> list[Row]:
    """Return the points of a query: one for each value of the dimensions, which are sorted."""
    view, name, aggregations = body["view_type"], body["metric_name"], body["aggregations"]
    if name not in _NAMES[view]:
        raise refusal(f"metric_name must be one of {list(_NAMES[view])}, got '{name}'")
    types = {one["aggregation_type"] for one in aggregations}
    if (name.endswith("_count")) is not (types == {"COUNT"}):
        raise refusal(f"Found invalid aggregation_type for metric '{name}': {sorted(types)}")
    found = [trace["trace_info"] | {"spans": trace["spans"]} for trace in traces]
    for text in body.get("filters", []):
        found = [info for info in found if _matches(info, text)]
    dimensions = body.get("dimensions", [])
    groups: dict[tuple[Any, ...], list[float]] = {}
    for parts, value in _VALUES[view](found, name):
        groups.setdefault(tuple(parts.get(dimension) for dimension in dimensions), []).append(value)
    if not groups and not dimensions and name.endswith("_count"):
        groups[()] = []
    return [
        _point(name, dict(zip(dimensions, key, strict=True)), groups[key], aggregations)
        for key in sorted(groups, key=repr)
    ]


def _matches(info: Row, text: str) -> bool:
    found = _FILTER.fullmatch(text)
    if found is None:
        raise _refused(text)
    value = info.get("trace_metadata", {}).get(found["metadata"]) if found["metadata"] else info.get("state")
    return bool(value == found["value"])


def _refused(text: str) -> ApiError:
    view, _, rest = text.partition(".")
    if view not in {"trace", "span", "assessment"}:
        return refusal(f"Invalid view type '{view}'. Valid values are dict_keys(['trace', 'span', 'assessment'])")
    entity = rest.split()[0].split(".")[0]
    if entity not in {"status", "tag", "metadata"}:
        known = ["status", "tag", "metadata"]
        return refusal(f"Invalid entity '{entity}' specified for view type '{view}'. Valid entities are {known}")
    return refusal(f"Invalid clause(s) in filter string: {text}")


def _of_traces(infos: Sequence[Row], name: str) -> Iterator[tuple[Row, float]]:
    for info in infos:
        parts = {"trace_status": info.get("state"), "trace_name": info.get("tags", {}).get("mlflow.traceName")}
        if name == "trace_count":
            yield parts, 1.0
        elif name == "latency":
            duration = duration_ms(info)
            yield from [] if duration is None else [(parts, float(duration))]
        else:
            usage = json.loads(info.get("trace_metadata", {}).get("mlflow.trace.tokenUsage", "{}"))
            yield from [(parts, float(usage[name]))] if usage.get(name) is not None else []


def _of_spans(infos: Sequence[Row], name: str) -> Iterator[tuple[Row, float]]:
    for info in infos:
        for span in info["spans"]:
            attributes = {one["key"]: one["value"] for one in span["attributes"]}
            costs = attributes.get("mlflow.llm.cost", {}).get("kvlist_value", {}).get("values", [])
            for cost in costs:
                if cost["key"] == name:
                    model = attributes.get("mlflow.llm.model", {}).get("string_value")
                    parts = {"span_name": span["name"], "span_model_name": model}
                    yield parts, float(cost["value"]["double_value"])


def _of_assessments(infos: Sequence[Row], name: str) -> Iterator[tuple[Row, float]]:
    for info in infos:
        for one in info.get("assessments", []):
            stated = one.get("feedback", one.get("expectation", {})).get("value")
            value = aggregate_of(stated) if "feedback" in one else None
            parts = {"assessment_name": one["assessment_name"], "assessment_value": json.dumps(stated)}
            if one.get("valid") and (name == "assessment_count" or value is not None):
                yield parts, 1.0 if value is None else value


_VALUES: Mapping[str, Callable[[Sequence[Row], str], Iterator[tuple[Row, float]]]] = {
    "TRACES": _of_traces,
    "SPANS": _of_spans,
    "ASSESSMENTS": _of_assessments,
}


def _point(name: str, dimensions: Row, values: Sequence[float], aggregations: Sequence[Row]) -> Row:
    point: Row = {"metric_name": name, "dimensions": dimensions, "values": {}}
    for one in aggregations:
        if one["aggregation_type"] == "PERCENTILE":
            percent = float(one["percentile_value"])
            point["values"][f"P{percent}"] = _percentile(sorted(values), percent)
        else:
            point["values"][one["aggregation_type"]] = _SIMPLE[one["aggregation_type"]](values)
    return point if dimensions else {key: value for key, value in point.items() if key != "dimensions"}


def _percentile(values: Sequence[float], percent: float) -> float:
    """Return the percentile, between the two nearest values."""
    place = (len(values) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)
