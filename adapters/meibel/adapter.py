"""Meibel behind the port: which of its calls answers which of the gateway's questions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from adapters.meibel import mapping, wire
from adapters.meibel.client import PAGE_MAX, Answer, MeibelClient, Stretch
from adapters.meibel.lookup import SessionLookup
from adapters.meibel.settled import charged, settled, spent
from tracegraph.adapter import (
    Capabilities,
    ExperimentQuery,
    Page,
    PageRequest,
    Provenance,
    SessionAsk,
    SourceHealth,
    SourceHealthStatus,
    SourceSettings,
    StrictOptions,
)
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound
from tracegraph.model import Experiment, ExperimentKind, Score, Session, SessionRef, SessionStatus
from tracegraph.query import (
    ExperimentFilter,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    conditions,
)
from tracegraph.secrets import SecretRef
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.decode import RawRow
from tracegraph.upstream.wire import placed, unread

CAPABILITIES = Capabilities(
    experiment_orders=frozenset({ExperimentOrderField.CREATED_AT}),
    experiment_filters=frozenset(),
    session_filters=frozenset({"statuses"}),
    reported_metrics=(),
    kinds=frozenset({ExperimentKind.AGENT}),
    statuses=frozenset(SessionStatus),
    experiment_page_max=PAGE_MAX,
    session_page_max=PAGE_MAX,
    absent_experiment_fields=frozenset({"dataset_name", "dataset_version", "group_id"}),
    absent_session_fields=frozenset({"test_case_id"}),
    call_kinds=frozenset({"agents", "agent", "sessions", "session", "scores"}),
)
"""VENDORS.md D4. `name` and `display_name` orders exist too, by a collation that is written down nowhere."""


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
        self._lookup = SessionLookup(name, client, reads_scores=reads_scores)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """One call, and one more for each agent of the page when their creation is asked about.

        The list does not tell when an agent was created, and the gateway cannot place a row without it.
        """
        stretch = _stretch(page, _experiment_direction(query))
        found = await self._agents(query, stretch)
        while not found.items and isinstance(found.next, int):
            # Every agent of the page was deleted meanwhile; an empty page would say that the list ends.
            with charged(found.provenance):
                more = await self._agents(query, replace(stretch, offset=found.next))
            found = replace(more, provenance=found.provenance + more.provenance)
        return found

    async def _agents(self, query: ExperimentQuery, stretch: Stretch) -> Page[Experiment]:
        answer = await self._client.agents(stretch)
        document = answer.document()
        experiments = [
            mapping.listed_agent(self.name, row, RawRow(document, ("data", index)))
            for index, row in placed(answer.body.data)
        ]
        provenance = answer.provenance
        if _asks_for_creation(query):
            experiments, provenance = await self._with_creation(experiments, provenance)
        return Page(
            items=experiments,
            start=stretch.offset,
            next=stretch.next_offset(answer.body.data, answer.body.total),
            total=answer.body.total if _is_fulfilled_by_all(query.filter) else None,
            provenance=provenance,
            skipped=unread(answer.body.data),
        )

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """One call for each agent, all at once: Meibel has no batch."""
        wanted = list(dict.fromkeys(refs))
        outcomes = await settled(self._client.agent(ref) for ref in wanted)
        return {
            ref: outcome if isinstance(outcome, SourceError) else self._experiment(ref, outcome)
            for ref, outcome in zip(wanted, outcomes, strict=True)
            if not isinstance(outcome, SourceNotFound)
        }

    async def list_sessions(self, asks: Sequence[SessionAsk]) -> Sequence[Page[Session] | SourceError]:
        """One call for each ask, all at once."""
        return await settled(self._sessions(ask) for ask in asks)

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """For each agent: its list up to the last one wanted, a call for each session, one for all scores."""
        return await self._lookup.find(refs)

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """For each agent one call for its name and one for all scores."""
        return await self._lookup.scores(refs)

    async def check(self) -> SourceHealth:
        """One row of the agents."""
        try:
            count = await self._client.agent_count()
        except SourceError as error:
            return SourceHealth(SourceHealthStatus.DOWN, last_error=error, checked_at=datetime.now(UTC))
        return SourceHealth(SourceHealthStatus.UP, checked_at=datetime.now(UTC), experiment_count=count)

    async def _with_creation(
        self, listed: Sequence[Experiment], provenance: Provenance
    ) -> tuple[list[Experiment], Provenance]:
        """The listed agents with their creation: complete ones where the list lacked it.

        One that was deleted in between is dropped. Any other failure is the page's: a row without its key
        would stand at a wrong place.
        """
        lacking = list(dict.fromkeys(one.ref for one in listed if "created_at" in one.deferred))
        outcomes = await settled(self._client.agent(ref) for ref in lacking)
        provenance += spent(outcomes)
        complete: dict[str, Experiment] = {}
        for ref, outcome in zip(lacking, outcomes, strict=True):
            if not isinstance(outcome, SourceError):
                complete[ref] = self._experiment(ref, outcome)
            elif not isinstance(outcome, SourceNotFound):
                outcome.upstream_requests = provenance.upstream_requests  # the failed call's own are in it
                raise outcome
        deleted = set(lacking) - complete.keys()
        return [complete.get(one.ref, one) for one in listed if one.ref not in deleted], provenance

    def _experiment(self, ref: str, answer: Answer[wire.AgentDetail]) -> Experiment:
        return mapping.agent(self.name, ref, answer.body, RawRow(answer.document(), ()))

    async def _sessions(self, ask: SessionAsk) -> Page[Session]:
        if len(ask.experiment_refs) != 1:
            message = f"Source {self.name!r} lists the sessions of one agent at a time."
            raise SourceBadRequest(self.name, message)
        (agent_id,) = ask.experiment_refs
        stretch = _stretch(ask.page, ask.order.direction)
        status = _pushed_status(ask.filter)
        answer = await self._client.sessions(agent_id, stretch, status)
        rows = answer.body.data
        return Page(
            items=self._lookup.listed(agent_id, answer),
            start=stretch.offset,
            next=stretch.next_offset(rows, answer.body.total),
            total=answer.body.total if _is_counted(ask.filter, status, rows) else None,
            provenance=answer.provenance,
            skipped=unread(rows),
        )


def _stretch(page: PageRequest, direction: OrderDirection) -> Stretch:
    offset = page.hint if isinstance(page.hint, int) else 0
    return Stretch(max(0, offset), max(1, min(page.limit, PAGE_MAX)), direction)


def _experiment_direction(query: ExperimentQuery) -> OrderDirection:
    """The asked one by creation. Else oldest first, so that a new agent does not shift the others."""
    if query.order.field is ExperimentOrderField.CREATED_AT:
        return query.order.direction
    return OrderDirection.ASC


def _asks_for_creation(query: ExperimentQuery) -> bool:
    return query.order.field is ExperimentOrderField.CREATED_AT or query.filter.created_at is not None


def _is_fulfilled_by_all(asked: ExperimentFilter) -> bool:
    """Whether the vendor's count is the question's: Meibel takes none of our filters."""
    return conditions(asked) <= {"kinds"} and (asked.kinds is None or ExperimentKind.AGENT in asked.kinds)


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
    honoured = status is None or all((row.status or "").upper() == status for _, row in placed(rows))
    return conditions(asked) <= pushed and honoured
