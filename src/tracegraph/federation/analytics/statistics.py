"""Statistics of one metric, computed the same way for every vendor; pure functions."""

from __future__ import annotations

import math
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
    """The session's finite value of every metric that it has one of, in the metric's unit.

    A running session has no latency, whatever the vendor says; it and one of unknown status count neither as
    failed nor as not. Total tokens are the vendor's total, else input and output where both are known.
    """
    try:
        return {
            metric: float(value)
            for metric, value in _reported_values(session)
            if value is not None and math.isfinite(value)
        }
    except (TypeError, OverflowError):  # an adapter gave what is no number in the place of one
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
    for score in session.scores:
        yield Metric(MetricKind.SCORE, score.evaluator), score.value


def _total(tokens: TokenUsage) -> int | None:
    if tokens.total is not None:
        return tokens.total
    if isinstance(tokens.input, int) and isinstance(tokens.output, int):
        return tokens.input + tokens.output
    return None


def in_order(metrics: Iterable[Metric]) -> list[Metric]:
    """Metrics as the schema lists their kinds, scores by evaluator."""
    return sorted(metrics, key=lambda metric: (_KINDS[metric.kind], metric.evaluator or ""))


def computed(metric: Metric, values: Sequence[float], *, complete: bool = True) -> Aggregate:
    """Every statistic of finite values, one for each session that has one; the values' order plays no part.

    Percentiles are nearest rank: the smallest element that at least that share of the values does not exceed.
    The deviation is the sample's, None for fewer than two values. A figure that no finite float holds is None;
    without values all are but the count, which is 0.
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
        median=_nearest_rank(ranked, 50),
        p90=_nearest_rank(ranked, 90),
        p95=_nearest_rank(ranked, 95),
        p99=_nearest_rank(ranked, 99),
        max=ranked[-1],
        complete=complete,
    )


def _nearest_rank(ranked: Sequence[float], percent: int) -> float:
    """In whole numbers: a share such as 0.95 times a count is not always whole where it should be."""
    return ranked[-(-percent * len(ranked) // 100) - 1]


def _sample_deviation(values: Sequence[float], mean: float) -> float | None:
    if len(values) < 2:
        return None
    squares = _sum((value - mean) * (value - mean) for value in values)
    return None if squares is None else math.sqrt(squares / (len(values) - 1))


def _sum(values: Iterable[float]) -> float | None:
    """Exactly rounded, so that no order of the values changes it; None when it is beyond a float."""
    try:
        total = math.fsum(values)
    except OverflowError:
        return None
    return total if math.isfinite(total) else None
