"""Statistics that the vendors compute over their sessions and runs."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

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


def rollup(sessions: Sequence[Row]) -> Row:
    """Compute an experiment's figures over its sessions; sessions without a score are excluded (0.2.0).

    See docs/vendors/nemo.md#numbers.
    """
    scores: dict[str, list[float]] = {}
    for session in sessions:
        for name, score in (session.get("evaluator_scores") or {}).items():
            scores.setdefault(name, []).append(score)
    return {
        "evaluator_names": sorted(scores),
        "aggregate_scores": {name: aggregate(scores[name]) for name in sorted(scores)} or None,
        "run_count": len(sessions),
        "cost_usd": aggregate(present_values(sessions, "cost_total_usd")),
        "latency_ms": aggregate(present_values(sessions, "latency_ms")),
    }


def case_rollup(sessions: Sequence[Row], *, with_failures: bool) -> Row:
    """Compute an evaluation's figures: means of each test case, then over the test cases (0.3.0 and later).

    A session without test case counts in `run_count` alone. A missing score counts as 0, any other missing value
    does not count. See docs/vendors/nemo.md#numbers.

    Args:
        sessions: The sessions of the evaluation.
        with_failures: Whether to count the evaluator results that failed (0.8.0).
    """
    cases: dict[str, list[Row]] = {}
    for session in sessions:
        if session.get("test_case_id"):
            cases.setdefault(session["test_case_id"], []).append(session)
    in_cases = [session for case in cases.values() for session in case]
    names = sorted({name for session in in_cases for name in (*_scores(session), *_failed(session))})
    figures: Row = {
        "evaluator_names": names,
        "aggregate_scores": {name: aggregate(_case_scores(cases, name)) for name in names} or None,
        "run_count": len(sessions),
        "test_case_count": len(cases),
    }
    for figure, key in (("cost_usd", "cost_total_usd"), ("latency_ms", "latency_ms")):
        figures[figure] = aggregate(_means(present_values(case, key) for case in cases.values()))
    totals = ([total_tokens(session) for session in case] for case in cases.values())
    figures["tokens"] = aggregate(_means([value for value in case if value is not None] for case in totals))
    return _with_failed_counts(figures, in_cases) if with_failures else figures


def total_tokens(session: Row) -> float | None:
    """Return a session's input and output tokens; None when it has neither."""
    return known_sum([session.get("input_tokens"), session.get("output_tokens")])


def _scores(session: Row) -> Row:
    return session.get("evaluator_scores") or {}


def _failed(session: Row) -> list[str]:
    return session.get("failed_evaluators") or []


def _case_scores(cases: Mapping[str, Sequence[Row]], name: str) -> list[float]:
    return _means([_scores(session).get(name, 0.0) for session in case] for case in cases.values())


def _means(cases: Iterable[Sequence[float]]) -> list[float]:
    return [math.fsum(values) / len(values) for values in cases if values]


def _with_failed_counts(figures: Row, sessions: Sequence[Row]) -> Row:
    failures = Counter(name for session in sessions for name in _failed(session))
    for name, figure in (figures["aggregate_scores"] or {}).items():
        figure["failed_count"] = failures[name]
    for key in ("cost_usd", "latency_ms", "tokens"):
        if figures[key] is not None:
            figures[key]["failed_count"] = 0
    return figures


def present_values(sessions: Sequence[Row], key: str) -> list[float]:
    """Return the values of the rows that have one."""
    return [session[key] for session in sessions if session.get(key) is not None]


def known_sum(values: Sequence[float | None]) -> float | None:
    """Return the sum of the present values; None when there is none."""
    present = [value for value in values if value is not None]
    return sum(present) if present else None
