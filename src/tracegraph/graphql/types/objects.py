"""The schema's object types: sources, experiments, sessions, aggregates and connections.

These classes are never instantiated. Resolvers return domain values, and a field without a resolver reads the
attribute of its name.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import strawberry
from strawberry.scalars import JSON

from tracegraph import adapter, errors
from tracegraph.domain import filters
from tracegraph.domain import models as domain_models
from tracegraph.domain.urls import http_url
from tracegraph.federation import report
from tracegraph.graphql.compiler.field_access import UNCACHEABLE, instances_of
from tracegraph.graphql.errors import SourceErrorView
from tracegraph.graphql.relay.ids import experiment_id, session_id, source_id
from tracegraph.graphql.resolvers.aggregates import experiment_aggregate, experiment_aggregates
from tracegraph.graphql.resolvers.deferred import (
    aggregate_backed_field,
    deferred_field,
    detail_field,
    experiment_session_count,
    session_scores,
    text_of_score,
    vendor_fields,
)
from tracegraph.graphql.resolvers.gateway import source_rate_limits
from tracegraph.graphql.resolvers.lists import experiment_sessions, source_experiments, source_sessions
from tracegraph.graphql.resolvers.nodes import session_experiment
from tracegraph.graphql.resolvers.parts import experiment_session_groups, experiment_time_series
from tracegraph.graphql.resolvers.sources import source_health, source_of
from tracegraph.graphql.resolvers.spans import session_spans
from tracegraph.graphql.types.figures import Aggregate, SessionGroups, TimeSeries
from tracegraph.graphql.types.gateway import RateLimit

if TYPE_CHECKING:
    from tracegraph.graphql.types.spans import SpanConnection


@strawberry.interface(description="An object with a global ID.")
class Node:
    """The Node interface of Relay."""

    id: strawberry.ID = strawberry.field(
        description="The global ID. It is opaque, and the same in every response."
    )


@strawberry.type(description="The boundaries of a page, and whether the list continues.")
class PageInfo:
    """The GraphQL type of `relay.connections.PageInfo`."""

    has_next_page: bool = strawberry.field(
        description=(
            "Whether rows follow in the sources that did not fail. If a source FAILED, request the next page. On "
            "a page read back: whether it ends before a cursor."
        )
    )
    has_previous_page: bool = strawberry.field(
        description="Whether the page begins after a cursor. On a page read back: whether rows precede it."
    )
    start_cursor: str | None = strawberry.field(
        description=(
            "The cursor of the first row. Without rows, null; on a page read back, the cursor to go on with, or "
            "before."
        )
    )
    end_cursor: str | None = strawberry.field(
        description=(
            "The cursor after the last row. Without rows, the cursor to go on with, or after. On a page read back "
            "without rows, null."
        )
    )


N = TypeVar("N")


E = TypeVar("E")


@strawberry.type
class Edge(Generic[N]):
    """The fields of every edge; the GraphQL types of `relay.connections.Edge` inherit them."""

    node: N = strawberry.field(description="The row.")
    cursor: str = strawberry.field(description="The list continues right after this row with `after: cursor`.")


@strawberry.type
class Connection(Generic[N, E]):
    """The fields of every connection; the GraphQL types of `relay.connections.Connection` inherit them."""

    edges: list[E] = strawberry.field(description="The rows in their order, each with its cursor.")
    nodes: list[N] = strawberry.field(description="The rows in their order, without cursors.")
    page_info: PageInfo = strawberry.field(
        description="The boundaries of the page, and whether the list continues."
    )
    total_count: int | None = strawberry.field(description="Exact, or null unless every source reports a count.")


_IS_COMPLETE = (
    "Whether no source FAILED on this page. When false, request this page again, or continue: the rows of that "
    "source come later, out of their order."
)


# -- sources -------------------------------------------------------------------------------------------


@strawberry.type(description="The failure of a source.")
class SourceError:
    """The GraphQL type of `errors.SourceErrorView`."""

    code: errors.SourceErrorCode
    message: str = strawberry.field(
        description="A sentence for people. Its reference identifies the details in the gateway's log."
    )
    retryable: bool = strawberry.field(description="Whether a later retry may succeed.")
    http_status: int | None
    reference: str | None = strawberry.field(
        description="Identifies the details in the gateway's log. Null without a line in the log."
    )


def _last_error(root: strawberry.Parent[adapter.SourceHealth]) -> Any:
    return SourceErrorView.of(root.last_error)


@strawberry.type(description="The availability of a source.")
class SourceHealth:
    """The GraphQL type of `adapter.SourceHealth`."""

    status: adapter.SourceHealthStatus
    circuit: adapter.CircuitState
    last_error: SourceError | None = strawberry.field(resolver=_last_error)
    checked_at: datetime | None


def _experiment_orders(root: strawberry.Parent[adapter.Capabilities]) -> Any:
    orders = [capabilities.order_fields() for capabilities in root.experiment_lists().values()]
    return [field for field in filters.ExperimentOrderField if all(field in fields for fields in orders)]


def _session_orders(root: strawberry.Parent[adapter.Capabilities]) -> Any:
    orders = [capabilities.order_fields() for capabilities in root.session_lists().values()]
    return [field for field in filters.SessionOrderField if all(field in fields for fields in orders)]


def _camel_case(name: str) -> str:
    first, *rest = {"refs": "ids"}.get(name, name).split("_")
    return first + "".join(word.capitalize() for word in rest)


def _common_filters(lists: Collection[adapter.ListCapabilities]) -> list[str]:
    """Return the filters that the vendor applies to each of these lists."""
    return sorted(map(_camel_case, frozenset.intersection(*(capabilities.filters for capabilities in lists))))


def _experiment_filters(root: strawberry.Parent[adapter.Capabilities]) -> list[str]:
    return _common_filters(root.experiment_lists().values())


def _session_filters(root: strawberry.Parent[adapter.Capabilities]) -> list[str]:
    return _common_filters(root.session_lists().values())


@strawberry.type(description="Filters and orders that the vendor applies itself. The gateway applies the others.")
class SourceCapabilities:
    """The GraphQL type of `adapter.Capabilities`."""

    experiment_orders: list[filters.ExperimentOrderField] = strawberry.field(resolver=_experiment_orders)
    session_orders: list[filters.SessionOrderField] = strawberry.field(resolver=_session_orders)
    experiment_filters: list[str] = strawberry.field(
        resolver=_experiment_filters,
        description="Fields of ExperimentFilter that the vendor applies, in alphabetical order.",
    )
    session_filters: list[str] = strawberry.field(
        resolver=_session_filters,
        description="Fields of SessionFilter that the vendor applies, in alphabetical order.",
    )
    reported_metrics: list[domain_models.MetricKind]
    spans: bool = strawberry.field(description="Whether the sessions of the source have spans.")


def _source_id(root: strawberry.Parent[adapter.Adapter]) -> strawberry.ID:
    return strawberry.ID(source_id(root.name))


@strawberry.type(description="One configured backend: a NeMo workspace, a LangSmith tenant, a Meibel account.")
class Source(Node):
    """The GraphQL type of `adapter.Adapter`."""

    id: strawberry.ID = strawberry.field(resolver=_source_id)
    name: str = strawberry.field(description="The unique name from the configuration.")
    vendor: str
    capabilities: SourceCapabilities
    health: SourceHealth = strawberry.field(resolver=source_health, metadata=UNCACHEABLE)
    api_version: str | None = strawberry.field(
        description=(
            "The interface of the vendor that the gateway uses, such as `runs v2` or `0.8.1`. Null before the "
            "first call, and for a vendor with one interface."
        ),
        metadata=UNCACHEABLE,
    )
    rate_limits: list[RateLimit] = strawberry.field(
        resolver=source_rate_limits,
        description="The rates at which the gateway calls the source, ordered by kind. Empty without limits.",
    )
    experiments: ExperimentConnection | None = strawberry.field(resolver=source_experiments)
    sessions: SessionConnection | None = strawberry.field(
        resolver=source_sessions,
        description=(
            "Sessions of many experiments of this source as one list, as `Query.sessions` has them for all "
            "sources. Null with an error when the source failed before any row."
        ),
    )

    @classmethod
    def is_type_of(cls, value: object, info: object) -> bool:  # noqa: ARG003 - graphql-core's signature
        """Return whether the value is an adapter: only adapters have capabilities."""
        return hasattr(value, "capabilities")


def _report_error(root: strawberry.Parent[report.SourceReport]) -> Any:
    return SourceErrorView.of(root.error)


@strawberry.type(
    description=(
        "The result of one source for this list. A source that fails does not affect the others. The next page "
        "calls it again from its last position, so its rows come late rather than never."
    )
)
class SourceReport:
    """The GraphQL type of `federation.report.SourceReport`."""

    source: Source = strawberry.field(resolver=source_of)
    status: report.SourceReportStatus
    error: SourceError | None = strawberry.field(
        resolver=_report_error, description="The reason, when the status is FAILED or STALE; null otherwise."
    )
    total_count: int | None = strawberry.field(
        description="The vendor's count of rows under this filter; null when the vendor reports none."
    )
    fetched: int = strawberry.field(description="Rows read from the vendor or the cache for this page.")
    upstream_requests: int = strawberry.field(
        description="Calls to the vendor for this page. A call that serves several lists counts in one of them.",
        metadata=UNCACHEABLE,
    )
    duration_ms: float = strawberry.field(metadata=UNCACHEABLE)
    skipped: int = strawberry.field(description="Rows that could not be read and are left out.")


# -- experiments ---------------------------------------------------------------------------------------


def _url(root: strawberry.Parent[Any]) -> Any:
    return http_url(root.url) if isinstance(root.url, str) else None


def _source_url(root: strawberry.Parent[domain_models.Experiment]) -> Any:
    return http_url(root.source_url) if isinstance(root.source_url, str) else None


def _group_ids(root: strawberry.Parent[domain_models.Experiment]) -> Any:
    return root.group_ids or (() if root.group_id is None else (root.group_id,))


def _experiment_id(root: strawberry.Parent[domain_models.Experiment]) -> strawberry.ID:
    return strawberry.ID(experiment_id(root.source, root.ref))


@strawberry.type(
    description=(
        "The unit of comparison: a NeMo experiment, a LangSmith tracer session (a tracing project, or an "
        "experiment on a dataset), a Meibel agent."
    )
)
class Experiment(Node):
    """The GraphQL type of `domain.domain_models.Experiment`."""

    id: strawberry.ID = strawberry.field(resolver=_experiment_id)
    source: Source = strawberry.field(resolver=source_of)
    vendor_id: str
    kind: domain_models.ExperimentKind
    name: str
    description: str | None
    group_ids: list[str] = strawberry.field(
        resolver=_group_ids, description="Every group of the experiment, in the vendor's order."
    )
    agent_name: str | None
    agent_version: str | None
    dataset_id: str | None
    dataset_name: str | None
    dataset_version: str | None
    models: list[str] | None = strawberry.field(resolver=aggregate_backed_field("models"))
    evaluators: list[str] | None = strawberry.field(resolver=aggregate_backed_field("evaluators"))
    created_at: datetime | None = strawberry.field(resolver=deferred_field("created_at"))
    updated_at: datetime | None = strawberry.field(
        description="The last change or activity at the vendor. Null when the vendor does not say."
    )
    ended_at: datetime | None
    session_count: int | None = strawberry.field(resolver=experiment_session_count)
    error_rate: float | None = strawberry.field(
        description="The vendor's own figure, a ratio from 0 to 1. Null when the vendor does not say.",
        deprecation_reason="Ask aggregate(metric: {kind: ERROR_RATE}, basis: BEST).",
    )
    progress: float | None
    vendor_status: str | None
    url: str | None = strawberry.field(resolver=_url)
    source_url: str | None = strawberry.field(resolver=_source_url)
    metadata: JSON | None = strawberry.field(resolver=deferred_field("metadata"))
    vendor_fields: JSON | None = strawberry.field(
        resolver=vendor_fields, description="The vendor's object, unchanged. Null when it is not at hand."
    )
    aggregates: list[Aggregate] | None = strawberry.field(
        resolver=experiment_aggregates,
        description=(
            "Figures in the order of `metrics`, else of MetricKind. REPORTED omits metrics that the vendor does "
            "not report. Without metrics, COMPUTED returns metrics for which at least one session has a value. A "
            "request reads the sessions once for all fields. Null with an error when no metric could be read."
        ),
    )
    aggregate: Aggregate | None = strawberry.field(
        resolver=experiment_aggregate,
        description=(
            "One figure. Null when the basis is REPORTED and the vendor does not report the metric, and with an "
            "error when it could not be read."
        ),
    )
    time_series: TimeSeries | None = strawberry.field(
        resolver=experiment_time_series,
        description=(
            "COMPUTED figures of the sessions that started in each interval of the range. At most 1,000 "
            "intervals. Null with an error when the sessions could not be read."
        ),
    )
    session_groups: SessionGroups | None = strawberry.field(
        resolver=experiment_session_groups,
        description=(
            "COMPUTED figures of the sessions by a property that they share. Null with an error when the sessions "
            "could not be read."
        ),
    )
    sessions: SessionConnection | None = strawberry.field(resolver=experiment_sessions)

    is_type_of = instances_of(domain_models.Experiment)


@strawberry.type(description="An experiment and the cursor that continues right after the experiment.")
class ExperimentEdge(Edge[Experiment]):
    """The GraphQL type of `relay.connections.MergedEdge`."""


@strawberry.type(description="A page of experiments, from one source or merged from several.")
class ExperimentConnection(Connection[Experiment, ExperimentEdge]):
    """The GraphQL type of `relay.connections.MergedConnection`."""

    sources: list[SourceReport]
    is_complete: bool = strawberry.field(description=_IS_COMPLETE)


# -- sessions ------------------------------------------------------------------------------------------


@strawberry.type(
    description=(
        "The tokens of one session or span. cached and cacheWrite are parts of input, and reasoning is a part "
        "of output."
    )
)
class TokenUsage:
    """The GraphQL type of `domain.domain_models.TokenUsage`."""

    input: int | None
    output: int | None
    cached: int | None
    cache_write: int | None
    reasoning: int | None
    total: int | None


@strawberry.type(description="One evaluator's verdict, on that evaluator's own scale.")
class Score:
    """The GraphQL type of `domain.domain_models.Score`."""

    evaluator: str
    value: float | None
    label: str | None = strawberry.field(resolver=text_of_score("label"))
    explanation: str | None = strawberry.field(resolver=text_of_score("explanation"))
    failed: bool


def _session_id(root: strawberry.Parent[domain_models.Session]) -> strawberry.ID:
    return strawberry.ID(session_id(root.source, root.ref))


@strawberry.type(
    description="One execution: a NeMo experiment session, a LangSmith root run (a trace), a Meibel agent session."
)
class Session(Node):
    """The GraphQL type of `domain.domain_models.Session`."""

    id: strawberry.ID = strawberry.field(resolver=_session_id)
    source: Source = strawberry.field(resolver=source_of)
    experiment: Experiment | None = strawberry.field(resolver=session_experiment)
    vendor_id: str
    status: domain_models.SessionStatus
    vendor_status: str | None = strawberry.field(description="The vendor's own status; null without one.")
    name: str | None
    started_at: datetime
    ended_at: datetime | None
    latency_ms: float | None
    first_token_ms: float | None
    trace_id: str | None
    root_span_id: str | None
    test_case_id: str | None
    conversation_id: str | None
    agent_name: str | None
    agent_version: str | None
    models: list[str] | None = strawberry.field(resolver=detail_field("models"))
    providers: list[str] | None = strawberry.field(resolver=detail_field("providers"))
    input: str | None = strawberry.field(resolver=deferred_field("input"))
    output: str | None = strawberry.field(resolver=deferred_field("output"))
    error: str | None = strawberry.field(resolver=deferred_field("error"))
    tokens: TokenUsage | None
    cost_usd: float | None
    input_cost_usd: float | None = strawberry.field(resolver=detail_field("input_cost_usd"))
    output_cost_usd: float | None = strawberry.field(resolver=detail_field("output_cost_usd"))
    message_count: int | None
    scores: list[Score] | None = strawberry.field(resolver=session_scores)
    spans: Annotated[SpanConnection, strawberry.lazy("tracegraph.graphql.types.spans")] | None = strawberry.field(
        resolver=session_spans,
        description=(
            "The steps of the session, depth first, siblings by their start. Null where the vendor has no "
            "spans of it, and with an error when the source failed."
        ),
    )
    url: str | None = strawberry.field(resolver=_url)
    metadata: JSON | None = strawberry.field(resolver=deferred_field("metadata"))
    vendor_fields: JSON | None = strawberry.field(
        resolver=vendor_fields, description="The vendor's object, unchanged. Null when it is not at hand."
    )

    is_type_of = instances_of(domain_models.Session)


@strawberry.type(description="A session and the cursor that continues right after the session.")
class SessionEdge(Edge[Session]):
    """The GraphQL type of `relay.connections.MergedEdge`."""


@strawberry.type(description="A page of sessions, from one experiment or merged from several.")
class SessionConnection(Connection[Session, SessionEdge]):
    """The GraphQL type of `relay.connections.MergedConnection`."""

    sources: list[SourceReport]
    is_complete: bool = strawberry.field(description=_IS_COMPLETE)
