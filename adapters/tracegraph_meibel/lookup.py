"""Sessions by id.

`GET /sessions/{session_id}` has the messages but no times, and the list of an agent's sessions has the times
but no messages (docs/vendors/meibel.md#sessions): a whole session is made of both.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.models import Score, Session, SessionRef
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound, SourceObjectNotFound
from tracegraph.upstream.lenient_decoder import readable_rows
from tracegraph.upstream.raw import RawRow
from tracegraph_meibel import mapping, wire
from tracegraph_meibel.client import PAGE_MAX, DecodedResponse, MeibelClient, Window
from tracegraph_meibel.missing import is_unsaid, unknown_id
from tracegraph_meibel.outcomes import add_cost_on_error, gather_outcomes

SCAN_PAGES_MAX = 50
"""How many pages of one agent's sessions a look-up reads at most."""


_Scores = Mapping[str, tuple[Score, ...]]


@dataclass(slots=True)
class _Scan:
    """What an agent's list gave: sessions by id, and why the others could not be looked for, if so."""

    found: dict[str, Session] = field(default_factory=dict)
    failure: SourceError | None = None


class SessionLookup:
    """Sessions of one account, from the list rows to the complete ones."""

    def __init__(self, source: str, client: MeibelClient, *, reads_scores: bool) -> None:
        self._source = source
        self._client = client
        self._reads_scores = reads_scores
        self._deferred = frozenset({"input", "output", "scores"} if reads_scores else {"input", "output"})

    def listed(self, agent_id: str, answer: DecodedResponse[wire.SessionList]) -> list[Session]:
        """The rows of one page of an agent's list."""
        document = answer.document()
        return [
            mapping.listed_session(self._source, agent_id, row, RawRow(document, ("data", index)), self._deferred)
            for index, row in readable_rows(answer.body.data)
        ]

    async def find(self, refs: Sequence[SessionRef]) -> dict[SessionRef, Session | SourceError]:
        """The sessions, complete; an unknown one is left out. All agents are asked at once."""
        by_agent = _by_agent(refs)
        parts = await asyncio.gather(*(self._of_agent(agent, ids) for agent, ids in by_agent.items()))
        return {
            SessionRef(agent, session_id): outcome
            for agent, part in zip(by_agent, parts, strict=True)
            for session_id, outcome in part.items()
        }

    async def scores(self, refs: Sequence[SessionRef]) -> dict[SessionRef, Sequence[Score] | SourceError]:
        """The scores of the sessions that have any. All agents are asked at once."""
        by_agent = _by_agent(refs)
        parts = await asyncio.gather(*(self._scores(agent, list(ids), None) for agent, ids in by_agent.items()))
        told = dict(zip(by_agent, parts, strict=True))
        scores: dict[SessionRef, Sequence[Score] | SourceError] = {}
        for ref in refs:
            part = told[ref.experiment_ref]
            found = part if isinstance(part, SourceError) else part.get(ref.session_id)
            if found is not None:
                scores[ref] = found
        return scores

    async def _of_agent(self, agent_id: str, wanted: set[str]) -> dict[str, Session | SourceError]:
        scan = await self._scan(agent_id, wanted)
        outcomes = await self._complete(agent_id, list(scan.found.values()))
        if scan.failure is not None:
            outcomes |= dict.fromkeys(wanted - scan.found.keys(), scan.failure)
        return outcomes

    async def _scan(self, agent_id: str, wanted: set[str]) -> _Scan:
        """Read the agent's sessions, newest first, until all that are wanted have come.

        The vendor promises no order among sessions of one start. When rows came twice, by two pages, others did
        not come at all, and the list is read again, unless it came just as it did before.
        """
        scan = _Scan()
        offset, seen = 0, set[str]()
        places, this_pass, last_pass = 0, list[str](), list[str]()
        so_far = FetchInfo()
        for _ in range(SCAN_PAGES_MAX):
            stretch = Window(offset, PAGE_MAX, OrderDirection.DESC)
            try:
                with add_cost_on_error(so_far):
                    answer = await self._client.sessions(agent_id, stretch)
            except SourceObjectNotFound:  # no such agent: its sessions are unknown
                return scan
            except SourceError as error:
                scan.failure = error
                return scan
            so_far += answer.provenance
            page = self.listed(agent_id, answer)
            ids = list(dict.fromkeys(session.vendor_id for session in page))
            seen.update(ids)
            this_pass += ids
            places += len(ids)
            for session in page:
                if session.vendor_id in wanted:
                    scan.found.setdefault(session.vendor_id, session)
            following = stretch.next_offset(answer.body.data, answer.body.total)
            if wanted <= scan.found.keys():
                return scan
            if following is None:
                if len(seen) >= places or this_pass == last_pass:
                    return scan
                places, this_pass, last_pass = 0, [], this_pass
            offset = following or 0
        scan.failure = self._too_far(so_far.upstream_requests)
        return scan

    def _too_far(self, requests: int) -> SourceError:
        return SourceBadRequest(
            self._source,
            f"Source {self._source!r} finds a session by its id among the newest {SCAN_PAGES_MAX * PAGE_MAX} of "
            f"its agent only, in {SCAN_PAGES_MAX} calls at most, and this one was not among what they gave.",
            upstream_requests=requests,
        )

    async def _complete(self, agent_id: str, listed: Sequence[Session]) -> dict[str, Session | SourceError]:
        if not listed:
            return {}
        details, scores = await asyncio.gather(
            self._details([session.vendor_id for session in listed]),
            self._scores(agent_id, [one.vendor_id for one in listed], _slug(listed)),
        )
        return {
            session.vendor_id: _completed(session, detail, scores)
            for session, detail in zip(listed, details, strict=True)
        }

    async def _details(
        self, session_ids: Sequence[str]
    ) -> list[DecodedResponse[wire.SessionDetail] | SourceError]:
        """The course of every session. Where one comes, the path exists, and a 404 is about its session.

        Their agent listed them a moment ago: when none comes, the path is missing rather than all of them.
        """
        outcomes = await gather_outcomes(self._client.session(session_id) for session_id in session_ids)
        if all(isinstance(outcome, SourceError) for outcome in outcomes):
            return outcomes
        return [
            outcome.restated(SourceObjectNotFound, unknown_id(self._source))
            if isinstance(outcome, SourceError) and is_unsaid(outcome)
            else outcome
            for outcome in outcomes
        ]

    async def _scores(self, agent_id: str, session_ids: Sequence[str], slug: str | None) -> _Scores | SourceError:
        """The scores of all these sessions; none of an agent that was deleted meanwhile.

        They are found by the agent's slug, which the agent tells when no session does.
        """
        if not self._reads_scores:
            return {}
        try:
            name = slug or await self._name_of(agent_id)
            if name is None:
                return {}
            answer = await self._client.scoring_jobs(name, session_ids)
        except SourceObjectNotFound:
            return {}
        except SourceError as error:
            return error
        return mapping.scores_by_session(answer.body)

    async def _name_of(self, agent_id: str) -> str | None:
        try:
            return (await self._client.agent(agent_id)).body.name
        except SourceNotFound as error:
            missing = await self._client.agent_missing(error, agent_id)
        raise missing


def _by_agent(refs: Sequence[SessionRef]) -> Mapping[str, set[str]]:
    ids: dict[str, set[str]] = defaultdict(set)
    for ref in refs:
        ids[ref.experiment_ref].add(ref.session_id)
    return ids


def _slug(listed: Sequence[Session]) -> str | None:
    """The agent's slug, from any session that tells it."""
    return next((session.agent_name for session in listed if session.agent_name), None)


def _completed(
    listed: Session, detail: DecodedResponse[wire.SessionDetail] | SourceError, scores: _Scores | SourceError
) -> Session | SourceError:
    """The whole session, or why it cannot be had; one that was deleted meanwhile has neither input nor output."""
    if isinstance(scores, SourceError):
        return scores
    if isinstance(detail, SourceObjectNotFound):
        body = None
    elif isinstance(detail, SourceError):
        return detail
    else:
        body = detail.body
    return mapping.completed_session(listed, body, scores.get(listed.vendor_id, ()))
