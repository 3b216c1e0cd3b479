"""Meibel's JSON in Meibel's names: the fields that are mapped, and nothing else.

The contract (meibel-agent-sessions.json) covers the session list; the other shapes are those of the vendor's
own client, version 2.0.7 (docs/vendors/meibel.md). Only an identity, and the start of a session, must be there:
any other value that cannot be read becomes None, and never costs its row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tracegraph.upstream.lenient_decoder import (
    Count,
    LenientDecoder,
    LenientStruct,
    Name,
    Number,
    refuse_without_rows,
    utc,
)


class CachedTokens(msgspec.Struct, gc=False):
    """What OpenAI's usage tells beside the counts."""

    cached_tokens: Count | None = None


class Usage(msgspec.Struct, gc=False):
    """Tokens, by the keys of the usual model providers: Meibel documents none (docs/vendors/meibel.md#tokens)."""

    prompt_tokens: Count | None = None
    input_tokens: Count | None = None
    completion_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    cached_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    prompt_tokens_details: CachedTokens | None = None
    input_tokens_details: CachedTokens | None = None


_USAGE_KEYS = frozenset(Usage.__struct_fields__)


_SAYS_NOTHING = Usage()


def usages(given: Any) -> list[Usage]:
    """One object (list rows) or a list of nullable objects (the detail) as a list (docs/vendors/meibel.md#tokens).

    Raises ValueError for a shape that nobody knows.
    """
    told = given if isinstance(given, list) else [given]
    return [found for one in told if one is not None and (found := _usage(one)) is not None]


def _usage(given: Any) -> Usage | None:
    """The counts in the given object, or in the only one within it that holds any."""
    if not isinstance(given, dict):
        raise ValueError("token usage is an object")  # noqa: TRY004 - msgspec reports a ValueError
    found = msgspec.convert(given, Usage)
    if found != _SAYS_NOTHING:
        return found
    told = [value for value in given.values() if value is not None]
    within = [value for value in told if isinstance(value, dict) and not _USAGE_KEYS.isdisjoint(value)]
    if told and len(within) != 1:  # none, or several of which nobody says whether they add up
        raise ValueError("no known key of token usage")
    return msgspec.convert(within[0], Usage) if within else None


class AgentSummary(LenientStruct):
    """A row of `GET /agents`. `created_at` is not among the vendor's documented fields here."""

    id: Name
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    version: str | None = None
    llm_model: str | None = None
    created_at: datetime | None = None
    last_execution_time: datetime | None = None

    def __post_init__(self) -> None:
        self.created_at = utc(self.created_at)
        self.last_execution_time = utc(self.last_execution_time)


class AgentDetail(AgentSummary):
    """The answer of `GET /agents/{agent_id}`."""

    fallback_models: list[str] | None = None
    tags: list[str] | None = None


class AgentList(LenientStruct):
    """The answer of `GET /agents`."""

    data: list[AgentSummary | None]
    total: Count | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.data)


class SessionSummary(LenientStruct):
    """A row of `GET /agents/{agent_id}/sessions` (contract: SessionSummary); `token_usage` as a list of Usage."""

    session_id: Name
    start_time: datetime
    status: str | None = None
    end_time: datetime | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    messages_count: Count | None = None
    token_usage: Any = None

    def __post_init__(self) -> None:
        self.start_time = utc(self.start_time)
        self.end_time = utc(self.end_time)
        if self.end_time is not None and self.end_time < self.start_time:
            self.end_time = None
        self.token_usage = usages(self.token_usage)


class SessionList(LenientStruct):
    """The answer of `GET /agents/{agent_id}/sessions` (contract: SessionListResponse)."""

    data: list[SessionSummary | None]
    total: Count | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.data)


class Message(msgspec.Struct, gc=False):
    """One message of a session; the vendor's client types `message` as text."""

    role: str | None = None
    message: Any = None


class SessionDetail(LenientStruct):
    """The answer of `GET /sessions/{session_id}`: it has no times and no id. `token_usage` as a list of Usage."""

    messages: list[Message | None] | None = None
    token_usage: Any = None

    def __post_init__(self) -> None:
        self.token_usage = usages(self.token_usage)


class ScoredContext(msgspec.Struct, gc=False):
    """What a scoring job looked at."""

    agent_session_id: str | None = None


class ScoringJob(LenientStruct):
    """A row of `GET /confidence-scoring/jobs`."""

    agent_identity_context: ScoredContext | None = None
    module: str | None = None
    status: str | None = None
    score: Number | None = None


AGENT: LenientDecoder[AgentDetail] = LenientDecoder(AgentDetail, quoted_numbers=False)


AGENTS: LenientDecoder[AgentList] = LenientDecoder(AgentList, quoted_numbers=False)


SESSION: LenientDecoder[SessionDetail] = LenientDecoder(SessionDetail, quoted_numbers=False)


SESSIONS: LenientDecoder[SessionList] = LenientDecoder(SessionList, quoted_numbers=False)


SCORING_JOBS: LenientDecoder[list[ScoringJob]] = LenientDecoder(list[ScoringJob], quoted_numbers=False)
