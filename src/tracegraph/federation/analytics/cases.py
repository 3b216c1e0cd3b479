"""Test cases paired between two experiments: the case of each session, and the outcome of each case.

A case is identified by its key, the same in every experiment that ran it. Its value is the mean over repetitions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from typing import TypeVar

from tracegraph.domain.models import Better, Metric

Key = TypeVar("Key", bound=Hashable)


_EQUAL_WITHIN = 1e-9
"""Relative tolerance: floats that differ by less are equal."""


_HEAD = 100


class CaseKey(Enum):
    """How a test case is matched between experiments."""

    TEST_CASE_ID = "TEST_CASE_ID"
    INPUT = "INPUT"


@dataclass(frozen=True, slots=True, order=True)
class CaseId:
    """A case's key in bounded space: its first characters, which order cases, and a digest of 16 bytes."""

    head: str
    digest: bytes

    @classmethod
    def from_key(cls, key: str) -> CaseId:
        """Return the case of a key."""
        return cls(key[:_HEAD], blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest())

    @property
    def key(self) -> str | None:
        """Return the key itself, or None when it is longer than the limit."""
        return self.head if len(self.head) < _HEAD else None


class CaseOutcome(Enum):
    """The outcome of a case compared with the baseline's."""

    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    EQUAL = "EQUAL"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class CaseCounts:
    """The number of the baseline's cases with each outcome. The four sum to all cases."""

    improved: int
    regressed: int
    equal: int
    missing: int


def equal(left: float, right: float) -> bool:
    """Return whether two finite figures are equal within one part in 10^9."""
    return math.isclose(left, right, rel_tol=_EQUAL_WITHIN, abs_tol=0.0)


def finite(value: float) -> float | None:
    """Return the figure, or None when it is not finite."""
    return value if math.isfinite(value) else None


def repetitions(keys: Sequence[Key | None]) -> dict[Key, list[int]]:
    """Return the sessions of each case, as indices into the experiment's columns. A key of None is no case."""
    sessions_by_key: dict[Key, list[int]] = {}
    for index, key in enumerate(keys):
        if key is not None:
            sessions_by_key.setdefault(key, []).append(index)
    return sessions_by_key


def case_value(column: Sequence[float], sessions: Sequence[int]) -> float | None:
    """Return the mean over the repetitions with a value (NaN: none), or None without any."""
    values = [column[index] for index in sessions if not math.isnan(column[index])]
    if not values:
        return None
    try:
        return finite(math.fsum(values) / len(values))
    except OverflowError:
        return None


def case_values(cases: Mapping[Key, Sequence[int]], column: Sequence[float]) -> dict[Key, float | None]:
    """Return the value of every case of an experiment."""
    return {key: case_value(column, sessions) for key, sessions in cases.items()}


def outcome_of(
    metric: Metric, key: Key, baseline: Mapping[Key, float | None], compared: Mapping[Key, float | None]
) -> CaseOutcome:
    """Return the outcome of one of the baseline's cases in another experiment.

    A case that both ran without a value is EQUAL. A case that only one of them has a value for is MISSING.
    """
    baseline_value, compared_value = baseline[key], compared.get(key)
    if baseline_value is None and compared_value is None:
        return CaseOutcome.EQUAL if key in compared else CaseOutcome.MISSING
    if baseline_value is None or compared_value is None:
        return CaseOutcome.MISSING
    if equal(baseline_value, compared_value):
        return CaseOutcome.EQUAL
    return CaseOutcome.IMPROVED if is_better(metric, compared_value, baseline_value) else CaseOutcome.REGRESSED


def is_better(metric: Metric, value: float, reference: float) -> bool:
    """Return whether a value is better than a reference."""
    return value > reference if metric.better_when is Better.HIGHER else value < reference


def count_outcomes(
    metric: Metric, baseline: Mapping[Key, float | None], compared: Mapping[Key, float | None]
) -> CaseCounts | None:
    """Count the outcomes of all the baseline's cases; None when the two experiments share no case."""
    if baseline.keys().isdisjoint(compared.keys()):
        return None
    counts = dict.fromkeys(CaseOutcome, 0)
    for key in baseline:
        counts[outcome_of(metric, key, baseline, compared)] += 1
    return CaseCounts(
        improved=counts[CaseOutcome.IMPROVED],
        regressed=counts[CaseOutcome.REGRESSED],
        equal=counts[CaseOutcome.EQUAL],
        missing=counts[CaseOutcome.MISSING],
    )
