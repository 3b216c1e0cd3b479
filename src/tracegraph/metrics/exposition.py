"""Rendering of a snapshot in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from tracegraph.metrics.definitions import FAMILIES, MetricFamily, MetricType
from tracegraph.metrics.snapshot import Snapshot
from tracegraph.upstream.counters import DURATION_BOUNDS_S

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""The version of the text format that every collector reads."""


_BOUNDS = [*map(str, DURATION_BOUNDS_S), "+Inf"]


def render_metrics(snapshot: Snapshot) -> bytes:
    """Return the snapshot in Prometheus's text format."""
    return generate_latest(_SnapshotCollector(snapshot))


class _SnapshotCollector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield self._metric(family)

    def _metric(self, family: MetricFamily) -> Metric:
        rows = self._snapshot.samples(family)
        if family.metric_type is MetricType.HISTOGRAM:
            histogram = HistogramMetricFamily(family.name, family.description, labels=family.labels)
            for labels, (*counts, sum_s) in rows:
                histogram.add_metric(labels, list(zip(_BOUNDS, accumulate(counts), strict=True)), sum_s)
            return histogram
        metric_class = CounterMetricFamily if family.metric_type is MetricType.COUNTER else GaugeMetricFamily
        metric = metric_class(family.name, family.description, labels=family.labels)
        for labels, (value,) in rows:
            metric.add_metric(labels, value)
        return metric
