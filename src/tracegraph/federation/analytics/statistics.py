"""Statistics of one metric, computed the same way for every vendor. All functions are pure."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tracegraph.domain.models import (
    CACHED_TOKENS,
    COST,
    ERROR_RATE,
    FIRST_TOKEN_LATENCY,
    INPUT_TOKENS,
    LATENCY,
    OUTPUT_TOKENS,
    TOTAL_TOKENS,
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Metric,
    MetricKind,
    Session,
    SessionStatus,
    TokenUsage,
    is_number,
)

_ERROR_RATES = {SessionStatus.SUCCESS: 0.0, SessionStatus.CANCELLED: 0.0, SessionStatus.ERROR: 1.0}


_NO_TOKENS = TokenUsage()


_KINDS = {kind: index for index, kind in enumerate(MetricKind)}


def session_values(session: Session) -> Mapping[Metric, float]:
    """Return the session's finite value of each metric that it has, in the metric's unit.

    A running session has no latency, even if the vendor reports one. Sessions that are running or of unknown
    status do not count in the error rate. Total tokens are the vendor's total, else the sum of input and output.
    """
    try:
        return {
            metric: float(value)
            for metric, value in _reported_values(session)
            if value is not None and math.isfinite(value)
        }
    except (TypeError, OverflowError):  # an adapter returned a value that is not a number
        return {metric: float(value) for metric, value in _reported_values(session) if is_number(value)}


def _reported_values(session: Session) -> Iterator[tuple[Metric, float | None]]:
    running = session.status is SessionStatus.RUNNING
    tokens = session.tokens or _NO_TOKENS
    yield LATENCY, None if running else session.latency_ms
    yield FIRST_TOKEN_LATENCY, session.first_token_ms
    yield COST, session.cost_usd
    yield INPUT_TOKENS, tokens.input
    yield OUTPUT_TOKENS, tokens.output
    yield CACHED_TOKENS, tokens.cached
    yield TOTAL_TOKENS, _total(tokens)
    yield ERROR_RATE, _ERROR_RATES.get(session.status)
    for evaluator, score in session.score_values.items():
        yield Metric(MetricKind.SCORE, evaluator), score


def _total(tokens: TokenUsage) -> int | None:
    if tokens.total is not None:
        return tokens.total
    if isinstance(tokens.input, int) and isinstance(tokens.output, int):
        return tokens.input + tokens.output
    return None


def in_order(metrics: Iterable[Metric]) -> list[Metric]:
    """Return the metrics in the schema's order of kinds, scores by evaluator."""
    return sorted(metrics, key=lambda metric: (_KINDS[metric.kind], metric.evaluator or ""))


def computed(metric: Metric, values: Sequence[float], *, complete: bool = True) -> Aggregate:
    """Compute every statistic of finite values, one value per session. The order of the values does not matter.

    Percentiles are nearest rank: the smallest element that at least that share of the values does not exceed. The
    deviation is the sample's, and None for fewer than two values. A figure beyond a finite float is None. Without
    values the count is 0 and every other figure is None. The aggregate keeps the values for a histogram.
    """
    count = len(values)
    if not count:
        return Aggregate(metric, AggregateBasis.COMPUTED, AggregatePopulation.SESSIONS, count=0, complete=complete)
    ranked = sorted(values)
    total = _sum(ranked)
    mean = None if total is None else total / count
    return Aggregate(
        metric,
        AggregateBasis.COMPUTED,
        AggregatePopulation.SESSIONS,
        count=count,
        sum=total,
        mean=mean,
        stddev=None if mean is None else _sample_deviation(ranked, mean),
        min=ranked[0],
        p25=_nearest_rank(ranked, 25),
        median=_nearest_rank(ranked, 50),
        p75=_nearest_rank(ranked, 75),
        p90=_nearest_rank(ranked, 90),
        p95=_nearest_rank(ranked, 95),
        p99=_nearest_rank(ranked, 99),
        max=ranked[-1],
        complete=complete,
        values=array("d", ranked),
    )


def _nearest_rank(ranked: Sequence[float], percent: int) -> float:
    """Return the nearest rank in integer arithmetic: 0.95 times a count is not always whole where it should be."""
    return ranked[-(-percent * len(ranked) // 100) - 1]


def _sample_deviation(values: Sequence[float], mean: float) -> float | None:
    if len(values) < 2:
        return None
    squares = _sum((value - mean) * (value - mean) for value in values)
    return None if squares is None else math.sqrt(squares / (len(values) - 1))


def _sum(values: Iterable[float]) -> float | None:
    """Return the exactly rounded sum, which no order of the values changes, or None beyond a float."""
    try:
        total = math.fsum(values)
    except OverflowError:
        return None
    return total if math.isfinite(total) else None
