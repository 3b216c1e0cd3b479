"""The Meibel adapter: maps each gateway operation to calls of the vendor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from tracegraph.adapter import (
    BaseAdapter,
    Capabilities,
    ExperimentPage,
    ExperimentQuery,
    ListCapabilities,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    Probe,
    SessionPage,
    SessionPageRequest,
    SourceSettings,
    StrictOptions,
    WebPages,
    both_directions,
    gather_outcomes,
    readable_rows,
    unreadable_places,
)
from tracegraph.domain.filters import (
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrderField,
    active_conditions,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Score, Session, SessionRef, SessionStatus, Span
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceBadRequest, SourceError
from tracegraph.upstream.client import Upstream
from tracegraph_meibel import mapping, wire
from tracegraph_meibel.agents import Agents
from tracegraph_meibel.client import MAX_PAGE_SIZE, MeibelClient, Window
from tracegraph_meibel.lookup import SCORES, TEXTS, SessionLookup
from tracegraph_meibel.spans import Spans

CAPABILITIES = Capabilities(
    experiments=ListCapabilities(
        Paging.OFFSET,
        MAX_PAGE_SIZE,
        both_directions(ExperimentOrderField.CREATED_AT),
        lacks=mapping.LACKING_FIELDS,
    ),
    sessions=ListCapabilities(
        Paging.OFFSET,
        MAX_PAGE_SIZE,
        both_directions(SessionOrderField.STARTED_AT),
        frozenset({"statuses"}),
    ),
    reported_metrics=(),
    kinds=frozenset({ExperimentKind.AGENT}),
    statuses=frozenset(SessionStatus),
    unsupported_experiment_fields=frozenset({"dataset_id", "dataset_name", "dataset_version", "group_id"}),
    unsupported_session_fields=frozenset(
        {"test_case_id", "name", "model", "conversation_id", "cost_usd", "metadata"}
    ),
    call_kinds=frozenset({"agents", "agent", "sessions", "session", "messages", "scores"}),
    spans=True,
    session_details=frozenset({TEXTS, SCORES}),
)
"""The vendor also sorts by `name` and `display_name`, but with an undocumented collation.

See docs/vendors/meibel.md#push-down.
"""


class Options(StrictOptions):
    """Settings of a Meibel source.

    `api_key` is a reference to the account's key. With `scores`, the adapter reads confidence scores with complete
    sessions, which takes one more call for each agent. `web_url` and `experiment_web_url` are templates of the
    addresses of sessions and agents, for `url`.
    """

    api_key: SecretRef
    scores: bool = True
    web_url: SessionPage | None = None
    experiment_web_url: ExperimentPage | None = None


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[MeibelAdapter]:
    """Open the adapter of one Meibel account without a call. Its base URL ends in `/v2`."""
    options = settings.read(Options)
    pages = WebPages(options.web_url, options.experiment_web_url)
    client = MeibelClient(upstream, options.api_key)
    yield MeibelAdapter(settings.name, client, pages, reads_scores=options.scores)


class MeibelAdapter(BaseAdapter):
    """Adapter of one Meibel account: an agent is an experiment, and its chats are the sessions."""

    vendor = "meibel"
    capabilities = CAPABILITIES

    def __init__(self, name: str, client: MeibelClient, pages: WebPages, *, reads_scores: bool) -> None:
        super().__init__(name)
        self._client = client
        self._agents = Agents(client, pages)
        self._lookup = SessionLookup(client, pages, reads_scores=reads_scores)
        if not reads_scores:
            self.capabilities = replace(CAPABILITIES, session_details=frozenset({TEXTS}))
        self._spans = Spans(client, self._lookup)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of agents in one call.

        Rows may lack the creation time. The gateway looks it up where a query filters or sorts by it.
        """
        return await self._agents.list_page(query, _window(page, _experiment_direction(query)))

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return agents by id, with one concurrent call for each: Meibel has no batch look-up."""
        return await self._agents.get_by_id(refs)

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of one agent's sessions in one call."""
        if len(request.experiment_refs) != 1:
            message = f"Source {self.name!r} lists the sessions of only one agent at a time."
            raise SourceBadRequest(self.name, message)
        (agent_id,) = request.experiment_refs
        window = _window(request.page, request.order.direction)
        status = _pushed_status(request.filter)
        reply = await self._client.sessions(agent_id, window, status)
        rows, total = reply.value.data, reply.value.total
        return Page(
            items=self._lookup.to_sessions(agent_id, reply),
            offset=window.offset,
            next_hint=window.next_offset(rows, total),
            total=total if _total_applies(request.filter, status, rows) else None,
            provenance=reply.provenance,
            skipped=unreadable_places(rows),
        )

    async def find_sessions(
        self, experiment_ref: str, session_ids: Sequence[str]
    ) -> Mapping[str, Session | SourceError]:
        """Return sessions by id, from the agent's list up to the last requested one. Details are deferred."""
        return await self._lookup.find(experiment_ref, set(session_ids))

    async def get_session_details(
        self, sessions: Sequence[Session], fields: frozenset[str]
    ) -> Mapping[SessionRef, Session | SourceError]:
        """Return sessions with texts, one call for each, or with scores, one call for the sessions of an agent."""
        return await self._lookup.details(sessions, fields) if sessions else {}

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """Return scores, with two calls for each agent: one for its name and one for all scores."""
        return await self._lookup.scores(refs)

    async def list_spans(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None = None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return messages and tool calls, one call for each session; scores take one call more for each agent."""
        return await self._spans.read(refs, with_scores=fields is None or "scores" in fields)

    async def probe(self) -> Probe:
        """Make one call for an agent and one for its sessions, whose path a server may lack."""
        reply = await self._client.any_agent()
        errors = [
            outcome
            for _, agent in readable_rows(reply.value.data)
            for outcome in await gather_outcomes(
                [self._client.sessions(agent.id, Window(0, 1, OrderDirection.DESC))]
            )
            if isinstance(outcome, SourceError)
        ]
        return Probe(reply.value.total, next(iter(errors), None))


def _window(page: PageRequest, direction: OrderDirection) -> Window:
    offset = page.offset if isinstance(page, OffsetRequest) else 0
    return Window(max(0, offset), max(1, min(page.limit, MAX_PAGE_SIZE)), direction)


def _experiment_direction(query: ExperimentQuery) -> OrderDirection:
    """Return the requested direction of an order by creation, or else ascending.

    In ascending order a new agent does not shift the others.
    """
    if query.order.field is ExperimentOrderField.CREATED_AT:
        return query.order.direction
    return OrderDirection.ASC


def _pushed_status(session_filter: SessionFilter) -> str | None:
    """Return Meibel's word for the requested status, or None unless exactly one word expresses the condition."""
    if session_filter.statuses is None or len(session_filter.statuses) != 1:
        return None
    (status,) = session_filter.statuses
    return mapping.PUSHED_STATUSES.get(status)


def _total_applies(
    session_filter: SessionFilter, status: str | None, rows: Sequence[wire.SessionSummary | None]
) -> bool:
    """Return whether the vendor's total is the total of the query.

    The status parameter is plain text in the contract. A server that ignores it counts all sessions.
    """
    pushed = frozenset() if status is None else frozenset({"statuses"})
    status_applied = status is None or all((row.status or "").upper() == status for _, row in readable_rows(rows))
    return active_conditions(session_filter) <= pushed and status_applied
