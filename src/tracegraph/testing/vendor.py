"""The description of a vendor for the suite: its simulator, its rows, how rows are added and removed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
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
    cost. The adapter must cope. `experiments` and `sessions` keep the order of adding.
    """

    simulator: Simulator
    refused_filters: frozenset[str] = frozenset()
    """Declared filters that this variant of the vendor refuses; the adapter then leaves them to the gateway."""

    @abstractmethod
    def __init__(self, rng: Random) -> None:
        """Create an empty vendor, of a variant that `rng` draws."""

    @abstractmethod
    def experiments(self) -> Mapping[str, Row]:
        """Return the vendor's own rows by the ref that the adapter gives them, in the order of adding."""

    @abstractmethod
    def sessions(self, ref: str) -> Mapping[str, Row]:
        """Return the vendor's own rows of an experiment's sessions by their id, in the order of adding."""

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

    def insert_experiment(self, row: Row) -> str:
        """Add an experiment that is exactly this row, and return its ref; for examples of experiments."""
        raise AssertionError(f"{type(self).__name__}.insert_experiment is missing: it adds the example {row}")

    def insert_session(self, ref: str, row: Row) -> str:
        """Add a session that is exactly this row, and return its id; for examples of sessions."""
        raise AssertionError(
            f"{type(self).__name__}.insert_session is missing: it adds the example {row} to {ref!r}"
        )

    def steady(self) -> None:  # noqa: B027 - most vendors already do
        """List rows with equal values in a fixed order from now on, for tests that compare two replies."""


def fill(vendor: Vendor, rng: Random) -> None:
    """Add ten experiments: the first with many sessions, the second without any, the third with three.

    Laws find these experiments by their place, so a vendor's mappings must keep the order of adding.
    """
    refs: list[str] = []
    for number in range(EXPERIMENTS):
        refs.append(vendor.add_experiment(rng, number))
        count = {0: LONG_LIST, 1: 0, 2: 3}.get(number, rng.randint(0, 5))
        ids = [vendor.add_session(rng, refs[-1], number * 1000 + place) for place in range(count)]
        _require_order_of_adding("sessions()", list(vendor.sessions(refs[-1])), ids)
    _require_order_of_adding("experiments()", list(vendor.experiments()), refs)


def _require_order_of_adding(method: str, held: Sequence[str], added: Sequence[str]) -> None:
    if held != added:
        raise AssertionError(
            f"Vendor.{method} must hold what was added, under the returned ref or id, in the order of adding"
        )


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
