"""Statistics that the vendors compute over their sessions and runs."""

import math
from collections.abc import Sequence

from tracegraph.simulators.core.rows import Row


def quantile_exact(values: Sequence[float], level: float) -> float | None:
    """Return the element at `level` of the sorted values, without interpolation; None when there is none.

    ClickHouse's quantileExact: the median of {0.4, 0.8} is 0.8 (docs/vendors/nemo.md#numbers).
    """
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(math.floor(level * len(ranked)), len(ranked) - 1)]


def aggregate(values: Sequence[float]) -> Row | None:
    """Return NeMo's `EvaluatorAggregate` of the values; None when there is no value.

    See docs/vendors/nemo.md#numbers.
    """
    if not values:
        return None
    total = math.fsum(values)
    return {
        "sum": total,
        "mean": total / len(values),
        "median": quantile_exact(values, 0.5),
        "p90": quantile_exact(values, 0.9),
        "p95": quantile_exact(values, 0.95),
        "p99": quantile_exact(values, 0.99),
        "count": len(values),
    }


def known_sum(values: Sequence[float | None]) -> float | None:
    """Return the sum of the present values; None when there is none."""
    present = [value for value in values if value is not None]
    return sum(present) if present else None
