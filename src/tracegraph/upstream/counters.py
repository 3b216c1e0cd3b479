"""What became of a source's calls, in plain numbers: what /metrics shows. Counting must cost next to nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from tracegraph.errors import SourceErrorCode

DURATION_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes of duration; one more class holds what took longer."""


@dataclass(slots=True)
class Durations:
    """How long things took: how many by DURATION_BOUNDS_S, and all together."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, duration_s: float) -> None:
        """One more took so long."""
        self.sum_s += duration_s
        self.counts[bisect_left(DURATION_BOUNDS_S, duration_s)] += 1


@dataclass(slots=True)
class ClassCounters:
    """One class of calls to one source, since the process began.

    `sent` counts requests that were sent, `failed` those of them that failed and `not_sent` the calls that could
    not be made, both by code. `abandoned` counts the sent ones that nobody waited for any more. `durations` are
    those of the sent ones.
    `waits` counts the calls that waited for a turn (rate or connections) and `wait_s` how long they did together.
    `over_budget` counts the retries that the budget forbade. `shared` counts askers that waited for the call of
    another.
    """

    sent: int = 0
    failed: Counter[SourceErrorCode] = field(default_factory=Counter)
    abandoned: int = 0
    not_sent: Counter[SourceErrorCode] = field(default_factory=Counter)
    durations: Durations = field(default_factory=Durations)
    retries: int = 0
    over_budget: int = 0
    waits: int = 0
    wait_s: float = 0.0
    cache_hits: int = 0
    cache_stale: int = 0
    cache_misses: int = 0
    shared: int = 0

    @property
    def answered(self) -> int:
        """The sent ones that were answered well."""
        return self.sent - self.failed.total() - self.abandoned

    def took(self, duration_s: float) -> None:
        """A request was sent, and its answer or failure came so long after."""
        self.sent += 1
        self.durations.add(duration_s)


class SourceCounters(dict[str, ClassCounters]):
    """One source's counters by class of call (`Call.kind`); a class that was not there yet begins with zeros."""

    def __missing__(self, kind: str) -> ClassCounters:
        counters = self[kind] = ClassCounters()
        return counters
