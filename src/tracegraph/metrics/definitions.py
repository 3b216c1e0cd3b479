"""The metric families of `/metrics`, with their names, labels and descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class MetricType(Enum):
    """The type of a metric: a COUNTER only grows, a GAUGE is a current value, a HISTOGRAM counts by duration."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """Metrics of one name, which differ in the values of their labels. The name contains the unit."""

    name: str
    metric_type: MetricType
    labels: tuple[str, ...]
    description: str


def _operation_family(name: str, metric_type: MetricType, description: str, *extra_labels: str) -> MetricFamily:
    return MetricFamily(f"tracegraph_graphql_{name}", metric_type, ("operation", *extra_labels), description)


def _call_family(name: str, metric_type: MetricType, description: str, *extra_labels: str) -> MetricFamily:
    return MetricFamily(f"tracegraph_{name}", metric_type, ("source", "kind", *extra_labels), description)


OPERATIONS = _operation_family("requests_total", MetricType.COUNTER, "GraphQL requests by outcome.", "outcome")


OPERATION_DURATIONS = _operation_family(
    "request_duration_seconds", MetricType.HISTOGRAM, "Time from a request's head to its response."
)


REUSED = _operation_family(
    "answers_reused_total",
    MetricType.COUNTER,
    "Responses without an execution: cached, or shared with an equal query.",
    "how",
)


FIRST_PART_DURATIONS = _operation_family(
    "first_part_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from a request's head to the first part of a response in parts.",
)


DEFERRED_FRAGMENTS = _operation_family(
    "deferred_fragments_total", MetricType.COUNTER, "Deferred fragments of responses in parts.", "outcome"
)


REQUESTS = _call_family(
    "upstream_requests_total", MetricType.COUNTER, "Requests sent to vendors, retries included.", "outcome"
)


REQUEST_DURATIONS = _call_family(
    "upstream_request_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from sending a request to its complete response.",
)


NOT_SENT = _call_family(
    "upstream_not_sent_total", MetricType.COUNTER, "Requests that could not be sent.", "reason"
)


RETRIES = _call_family(
    "upstream_retries_total", MetricType.COUNTER, "Requests sent because an earlier attempt failed."
)


RETRIES_OVER_BUDGET = _call_family(
    "upstream_retries_over_budget_total", MetricType.COUNTER, "Retries that the retry budget prevented."
)


WAITS = _call_family("upstream_waits_total", MetricType.COUNTER, "Requests that waited for a permit.")


WAIT_TIME = _call_family(
    "upstream_wait_seconds_total", MetricType.COUNTER, "Total time that requests waited for a permit."
)


SHARED = _call_family("upstream_shared_total", MetricType.COUNTER, "Reads that shared an equal request in flight.")


CACHE = _call_family("cache_reads_total", MetricType.COUNTER, "Reads by the result of the cache lookup.", "result")


CIRCUITS = _call_family("circuits", MetricType.GAUGE, "Processes with a circuit breaker in this state.", "state")


PROCESSES = MetricFamily("tracegraph_processes", MetricType.GAUGE, (), "Processes that the metrics include.")


FAMILIES = (
    OPERATIONS,
    OPERATION_DURATIONS,
    REUSED,
    FIRST_PART_DURATIONS,
    DEFERRED_FRAGMENTS,
    REQUESTS,
    REQUEST_DURATIONS,
    NOT_SENT,
    RETRIES,
    RETRIES_OVER_BUDGET,
    WAITS,
    WAIT_TIME,
    SHARED,
    CACHE,
    CIRCUITS,
    PROCESSES,
)
