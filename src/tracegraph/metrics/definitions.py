"""The names under which /metrics shows what was counted, and what each means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a figure behaves: a COUNTER only grows, a GAUGE is as things stand, a HISTOGRAM counts by duration."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """Figures of one name, apart by the values of their labels; the unit is in the name."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str


def _of_operation(name: str, kind: Kind, meaning: str, *more: str) -> Family:
    return Family(f"tracegraph_graphql_{name}", kind, ("operation", *more), meaning)


def _of_call(name: str, kind: Kind, meaning: str, *more: str) -> Family:
    return Family(f"tracegraph_{name}", kind, ("source", "kind", *more), meaning)


OPERATIONS = _of_operation("requests_total", Kind.COUNTER, "GraphQL requests by how they ended.", "outcome")


OPERATION_TIMES = _of_operation(
    "request_duration_seconds", Kind.HISTOGRAM, "From the request's head to its answer."
)


REUSED = _of_operation(
    "answers_reused_total", Kind.COUNTER, "Answers that were not made anew: kept, or shared while made.", "how"
)


REQUESTS = _of_call(
    "upstream_requests_total", Kind.COUNTER, "Requests sent to vendors, retries included.", "outcome"
)


REQUEST_TIMES = _of_call("upstream_request_duration_seconds", Kind.HISTOGRAM, "From sending to the whole answer.")


NOT_SENT = _of_call("upstream_not_sent_total", Kind.COUNTER, "Requests that could not be made.", "reason")


RETRIES = _of_call("upstream_retries_total", Kind.COUNTER, "Requests made because an earlier one failed.")


RETRIES_REFUSED = _of_call("upstream_retries_over_budget_total", Kind.COUNTER, "Retries that the budget forbade.")


WAITS = _of_call("upstream_waits_total", Kind.COUNTER, "Requests that waited for a turn.")


WAIT_TIME = _of_call("upstream_wait_seconds_total", Kind.COUNTER, "What they waited, together.")


SHARED = _of_call("upstream_shared_total", Kind.COUNTER, "Reads that waited for an equal one under way.")


CACHE = _of_call("cache_reads_total", Kind.COUNTER, "Reads by what the cache had for them.", "result")


CIRCUITS = _of_call("circuits", Kind.GAUGE, "Processes whose circuit is in this state.", "state")


PROCESSES = Family("tracegraph_processes", Kind.GAUGE, (), "Processes whose figures are added up here.")


FAMILIES = (
    OPERATIONS,
    OPERATION_TIMES,
    REUSED,
    REQUESTS,
    REQUEST_TIMES,
    NOT_SENT,
    RETRIES,
    RETRIES_REFUSED,
    WAITS,
    WAIT_TIME,
    SHARED,
    CACHE,
    CIRCUITS,
    PROCESSES,
)
