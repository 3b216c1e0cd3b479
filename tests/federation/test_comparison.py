"""The laws of compared figures and of paired cases."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from tracegraph.domain.figures import Statistic
from tracegraph.domain.models import Aggregate, AggregateBasis, AggregatePopulation, Metric, MetricKind
from tracegraph.federation.analytics.cases import (
    CaseCounts,
    CaseOutcome,
    case_value,
    case_values,
    count_outcomes,
    outcome_of,
    repetitions,
)
from tracegraph.federation.analytics.comparison import (
    best_basis,
    best_of,
    compare_metric,
    delta,
    ratio,
    shared_metrics,
)

LATENCY, ACCURACY = Metric(MetricKind.LATENCY), Metric(MetricKind.SCORE, "accuracy")

any_figure = st.floats(allow_nan=False, allow_infinity=False)
figures = st.floats(-1e9, 1e9, allow_subnormal=False)
columns = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.none() | figures), max_size=24)
"""An experiment's sessions: the case of each session, and its value."""
metrics = st.sampled_from([LATENCY, ACCURACY])

Sessions = Sequence[tuple[str | None, float | None]]


def cases_of(sessions: Sessions) -> dict[str, float | None]:
    """Return the case values by key."""
    column = [math.nan if value is None else value for _, value in sessions]
    return case_values(repetitions([key for key, _ in sessions]), column)


def counts(metric: Metric, baseline: Sessions, compared: Sessions) -> CaseCounts | None:
    return count_outcomes(metric, cases_of(baseline), cases_of(compared))


def aggregate(metric: Metric, mean: float | None) -> Aggregate:
    return Aggregate(metric, AggregateBasis.REPORTED, AggregatePopulation.SESSIONS, mean=mean)


# -- delta and ratio -------------------------------------------------------------------------------------


@given(any_figure, any_figure)
def test_delta_changes_its_sign_when_the_baseline_is_swapped(left: float, right: float) -> None:
    there, back = delta(left, right), delta(right, left)
    assert there == (None if back is None else -back)


@given(figures, figures)
def test_ratio_is_inverse_when_the_baseline_is_swapped(left: float, right: float) -> None:
    there, back = ratio(left, right), ratio(right, left)
    assume(there and back)
    assert there is not None
    assert back is not None
    assert math.isclose(there * back, 1.0, rel_tol=1e-12)


@given(any_figure)
def test_a_figure_beside_itself_has_no_distance(value: float) -> None:
    assert delta(value, value) == 0
    assert ratio(value, value) == (1 if value else None)


@given(st.none() | any_figure, st.none() | any_figure)
def test_delta_and_ratio_are_finite_or_none(left: float | None, right: float | None) -> None:
    for result in (delta(left, right), ratio(left, right)):
        assert result is None or math.isfinite(result)


def test_a_division_by_zero_is_null() -> None:
    assert ratio(3.0, 0.0) is None
    assert ratio(0.0, 0.0) is None
    assert ratio(0.0, 3.0) == 0


# -- metrics side by side --------------------------------------------------------------------------------


@given(metrics, st.lists(st.none() | figures, min_size=2, max_size=6), st.data())
def test_the_order_of_experiments_changes_nothing_but_the_order_of_entries(
    metric: Metric, values: list[float | None], data: st.DataObject
) -> None:
    baseline = data.draw(st.integers(0, len(values) - 1))
    order = data.draw(st.permutations(range(len(values))))
    aggregates = [aggregate(metric, value) for value in values]
    plain = compare_metric(metric, Statistic.MEAN, aggregates, baseline, range(len(values)))
    moved = compare_metric(
        metric, Statistic.MEAN, [aggregates[index] for index in order], order.index(baseline), order
    )
    assert moved.entries == [plain.entries[index] for index in order]
    assert (None if moved.best is None else order[moved.best]) == plain.best


@given(metrics, st.lists(st.none() | any_figure, min_size=2, max_size=6))
def test_the_best_is_the_least_or_for_scores_the_greatest(metric: Metric, values: list[float | None]) -> None:
    best = best_of(metric, values, range(len(values)))
    assume(best is not None)
    assert best is not None
    present = [value for value in values if value is not None]
    assert values[best] == (max(present) if metric is ACCURACY else min(present))


def test_a_tie_between_different_experiments_has_no_best() -> None:
    assert best_of(LATENCY, [1.0, 1.0 + 1e-12, 2.0], ["a", "b", "c"]) is None
    assert best_of(LATENCY, [1.0, 1.0 + 1e-6, 2.0], ["a", "b", "c"]) == 0
    assert best_of(LATENCY, [2.0, 2.0, 1.0], ["a", "b", "c"]) == 2


def test_an_experiment_beside_itself_is_its_own_best() -> None:
    assert best_of(ACCURACY, [0.5, 0.5], ["a", "a"]) == 0


def test_without_any_value_there_is_no_best() -> None:
    assert best_of(LATENCY, [None, None], ["a", "b"]) is None
    assert best_of(LATENCY, [None, 4.0], ["a", "b"]) == 1


def test_every_statistic_is_the_figure_of_its_name() -> None:
    figures_by_name = {statistic.value.lower(): index for index, statistic in enumerate(Statistic)}
    aggregate_of_all = Aggregate(LATENCY, AggregateBasis.COMPUTED, AggregatePopulation.SESSIONS, **figures_by_name)  # type: ignore[arg-type]
    assert [statistic.value_in(aggregate_of_all) for statistic in Statistic] == list(range(len(Statistic)))
    assert Statistic.MEAN.value_in(None) is None


def test_metrics_that_two_experiments_have_are_shared_in_a_fixed_order() -> None:
    cost, zeal = Metric(MetricKind.COST), Metric(MetricKind.SCORE, "Zeal")
    entries = [
        {metric: aggregate(metric, mean) for metric, mean in entry.items()}
        for entry in (
            {ACCURACY: 0.5, zeal: 0.1, LATENCY: 3.0, cost: None},
            {LATENCY: 4.0, ACCURACY: 0.25, cost: 1.0},
            {zeal: 0.0, Metric(MetricKind.ERROR_RATE): 0.5},
        )
    ]
    assert shared_metrics(entries, Statistic.MEAN) == [LATENCY, zeal, ACCURACY]
    assert shared_metrics(entries, Statistic.P99) == []


def test_the_best_basis_is_reported_where_it_has_the_statistic() -> None:
    reported, without_mean, computed = aggregate(LATENCY, 1.0), aggregate(LATENCY, None), aggregate(LATENCY, 2.0)
    assert best_basis(Statistic.MEAN, reported, computed) is reported
    assert best_basis(Statistic.MEAN, without_mean, computed) is computed
    assert best_basis(Statistic.MEAN, None, computed) is computed
    assert best_basis(Statistic.MEAN, without_mean, None) is without_mean
    assert best_basis(Statistic.MEAN, None, None) is None


# -- paired cases ----------------------------------------------------------------------------------------


@given(metrics, columns, columns)
def test_improved_and_regressed_swap_with_the_baseline(metric: Metric, left: Sessions, right: Sessions) -> None:
    there, back = counts(metric, left, right), counts(metric, right, left)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert (there.improved, there.regressed, there.equal) == (back.regressed, back.improved, back.equal)


@given(metrics, columns, columns)
def test_the_four_counts_sum_to_the_baselines_cases(
    metric: Metric, baseline: Sessions, compared: Sessions
) -> None:
    outcome_counts = counts(metric, baseline, compared)
    if outcome_counts is None:
        assert {key for key, _ in baseline}.isdisjoint({key for key, _ in compared})
    else:
        sum_of_all = (
            outcome_counts.improved + outcome_counts.regressed + outcome_counts.equal + outcome_counts.missing
        )
        assert sum_of_all == len({key for key, _ in baseline})


@given(metrics, columns)
def test_an_experiment_compared_with_itself_is_all_equal(metric: Metric, sessions: Sessions) -> None:
    """Repetitions and cases without a value are included."""
    assume(sessions)
    cases = len({key for key, _ in sessions})
    assert counts(metric, sessions, sessions) == CaseCounts(0, 0, cases, 0)


@given(metrics, columns, columns, st.randoms(use_true_random=False))
def test_the_order_of_sessions_changes_nothing(
    metric: Metric, sessions: Sessions, compared: Sessions, random: object
) -> None:
    shuffled = list(sessions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cases_of(shuffled) == cases_of(sessions)
    assert counts(metric, shuffled, compared) == counts(metric, sessions, compared)


@given(st.lists(any_figure | st.just(math.nan), max_size=8))
def test_a_cases_value_is_a_finite_number_or_none(column: list[float]) -> None:
    value = case_value(column, range(len(column)))
    assert value is None or math.isfinite(value)


def test_a_cases_value_is_the_mean_of_the_repetitions_that_have_one() -> None:
    sessions: Sessions = [("a", 1.0), ("b", None), ("a", None), ("a", 2.0), (None, 9.0)]
    assert cases_of(sessions) == {"a": 1.5, "b": None}


def test_a_case_that_only_one_of_them_measured_is_missing() -> None:
    measured, bare, absent = {"a": 1.0}, {"a": None}, dict[str, float | None]()
    assert outcome_of(LATENCY, "a", measured, bare) is CaseOutcome.MISSING
    assert outcome_of(LATENCY, "a", bare, measured) is CaseOutcome.MISSING
    assert outcome_of(LATENCY, "a", bare, bare) is CaseOutcome.EQUAL
    assert outcome_of(LATENCY, "a", bare, absent) is CaseOutcome.MISSING


def test_less_is_an_improvement_but_for_scores() -> None:
    before, after = {"a": 2.0}, {"a": 1.0}
    assert outcome_of(LATENCY, "a", before, after) is CaseOutcome.IMPROVED
    assert outcome_of(ACCURACY, "a", before, after) is CaseOutcome.REGRESSED
    assert outcome_of(LATENCY, "a", before, {"a": 2.0 + 1e-10}) is CaseOutcome.EQUAL


def test_experiments_that_share_no_case_have_no_counts() -> None:
    assert counts(LATENCY, [("a", 1.0)], [("b", 1.0)]) is None
    assert counts(LATENCY, [], []) is None
