"""Meibel behind the port: which of its calls answers which of the gateway's questions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.options import SourceSettings, StrictOptions
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealth, SourceHealthStatus
from tracegraph.domain.filters import ExperimentOrderField, OrderDirection, SessionFilter, active_conditions
from tracegraph.domain.models import Experiment, ExperimentKind, Score, Session, SessionRef, SessionStatus
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound, SourceObjectNotFound
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import readable_rows, unreadable_places
from tracegraph_meibel import mapping, wire
from tracegraph_meibel.agents import Agents
from tracegraph_meibel.client import PAGE_MAX, MeibelClient, Window
from tracegraph_meibel.lookup import SessionLookup
from tracegraph_meibel.outcomes import gather_outcomes

CAPABILITIES = Capabilities(
    experiment_orders=frozenset({ExperimentOrderField.CREATED_AT}),
    experiment_filters=frozenset(),
    session_filters=frozenset({"statuses"}),
    reported_metrics=(),
    kinds=frozenset({ExperimentKind.AGENT}),
    statuses=frozenset(SessionStatus),
    experiment_page_max=PAGE_MAX,
    session_page_max=PAGE_MAX,
    unsupported_experiment_fields=frozenset({"dataset_name", "dataset_version", "group_id"}),
    unsupported_session_fields=frozenset({"test_case_id"}),
    call_kinds=frozenset({"agents", "agent", "sessions", "session", "scores"}),
)
"""`name` and `display_name` orders exist too, by a collation that is written down nowhere.

See docs/vendors/meibel.md#push-down.
"""


class Options(StrictOptions):
    """Meibel's own settings.

    `api_key` is the account's key, by reference. `scores` says whether confidence scores are read with complete
    sessions: one more call per agent.
    """

    api_key: SecretRef
    scores: bool = True


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[MeibelAdapter]:
    """The adapter of one configured Meibel account; its base URL ends in `/v2`. Makes no call."""
    options = settings.read(Options)
    client = MeibelClient.with_key(upstream, options.api_key)
    yield MeibelAdapter(settings.name, client, reads_scores=options.scores)


class MeibelAdapter:
    """The port over one Meibel account: an agent is an experiment, and its chats are the sessions."""

    vendor = "meibel"
    capabilities = CAPABILITIES

    def __init__(self, name: str, client: MeibelClient, *, reads_scores: bool) -> None:
        self.name = name
        self._client = client
        self._agents = Agents(name, client)
        self._lookup = SessionLookup(name, client, reads_scores=reads_scores)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """One call, and one more for each agent of the page when their creation is asked about.

        The list does not tell when an agent was created, and the gateway cannot place a row without it.
        """
        return await self._agents.listed(query, _stretch(page, _experiment_direction(query)))

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """One call for each agent, all at once: Meibel has no batch."""
        return await self._agents.by_id(refs)

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """One call for each ask, all at once."""
        return await gather_outcomes(self._sessions(ask) for ask in asks)

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """For each agent: its list up to the last one wanted, a call for each session, one for all scores."""
        return await self._lookup.find(refs)

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """For each agent one call for its name and one for all scores."""
        return await self._lookup.scores(refs)

    async def check(self) -> SourceHealth:
        """One of the agents, and one of its sessions, whose path a server may lack."""
        try:
            answer = await self._client.any_agent()
        except SourceError as error:
            return SourceHealth(SourceHealthStatus.DOWN, last_error=error, checked_at=datetime.now(UTC))
        first = next((row for _, row in readable_rows(answer.body.data)), None)
        lost = None if first is None else await self._sessions_error(first.id)
        status = SourceHealthStatus.UP if lost is None else SourceHealthStatus.DEGRADED
        if isinstance(lost, SourceNotFound):  # the server lacks the path for good
            status = SourceHealthStatus.DOWN
        return SourceHealth(
            status, last_error=lost, checked_at=datetime.now(UTC), experiment_count=answer.body.total
        )

    async def _sessions_error(self, agent_id: str) -> SourceError | None:
        """Why an agent's sessions cannot be listed, None when they can or the agent is not there any more."""
        try:
            await self._client.sessions(agent_id, Window(0, 1, OrderDirection.DESC))
        except SourceObjectNotFound:
            return None
        except SourceError as error:
            return error
        return None

    async def _sessions(self, ask: SessionPageRequest) -> Page[Session]:
        if len(ask.experiment_refs) != 1:
            message = f"Source {self.name!r} lists the sessions of one agent at a time."
            raise SourceBadRequest(self.name, message)
        (agent_id,) = ask.experiment_refs
        stretch = _stretch(ask.page, ask.order.direction)
        status = _pushed_status(ask.filter)
        answer = await self._client.sessions(agent_id, stretch, status)
        rows = answer.body.data
        total = stretch.agreed_total(len(rows), answer.body.total)
        return Page(
            items=self._lookup.listed(agent_id, answer),
            offset=stretch.offset,
            next_hint=stretch.next_offset(rows, answer.body.total),
            total=total if _is_counted(ask.filter, status, rows) else None,
            provenance=answer.provenance,
            skipped=unreadable_places(rows),
        )


def _stretch(page: PageRequest, direction: OrderDirection) -> Window:
    offset = page.hint if isinstance(page.hint, int) else 0
    return Window(max(0, offset), max(1, min(page.limit, PAGE_MAX)), direction)


def _experiment_direction(query: ExperimentQuery) -> OrderDirection:
    """The asked one by creation. Else oldest first, so that a new agent does not shift the others."""
    if query.order.field is ExperimentOrderField.CREATED_AT:
        return query.order.direction
    return OrderDirection.ASC


def _pushed_status(asked: SessionFilter) -> str | None:
    """Meibel's word for the one status asked for, where one word is all of it."""
    if asked.statuses is None or len(asked.statuses) != 1:
        return None
    (status,) = asked.statuses
    return mapping.PUSHED_STATUSES.get(status)


def _is_counted(asked: SessionFilter, status: str | None, rows: Sequence[wire.SessionSummary | None]) -> bool:
    """Whether the vendor's count is the question's.

    The status parameter is plain text in the contract; a server that ignores it answers with everything, and
    then its count is of everything.
    """
    pushed = frozenset() if status is None else frozenset({"statuses"})
    honoured = status is None or all((row.status or "").upper() == status for _, row in readable_rows(rows))
    return active_conditions(asked) <= pushed and honoured
