"""Look-up of sessions by id, and of what their list lacks.

`GET /sessions/{session_id}` has the messages but no times, and the list of an agent's sessions has the times but
no messages (docs/vendors/meibel.md#sessions). So sessions come from the list, and details from further calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracegraph.adapter import CallCost, Reply, WebPages, gather_outcomes, refs_by_experiment
from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.models import Score, Session, SessionRef
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound, SourceObjectNotFound
from tracegraph_meibel import mapping, wire
from tracegraph_meibel.client import MAX_PAGE_SIZE, MeibelClient, Window
from tracegraph_meibel.missing import is_ambiguous_404, unknown_id_message

MAX_SCAN_PAGES = 50
"""The maximum number of pages of one agent's sessions that a look-up reads."""


TEXTS = frozenset({"input", "output"})
"""The details that take a call for each session."""


SCORES = frozenset({"scores", "score_texts", "turn_scores"})
"""The details that take a call for the sessions of an agent."""


_Verdicts = Mapping[str, mapping.Verdicts]


@dataclass(slots=True)
class _Scan:
    """Sessions by id from an agent's list, and the error of an incomplete scan."""

    sessions: dict[str, Session] = field(default_factory=dict)
    failure: SourceError | None = None


class SessionLookup:
    """Finds sessions of one account in their lists, and reads their details."""

    def __init__(self, client: MeibelClient, pages: WebPages, *, reads_scores: bool) -> None:
        self._source = client.source
        self._client = client
        self._pages = pages
        self._reads_scores = reads_scores

    def to_sessions(self, agent_id: str, reply: Reply[wire.SessionList]) -> list[Session]:
        """Return the rows of one page of an agent's list as sessions."""
        page_of = self._pages.session
        deferred = TEXTS | SCORES if self._reads_scores else TEXTS
        return [
            mapping.listed_session(
                self._source, agent_id, row, raw, deferred, url=page_of(agent_id, row.session_id)
            )
            for row, raw in reply.rows(reply.value.data, "data")
        ]

    async def find(self, agent_id: str, session_ids: set[str]) -> dict[str, Session | SourceError]:
        """Return sessions of an agent without details. Unknown sessions are omitted."""
        scan = await self._scan(agent_id, session_ids)
        outcomes: dict[str, Session | SourceError] = dict(scan.sessions)
        if scan.failure is not None:
            outcomes |= dict.fromkeys(session_ids - scan.sessions.keys(), scan.failure)
        return outcomes

    async def details(
        self, sessions: Sequence[Session], fields: frozenset[str]
    ) -> dict[SessionRef, Session | SourceError]:
        """Return sessions with a group of details: see `ReadsSessionDetails.get_session_details`."""
        return await (self._with_texts(sessions) if fields == TEXTS else self._with_scores(sessions))

    async def scores(self, refs: Sequence[SessionRef]) -> dict[SessionRef, Sequence[Score] | SourceError]:
        """Return the scores of the sessions that have any. All agents are read concurrently."""
        by_agent = refs_by_experiment(refs)
        parts = await asyncio.gather(*(self._scores(agent, ids, None) for agent, ids in by_agent.items()))
        scores_by_agent = dict(zip(by_agent, parts, strict=True))
        scores: dict[SessionRef, Sequence[Score] | SourceError] = {}
        for ref in refs:
            agent_scores = scores_by_agent[ref.experiment_ref]
            if isinstance(agent_scores, SourceError):
                scores[ref] = agent_scores
            elif verdicts := agent_scores.get(ref.session_id):
                scores[ref] = verdicts.scores
        return scores

    async def verdicts(
        self, agent_id: str, session_ids: Sequence[str], slug: str | None
    ) -> Mapping[str, mapping.Verdicts] | SourceError:
        """Return the verdicts on sessions of one agent, or why they could not be read.

        Args:
            agent_id: The agent.
            session_ids: The sessions.
            slug: The agent's name, None when it is unknown, which takes one more call.
        """
        return await self._scores(agent_id, session_ids, slug)

    async def _scan(self, agent_id: str, session_ids: set[str]) -> _Scan:
        """Read the agent's sessions, newest first, until all requested sessions are found.

        The vendor promises no order among sessions with equal starts. So if pages repeat rows, they may omit
        others. Then the list is read again, unless the last pass returned the same rows.
        """
        scan = _Scan()
        offset, seen = 0, set[str]()
        row_count, ids_this_pass, ids_last_pass = 0, list[str](), list[str]()
        cost = CallCost()
        for _ in range(MAX_SCAN_PAGES):
            window = Window(offset, MAX_PAGE_SIZE, OrderDirection.DESC)
            try:
                with cost:
                    reply = cost.add(await self._client.sessions(agent_id, window))
            except SourceObjectNotFound:  # the agent does not exist, so its sessions do not exist
                return scan
            except SourceError as error:
                scan.failure = error
                return scan
            page = self.to_sessions(agent_id, reply)
            ids = list(dict.fromkeys(session.vendor_id for session in page))
            seen.update(ids)
            ids_this_pass += ids
            row_count += len(ids)
            for session in page:
                if session.vendor_id in session_ids:
                    scan.sessions.setdefault(session.vendor_id, session)
            next_offset = window.next_offset(reply.value.data, reply.value.total)
            if session_ids <= scan.sessions.keys():
                return scan
            if next_offset is None:
                if len(seen) >= row_count or ids_this_pass == ids_last_pass:
                    return scan
                row_count, ids_this_pass, ids_last_pass = 0, [], ids_this_pass
            offset = next_offset or 0
        scan.failure = self._scan_limit_error(cost.total.upstream_requests)
        return scan

    def _scan_limit_error(self, requests: int) -> SourceError:
        return SourceBadRequest(
            self._source,
            f"A look-up in source {self._source!r} reads at most the newest {MAX_SCAN_PAGES * MAX_PAGE_SIZE} "
            f"sessions of an agent, in at most {MAX_SCAN_PAGES} calls, and did not find this session.",
            upstream_requests=requests,
        )

    async def _with_texts(self, sessions: Sequence[Session]) -> dict[SessionRef, Session | SourceError]:
        details = await self._details([session.vendor_id for session in sessions])
        return {
            session.ref: _with_detail(session, detail) for session, detail in zip(sessions, details, strict=True)
        }

    async def _with_scores(self, sessions: Sequence[Session]) -> dict[SessionRef, Session | SourceError]:
        by_agent: dict[str, list[Session]] = {}
        for session in sessions:
            by_agent.setdefault(session.experiment_ref, []).append(session)
        outcomes = await asyncio.gather(
            *(
                self._scores(agent, [session.vendor_id for session in of_agent], _agent_slug(of_agent))
                for agent, of_agent in by_agent.items()
            )
        )
        verdicts = dict(zip(by_agent, outcomes, strict=True))
        return {session.ref: _with_verdicts(session, verdicts[session.experiment_ref]) for session in sessions}

    async def _details(self, session_ids: Sequence[str]) -> list[Reply[wire.SessionDetail] | SourceError]:
        """Return the details of every session.

        If the details of one session are available, the path exists, and a 404 is about its session. The agent has
        just listed these sessions: if none has details, the server lacks the path.
        """
        outcomes = await gather_outcomes(self._client.session(session_id) for session_id in session_ids)
        if all(isinstance(outcome, SourceError) for outcome in outcomes):
            return outcomes
        return [
            outcome.restated(SourceObjectNotFound, unknown_id_message(self._source))
            if isinstance(outcome, SourceError) and is_ambiguous_404(outcome)
            else outcome
            for outcome in outcomes
        ]

    async def _scores(
        self, agent_id: str, session_ids: Sequence[str], slug: str | None
    ) -> _Verdicts | SourceError:
        """Return the scores of all these sessions; none for an agent that was deleted in the meantime.

        The vendor looks scores up by the agent's slug. If no session contains the slug, the agent does.
        """
        if not self._reads_scores:
            return {}
        try:
            name = slug or await self._agent_name(agent_id)
            if name is None:
                return {}
            reply = await self._client.scoring_jobs(name, session_ids)
        except SourceObjectNotFound:
            return {}
        except SourceError as error:
            return error
        return mapping.verdicts_by_session(reply.value)

    async def _agent_name(self, agent_id: str) -> str | None:
        try:
            return (await self._client.agent(agent_id)).value.name
        except SourceNotFound as error:
            failure = await self._client.explain_missing_agent(error, agent_id)
        raise failure


def _agent_slug(sessions: Sequence[Session]) -> str | None:
    """Return the agent's slug from any session that contains it."""
    return next((session.agent_name for session in sessions if session.agent_name), None)


def _with_detail(listed: Session, detail: Reply[wire.SessionDetail] | SourceError) -> Session | SourceError:
    """Return the session with its texts, or why they could not be read.

    A session that was deleted in the meantime has no input and no output.
    """
    if isinstance(detail, SourceObjectNotFound):
        return mapping.with_texts(listed, None)
    return detail if isinstance(detail, SourceError) else mapping.with_texts(listed, detail.value)


def _with_verdicts(listed: Session, verdicts: _Verdicts | SourceError) -> Session | SourceError:
    if isinstance(verdicts, SourceError):
        return verdicts
    return mapping.with_verdicts(listed, verdicts.get(listed.vendor_id, mapping.NO_VERDICTS))
