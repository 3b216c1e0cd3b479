"""Which call to NeMo Intake answers which question of the gateway."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pydantic import field_validator

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.options import SourceSettings, StrictOptions
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealth, SourceHealthStatus
from tracegraph.domain.clocks import elapsed_s
from tracegraph.domain.models import Experiment, ExperimentKind, MetricKind, Score, Session, SessionRef
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError, SourceNotFound
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import path_segment
from tracegraph_nemo.client import TOO_MANY, NemoClient
from tracegraph_nemo.experiments import Experiments
from tracegraph_nemo.filters import LISTED_ORDERS
from tracegraph_nemo.mapping import STATUSES
from tracegraph_nemo.paging import LARGEST_PAGE
from tracegraph_nemo.sessions import Sessions

CAPABILITIES = Capabilities(
    experiment_orders=LISTED_ORDERS,
    experiment_filters=frozenset(
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
    session_filters=frozenset({"statuses", "test_case_id"}),
    reported_metrics=(MetricKind.LATENCY, MetricKind.COST, MetricKind.SCORE),
    kinds=frozenset({ExperimentKind.EVALUATION}),
    statuses=frozenset(STATUSES.values()),
    experiment_page_max=LARGEST_PAGE,
    session_page_max=LARGEST_PAGE,
    call_kinds=frozenset({"experiments", "sessions"}),
)


class Options(StrictOptions):
    """The source's own settings."""

    workspace: str = "default"
    api_key: SecretRef | None = None

    @field_validator("workspace")
    @classmethod
    def _is_a_name(cls, workspace: str) -> str:
        if path_segment(workspace) is None or "/" in workspace:
            raise ValueError("a workspace's name as NeMo has it, without a slash")
        return workspace


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[NemoAdapter]:
    """The adapter of one `[sources.<name>]` table; opening makes no call."""
    options = settings.read(Options)
    client = NemoClient(upstream, options.workspace, options.api_key)
    yield NemoAdapter(settings.name, settings.vendor, client)


class NemoAdapter:
    """One workspace of one NeMo Intake service."""

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
        """The source's configured name."""
        return self._name

    @property
    def vendor(self) -> str:
        """What the adapter calls its vendor."""
        return self._vendor

    @property
    def capabilities(self) -> Capabilities:
        """What NeMo does itself."""
        return CAPABILITIES

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """One call; a second, once, to find out that the service does not filter by agent.

        One more where no experiment of the stretch has a run, to find out whether that is to be believed.
        Of a list that is too long for the service, a few for the first page and mostly one from then on.
        """
        return await self._experiments.stretch(query, page)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """One call for each 5 kB of names; one for each name where the service takes no list of names."""
        return await self._experiments.by_name(refs)

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """One call an ask, oldest first; newest first mostly two more at most, to find the end of the list."""
        return await self._sessions.stretches(asks)

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """One pass over each experiment's sessions, by pages of 1000: the service has no look-up by id."""
        return await self._sessions.by_id(refs)

    async def get_scores(
        self,
        refs: Sequence[SessionRef],  # noqa: ARG002 - the port's form
    ) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """Nothing: the lists of sessions hold their scores."""
        return {}

    async def check(self) -> SourceHealth:
        """One call for one experiment, and one for one of its sessions, which releases may lack.

        A service that has more than it lists answers narrower questions still, and one without its telemetry
        store tells what experiments there are.
        """
        try:
            count, figures_error = await self._experiments.check()
        except SourceError as error:
            lists_too_many = error.http_status == TOO_MANY
            status = SourceHealthStatus.DEGRADED if lists_too_many else SourceHealthStatus.DOWN
            return SourceHealth(status, last_error=error, checked_at=datetime.now(UTC))
        status = SourceHealthStatus.UP if figures_error is None else SourceHealthStatus.DEGRADED
        if isinstance(figures_error, SourceNotFound):  # the release lacks the path for good
            status = SourceHealthStatus.DOWN
        return SourceHealth(status, last_error=figures_error, checked_at=datetime.now(UTC), experiment_count=count)
