"""The distribution of values over classes of equal width."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from tracegraph.errors import BadUserInput

MAX_BINS = 100


@dataclass(frozen=True, slots=True)
class HistogramBin:
    """How many values lie from `lower` up to but not including `upper`; the last bin includes its upper end."""

    lower: float
    upper: float
    count: int


def check_bins(bins: int, lower: float | None, upper: float | None) -> None:
    """Check the arguments of a histogram, whatever the values are.

    Raises:
        BadUserInput: When `bins` is out of range, or `lower` is not below `upper`.
    """
    if not 1 <= bins <= MAX_BINS:
        raise BadUserInput(f"bins is {bins}, and must be 1 to {MAX_BINS}.")
    if lower is not None and upper is not None and lower >= upper:
        raise BadUserInput("lower must be below upper.")


def histogram(
    ranked: Sequence[float], bins: int, lower: float | None = None, upper: float | None = None
) -> list[HistogramBin]:
    """Count values in bins of equal width. Values beyond the ends are in no bin.

    Where both ends are equal, one bin holds the values at that point. There is no bin where the lower end is above
    the upper end, and none without values and given ends.

    Args:
        ranked: Finite values, ascending.
        bins: The number of bins, from 1 to MAX_BINS.
        lower: The lower end of the first bin, by default the smallest value.
        upper: The upper end of the last bin, by default the largest value.
    """
    low = lower if lower is not None else next(iter(ranked[:1]), None)
    high = upper if upper is not None else next(iter(ranked[-1:]), None)
    if low is None or high is None or low > high:
        return []
    edges = _edges(low, high, bins if low < high else 1)
    places = [bisect_left(ranked, edge) for edge in edges[:-1]] + [bisect_right(ranked, high)]
    return [
        HistogramBin(start, end, after - first)
        for (start, end), (first, after) in zip(pairwise(edges), pairwise(places), strict=True)
    ]


def _edges(low: float, high: float, bins: int) -> list[float]:
    """Return the ends of the bins, ascending. The weighted sum cannot exceed a float, as `high - low` can."""
    weights = [number / bins for number in range(1, bins)]
    between = accumulate((low * (1 - weight) + high * weight for weight in weights), max, initial=low)
    return [*(min(edge, high) for edge in between), high]
