"""What LangSmith does itself, in each dialect (docs/vendors/langsmith.md#dialects, #push-down, #rate-limits)."""

from __future__ import annotations

from functools import cache

from tracegraph.adapter import Capabilities, ListCapabilities, Paging, RateLimit, both_directions
from tracegraph.domain.filters import ExperimentOrderField, OrderDirection, SessionOrderField
from tracegraph.domain.models import ExperimentKind, MetricKind, SessionStatus
from tracegraph_langsmith.client import DATASETS, INFO, MAX_PAGE_SIZE, RUNS, SESSIONS, SORTED_FIGURES, TRACES
from tracegraph_langsmith.dialect import Dialect
from tracegraph_langsmith.mapping import STATUS_WORDS
from tracegraph_langsmith.v2_runs import RunsV2

_EXPERIMENT_ORDERS = both_directions(ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT)
_EXPERIMENT_FILTERS = frozenset({"name", "refs", "dataset_id", "metadata"})
_SESSION_FILTERS = frozenset({"statuses", "test_case_id", "started_at", "name", "latency_ms", "score", "metadata"})

_EXPERIMENTS = {
    Dialect.V1: ListCapabilities(
        Paging.OFFSET, MAX_PAGE_SIZE, _EXPERIMENT_ORDERS, _EXPERIMENT_FILTERS, figures=SORTED_FIGURES
    ),
    Dialect.V2: ListCapabilities(
        Paging.CURSOR,
        MAX_PAGE_SIZE,
        _EXPERIMENT_ORDERS,
        _EXPERIMENT_FILTERS | {"kinds"},
        figures=SORTED_FIGURES,
    ),
}
"""The filter `name` is pushed only when it is exact, because the vendor does not document partial matches."""

_SESSIONS = {
    Dialect.V1: ListCapabilities(
        Paging.CURSOR,
        MAX_PAGE_SIZE,
        both_directions(SessionOrderField.STARTED_AT),
        _SESSION_FILTERS,
        ranges=True,
        pooled=True,
    ),
    Dialect.V2: ListCapabilities(
        Paging.CURSOR,
        RunsV2.page_max,
        frozenset({(SessionOrderField.STARTED_AT, OrderDirection.DESC)}),
        _SESSION_FILTERS,
        ranges=True,
        pooled=True,
    ),
}

_KINDS = frozenset({ExperimentKind.EVALUATION, ExperimentKind.PROJECT})


@cache
def capabilities_of(sessions: Dialect, runs: Dialect) -> Capabilities:
    """Return the capabilities of a deployment.

    Args:
        sessions: The dialect of tracer sessions. v1 lists an agent's project as any other.
        runs: The dialect of runs.
    """
    return Capabilities(
        experiments=_EXPERIMENTS[sessions],
        sessions=_SESSIONS[runs],
        reported_metrics=(
            *(MetricKind.LATENCY, MetricKind.FIRST_TOKEN_LATENCY, MetricKind.COST),
            *(MetricKind.INPUT_TOKENS, MetricKind.OUTPUT_TOKENS, MetricKind.TOTAL_TOKENS),
            *(MetricKind.ERROR_RATE, MetricKind.SCORE),
        ),
        kinds=_KINDS | {ExperimentKind.AGENT} if sessions is Dialect.V2 else _KINDS,
        statuses=frozenset({*STATUS_WORDS, SessionStatus.UNKNOWN}),
        unsupported_experiment_fields=frozenset({"group_id"}),
        call_kinds=frozenset({SESSIONS, RUNS, TRACES, DATASETS, INFO}),
        rate_limits={RUNS: RateLimit(15, 10.0), TRACES: RateLimit(15, 10.0), "*": RateLimit(1000, 10.0)},
        spans=True,
    )
