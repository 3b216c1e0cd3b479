"""Statistics of one metric against second, plain implementations, and the changes that must not affect them."""

import math
from datetime import UTC, datetime
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.models import (
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Metric,
    MetricKind,
    Session,
    SessionStatus,
    TokenUsage,
)
from tracegraph.federation.analytics.statistics import computed, in_order, session_values

LATENCY = Metric(MetricKind.LATENCY)
STATISTICS = ("sum", "mean", "stddev", "min", "p25", "median", "p75", "p90", "p95", "p99", "max")
LEVELS = {"p25": 25, "median": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99}

finite = st.floats(allow_nan=False, allow_infinity=False)
measured = st.floats(0, 1e9, allow_subnormal=False)


def session(status: SessionStatus = SessionStatus.SUCCESS, **fields: object) -> Session:
    started = datetime(2026, 5, 1, tzinfo=UTC)
    return Session("nemo", "e", "s", status, started, **fields)  # type: ignore[arg-type]


def value(kind: MetricKind, session_: Session) -> float | None:
    return session_values(session_).get(Metric(kind))


# -- statistics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 99, 100, 101, 5000])
def test_every_statistic_is_numpys(size: int) -> None:
    import numpy as np  # noqa: PLC0415 - slow to import

    values = [Random(size).lognormvariate(5, 2) for _ in range(size)]
    aggregate = computed(LATENCY, values)
    expected = {
        "sum": np.sum(values),
        "mean": np.mean(values),
        "min": np.min(values),
        "max": np.max(values),
        **{name: np.percentile(values, level, method="inverted_cdf") for name, level in LEVELS.items()},
    }
    for name, figure in expected.items():
        assert getattr(aggregate, name) == pytest.approx(float(figure), rel=1e-9), name
    assert aggregate.count == size
    assert aggregate.stddev == (None if size < 2 else pytest.approx(float(np.std(values, ddof=1)), rel=1e-9))


@given(st.lists(measured, min_size=1))
def test_a_percentile_is_the_smallest_element_that_so_many_do_not_exceed(values: list[float]) -> None:
    aggregate = computed(LATENCY, values)
    for name, level in LEVELS.items():
        reached = [
            value
            for value in values
            if Fraction(sum(v <= value for v in values), len(values)) >= Fraction(level, 100)
        ]
        assert getattr(aggregate, name) == min(reached)


@given(st.lists(finite), st.randoms(use_true_random=False))
def test_the_order_of_the_values_plays_no_part(values: list[float], random: Random) -> None:
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert computed(LATENCY, shuffled) == computed(LATENCY, values)


@given(st.lists(finite))
def test_every_figure_is_a_finite_number_or_none(values: list[float]) -> None:
    """The sum, or the squares of differences, may exceed a float."""
    aggregate = computed(LATENCY, values)
    assert all(
        figure is None or math.isfinite(figure) for figure in (getattr(aggregate, name) for name in STATISTICS)
    )


@given(st.lists(measured, min_size=1))
def test_the_figures_stand_in_their_natural_order(values: list[float]) -> None:
    aggregate = computed(LATENCY, values)
    ranked = [getattr(aggregate, name) for name in ("min", *LEVELS, "max")]
    assert ranked == sorted(ranked, key=lambda figure: figure or 0.0)
    assert aggregate.mean is not None
    assert min(values) <= aggregate.mean * (1 + 1e-12)
    assert aggregate.mean <= max(values) * (1 + 1e-12)


def test_without_values_the_count_is_zero_and_every_other_figure_is_null() -> None:
    assert computed(LATENCY, [], complete=False) == Aggregate(
        LATENCY, AggregateBasis.COMPUTED, AggregatePopulation.SESSIONS, count=0, complete=False
    )


def test_one_value_has_no_deviation() -> None:
    aggregate = computed(LATENCY, [3.5])
    assert (aggregate.count, aggregate.mean, aggregate.p99, aggregate.stddev) == (1, 3.5, 3.5, None)


# -- values of a session --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "rate"),
    [
        (SessionStatus.ERROR, 1.0),
        (SessionStatus.SUCCESS, 0.0),
        (SessionStatus.CANCELLED, 0.0),
        (SessionStatus.RUNNING, None),
        (SessionStatus.UNKNOWN, None),
    ],
)
def test_the_error_rate_is_over_finished_sessions(status: SessionStatus, rate: float | None) -> None:
    assert value(MetricKind.ERROR_RATE, session(status)) == rate


def test_a_running_session_has_no_latency_even_if_the_vendor_reports_one() -> None:
    assert value(MetricKind.LATENCY, session(SessionStatus.RUNNING, latency_ms=12.0)) is None
    assert value(MetricKind.LATENCY, session(SessionStatus.UNKNOWN, latency_ms=12.0)) == 12.0


@pytest.mark.parametrize(
    ("tokens", "total"),
    [
        (TokenUsage(100, 20, 50, 125), 125.0),
        (TokenUsage(100, 20, 50), 120.0),
        (TokenUsage(100), None),
        (TokenUsage(cached=5), None),
        (None, None),
    ],
)
def test_total_tokens_are_the_vendors_else_input_and_output(
    tokens: TokenUsage | None, total: float | None
) -> None:
    """Cached tokens are part of the input and do not count again."""
    assert value(MetricKind.TOTAL_TOKENS, session(tokens=tokens)) == total


def test_zero_is_a_value_and_a_missing_or_infinite_figure_is_not() -> None:
    values = session_values(
        session(cost_usd=0.0, first_token_ms=math.inf, scores_by_evaluator={"a": 0.0, "b": None})
    )
    assert values == {
        Metric(MetricKind.COST): 0.0,
        Metric(MetricKind.ERROR_RATE): 0.0,
        Metric(MetricKind.SCORE, "a"): 0.0,
    }


def test_metrics_come_in_the_schemas_order_and_scores_by_evaluator() -> None:
    metrics = [LATENCY, Metric(MetricKind.COST), Metric(MetricKind.SCORE, "a"), Metric(MetricKind.SCORE, "b")]
    assert in_order(reversed(metrics)) == metrics
