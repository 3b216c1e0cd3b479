"""Snapshots of all counters, as plain values that can be added over processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import orjson
from pydantic import TypeAdapter

from tracegraph.domain.calls import CircuitState
from tracegraph.metrics import definitions
from tracegraph.metrics.definitions import FAMILIES, MetricFamily, MetricType
from tracegraph.metrics.operations import Operations
from tracegraph.upstream.counters import ClassCounters, Durations
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline

_ENCODED = TypeAdapter(dict[str, list[tuple[tuple[str, ...], list[float]]]])


class Snapshot:
    """Values by metric family and label values: one value, or the counts of a histogram followed by its sum."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], list[float]]] = {family.name: {} for family in FAMILIES}

    def add(self, family: MetricFamily, labels: tuple[str, ...], *values: float) -> None:
        """Add the values to those of the same labels."""
        current = self._values[family.name].get(labels, ())
        self._values[family.name][labels] = (
            [a + b for a, b in zip(current, values, strict=True)] if current else [*values]
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
    """The counters of one process: requests by operation, and calls by source and kind."""

    operations: Operations
    pipelines: Mapping[str, ResiliencePipeline]
    call_kinds: Mapping[str, frozenset[str]]

    def snapshot(self) -> Snapshot:
        """Return the current values of all counters."""
        snapshot = Snapshot()
        snapshot.add(definitions.PROCESSES, (), 1)
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
        return snapshot


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
