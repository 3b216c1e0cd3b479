"""How many cases of a law a run plays: a few in `make test`, all of them in `make test-slow`."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

import pytest
from _pytest.mark import ParameterSet

T = TypeVar("T")

ALL = "TRACEGRAPH_TESTS_EXAMPLES"
"""The variable that asks for all examples."""


def plays_all() -> bool:
    """Return whether the run plays all examples."""
    return os.environ.get(ALL) == "all"


def examples(count: int) -> int:
    """Return the count, or an eighth of it in a quick run."""
    return count if plays_all() else max(5, count // 8)


def thinned(values: Sequence[T], step: int = 4) -> Sequence[T]:
    """Return the values, or every fourth of them in a quick run."""
    return values if plays_all() else values[::step]


def slow_but(quick: Collection[Any], values: Iterable[Any]) -> list[ParameterSet]:
    """Return the values as parameters; those outside `quick` are slow."""
    return [pytest.param(value, marks=() if value in quick else pytest.mark.slow) for value in values]


def diagonal(rows: Iterable[Any], columns: Iterable[Any]) -> list[ParameterSet]:
    """Return every pair as parameters.

    A quick run plays each row and each column at least once. The other pairs are slow.
    """
    first, second = list(rows), list(columns)
    shorter = min(len(first), len(second))
    return [
        pytest.param(row, column, marks=() if index % shorter == position % shorter else pytest.mark.slow)
        for index, row in enumerate(first)
        for position, column in enumerate(second)
    ]
