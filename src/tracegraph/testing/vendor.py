"""The description of a vendor for the suite: its simulator, its rows, how rows are added and removed."""

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
"""Sessions of one of the experiments: more than a page of a vendor with pages of a hundred rows."""


class Vendor(ABC):
    """One vendor's server with random content that can change.

    A vendor should also vary at random: null or absent values, shuffled ties, pages shorter than requested. Rows
    should resemble real ones and sometimes hold an absurd figure, such as a negative duration or a non-numeric
    cost. The adapter must cope.
    """

    simulator: Simulator

    @abstractmethod
    def __init__(self, rng: Random) -> None:
        """Create an empty vendor, of a variant that `rng` draws."""

    @abstractmethod
    def experiments(self) -> Mapping[str, Row]:
        """Return the vendor's own rows by the ref that the adapter gives them."""

    @abstractmethod
    def sessions(self, ref: str) -> Mapping[str, Row]:
        """Return the vendor's own rows of an experiment's sessions, by their id."""

    @abstractmethod
    def add_experiment(self, rng: Random, number: int) -> str:
        """Add an experiment with a unique `number`, and return its ref."""

    @abstractmethod
    def add_session(self, rng: Random, ref: str, number: int) -> str:
        """Add a session with a unique `number` to an experiment, and return its id."""

    @abstractmethod
    def remove_experiment(self, ref: str) -> None:
        """Delete an experiment with its sessions."""

    @abstractmethod
    def remove_session(self, ref: str, session_id: str) -> None:
        """Delete a session."""

    def steady(self) -> None:  # noqa: B027 - most vendors already do
        """List rows with equal values in a fixed order from now on, for tests that compare two replies."""


def fill(vendor: Vendor, rng: Random) -> None:
    """Add ten experiments: the first with many sessions, the second without any, the third with three."""
    for number in range(EXPERIMENTS):
        ref = vendor.add_experiment(rng, number)
        count = {0: LONG_LIST, 1: 0, 2: 3}.get(number, rng.randint(0, 5))
        for place in range(count):
            vendor.add_session(rng, ref, number * 1000 + place)


def seeded(seed: int) -> Random:
    """Return a random generator that is the same in every run."""
    return Random(seed)  # noqa: S311 - repeatable, not secret


def instant(rng: Random) -> datetime:
    """Return one of a few times, so that many rows share a time; some differ by a microsecond."""
    return EPOCH + timedelta(minutes=rng.randint(0, 3), microseconds=rng.choice([0, 0, 0, 1]))


def maybe(rng: Random, value: T, chance: float = 0.8) -> T | None:
    """Return the value, or sometimes None."""
    return value if rng.random() < chance else None


def odd(rng: Random, value: Any, *nonsense: Any) -> Any:
    """Return the value, or sometimes one of the absurd values."""
    return rng.choice(nonsense) if rng.random() < 0.1 else value
