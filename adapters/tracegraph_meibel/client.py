"""HTTP client of Meibel: its paths, its credential header and its query parameters.

The contract defines the session list; docs/vendors/meibel.md describes the other paths. Meibel's error bodies are
`{code, message}` or `{detail: ...}`. The general rules of `upstream.errors` apply, but a 404 has two meanings:
one object is unknown, or the server lacks the path. If the body does not distinguish them, further calls do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pydantic import SecretStr

from tracegraph.adapter import LenientDecoder, Reply, VendorClient, path_segment
from tracegraph.domain.filters import OrderDirection
from tracegraph.errors import SourceError, SourceNotFound, SourceObjectNotFound
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import length
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph_meibel import wire
from tracegraph_meibel.missing import Missing, parse_missing, resolve_404, unknown_id_message

MAX_PAGE_SIZE = 100
"""The largest requested page. The contract sets no maximum for `limit` (docs/vendors/meibel.md#paging)."""


_EXPECTED_STATUSES = frozenset({404})


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of a list to request."""

    offset: int
    limit: int
    direction: OrderDirection

    def query(self, sort_by: str) -> list[tuple[str, str]]:
        """Return the query parameters of both of the vendor's lists."""
        return [
            ("offset", str(self.offset)),
            ("limit", str(self.limit)),
            ("sort_by", sort_by),
            ("sort_order", self.direction.value.lower()),
        ]

    def next_offset(self, rows: Sequence[object], total: int | None) -> int | None:
        """Return the offset after these rows, or None at the end of the list.

        The list ends with no rows. It also ends with fewer rows than requested, unless `total` promises more: the
        server may return short pages. There is no cursor, although the vendor's client looks for one
        (docs/vendors/meibel.md#paging).
        """
        end_offset = self.offset + len(rows)
        if not rows or (len(rows) < self.limit and total in {None, end_offset}):
            return None
        return self.offset + length(rows)


class MeibelClient(VendorClient):
    """HTTP client of Meibel. Its read operations raise SourceError.

    The error is SourceObjectNotFound for an id that the vendor reports as unknown, and SourceNotFound for any
    other 404. A SourceNotFound for an agent is ambiguous: `explain_missing_agent` resolves it.
    """

    def __init__(self, upstream: Upstream, api_key: SecretStr) -> None:
        super().__init__(upstream, {"Meibel-API-Key": api_key})  # contract: APIKeyHeader

    async def agents(self, window: Window) -> Reply[wire.AgentList]:
        """Return a page of agents, sorted by creation.

        Raises:
            SourceError: The call failed.
        """
        return await self._get("agents", "/agents", wire.AGENTS, window.query("created_at"))

    async def any_agent(self) -> Reply[wire.AgentList]:
        """Return one agent, if any exists, and the total. This is the vendor's cheapest call.

        Raises:
            SourceError: The call failed.
        """
        return await self._get("agents", "/agents", wire.AGENTS, [("offset", "0"), ("limit", "1")])

    async def agent(self, agent_id: str) -> Reply[wire.AgentDetail]:
        """Return one agent with all its fields.

        Raises:
            SourceError: The call failed.
        """
        return await self._get("agent", f"/agents/{self._segment(agent_id)}", wire.AGENT)

    async def sessions(self, agent_id: str, window: Window, status: str | None = None) -> Reply[wire.SessionList]:
        """Return a page of an agent's sessions, sorted by start.

        If a 404 does not say whether the agent or the path is missing, a call for the agent's details decides.

        Args:
            agent_id: The id of the agent.
            window: The rows to request.
            status: The vendor's word for the only requested status.

        Raises:
            SourceError: The call failed.
        """
        try:
            return await self._sessions(agent_id, window, status)
        except SourceNotFound as error:
            translated = await resolve_404(error, partial(self.agent, agent_id), self.any_agent)
        raise translated

    async def _sessions(self, agent_id: str, window: Window, status: str | None = None) -> Reply[wire.SessionList]:
        query = window.query("start_time")
        if status is not None:
            query.append(("status", status))
        path = f"/agents/{self._segment(agent_id)}/sessions"
        return await self._get("sessions", path, wire.SESSIONS, query)

    async def session(self, session_id: str) -> Reply[wire.SessionDetail]:
        """Return one session's messages and token usage. The vendor returns no times here.

        Raises:
            SourceError: The call failed.
        """
        return await self._get("session", f"/sessions/{self._segment(session_id)}", wire.SESSION)

    async def log(self, session_id: str) -> Reply[wire.SessionLog]:
        """Return the messages and tool calls of a session.

        Raises:
            SourceError: The call failed.
        """
        return await self._get("messages", f"/sessions/{self._segment(session_id)}/messages", wire.LOG)

    async def scoring_jobs(self, agent_name: str, session_ids: Sequence[str]) -> Reply[list[wire.ScoringJob]]:
        """Return the confidence scores of an agent by its name, or only those of the session if one is given.

        The list has no pages and no parameter for several sessions.

        Raises:
            SourceError: The call failed.
        """
        query = [("agent_name", agent_name)]
        if len(session_ids) == 1:
            query.append(("agent_session_id", session_ids[0]))
        return await self._get("scores", "/confidence-scoring/jobs", wire.SCORING_JOBS, query)

    async def explain_missing_agent(self, error: SourceError, agent_id: str) -> SourceError:
        """Return the error that a 404 for an agent's details stands for.

        If the body does not say, a call for one of the agent's sessions decides.
        """
        sessions = partial(self._sessions, agent_id, Window(0, 1, OrderDirection.DESC))
        return await resolve_404(error, sessions, self.any_agent)

    async def _get(
        self, kind: str, path: str, decoder: LenientDecoder[T], query: Sequence[tuple[str, str]] = ()
    ) -> Reply[T]:
        # A client may request an id that does not exist, so a 404 is expected.
        return await self.get(kind, path, decoder, query, expected_statuses=_EXPECTED_STATUSES)

    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:
        """Return the error with our message where a 404 names its subject, or is about the path of its kind."""
        if not isinstance(error, SourceNotFound):
            return error
        source, kind = self.source, request.kind
        if kind != "agents" and parse_missing(error) is Missing.OBJECT:
            return error.restated(SourceObjectNotFound, unknown_id_message(source))
        messages = {
            "agents": f"Source {source!r} has no /agents: check sources.{source}.base_url, which ends in /v2.",
            "agent": f"Source {source!r} does not serve details of agents.",
            "sessions": f"Source {source!r} does not serve lists of sessions.",
            "session": f"Source {source!r} does not serve details of sessions.",
            "messages": f"Source {source!r} does not serve the messages of sessions.",
            "scores": f"Source {source!r} does not serve confidence scores: set sources.{source}.scores = false.",
        }
        return error.restated(SourceNotFound, messages[kind])

    def _segment(self, object_id: str) -> str:
        """Return the id as one segment of a path.

        Many servers unescape a path before they choose the route, so `a%2Fsessions` would reach another path. The
        vendor's own client puts ids into paths unescaped, hence no id of Meibel contains a slash.
        """
        segment = path_segment(object_id)
        if segment is None or "/" in object_id or "\\" in object_id or not object_id.isprintable():
            raise SourceObjectNotFound(self.source, unknown_id_message(self.source))
        return segment
