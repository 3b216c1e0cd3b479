"""Counters of one source's calls; /metrics exposes them. An increment must cost next to nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from tracegraph.errors import SourceErrorCode

DURATION_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram's buckets; one more bucket holds all longer durations."""


@dataclass(slots=True)
class Durations:
    """A histogram of durations by DURATION_BOUNDS_S, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, duration_s: float) -> None:
        """Add one duration."""
        self.sum_s += duration_s
        self.counts[bisect_left(DURATION_BOUNDS_S, duration_s)] += 1


@dataclass(slots=True)
class ClassCounters:
    """One kind of call to one source, since the start of the process.

    `sent` counts requests, `failed` the failed ones and `not_sent` the calls without a request, both by code.
    `abandoned` counts requests that lost their last waiter. `durations` are those of all requests.

    `waits` counts the calls that waited for a permit (rate or connections), and `wait_s` is their total wait.
    `over_budget` counts the retries that the budget forbade. `shared` counts the callers that joined a call in
    flight.
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
    def succeeded(self) -> int:
        """The number of requests that succeeded."""
        return self.sent - self.failed.total() - self.abandoned

    def observe(self, duration_s: float) -> None:
        """Count one request that ended after that many seconds."""
        self.sent += 1
        self.durations.add(duration_s)


@dataclass(slots=True)
class SharedStoreCounters:
    """The calls of the store that several processes share.

    `calls` counts by result: OK, FAILED (also after the timeout) and SKIPPED (not made, since several failed in a
    row). `reads` counts successful reads: HIT or MISS. `is_up` is whether the last call succeeded.
    """

    calls: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    is_up: bool = True


class SourceCounters(dict[str, ClassCounters]):
    """One source's counters by kind of call (`UpstreamRequest.kind`); a missing kind starts with zeros."""

    def __missing__(self, kind: str) -> ClassCounters:
        counters = self[kind] = ClassCounters()
        return counters
