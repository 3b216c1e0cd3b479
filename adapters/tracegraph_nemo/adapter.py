"""The NeMo Intake adapter: maps each gateway operation to calls of the vendor."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal, TypeVar

from pydantic import field_validator

from tracegraph.adapter import (
    BaseAdapter,
    Capabilities,
    ExperimentQuery,
    FetchInfo,
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
    consistent_total,
    failure_of,
    gather_outcomes,
    path_segment,
)
from tracegraph.domain.clocks import elapsed_s
from tracegraph.domain.filters import ExperimentOrderField, OrderDirection, SessionOrderField
from tracegraph.domain.models import Aggregate, Experiment, ExperimentKind, MetricKind, Session, SessionRef, Span
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError
from tracegraph.upstream.client import Upstream
from tracegraph_nemo.client import HTTP_TOO_MANY, NemoClient
from tracegraph_nemo.details import Details, details_of
from tracegraph_nemo.experiments import Experiments
from tracegraph_nemo.filters import AGENT_FIELDS, PUSHED_FIELDS, VENDOR_ORDERS, sorted_figures
from tracegraph_nemo.mapping import STATUSES, Origin
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage
from tracegraph_nemo.release_finder import FoundRelease, ReleaseFinder
from tracegraph_nemo.releases import NEWEST, RELEASES, Release
from tracegraph_nemo.sessions import Sessions
from tracegraph_nemo.spans import Spans
from tracegraph_nemo.studio import Studio
from tracegraph_nemo.totals import METRICS, Totals

T = TypeVar("T")


def capabilities_of(release: Release) -> Capabilities:
    """Return what a release does itself (docs/vendors/nemo.md#push-down, #totals)."""
    pushed = PUSHED_FIELDS - AGENT_FIELDS if release.filters_agents is False else PUSHED_FIELDS
    pushed |= {"model"} if release.filters_models else frozenset()
    directions = OrderDirection if release.sorts_sessions else (OrderDirection.ASC,)
    deferred = METRICS if release.has_trace_metrics else frozenset()
    by_latency = both_directions(SessionOrderField.LATENCY) if release.sorts_sessions else frozenset()
    orders = VENDOR_ORDERS | {ExperimentOrderField.SESSION_COUNT} if release.sorts_figures else VENDOR_ORDERS
    models = frozenset[str]() if release.has_traces else frozenset({"model"})
    return Capabilities(
        experiments=ListCapabilities(
            Paging.OFFSET, MAX_PAGE_SIZE, both_directions(*orders), pushed, figures=sorted_figures(release)
        ),
        sessions=ListCapabilities(
            Paging.OFFSET,
            MAX_PAGE_SIZE,
            frozenset((SessionOrderField.STARTED_AT, direction) for direction in directions) | by_latency,
            frozenset({"statuses", "test_case_id"}),
        ),
        reported_metrics=tuple(
            kind
            for kind in MetricKind
            if kind in {MetricKind.LATENCY, MetricKind.COST, MetricKind.SCORE} or kind in deferred
        ),
        deferred_metrics=deferred,
        kinds=frozenset({ExperimentKind.EVALUATION}),
        statuses=frozenset(STATUSES.values()),
        unsupported_experiment_fields=frozenset({"dataset_id"}),
        unsupported_session_fields=frozenset({"name", "agent_name", "agent_version", "metadata"}) | models,
        call_kinds=frozenset({"experiments", "sessions", "spans", "traces", "metrics", "service"}),
        spans=True,
        session_details=details_of(release),
    )


CAPABILITIES = {name: capabilities_of(release) for name, release in RELEASES.items()}
"""The capabilities of each release."""


Setting = Literal["auto", "0.2", "0.3", "0.4", "0.6"]
"""The configured release: the name of a release, or "auto" to find it."""


class Options(StrictOptions):
    """Settings of a NeMo source.

    `release` is the first NeMo release with the interface of the service; "auto" finds it. `web_url` is the
    address under which a browser reaches NeMo Studio, if that is not the base URL.
    """

    workspace: str = "default"
    api_key: SecretRef | None = None
    release: Setting = "auto"
    web_url: WebAddress | None = None

    @field_validator("workspace")
    @classmethod
    def _is_a_name(cls, workspace: str) -> str:
        if path_segment(workspace) is None or "/" in workspace:
            raise ValueError("it must be the name of a NeMo workspace, without a slash")
        return workspace


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[NemoAdapter]:
    """Open the adapter of one `[sources.<name>]` table without a call."""
    options = settings.read(Options)
    client = NemoClient(upstream, options.workspace, options.api_key)
    adapter = NemoAdapter(settings.name, client, options.release, options.web_url)
    try:
        yield adapter
    finally:
        await adapter.close()


class Readers:
    """What reads one release of the service."""

    def __init__(
        self, client: NemoClient, web_url: str, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        release = client.release
        origin = Origin(
            client.source, release, Studio(web_url, client.workspace, has_sessions=release.has_session_pages)
        )
        self.client = client
        self.experiments = Experiments(client, origin, clock, wall_clock)
        self.sessions = Sessions(client, origin)
        self.spans = Spans(client)
        self.details = Details(client)
        self.totals = Totals(client, wall_clock)


class NemoAdapter(BaseAdapter):
    """Adapter of one workspace of one NeMo Intake service, whatever its release."""

    vendor = "nemo"

    def __init__(
        self,
        name: str,
        client: NemoClient,
        release: Setting = "auto",
        web_url: str | None = None,
        *,
        clock: Callable[[], float] = elapsed_s,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name)
        self.capabilities = CAPABILITIES[NEWEST.name]
        address = web_url or client.upstream.base_url
        self._readers = {
            known: Readers(client.for_release(known), address, clock, wall_clock) for known in RELEASES.values()
        }
        fixed = None if release == "auto" else RELEASES[release]
        self._finder = ReleaseFinder(client, fixed, clock, self._use)

    @property
    def api_version(self) -> str | None:
        """The version of the service, else the release of its interface."""
        return self.version or self.interface

    async def close(self) -> None:
        """End what still runs."""
        await self._finder.close()

    def _use(self, found: FoundRelease) -> None:
        self.capabilities = CAPABILITIES[found.release.name]
        self.interface, self.version = found.release.interface, found.version

    async def _read(
        self, read: Callable[[Readers], Awaitable[T]], is_doubtful: Callable[[T], bool] = lambda _: False
    ) -> tuple[T, FetchInfo]:
        """Read in the words of the service's release: see `ReleaseFinder.run`."""
        return await self._finder.run(lambda release: read(self._readers[release]), is_doubtful)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of experiments, usually in one call.

        The first call of the adapter needs one to three more, which find the release. The first list of 0.2.0 that
        filters by agent needs a second call, because the service rejects such filters. A page on
        which no experiment has a run needs one or two further calls, which detect a telemetry outage. A list that
        is too long for the service needs a few calls for the first page, and mostly one for each later page.
        """
        found, cost = await self._read(
            lambda readers: readers.experiments.list_page(query, page), lambda result: not result.items
        )
        return replace(found, provenance=found.provenance + cost)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return experiments by name, in one call for each 5 kB of names.

        A service that rejects a list of names gets one call for each name.
        """
        if not refs:
            return {}
        found, _ = await self._read(
            lambda readers: readers.experiments.get_by_name(refs), lambda result: len(result) < len(set(refs))
        )
        return found

    async def get_aggregates(
        self,
        experiments: Sequence[Experiment],
        kinds: frozenset[MetricKind] | None = None,  # noqa: ARG002 - one call has all
    ) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        """Return cost, tokens and error rate over the sessions of experiments, one call for each."""
        if not experiments:
            return {}
        found, _ = await self._read(lambda readers: readers.totals.read(experiments))
        return found

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of one experiment's sessions in one call, in 0.2.0 oldest first."""
        found, cost = await self._read(lambda readers: readers.sessions.list_page(request))
        return replace(found, provenance=found.provenance + cost)

    async def find_sessions(
        self, experiment_ref: str, session_ids: Sequence[str]
    ) -> Mapping[str, Session | SourceError]:
        """Return sessions by id. NeMo has no such look-up: the adapter reads the list once, in pages of 1000."""
        found, _ = await self._read(lambda readers: readers.sessions.find(experiment_ref, session_ids))
        return found

    async def get_session_details(
        self, sessions: Sequence[Session], fields: frozenset[str]
    ) -> Mapping[SessionRef, Session | SourceError]:
        """Return sessions with models and costs, in one call for a page, or with the words of their scores.

        The words take a call for each session. So do the models and costs of a session of several traces.
        """
        if not sessions:
            return {}
        found, _ = await self._read(lambda readers: readers.details.read(sessions, fields))
        return found

    async def list_spans(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None = None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the spans of sessions, one call for each 1000 spans of a session; scores take one call more."""
        if not refs:
            return {}
        found, _ = await self._read(lambda readers: readers.spans.read(refs, fields))
        return found

    async def probe(self) -> Probe:
        """Make one call for an experiment, and one that shows whether its sessions can be read.

        This is the readiness of the service, or a session, whose path some releases lack. A workspace with more
        experiments than the service lists still answers narrower queries. A service without its telemetry store
        still lists its experiments.
        """
        await self._finder.refresh()
        found, _ = await self._read(_probe)
        return found


async def _probe(readers: Readers) -> Probe:
    client = readers.client
    try:
        response = await client.experiments(VendorPage(1, 1))
    except SourceError as error:
        if error.http_status != HTTP_TOO_MANY:
            raise
        return Probe(error=error)
    count = consistent_total(response.page_of(response.rows, response.stated_total))
    name = response.rows[0].name if response.rows else None
    if client.release.has_readiness:
        outage, _ = await readers.experiments.outage_check.outage_error(name)
        return Probe(count, outage)
    outcomes = await gather_outcomes([] if name is None else [client.sessions(name, VendorPage(1, 1))])
    return Probe(count, next(map(failure_of, outcomes), None))
