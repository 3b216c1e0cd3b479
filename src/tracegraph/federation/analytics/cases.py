"""Test cases paired between two experiments: what each session's case is, and how a case turned out.

A case is known by its key, the same in every experiment that ran it. Its value is the mean over its repetitions.
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
"""Relative: floats that differ by less are the same figure."""


_HEAD = 100


class CaseKey(Enum):
    """How a test case of one experiment is recognised in another."""

    TEST_CASE_ID = "TEST_CASE_ID"
    INPUT = "INPUT"


@dataclass(frozen=True, slots=True, order=True)
class CaseId:
    """A case's key in little space: its first characters, to order cases by, and 16 bytes for the whole of it."""

    head: str
    digest: bytes

    @classmethod
    def from_key(cls, key: str) -> CaseId:
        """The case of that key."""
        return cls(key[:_HEAD], blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest())

    @property
    def key(self) -> str | None:
        """The key itself, None when it is longer than the limit."""
        return self.head if len(self.head) < _HEAD else None


class CaseOutcome(Enum):
    """How a case of an experiment stands against the baseline's."""

    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    EQUAL = "EQUAL"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class CaseCounts:
    """How many of the baseline's cases had which outcome; the four sum to all of them."""

    improved: int
    regressed: int
    equal: int
    missing: int


def equal(left: float, right: float) -> bool:
    """Whether two finite figures are the same within one part in 10^9."""
    return math.isclose(left, right, rel_tol=_EQUAL_WITHIN, abs_tol=0.0)


def finite(value: float) -> float | None:
    """The figure, None when it is no number that can be shown."""
    return value if math.isfinite(value) else None


def repetitions(keys: Sequence[Key | None]) -> dict[Key, list[int]]:
    """The sessions of each case, as indices into the experiment's columns; a session without a key has none."""
    sessions_by_key: dict[Key, list[int]] = {}
    for index, key in enumerate(keys):
        if key is not None:
            sessions_by_key.setdefault(key, []).append(index)
    return sessions_by_key


def case_value(column: Sequence[float], sessions: Sequence[int]) -> float | None:
    """The mean over the repetitions that have a value (NaN: none), None when none has."""
    values = [column[index] for index in sessions if not math.isnan(column[index])]
    if not values:
        return None
    try:
        return finite(math.fsum(values) / len(values))
    except OverflowError:
        return None


def case_values(cases: Mapping[Key, Sequence[int]], column: Sequence[float]) -> dict[Key, float | None]:
    """The value of every case of an experiment."""
    return {key: case_value(column, sessions) for key, sessions in cases.items()}


def outcome_of(
    metric: Metric, key: Key, baseline: Mapping[Key, float | None], compared: Mapping[Key, float | None]
) -> CaseOutcome:
    """How one of the baseline's cases turned out in another experiment.

    A case that both ran and neither has a value for is EQUAL; one for which only one of them has is MISSING.
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
    """Whether a value lies on the better side of another."""
    return value > reference if metric.better_when is Better.HIGHER else value < reference


def count_outcomes(
    metric: Metric, baseline: Mapping[Key, float | None], compared: Mapping[Key, float | None]
) -> CaseCounts | None:
    """The outcomes of all the baseline's cases, None when the two experiments share no case."""
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
