"""Readings as Prometheus's text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from tracegraph.metrics.definitions import FAMILIES, Family, Kind
from tracegraph.metrics.snapshot import Snapshot
from tracegraph.upstream.counters import DURATION_BOUNDS_S

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""The form that every collector reads."""


_BOUNDS = [*map(str, DURATION_BOUNDS_S), "+Inf"]


def render_metrics(readings: Snapshot) -> bytes:
    """The text."""
    return generate_latest(_Readings(readings))


class _Readings(Collector):
    def __init__(self, readings: Snapshot) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield self._metric(family)

    def _metric(self, family: Family) -> Metric:
        rows = self._readings.of(family)
        if family.kind is Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
            for labels, (*counts, sum_s) in rows:
                histogram.add_metric(labels, list(zip(_BOUNDS, accumulate(counts), strict=True)), sum_s)
            return histogram
        plain = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
        metric = plain(family.name, family.meaning, labels=family.labels)
        for labels, (value,) in rows:
            metric.add_metric(labels, value)
        return metric
