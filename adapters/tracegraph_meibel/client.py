"""Meibel over HTTP: its paths, its credential header, its questions.

Paths and parameters: the contract for the session list, docs/vendors/meibel.md for the rest. Meibel answers errors
as `{code, message}` or `{detail: ...}`. The general rules of `upstream.statuses` hold, but a 404 has two meanings:
one object is unknown, or the server lacks the path. Where the body does not say which, further calls do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from pydantic import SecretStr

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import OrderDirection
from tracegraph.errors import SourceError, SourceNotFound, SourceObjectNotFound
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import LenientDecoder, length
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse, path_segment
from tracegraph.upstream.raw import RawDocument, decode
from tracegraph_meibel import wire
from tracegraph_meibel.missing import Missing, explained, missing_of, unknown_id

PAGE_MAX = 100
"""The contract sets no maximum for `limit`; more than this is not asked for (docs/vendors/meibel.md#paging)."""


_UNKNOWN = frozenset({404})


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DecodedResponse(Generic[T]):
    """A reply and what its body says."""

    body: T
    reply: UpstreamResponse

    @property
    def provenance(self) -> FetchInfo:
        """How the answer was obtained."""
        return self.reply.provenance

    def document(self) -> RawDocument:
        """The body undecoded; one for all the objects in it."""
        return RawDocument(self.reply.body)


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a list to ask for."""

    offset: int
    limit: int
    direction: OrderDirection

    def query(self, sort_by: str) -> list[tuple[str, str]]:
        """The parameters that both of the vendor's lists take."""
        return [
            ("offset", str(self.offset)),
            ("limit", str(self.limit)),
            ("sort_by", sort_by),
            ("sort_order", self.direction.value.lower()),
        ]

    def next_offset(self, rows: Sequence[object], total: int | None) -> int | None:
        """Where the list goes on after these rows, None at its end.

        No rows end the list. The server may give fewer rows than asked for: these end it where `total` agrees or
        there is none. There is no cursor, whatever the vendor's client looks for (docs/vendors/meibel.md#paging).
        """
        end = self.offset + len(rows)
        if not rows or (len(rows) < self.limit and total in {None, end}):
            return None
        return self.offset + length(rows)

    def agreed_total(self, rows: int, total: int | None) -> int | None:
        """The server's total where so many rows do not contradict it."""
        if total is None or (total < self.offset + rows if rows else total > self.offset):
            return None
        return total


@dataclass(frozen=True, slots=True)
class MeibelClient:
    """Meibel's reads. Each raises SourceError.

    That is SourceObjectNotFound for an id that the vendor says it does not know, and SourceNotFound for any other
    404: one for an agent may still be either, which `agent_missing` finds out.
    """

    upstream: Upstream

    @classmethod
    def with_key(cls, upstream: Upstream, api_key: SecretStr) -> MeibelClient:
        """The client that sends this key on every call (contract: APIKeyHeader)."""
        return cls(upstream.with_credential({"Meibel-API-Key": api_key}))

    async def agents(self, stretch: Window) -> DecodedResponse[wire.AgentList]:
        """Some of the agents, by creation."""
        return await self._ask(UpstreamRequest("agents", "/agents", stretch.query("created_at")), wire.AGENTS)

    async def any_agent(self) -> DecodedResponse[wire.AgentList]:
        """One of the agents, if there is any, and how many there are: the vendor's cheapest question."""
        return await self._ask(
            UpstreamRequest("agents", "/agents", [("offset", "0"), ("limit", "1")]), wire.AGENTS
        )

    async def agent(self, agent_id: str) -> DecodedResponse[wire.AgentDetail]:
        """One agent with all its fields."""
        return await self._ask(UpstreamRequest("agent", f"/agents/{self._segment(agent_id)}"), wire.AGENT)

    async def sessions(
        self, agent_id: str, stretch: Window, status: str | None = None
    ) -> DecodedResponse[wire.SessionList]:
        """Some of an agent's sessions, by start, of one status if asked.

        Where a 404 does not say whether the agent or the path is missing, the agent's details are asked for.
        """
        try:
            return await self._sessions(agent_id, stretch, status)
        except SourceNotFound as error:
            missing = await explained(error, partial(self.agent, agent_id), self.any_agent)
        raise missing

    async def _sessions(
        self, agent_id: str, stretch: Window, status: str | None = None
    ) -> DecodedResponse[wire.SessionList]:
        query = stretch.query("start_time")
        if status is not None:
            query.append(("status", status))
        path = f"/agents/{self._segment(agent_id)}/sessions"
        return await self._ask(UpstreamRequest("sessions", path, query), wire.SESSIONS)

    async def session(self, session_id: str) -> DecodedResponse[wire.SessionDetail]:
        """One session's messages and token usage; the vendor gives no times here."""
        return await self._ask(UpstreamRequest("session", f"/sessions/{self._segment(session_id)}"), wire.SESSION)

    async def scoring_jobs(
        self, agent_name: str, session_ids: Sequence[str]
    ) -> DecodedResponse[list[wire.ScoringJob]]:
        """The confidence scores of an agent, by its name; of one session only where one is wanted.

        The list has no pages and no parameter for several sessions.
        """
        query = [("agent_name", agent_name)]
        if len(session_ids) == 1:
            query.append(("agent_session_id", session_ids[0]))
        return await self._ask(UpstreamRequest("scores", "/confidence-scoring/jobs", query), wire.SCORING_JOBS)

    async def agent_missing(self, error: SourceError, agent_id: str) -> SourceError:
        """What a 404 for an agent's details means: where it does not say, one of its sessions is asked for."""
        sessions = partial(self._sessions, agent_id, Window(0, 1, OrderDirection.DESC))
        return await explained(error, sessions, self.any_agent)

    async def _ask(self, call: UpstreamRequest, wire_type: LenientDecoder[T]) -> DecodedResponse[T]:
        # An id that a client chose may name nothing.
        try:
            reply = await self.upstream.fetch(
                replace(call, read=partial(decode, wire=wire_type), expected_statuses=_UNKNOWN)
            )
        except SourceNotFound as error:
            raise _in_our_words(error, call.kind) from None
        return DecodedResponse(reply.value, reply)

    def _segment(self, some_id: str) -> str:
        """The id as one segment of a path.

        Many servers unescape a path before they choose the route, so that `a%2Fsessions` would be another
        question than the one asked. The vendor's own client puts ids into paths unescaped, hence an id with a
        slash cannot be one of Meibel's.
        """
        segment = path_segment(some_id)
        if segment is None or "/" in some_id or "\\" in some_id or not some_id.isprintable():
            raise SourceObjectNotFound(self.upstream.source, unknown_id(self.upstream.source))
        return segment


def _in_our_words(error: SourceNotFound, kind: str) -> SourceError:
    source = error.source
    if kind != "agents" and missing_of(error) is Missing.OBJECT:
        return error.restated(SourceObjectNotFound, unknown_id(source))
    sentences = {
        "agents": f"Source {source!r} has no /agents: check sources.{source}.base_url, which ends in /v2.",
        "agent": f"Source {source!r} has no details of agents.",
        "sessions": f"Source {source!r} has no lists of sessions.",
        "session": f"Source {source!r} has no details of sessions.",
        "scores": f"Source {source!r} has no confidence scores: set sources.{source}.scores = false.",
    }
    return error.restated(SourceNotFound, sentences[kind])
