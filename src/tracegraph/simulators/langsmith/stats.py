"""Figures that LangSmith computes for a tracer session over its root runs.

See docs/vendors/langsmith.md#figures.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo.rollup import known_sum, quantile_exact

STATS = (
    "run_count",
    "latency_p50",
    "latency_p99",
    "first_token_p50",
    "first_token_p99",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
    "total_cost",
    "prompt_cost",
    "completion_cost",
    "feedback_stats",
    "session_feedback_stats",
    "error_rate",
    "streaming_rate",
)
"""The keys that are null unless include_stats is true (docs/vendors/langsmith.md#figures)."""


def session_stats(runs: Sequence[Row], since: datetime | None, *, costs_as_numbers: bool) -> Row:
    """Compute the stats over the root runs that started at `since` or later.

    Latencies are in seconds, rates are fractions, costs are dollars, as strings or as numbers.
    """
    roots = _roots(runs, since)
    latencies = _seconds(roots, "end_time")
    first_tokens = _seconds(roots, "first_token_time")
    tokens = ("total_tokens", "prompt_tokens", "completion_tokens")
    costs = ("total_cost", "prompt_cost", "completion_cost")
    return {
        "run_count": len(roots),
        "latency_p50": quantile_exact(latencies, 0.5),
        "latency_p99": quantile_exact(latencies, 0.99),
        "first_token_p50": quantile_exact(first_tokens, 0.5),
        "first_token_p99": quantile_exact(first_tokens, 0.99),
        **{key: known_sum([run.get(key) for run in roots]) for key in tokens},
        **{key: _cost(roots, key, as_number=costs_as_numbers) for key in costs},
        "feedback_stats": _feedback(roots),
        "session_feedback_stats": {},
        "error_rate": sum(run["status"] == "error" for run in roots) / len(roots) if roots else None,
        "streaming_rate": 0.0 if roots else None,
    }


def feedback_scores(runs: Sequence[Row], since: datetime | None) -> dict[str, list[float]]:
    """Return the scores of every feedback key over the root runs that started at `since` or later."""
    scores: dict[str, list[float]] = {}
    for run in _roots(runs, since):
        for key, stats in (run.get("feedback_stats") or {}).items():
            scores.setdefault(key, []).extend(_scores([stats]))
    return scores


def last_run_start(runs: Sequence[Row]) -> str | None:
    """Return the latest start among the root runs, in that run's own format."""
    starts = [run["start_time"] for run in runs if run.get("parent_run_id") is None]
    return max(starts, key=parse, default=None)


def _roots(runs: Sequence[Row], since: datetime | None) -> list[Row]:
    roots = [run for run in runs if run.get("parent_run_id") is None]
    return roots if since is None else [run for run in roots if parse(run["start_time"]) >= since]


def _scores(all_stats: Sequence[Row]) -> list[float]:
    return [stats["avg"] for stats in all_stats for _ in range(stats["n"]) if stats.get("avg") is not None]


def _seconds(runs: Sequence[Row], until: str) -> list[float]:
    """Return the time from each run's start to a given time, where the run has one."""
    pairs = [(run["start_time"], run[until]) for run in runs if run.get(until) is not None]
    return [(parse(end) - parse(start)).total_seconds() for start, end in pairs]


def _cost(runs: Sequence[Row], key: str, *, as_number: bool) -> str | float | None:
    costs = [Decimal(str(run[key])) for run in runs if run.get(key) is not None]
    if not costs:
        return None
    total = sum(costs, Decimal(0))
    return float(total) if as_number else str(total)


def _feedback(runs: Sequence[Row]) -> Row:
    stats_by_key: dict[str, list[Row]] = {}
    for run in runs:
        for key, stats in (run.get("feedback_stats") or {}).items():
            stats_by_key.setdefault(key, []).append(stats)
    return {key: _pooled(stats) for key, stats in sorted(stats_by_key.items())}


def _pooled(all_stats: Sequence[Row]) -> Row:
    """Pool one key's feedback: scores have an average and a deviation, labels only have counts."""
    labels: Counter[str] = Counter()
    for stats in all_stats:
        labels.update(stats.get("values") or {})
    scores = _scores(all_stats)
    pooled: dict[str, Any] = {"n": sum(stats["n"] for stats in all_stats), "avg": None, "values": dict(labels)}
    if scores:
        pooled |= {"avg": statistics.fmean(scores), "min": min(scores), "max": max(scores)}
    if len(scores) > 1:
        pooled["stdev"] = statistics.stdev(scores)
    return pooled
