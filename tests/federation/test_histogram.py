"""A histogram counts each value between its ends once, in bins of equal width."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.errors import BadUserInput
from tracegraph.federation.analytics.histogram import MAX_BINS, HistogramBin, check_bins, histogram

floats = st.floats(allow_nan=False, allow_infinity=False)
ranked = st.lists(floats, max_size=30).map(sorted)
numbers_of_bins = st.integers(1, MAX_BINS)
measured = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=2).map(sorted)


@given(ranked, numbers_of_bins)
def test_the_counts_sum_to_the_number_of_values(values: list[float], bins: int) -> None:
    assert sum(one.count for one in histogram(values, bins)) == len(values)


@given(ranked, numbers_of_bins, floats, floats)
def test_each_bin_counts_the_values_from_its_lower_end_up_to_its_upper_end(
    values: list[float], bins: int, one: float, other: float
) -> None:
    lower, upper = min(one, other), max(one, other)
    found = histogram(values, bins, lower, upper)
    for number, part in enumerate(found):
        is_last = number == len(found) - 1
        inside = [value for value in values if part.lower <= value and (value < part.upper or is_last)]
        assert part.count == sum(value <= part.upper for value in inside)


@given(ranked, numbers_of_bins, st.none() | floats, st.none() | floats)
def test_bins_follow_on_each_other_from_the_lower_end_to_the_upper_end(
    values: list[float], bins: int, lower: float | None, upper: float | None
) -> None:
    found = histogram(values, bins, lower, upper)
    assert all(math.isfinite(end) for one in found for end in (one.lower, one.upper))
    assert all(one.lower <= one.upper == other.lower <= other.upper for one, other in pairwise(found))
    if found:
        assert found[0].lower == (values[0] if lower is None else lower)
        assert found[-1].upper == (values[-1] if upper is None else upper)
        assert len(found) == (bins if found[0].lower < found[-1].upper else 1)


@given(measured, numbers_of_bins)
def test_bins_have_the_same_width(values: list[float], bins: int) -> None:
    found = histogram(values, bins)
    width = (found[-1].upper - found[0].lower) / len(found)
    assert all(one.upper - one.lower == pytest.approx(width, abs=1e-9) for one in found)


def test_a_value_at_an_inner_end_belongs_to_the_upper_bin_and_the_largest_to_the_last() -> None:
    assert histogram([0, 1, 1, 2, 4], 4) == [
        HistogramBin(0, 1, 1),
        HistogramBin(1, 2, 2),
        HistogramBin(2, 3, 1),
        HistogramBin(3, 4, 1),
    ]


def test_given_ends_leave_out_the_values_beyond() -> None:
    assert [one.count for one in histogram([0, 5, 10, 15, 20], 2, 5, 15)] == [1, 2]
    assert [one.count for one in histogram([], 2, 5, 15)] == [0, 0]


def test_equal_values_have_one_bin_and_no_values_have_none() -> None:
    assert histogram([3, 3], 20) == [HistogramBin(3, 3, 2)]
    assert histogram([], 20) == []
    assert histogram([], 20, lower=1) == []


def test_a_given_end_beyond_all_values_leaves_no_bin() -> None:
    assert histogram([1, 2], 20, lower=3) == []
    assert histogram([1, 2], 20, upper=0) == []
    assert histogram([1, 2], 20, lower=2) == [HistogramBin(2, 2, 1)]


@pytest.mark.parametrize(
    ("bins", "lower", "upper", "message"),
    [
        (0, None, None, "must be 1 to 100"),
        (-1, None, None, "must be 1 to 100"),
        (101, None, None, "must be 1 to 100"),
        (20, 1.0, 1.0, "lower must be below upper"),
        (20, 2.0, 1.0, "lower must be below upper"),
    ],
)
def test_bins_out_of_bounds_are_an_error(
    bins: int, lower: float | None, upper: float | None, message: str
) -> None:
    with pytest.raises(BadUserInput, match=message):
        check_bins(bins, lower, upper)


@pytest.mark.parametrize(("bins", "lower", "upper"), [(1, None, None), (100, None, 1.0), (20, 1.0, None)])
def test_bins_within_the_bounds_are_accepted(bins: int, lower: float | None, upper: float | None) -> None:
    check_bins(bins, lower, upper)
