"""Plain figures of the rows of sessions as clients read them, by numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

Row = dict[str, Any]
Metric = dict[str, str]

METRICS: Sequence[Metric] = (
    {"kind": "LATENCY"},
    {"kind": "COST"},
    {"kind": "TOTAL_TOKENS"},
    {"kind": "ERROR_RATE"},
    {"kind": "SCORE", "evaluator": "accuracy"},
)
"""Metrics that follow from the fields of a session in `test_filters_and_orders.SESSIONS`."""

_RATES = {"SUCCESS": 0.0, "CANCELLED": 0.0, "ERROR": 1.0}
_PERCENTILES = {"p25": 25, "median": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99}


def value_of(row: Row, metric: Metric) -> float | None:
    """Return the metric's value of a session's row."""
    if metric["kind"] == "SCORE":
        scores = {score["evaluator"]: score["value"] for score in row["scores"]}
        score: float | None = scores.get(metric["evaluator"])
        return score
    values: dict[str, float | None] = {
        "LATENCY": None if row["status"] == "RUNNING" else row["latencyMs"],
        "COST": row["costUsd"],
        "TOTAL_TOKENS": (row["tokens"] or {}).get("total"),
        "ERROR_RATE": _RATES.get(row["status"]),
    }
    return values[metric["kind"]]


def plain_figures(values: Sequence[float | None]) -> Row:
    """Return count, sum, mean, extremes and percentiles of the values that are there."""
    import numpy as np  # noqa: PLC0415 - slow to import

    known = [value for value in values if value is not None]
    if not known:
        return {"count": 0, **dict.fromkeys(("sum", "mean", "min", "max", *_PERCENTILES))}
    ranks = np.percentile(known, list(_PERCENTILES.values()), method="inverted_cdf")
    return {
        "count": len(known),
        "sum": pytest.approx(sum(known), rel=1e-9),
        "mean": pytest.approx(sum(known) / len(known), rel=1e-9),
        "min": min(known),
        "max": max(known),
        **dict(zip(_PERCENTILES, map(float, ranks), strict=True)),
    }
