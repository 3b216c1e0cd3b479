# ruff: noqa: S101 - assertions are what a law is made of
"""Laws of values: UTC, finite, never negative without sense, and the vendor's own object behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tracegraph.domain.models import Aggregate, Experiment, MetricKind, RawObject, Session
from tracegraph.simulators.core.rows import Row
from tracegraph.testing.subject import Contract, Subject, expect, rows

SEEDS = (31, 32)
STATISTICS = ("sum", "mean", "stddev", "min", "median", "p90", "p95", "p99", "max")


class ValueLaws(Contract):
    """What holds of every value that an adapter gives, listed or looked up, whatever the vendor says."""

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_times_are_aware_and_utc(self, seed: int) -> None:
        """Also where the vendor states none, or an offset."""
        async with self.opened(seed) as subject:
            everything: list[Experiment | Session] = [*await _experiments(subject), *await _sessions(subject)]
            for row in everything:
                for name, value in row.comparable_fields().items():
                    if isinstance(value, datetime):
                        assert value.utcoffset() == timedelta(0), (name, row)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_figures_of_experiments_are_finite_and_not_negative(self, seed: int) -> None:
        """Scores alone may lie below zero; an error rate is a part of one."""
        async with self.opened(seed) as subject:
            for row in await _experiments(subject):
                _check_count(row.session_count)
                _check_amount(row.error_rate)
                assert row.error_rate is None or row.error_rate <= 1
                for aggregate in row.aggregates:
                    _check_aggregate(aggregate)
                metrics = [aggregate.metric for aggregate in row.aggregates]
                assert len(metrics) == len(set(metrics))

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_figures_of_sessions_are_finite_and_not_negative(self, seed: int) -> None:
        """Durations, costs, tokens and counts; scores are finite."""
        async with self.opened(seed) as subject:
            for row in await _sessions(subject):
                for amount in (row.latency_ms, row.first_token_ms, row.cost_usd):
                    _check_amount(amount)
                _check_count(row.message_count)
                if row.tokens is not None:
                    counts = [row.tokens.input, row.tokens.output, row.tokens.cached, row.tokens.total]
                    assert counts != [None] * 4
                    for count in counts:
                        _check_count(count)
                assert all(math.isfinite(score.value) for score in row.scores)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_the_raw_object_of_an_experiment_is_the_vendors_own(self, seed: int) -> None:
        """With every value as the vendor has it, and undisturbed by what was done with an earlier copy."""
        async with self.opened(seed) as subject:
            own = subject.vendor.experiments()
            for row in await _experiments(subject):
                _check_raw(row.raw, row.vendor_id, own[row.ref])

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_the_raw_object_of_a_session_is_the_vendors_own(self, seed: int) -> None:
        """The same."""
        async with self.opened(seed) as subject:
            for row in await _sessions(subject):
                _check_raw(row.raw, row.vendor_id, subject.vendor.sessions(row.experiment_ref)[row.vendor_id])


async def _experiments(subject: Subject) -> list[Experiment]:
    """Every experiment twice: as listed and as looked up."""
    return [*rows(await subject.experiments()), *(await subject.complete_experiments()).values()]


async def _sessions(subject: Subject) -> list[Session]:
    """Every session twice: as listed and as looked up."""
    listed = rows(await subject.sessions(list(subject.vendor.experiments())))
    assert len(listed) > 100
    found = await subject.adapter.get_sessions([one.ref for one in listed])
    return [*listed, *(expect(found[one.ref], Session) for one in listed)]


def _check_count(count: int | None) -> None:
    assert count is None or (type(count) is int and count >= 0), count


def _check_amount(amount: float | None) -> None:
    assert amount is None or (math.isfinite(amount) and amount >= 0), amount


def _check_aggregate(aggregate: Aggregate) -> None:
    _check_count(aggregate.count)
    statistics = [value for name in STATISTICS if (value := getattr(aggregate, name)) is not None]
    assert statistics or aggregate.count is not None, aggregate
    for value in statistics:
        if aggregate.metric.kind is MetricKind.SCORE:
            assert math.isfinite(value), aggregate
        else:
            _check_amount(value)
    assert (aggregate.metric.evaluator is not None) == (aggregate.metric.kind is MetricKind.SCORE)


def _check_raw(raw: RawObject | None, vendor_id: str, own: Row) -> None:
    assert raw is not None
    given = raw.decode()
    assert vendor_id in _texts(given)
    shared = given.keys() & own.keys()
    assert len(shared) >= 3
    assert {name: given[name] for name in shared} == {name: own[name] for name in shared}
    before = dict(given)
    given.clear()
    assert raw.decode() == before


def _texts(row: Row) -> Iterator[str]:
    return (value for value in row.values() if isinstance(value, str))
