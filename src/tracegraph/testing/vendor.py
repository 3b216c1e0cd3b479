"""What the suite must know of a vendor: its simulator, the rows in it, how they come and go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH

T = TypeVar("T")

EXPERIMENTS = 10
LONG_LIST = 105
"""Sessions of one of the experiments: more than a page of any vendor that gives a hundred rows."""


class Vendor(ABC):
    """One vendor's server and its content, made at random and open to change.

    A vendor should draw its variants too: null or absent, ties shuffled, pages shorter than asked for. Rows
    should hold what real ones do, and now and then a figure that makes no sense (a negative duration, a cost that
    is no number): the adapter has to cope.
    """

    simulator: Simulator

    @abstractmethod
    def __init__(self, rng: Random) -> None:
        """An empty vendor, of a variant that `rng` draws."""

    @abstractmethod
    def experiments(self) -> Mapping[str, Row]:
        """The vendor's own rows by the ref under which the adapter gives them."""

    @abstractmethod
    def sessions(self, ref: str) -> Mapping[str, Row]:
        """The vendor's own rows of the sessions of an experiment, by their id."""

    @abstractmethod
    def add_experiment(self, rng: Random, number: int) -> str:
        """Add one; `number` tells it from all others. Its ref."""

    @abstractmethod
    def add_session(self, rng: Random, ref: str, number: int) -> str:
        """Add one to an experiment; `number` tells it from all others. Its id."""

    @abstractmethod
    def remove_experiment(self, ref: str) -> None:
        """Delete one with its sessions."""

    @abstractmethod
    def remove_session(self, ref: str, session_id: str) -> None:
        """Delete one."""

    def steady(self) -> None:  # noqa: B027 - most vendors are
        """From now on list rows of one value in one order: for laws that compare two answers."""


def fill(vendor: Vendor, rng: Random) -> None:
    """Ten experiments: the first with many sessions, the second without any, the third with three."""
    for number in range(EXPERIMENTS):
        ref = vendor.add_experiment(rng, number)
        count = {0: LONG_LIST, 1: 0, 2: 3}.get(number, rng.randint(0, 5))
        for place in range(count):
            vendor.add_session(rng, ref, number * 1000 + place)


def seeded(seed: int) -> Random:
    """The same random numbers in every run."""
    return Random(seed)  # noqa: S311 - repeatable, not secret


def instant(rng: Random) -> datetime:
    """One of a few moments, so that many rows share theirs; some differ by a microsecond only."""
    return EPOCH + timedelta(minutes=rng.randint(0, 3), microseconds=rng.choice([0, 0, 0, 1]))


def maybe(rng: Random, value: T, chance: float = 0.8) -> T | None:
    """The value, or now and then None."""
    return value if rng.random() < chance else None


def odd(rng: Random, value: Any, *nonsense: Any) -> Any:
    """The value, or now and then one of those that make no sense."""
    return rng.choice(nonsense) if rng.random() < 0.1 else value
