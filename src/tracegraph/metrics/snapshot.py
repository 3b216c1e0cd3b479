"""What stands on the counters at one moment, as plain values that add up over processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import orjson
from pydantic import TypeAdapter

from tracegraph.domain.calls import CircuitState
from tracegraph.metrics import definitions as families
from tracegraph.metrics.definitions import FAMILIES, Family, Kind
from tracegraph.metrics.operations import Operations
from tracegraph.upstream.counters import ClassCounters, Durations
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline

_PACKED = TypeAdapter(dict[str, list[tuple[tuple[str, ...], list[float]]]])


class Snapshot:
    """Values by family and by the values of its labels: one, or a histogram's counts and, last, its sum."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], list[float]]] = {family.name: {} for family in FAMILIES}

    def add(self, family: Family, labels: tuple[str, ...], *values: float) -> None:
        """Add to what stands there already."""
        known = self._values[family.name].get(labels, ())
        self._values[family.name][labels] = (
            [a + b for a, b in zip(known, values, strict=True)] if known else [*values]
        )

    def add_all(self, others: Snapshot, *, gauges: bool = True) -> None:
        """Add those of another process; without the gauges those of one that has ended."""
        for family in FAMILIES:
            if gauges or family.kind is not Kind.GAUGE:
                for labels, values in others.of(family):
                    self.add(family, labels, *values)

    def of(self, family: Family) -> Iterator[tuple[tuple[str, ...], list[float]]]:
        """One family's labels and values."""
        yield from self._values[family.name].items()

    def packed(self) -> bytes:
        """As bytes for another process; see `unpacked`."""
        return orjson.dumps({name: [*values.items()] for name, values in self._values.items()})

    @classmethod
    def unpacked(cls, data: bytes) -> Snapshot:
        """What `packed` made. Raises ValueError for anything else."""
        packed, readings = _PACKED.validate_json(data), cls()
        for family in FAMILIES:
            for labels, values in packed.get(family.name, ()):
                readings.add(family, labels, *values)
        return readings


@dataclass(frozen=True, slots=True)
class MetricsSource:
    """Everything that one process counts: requests by operation, calls by source with the kinds it has."""

    operations: Operations
    guards: Mapping[str, ResiliencePipeline]
    kinds: Mapping[str, frozenset[str]]

    def readings(self) -> Snapshot:
        """As it stands now."""
        readings = Snapshot()
        readings.add(families.PROCESSES, (), 1)
        for label, counters in self.operations.items():
            for outcome, count in counters.outcomes.items():
                readings.add(families.OPERATIONS, (label, outcome.value), count)
            readings.add(families.OPERATION_TIMES, (label,), *_histogram(counters.durations))
            for reuse, count in counters.reused.items():
                readings.add(families.REUSED, (label, reuse.value), count)
        for source, guards in self.guards.items():
            for kind in sorted(self.kinds[source] | guards.counters.keys()):
                _read_calls(readings, (source, kind), guards.counters[kind])
                _read_circuit(readings, (source, kind), guards.circuits.get(kind, CircuitState.CLOSED))
        return readings


def _read_calls(readings: Snapshot, at: tuple[str, str], counters: ClassCounters) -> None:
    readings.add(families.REQUESTS, (*at, "OK"), counters.succeeded)
    readings.add(families.REQUESTS, (*at, "ABANDONED"), counters.abandoned)
    for code, count in counters.failed.items():
        readings.add(families.REQUESTS, (*at, code.value), count)
    for code, count in counters.not_sent.items():
        readings.add(families.NOT_SENT, (*at, code.value), count)
    readings.add(families.REQUEST_TIMES, at, *_histogram(counters.durations))
    readings.add(families.RETRIES, at, counters.retries)
    readings.add(families.RETRIES_REFUSED, at, counters.over_budget)
    readings.add(families.WAITS, at, counters.waits)
    readings.add(families.WAIT_TIME, at, counters.wait_s)
    readings.add(families.SHARED, at, counters.shared)
    readings.add(families.CACHE, (*at, "HIT"), counters.cache_hits)
    readings.add(families.CACHE, (*at, "MISS"), counters.cache_misses)
    readings.add(families.CACHE, (*at, "STALE"), counters.cache_stale)


def _read_circuit(readings: Snapshot, at: tuple[str, str], state: CircuitState) -> None:
    for one in CircuitState:
        readings.add(families.CIRCUITS, (*at, one.value), one is state)


def _histogram(durations: Durations) -> Iterator[float]:
    return chain(durations.counts, (durations.sum_s,))
