# ruff: noqa: S101 - the contract consists of assertions
"""Values: times are UTC, figures are finite and not negative, and the vendor's raw object is available."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tracegraph.domain.models import Aggregate, Experiment, MetricKind, RawObject, Session
from tracegraph.simulators.core.rows import Row
from tracegraph.testing.subject import Contract, Subject, rows

SEEDS = (31, 32)
STATISTICS = ("sum", "mean", "stddev", "min", "p25", "median", "p75", "p90", "p95", "p99", "max")


class ValueLaws(Contract):
    """The behaviour of every value of an adapter, listed or looked up, for any vendor data."""

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_times_are_aware_and_utc(self, seed: int) -> None:
        """The vendor may send no offset, or one other than UTC."""
        async with self.open_subject(seed) as subject:
            everything: list[Experiment | Session] = [*await _experiments(subject), *await _sessions(subject)]
            for row in everything:
                for name, value in row.comparable_fields().items():
                    if isinstance(value, datetime):
                        assert value.utcoffset() == timedelta(0), (name, row)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_figures_of_experiments_are_finite_and_not_negative(self, seed: int) -> None:
        """Only scores may be negative. An error rate is at most 1."""
        async with self.open_subject(seed) as subject:
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
        """Durations, costs, tokens and counts are not negative; scores are finite."""
        async with self.open_subject(seed) as subject:
            for row in await _sessions(subject):
                for amount in (
                    *(row.latency_ms, row.first_token_ms),
                    *(row.cost_usd, row.input_cost_usd, row.output_cost_usd),
                ):
                    _check_amount(amount)
                _check_count(row.message_count)
                if row.tokens is not None:
                    counts = [getattr(row.tokens, name) for name in row.tokens.__struct_fields__]
                    assert counts != [None] * len(counts)
                    for count in counts:
                        _check_count(count)
                assert all(map(math.isfinite, row.score_values.values()))

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_the_raw_object_of_an_experiment_is_the_vendors_own(self, seed: int) -> None:
        """Every value is the vendor's, and changing a decoded copy changes no later copy."""
        async with self.open_subject(seed) as subject:
            vendor_rows = subject.vendor.experiments()
            for row in await _experiments(subject):
                _check_raw(row.raw, row.vendor_id, vendor_rows[row.ref])

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_the_raw_object_of_a_session_is_the_vendors_own(self, seed: int) -> None:
        """Every value is the vendor's, and changing a decoded copy changes no later copy."""
        async with self.open_subject(seed) as subject:
            for row in await _sessions(subject):
                _check_raw(row.raw, row.vendor_id, subject.vendor.sessions(row.experiment_ref)[row.vendor_id])


async def _experiments(subject: Subject) -> list[Experiment]:
    """Return every experiment twice: as listed and as looked up."""
    return [*rows(await subject.experiments()), *(await subject.complete_experiments()).values()]


async def _sessions(subject: Subject) -> list[Session]:
    """Return every session twice: as listed and as looked up."""
    listed = rows(await subject.sessions(list(subject.vendor.experiments())))
    assert len(listed) > 100
    return [*listed, *(await subject.complete_sessions(listed)).values()]


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


def _check_raw(raw: RawObject | None, vendor_id: str, vendor_row: Row) -> None:
    assert raw is not None
    decoded = raw.decode()
    assert vendor_id in _texts(decoded)
    shared = decoded.keys() & vendor_row.keys()
    assert len(shared) >= 3
    assert {name: decoded[name] for name in shared} == {name: vendor_row[name] for name in shared}
    before = dict(decoded)
    decoded.clear()
    assert raw.decode() == before


def _texts(row: Row) -> Iterator[str]:
    """Yield the texts of an object: a vendor may have the identity in an object within it."""
    for value in row.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts(value)
