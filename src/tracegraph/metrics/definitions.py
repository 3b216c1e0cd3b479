"""The metric families of `/metrics`, with their names, labels and descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class MetricType(Enum):
    """The type of a metric: a COUNTER only grows, a GAUGE is a current value, a HISTOGRAM counts by duration."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Combination(Enum):
    """How the values of several processes become one."""

    SUM = "sum"
    LARGEST = "largest"
    SMALLEST = "smallest"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """Metrics of one name, which differ in the values of their labels. The name contains the unit."""

    name: str
    metric_type: MetricType
    labels: tuple[str, ...]
    description: str
    combination: Combination = Combination.SUM


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


RATE_HEADROOM = MetricFamily(
    "tracegraph_upstream_rate_headroom_ratio",
    MetricType.GAUGE,
    ("source", "kind"),
    "Part of a vendor's rate limit that is free now; 0 during a pause.",
    Combination.SMALLEST,
)


REFUSALS = MetricFamily(
    "tracegraph_requests_refused_total", MetricType.COUNTER, ("status", "code"), "Refused HTTP requests."
)


IN_FLIGHT = MetricFamily("tracegraph_requests_in_flight", MetricType.GAUGE, (), "HTTP requests in flight.")


CACHE_ENTRIES = MetricFamily("tracegraph_cache_entries", MetricType.GAUGE, (), "Entries of the memory cache.")


CACHE_SIZE = MetricFamily("tracegraph_cache_bytes", MetricType.GAUGE, (), "Size of the memory cache.")


REDIS_UP = MetricFamily(
    "tracegraph_redis_up",
    MetricType.GAUGE,
    (),
    "Whether the last call of Redis succeeded, in every process.",
    Combination.SMALLEST,
)


REDIS_CALLS = MetricFamily("tracegraph_redis_calls_total", MetricType.COUNTER, ("result",), "Calls of Redis.")


REDIS_READS = MetricFamily(
    "tracegraph_redis_reads_total", MetricType.COUNTER, ("result",), "Reads of Redis that succeeded, by result."
)


LOOP_LAG = MetricFamily(
    "tracegraph_event_loop_lag_seconds",
    MetricType.GAUGE,
    (),
    "Longest delay of the event loop in the last 15 seconds.",
    Combination.LARGEST,
)


BUILD_INFO = MetricFamily(
    "tracegraph_build_info",
    MetricType.GAUGE,
    ("version", "python"),
    "The version.",
    Combination.LARGEST,
)


PROCESS_FAMILIES = (
    MetricFamily("process_cpu_seconds_total", MetricType.COUNTER, (), "CPU time since the start or the reload."),
    MetricFamily("process_resident_memory_bytes", MetricType.GAUGE, (), "Resident memory."),
    MetricFamily("process_virtual_memory_bytes", MetricType.GAUGE, (), "Virtual memory."),
    MetricFamily("process_open_fds", MetricType.GAUGE, (), "Open file descriptors.", Combination.LARGEST),
    MetricFamily("process_max_fds", MetricType.GAUGE, (), "Limit of open file descriptors.", Combination.SMALLEST),
    MetricFamily(
        "process_start_time_seconds", MetricType.GAUGE, (), "Start of the youngest process.", Combination.LARGEST
    ),
)
"""The usual metrics of a process, by the names of Prometheus's client libraries."""


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
    RATE_HEADROOM,
    REFUSALS,
    IN_FLIGHT,
    CACHE_ENTRIES,
    CACHE_SIZE,
    REDIS_UP,
    REDIS_CALLS,
    REDIS_READS,
    LOOP_LAG,
    BUILD_INFO,
    PROCESSES,
    *PROCESS_FAMILIES,
)
