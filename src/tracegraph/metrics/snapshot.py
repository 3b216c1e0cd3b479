"""Snapshots of all counters, as plain values that can be added over processes."""

from __future__ import annotations

import operator
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain

import orjson
from pydantic import TypeAdapter

from tracegraph.domain.calls import CircuitState
from tracegraph.metrics import definitions
from tracegraph.metrics.definitions import FAMILIES, Combination, MetricFamily, MetricType
from tracegraph.metrics.http_requests import HttpRequests
from tracegraph.metrics.operations import Operations
from tracegraph.metrics.process import LoopLag, ProcessUsage
from tracegraph.upstream.cache.memory import MemoryStore
from tracegraph.upstream.counters import ClassCounters, Durations, SharedStoreCounters
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline

_COMBINE: Mapping[Combination, Callable[[float, float], float]] = {
    Combination.SUM: operator.add,
    Combination.LARGEST: max,
    Combination.SMALLEST: min,
}


_ENCODED = TypeAdapter(dict[str, list[tuple[tuple[str, ...], list[float]]]])


class Snapshot:
    """Values by metric family and label values: one value, or the counts of a histogram followed by its sum."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], list[float]]] = {family.name: {} for family in FAMILIES}

    def add(self, family: MetricFamily, labels: tuple[str, ...], *values: float) -> None:
        """Combine the values with those of the same labels, as the family says."""
        current = self._values[family.name].get(labels, ())
        combine = _COMBINE[family.combination]
        self._values[family.name][labels] = (
            [combine(a, b) for a, b in zip(current, values, strict=True)] if current else [*values]
        )

    def add_all(self, snapshot: Snapshot, *, gauges: bool = True) -> None:
        """Add the values of another process. `gauges` is false for a process that has ended."""
        for family in FAMILIES:
            if gauges or family.metric_type is not MetricType.GAUGE:
                for labels, values in snapshot.samples(family):
                    self.add(family, labels, *values)

    def samples(self, family: MetricFamily) -> Iterator[tuple[tuple[str, ...], list[float]]]:
        """Yield the label values and the values of one family."""
        yield from self._values[family.name].items()

    def to_bytes(self) -> bytes:
        """Return the snapshot as bytes for another process."""
        return orjson.dumps({name: [*values.items()] for name, values in self._values.items()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshot:
        """Return a snapshot from the bytes of `to_bytes`.

        Raises:
            ValueError: The bytes are no snapshot.
        """
        values_by_family, snapshot = _ENCODED.validate_json(data), cls()
        for family in FAMILIES:
            for labels, values in values_by_family.get(family.name, ()):
                snapshot.add(family, labels, *values)
        return snapshot


@dataclass(frozen=True, slots=True)
class MetricsSource:
    """The counters of one process: requests by operation, calls by source and kind, stores, and the process.

    `memory` is the cache of this process, and `shared` counts the calls of Redis; None without them.
    """

    operations: Operations
    pipelines: Mapping[str, ResiliencePipeline]
    call_kinds: Mapping[str, frozenset[str]]
    http: HttpRequests = field(default_factory=HttpRequests)
    memory: MemoryStore | None = None
    shared: SharedStoreCounters | None = None
    usage: ProcessUsage = field(default_factory=ProcessUsage)
    lag: LoopLag = field(default_factory=LoopLag)

    def snapshot(self) -> Snapshot:
        """Return the current values of all counters."""
        snapshot = Snapshot()
        self._add_process(snapshot)
        for label, counters in self.operations.items():
            for outcome, count in counters.outcomes.items():
                snapshot.add(definitions.OPERATIONS, (label, outcome.value), count)
            snapshot.add(definitions.OPERATION_DURATIONS, (label,), *_histogram(counters.durations))
            for reuse, count in counters.reused.items():
                snapshot.add(definitions.REUSED, (label, reuse.value), count)
            if any(counters.first_parts.counts):
                snapshot.add(definitions.FIRST_PART_DURATIONS, (label,), *_histogram(counters.first_parts))
            for fragment_outcome, count in counters.fragments.items():
                snapshot.add(definitions.DEFERRED_FRAGMENTS, (label, fragment_outcome.value), count)
        for source, pipeline in self.pipelines.items():
            for kind in sorted(self.call_kinds[source] | pipeline.counters.keys()):
                _add_calls(snapshot, (source, kind), pipeline.counters[kind])
                _add_circuit(snapshot, (source, kind), pipeline.circuits.get(kind, CircuitState.CLOSED))
            for kind, headroom in pipeline.rate_headroom.items():
                snapshot.add(definitions.RATE_HEADROOM, (source, kind), headroom)
        return snapshot

    def _add_process(self, snapshot: Snapshot) -> None:
        snapshot.add(definitions.PROCESSES, (), 1)
        snapshot.add(definitions.BUILD_INFO, (version("tracegraph"), platform.python_version()), 1)
        snapshot.add(definitions.IN_FLIGHT, (), self.http.in_flight)
        snapshot.add(definitions.LOOP_LAG, (), self.lag.longest_s)
        for (status, code), count in self.http.refused.items():
            snapshot.add(definitions.REFUSALS, (str(status), code), count)
        if self.memory is not None:
            snapshot.add(definitions.CACHE_ENTRIES, (), len(self.memory))
            snapshot.add(definitions.CACHE_SIZE, (), self.memory.size_bytes)
        if self.shared is not None:
            _add_shared_store(snapshot, self.shared)
        for family, value in self.usage.values():
            snapshot.add(family, (), value)


def _add_shared_store(snapshot: Snapshot, counters: SharedStoreCounters) -> None:
    snapshot.add(definitions.REDIS_UP, (), counters.is_up)
    for result in ("OK", "FAILED", "SKIPPED"):
        snapshot.add(definitions.REDIS_CALLS, (result,), counters.calls[result])
    for result in ("HIT", "MISS"):
        snapshot.add(definitions.REDIS_READS, (result,), counters.reads[result])


def _add_calls(snapshot: Snapshot, labels: tuple[str, str], counters: ClassCounters) -> None:
    snapshot.add(definitions.REQUESTS, (*labels, "OK"), counters.succeeded)
    snapshot.add(definitions.REQUESTS, (*labels, "ABANDONED"), counters.abandoned)
    for code, count in counters.failed.items():
        snapshot.add(definitions.REQUESTS, (*labels, code.value), count)
    for code, count in counters.not_sent.items():
        snapshot.add(definitions.NOT_SENT, (*labels, code.value), count)
    snapshot.add(definitions.REQUEST_DURATIONS, labels, *_histogram(counters.durations))
    snapshot.add(definitions.RETRIES, labels, counters.retries)
    snapshot.add(definitions.RETRIES_OVER_BUDGET, labels, counters.over_budget)
    snapshot.add(definitions.WAITS, labels, counters.waits)
    snapshot.add(definitions.WAIT_TIME, labels, counters.wait_s)
    snapshot.add(definitions.SHARED, labels, counters.shared)
    snapshot.add(definitions.CACHE, (*labels, "HIT"), counters.cache_hits)
    snapshot.add(definitions.CACHE, (*labels, "MISS"), counters.cache_misses)
    snapshot.add(definitions.CACHE, (*labels, "STALE"), counters.cache_stale)


def _add_circuit(snapshot: Snapshot, labels: tuple[str, str], state: CircuitState) -> None:
    for circuit_state in CircuitState:
        snapshot.add(definitions.CIRCUITS, (*labels, circuit_state.value), circuit_state is state)


def _histogram(durations: Durations) -> Iterator[float]:
    return chain(durations.counts, (durations.sum_s,))
