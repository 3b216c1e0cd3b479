"""`traces/metrics`: true totals over the traces of a time, by evaluation or agent (0.4.0 and later)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.responses import Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo.releases import Release
from tracegraph.simulators.nemo.requests import (
    authorize,
    one_of,
    refusal,
    reject_unknown_parameters,
    require_telemetry,
)
from tracegraph.simulators.nemo.telemetry_filters import Filter
from tracegraph.simulators.nemo.traces import TRACE_FIELDS, find_traces
from tracegraph.simulators.nemo.world import NemoWorld

_BUCKETS = ("total", "hour", "day", "week", "month")


_DEFAULT_WINDOW = timedelta(days=7)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


_STARTS: Mapping[str, Callable[[datetime], datetime]] = {
    "hour": lambda moment: moment.replace(minute=0, second=0, microsecond=0),
    "day": _midnight,
    "week": lambda moment: _midnight(moment) - timedelta(days=moment.weekday()),
    "month": lambda moment: _midnight(moment).replace(day=1),
}


class TraceMetrics:
    """Counts, tokens, cost and latency of traces, in all or by time."""

    def __init__(self, world: NemoWorld, release: Release) -> None:
        self._world = world
        self._release = release

    async def get_metrics(self, request: Request) -> Response:
        """Return one point for each bucket that has a trace. Without a lower bound they are of the last 7 days."""
        authorize(self._world, request)
        query = request.query_params
        bucket = one_of(query, "bucket", _BUCKETS, "day")
        reject_unknown_parameters(query, ("bucket", "timezone"))
        zone = _zone(query.get("timezone", "UTC"))
        wanted = Filter(query, TRACE_FIELDS)
        require_telemetry(self._world)
        traces = self._in_window(find_traces(self._world, wanted), wanted)
        points = [_point(traces)] if bucket == "total" else _by_time(traces, bucket, zone)
        return Json({"bucket": bucket, "timezone": query.get("timezone", "UTC"), "data": points})

    def _in_window(self, traces: list[Row], wanted: Filter) -> list[Row]:
        if "started_at" in wanted.lower_bounds:
            return traces
        upper = wanted.upper_bounds.get("started_at")
        end = (self._world.now or datetime.now(UTC)) if upper is None else parse(upper)
        return [trace for trace in traces if parse(trace["started_at"]) >= end - _DEFAULT_WINDOW]


def quantile_interpolated(values: Sequence[float], level: float) -> float:
    """Return the quantile between the two nearest values: ClickHouse's `quantile`, unlike that of the rollups."""
    ranked = sorted(values)
    place = level * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise refusal(400, f"Unknown timezone: {name}") from None


def _by_time(traces: Sequence[Row], bucket: str, zone: ZoneInfo) -> list[Row]:
    members: dict[str, list[Row]] = {}
    for trace in traces:
        local = parse(trace["started_at"]).astimezone(zone).replace(tzinfo=None)
        members.setdefault(_STARTS[bucket](local).isoformat(), []).append(trace)
    return [{"bucket_start": start, **_point(members[start])} for start in sorted(members)]


def _point(traces: Sequence[Row]) -> Row:
    tokens = ("input_tokens", "output_tokens", "cached_tokens", "total_tokens")
    return {
        "run_count": len(traces),
        "failed_run_count": sum(trace["status"] == "error" for trace in traces),
        **{key: _totals(traces, key) for key in tokens},
        "cost_usd": _totals(traces, "cost_usd"),
        "latency_ms": _latency(traces),
    }


def _totals(traces: Sequence[Row], key: str) -> Row:
    values = [trace[key] for trace in traces if trace.get(key) is not None]
    if not values:
        return {}
    return {"sum": sum(values), "mean": fmean(values), **_quantiles(values, {"p90": 0.9, "p99": 0.99})}


def _latency(traces: Sequence[Row]) -> Row:
    values = [trace["duration_ms"] for trace in traces if trace.get("duration_ms") is not None]
    levels = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
    return {"mean": fmean(values), **_quantiles(values, levels)} if values else {}


def _quantiles(values: Sequence[float], levels: Mapping[str, float]) -> Row:
    return {name: float(quantile_interpolated(values, level)) for name, level in levels.items()}
