"""The statistics that the simulators compute."""

import pytest

from tracegraph.simulators.nemo.rollup import aggregate, known_sum, quantile_exact


@pytest.mark.parametrize(
    ("level", "expected"), [(0.0, 1), (0.5, 51), (0.9, 91), (0.95, 96), (0.99, 100), (1.0, 100)]
)
def test_a_quantile_is_the_element_at_level_times_count(level: float, expected: int) -> None:
    assert quantile_exact(range(100, 0, -1), level) == expected


def test_the_median_of_two_is_the_greater() -> None:
    """ClickHouse's quantileExact behaves like this (docs/vendors/nemo.md#numbers)."""
    assert quantile_exact([0.4, 0.8], 0.5) == 0.8


def test_an_aggregate_has_the_contracts_seven_figures() -> None:
    assert aggregate([3.0, 1.0, 2.0]) == {
        "sum": 6.0,
        "mean": 2.0,
        "median": 2.0,
        "p90": 3.0,
        "p95": 3.0,
        "p99": 3.0,
        "count": 3,
    }


def test_without_values_there_are_no_figures() -> None:
    assert aggregate([]) is None
    assert quantile_exact([], 0.5) is None
    assert known_sum([None, None]) is None
    assert known_sum([None, 2]) == 2
