"""The Phoenix adapter: maps each operation of the gateway to queries of Phoenix's GraphQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from tracegraph.adapter import (
    BaseAdapter,
    Capabilities,
    ExperimentQuery,
    ListCapabilities,
    Page,
    PageRequest,
    Paging,
    Probe,
    SessionPageRequest,
    SourceSettings,
    StrictOptions,
    WebAddress,
    both_directions,
)
from tracegraph.domain.filters import OrderDirection, SessionOrderField
from tracegraph.domain.models import (
    Aggregate,
    Experiment,
    ExperimentKind,
    MetricKind,
    Session,
    SessionRef,
    SessionStatus,
    Span,
)
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError
from tracegraph.upstream.client import Upstream
from tracegraph_phoenix import documents, wire
from tracegraph_phoenix.address import Links
from tracegraph_phoenix.client import CALL_KINDS, CHECK, PhoenixClient
from tracegraph_phoenix.experiments import PAGE_MAX, Experiments
from tracegraph_phoenix.ids import PROJECT, type_of
from tracegraph_phoenix.mapping import Origin
from tracegraph_phoenix.sessions import ROOTS_MAX, RUNS_MAX, Sessions
from tracegraph_phoenix.spans import Spans

_TOTALS = (
    MetricKind.LATENCY,
    MetricKind.COST,
    MetricKind.INPUT_TOKENS,
    MetricKind.OUTPUT_TOKENS,
    MetricKind.TOTAL_TOKENS,
)

CAPABILITIES = Capabilities(
    experiments={
        ExperimentKind.PROJECT: ListCapabilities(Paging.WHOLE, PAGE_MAX, filters=frozenset({"name", "refs"})),
        ExperimentKind.EVALUATION: ListCapabilities(
            Paging.WHOLE, PAGE_MAX, filters=frozenset({"name", "refs", "dataset_name"})
        ),
    },
    sessions={
        ExperimentKind.PROJECT: ListCapabilities(
            Paging.CURSOR,
            ROOTS_MAX,
            both_directions(SessionOrderField.STARTED_AT, SessionOrderField.LATENCY)
            | {(SessionOrderField.TOTAL_TOKENS, OrderDirection.DESC)},
            frozenset({"statuses", "name", "started_at", "latency_ms", "total_tokens"}),
        ),
        ExperimentKind.EVALUATION: ListCapabilities(Paging.WHOLE, RUNS_MAX),
    },
    reported_metrics=(*_TOTALS, MetricKind.ERROR_RATE, MetricKind.SCORE),
    deferred_metrics=frozenset(_TOTALS),
    kinds=frozenset({ExperimentKind.PROJECT, ExperimentKind.EVALUATION}),
    statuses=frozenset({SessionStatus.SUCCESS, SessionStatus.ERROR}),
    unsupported_experiment_fields=frozenset({"agent_name", "agent_version", "group_id", "model"}),
    unsupported_session_fields=frozenset({"agent_name", "agent_version", "model"}),
    call_kinds=CALL_KINDS,
    spans=True,
)
"""Lists without an order are read whole: see docs/vendors/phoenix.md#push-down.

Tokens that Phoenix does not know are 0 to it and come first in its ascending order, so only the other is declared.
"""


class Options(StrictOptions):
    """Settings of a Phoenix source.

    `api_key` is a reference to a key, where the server asks for one. `web_url` is the address under which a
    browser reaches the server, if that is not the base URL.
    """

    api_key: SecretRef | None = None
    web_url: WebAddress | None = None


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[PhoenixAdapter]:
    """Open the adapter of one Phoenix server without a call."""
    options = settings.read(Options)
    origin = Origin(settings.name, Links(options.web_url or settings.base_url))
    yield PhoenixAdapter(settings.vendor, origin, PhoenixClient(upstream, options.api_key))


class PhoenixAdapter(BaseAdapter):
    """Adapter of one Phoenix server: projects with root spans, and experiments over datasets with runs."""

    capabilities = CAPABILITIES

    def __init__(self, vendor: str, origin: Origin, client: PhoenixClient) -> None:
        super().__init__(origin.source)
        self.vendor = vendor
        self._client = client
        self._experiments = Experiments(client, origin)
        self._sessions = Sessions(client, origin)
        self._spans = Spans(client)

    def experiment_kind(self, ref: str) -> ExperimentKind | None:
        """Return the kind, which the type in the id says."""
        return ExperimentKind.PROJECT if type_of(ref) == PROJECT else ExperimentKind.EVALUATION

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of projects, or of experiments over datasets, in one call."""
        return await self._experiments.list_page(query, page)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return experiments by id, one call for each kind; an unknown id takes one or two more."""
        return await self._experiments.get_by_id(refs)

    async def get_aggregates(
        self,
        experiments: Sequence[Experiment],
        kinds: frozenset[MetricKind] | None = None,  # noqa: ARG002 - one call has all
    ) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        """Return the figures of projects in one call. Those of experiments over datasets are in their rows."""
        return await self._experiments.figures(experiments)

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of root spans or runs in one call."""
        return await self._sessions.list_page(request)

    async def find_sessions(
        self, experiment_ref: str, session_ids: Sequence[str]
    ) -> Mapping[str, Session | SourceError]:
        """Return root spans or runs by id in one call; an unknown run takes one or two more."""
        return await self._sessions.find(experiment_ref, session_ids)

    async def list_spans(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None = None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the spans of sessions, one call for each experiment and one for each 1000 further spans."""
        return await self._spans.read(refs, fields)

    async def probe(self) -> Probe:
        """Count the projects, which tells the version of the server, too."""
        await self._client.query(CHECK, documents.CHECK, {}, wire.CHECK)
        self.version = self._client.version
        return Probe()
