"""The NeMo Intake adapter: maps each gateway operation to calls of the vendor."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from pydantic import field_validator

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
    both_directions,
    consistent_total,
    failure_of,
    gather_outcomes,
    path_segment,
)
from tracegraph.domain.clocks import elapsed_s
from tracegraph.domain.filters import OrderDirection, SessionOrderField
from tracegraph.domain.models import Experiment, ExperimentKind, MetricKind, Session
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError
from tracegraph.upstream.client import Upstream
from tracegraph_nemo.client import HTTP_TOO_MANY, NemoClient
from tracegraph_nemo.experiments import Experiments
from tracegraph_nemo.filters import PUSHED_FIELDS, VENDOR_ORDERS
from tracegraph_nemo.mapping import STATUSES
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage
from tracegraph_nemo.sessions import Sessions

CAPABILITIES = Capabilities(
    experiments=ListCapabilities(Paging.OFFSET, MAX_PAGE_SIZE, both_directions(*VENDOR_ORDERS), PUSHED_FIELDS),
    sessions=ListCapabilities(
        Paging.OFFSET,
        MAX_PAGE_SIZE,
        frozenset({(SessionOrderField.STARTED_AT, OrderDirection.ASC)}),
        frozenset({"statuses", "test_case_id"}),
    ),
    reported_metrics=(MetricKind.LATENCY, MetricKind.COST, MetricKind.SCORE),
    kinds=frozenset({ExperimentKind.EVALUATION}),
    statuses=frozenset(STATUSES.values()),
    call_kinds=frozenset({"experiments", "sessions"}),
)


class Options(StrictOptions):
    """Settings of a NeMo source."""

    workspace: str = "default"
    api_key: SecretRef | None = None

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
    yield NemoAdapter(settings.name, NemoClient(upstream, options.workspace, options.api_key))


class NemoAdapter(BaseAdapter):
    """Adapter of one workspace of one NeMo Intake service."""

    vendor = "nemo"
    capabilities = CAPABILITIES

    def __init__(
        self,
        name: str,
        client: NemoClient,
        clock: Callable[[], float] = elapsed_s,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name)
        self._client = client
        self._experiments = Experiments(client, clock, wall_clock)
        self._sessions = Sessions(client)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of experiments, usually in one call.

        The first list that filters by agent needs a second call where the service rejects such filters. A page on
        which no experiment has a run needs one or two further calls, which detect a telemetry outage. A list that
        is too long for the service needs a few calls for the first page, and mostly one for each later page.
        """
        return await self._experiments.list_page(query, page)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return experiments by name, in one call for each 5 kB of names.

        A service that rejects a list of names gets one call for each name.
        """
        return await self._experiments.get_by_name(refs)

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of one experiment's sessions in one call, oldest first."""
        return await self._sessions.list_page(request)

    async def find_sessions(
        self, experiment_ref: str, session_ids: Sequence[str]
    ) -> Mapping[str, Session | SourceError]:
        """Return sessions by id. NeMo has no such look-up: the adapter reads the list once, in pages of 1000."""
        return await self._sessions.find(experiment_ref, session_ids)

    async def probe(self) -> Probe:
        """Make one call for an experiment, and one for its sessions, whose path some releases lack.

        A workspace with more experiments than the service lists still answers narrower queries. A service without
        its telemetry store still lists its experiments.
        """
        try:
            response = await self._client.experiments(VendorPage(1, 1))
        except SourceError as error:
            if error.http_status != HTTP_TOO_MANY:
                raise
            return Probe(error=error)
        count = consistent_total(response.page_of(response.rows, response.stated_total))
        outcomes = await gather_outcomes(
            self._client.sessions(row.name, VendorPage(1, 1)) for row in response.rows
        )
        return Probe(count, next(map(failure_of, outcomes), None))
