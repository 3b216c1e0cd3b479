"""What Phoenix computes: latencies, tokens, costs, quantiles and rounded times."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse

_MINUTE = timedelta(minutes=1)
_PARTS = ("prompt", "completion")


def latency_ms(row: Row) -> float:
    """Return the latency of a row as its field shows it."""
    return (parse(row["endTime"]) - parse(row["startTime"])).total_seconds() * 1000


def stored_latency_ms(row: Row) -> float:
    """Return the latency as the database computes it: another float for some rows."""
    return (parse(row["endTime"]) - parse(row["startTime"])) / timedelta(microseconds=1) / 1000


def quantile(values: Sequence[float], probability: float) -> float | None:
    """Return the quantile, interpolated between the two values beside it."""
    if not values:
        return None
    in_order = sorted(values)
    place = probability * (len(in_order) - 1)
    low = int(place)
    high = min(low + 1, len(in_order) - 1)
    return in_order[low] + (in_order[high] - in_order[low]) * (place - low)


def floor_minute(moment: datetime) -> str:
    """Return the start of the minute."""
    return moment.replace(second=0, microsecond=0).isoformat()


def next_minute(moment: datetime) -> str:
    """Return the start of the next minute."""
    return (moment.replace(second=0, microsecond=0) + _MINUTE).isoformat()


def tokens_of(span: Row, part: str) -> int:
    """Return the tokens of a span's prompt or completion, 0 where its attributes have none."""
    counts = span["attributes"].get("llm", {}).get("token_count", {})
    return int(counts.get(part) or 0)


def total_tokens(spans: Iterable[Row], *parts: str) -> float:
    """Return the tokens of these parts over spans."""
    return float(sum(tokens_of(span, part) for span in spans for part in parts or _PARTS))


def span_cost(span: Row) -> Row | None:
    """Return the cost of one span, None where it has no tokens."""
    return None if span["cost"] is None else costs([span])


def costs(spans: Iterable[Row]) -> Row:
    """Return the sums over the spans that have a cost: 0 where no model has a price, None without such a span."""
    priced = [span for span in spans if span["cost"] is not None]
    if not priced:
        return {part: {"cost": None, "tokens": None} for part in ("total", *_PARTS)}
    by_part: dict[str, dict[str, Any]] = {
        part: {
            "cost": float(sum(span["cost"][index] for span in priced)),
            "tokens": total_tokens(priced, part),
        }
        for index, part in enumerate(_PARTS)
    }
    by_part["total"] = {
        "cost": float(sum(sum(span["cost"]) for span in priced)),
        "tokens": total_tokens(priced),
    }
    return by_part
