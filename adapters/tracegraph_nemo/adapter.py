"""The NeMo Intake adapter: maps each gateway operation to calls of the vendor."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pydantic import field_validator

from tracegraph.adapter.capabilities import Capabilities, ListCapabilities, both_directions
from tracegraph.adapter.options import SourceSettings, StrictOptions
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, Paging, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealth, SourceHealthStatus
from tracegraph.domain.clocks import elapsed_s
from tracegraph.domain.filters import OrderDirection, SessionOrderField
from tracegraph.domain.models import Experiment, ExperimentKind, MetricKind, Score, Session, SessionRef
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError, SourceNotFound
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import path_segment
from tracegraph_nemo.client import HTTP_TOO_MANY, NemoClient
from tracegraph_nemo.experiments import Experiments
from tracegraph_nemo.filters import VENDOR_ORDERS
from tracegraph_nemo.mapping import STATUSES
from tracegraph_nemo.paging import MAX_PAGE_SIZE
from tracegraph_nemo.sessions import Sessions

CAPABILITIES = Capabilities(
    experiments=ListCapabilities(
        Paging.OFFSET,
        MAX_PAGE_SIZE,
        both_directions(*VENDOR_ORDERS),
        frozenset(
            {
                "name",
                "agent_name",
                "agent_version",
                "dataset_name",
                "dataset_version",
                "group_id",
                "created_at",
                "updated_at",
            }
        ),
    ),
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
    client = NemoClient(upstream, options.workspace, options.api_key)
    yield NemoAdapter(settings.name, settings.vendor, client)


class NemoAdapter:
    """Adapter of one workspace of one NeMo Intake service."""

    def __init__(
        self,
        name: str,
        vendor: str,
        client: NemoClient,
        clock: Callable[[], float] = elapsed_s,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._vendor = vendor
        self._experiments = Experiments(name, client, clock, wall_clock)
        self._sessions = Sessions(name, client)

    @property
    def name(self) -> str:
        """Return the configured name of the source."""
        return self._name

    @property
    def vendor(self) -> str:
        """Return the vendor name of the adapter."""
        return self._vendor

    @property
    def capabilities(self) -> Capabilities:
        """Return the operations that NeMo supports."""
        return CAPABILITIES

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

    async def list_sessions(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return a page of sessions for each request.

        Oldest first takes one call. Newest first mostly takes at most two further calls to find the end of the
        list.
        """
        return await self._sessions.list_pages(requests)

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Return sessions by id.

        NeMo has no look-up by session id. The adapter reads each experiment's sessions once, in pages of 1000.
        """
        return await self._sessions.get_by_id(refs)

    async def get_scores(
        self,
        refs: Sequence[SessionRef],  # noqa: ARG002 - the port's form
    ) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """Return no scores: the lists of sessions contain them."""
        return {}

    def experiment_kind(self, ref: str) -> ExperimentKind | None:  # noqa: ARG002 - the port's form
        """Return None: one list holds the sessions of any experiment."""
        return None

    async def check(self) -> SourceHealth:
        """Check the source with one call for an experiment and one call for its sessions.

        The second call detects releases without the sessions path. A workspace with more experiments than the
        service lists is DEGRADED, because narrower queries still work. A service without its telemetry store is
        DEGRADED, because it still lists its experiments.
        """
        try:
            count, figures_error = await self._experiments.check()
        except SourceError as error:
            lists_too_many = error.http_status == HTTP_TOO_MANY
            status = SourceHealthStatus.DEGRADED if lists_too_many else SourceHealthStatus.DOWN
            return SourceHealth(status, last_error=error, checked_at=datetime.now(UTC))
        status = SourceHealthStatus.UP if figures_error is None else SourceHealthStatus.DEGRADED
        if isinstance(figures_error, SourceNotFound):  # the release lacks the path permanently
            status = SourceHealthStatus.DOWN
        return SourceHealth(status, last_error=figures_error, checked_at=datetime.now(UTC), experiment_count=count)
