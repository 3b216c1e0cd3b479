"""Structs of Meibel's JSON with Meibel's field names. They contain only the fields that the adapter maps.

The contract (meibel-agent-sessions.json) covers the session list. The other structs follow the vendor's own
client, version 2.0.7 (docs/vendors/meibel.md). A row requires only its identity, and a session also its start. Any
other unreadable value becomes None and does not affect its row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tracegraph.adapter import (
    Count,
    LenientDecoder,
    LenientStruct,
    Name,
    Number,
    refuse_without_rows,
    utc,
)


class TokenDetails(msgspec.Struct, gc=False):
    """The parts of a token count, by the keys of common model providers."""

    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class Usage(msgspec.Struct, gc=False):
    """Token counts, by the keys of common model providers.

    Meibel documents no keys (docs/vendors/meibel.md#tokens).
    """

    prompt_tokens: Count | None = None
    input_tokens: Count | None = None
    completion_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    cached_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    prompt_tokens_details: TokenDetails | None = None
    input_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    output_tokens_details: TokenDetails | None = None


_USAGE_KEYS = frozenset(Usage.__struct_fields__)


_EMPTY_USAGE = Usage()


def parse_usages(raw_usage: Any) -> list[Usage]:
    """Return one object (list rows) or a list of nullable objects (details) as a list.

    See docs/vendors/meibel.md#tokens.

    Raises:
        ValueError: The shape is unknown.
    """
    values = raw_usage if isinstance(raw_usage, list) else [raw_usage]
    return [usage for value in values if value is not None and (usage := _parse_usage(value)) is not None]


def _parse_usage(raw_usage: Any) -> Usage | None:
    """Return the counts in the object, or in the only nested object that contains counts."""
    if not isinstance(raw_usage, dict):
        raise ValueError("token usage must be an object")  # noqa: TRY004 - msgspec reports a ValueError
    usage = msgspec.convert(raw_usage, Usage)
    if usage != _EMPTY_USAGE:
        return usage
    values = [value for value in raw_usage.values() if value is not None]
    candidates = [value for value in values if isinstance(value, dict) and not _USAGE_KEYS.isdisjoint(value)]
    if values and len(candidates) != 1:  # the vendor does not document whether several objects add up
        raise ValueError("token usage has no known key")
    return msgspec.convert(candidates[0], Usage) if candidates else None


class AgentSummary(LenientStruct):
    """A row of `GET /agents`. The vendor does not document `created_at` among its fields here."""

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
    """The response of `GET /agents/{agent_id}`."""

    fallback_models: list[str] | None = None
    tags: list[str] | None = None


class AgentList(LenientStruct):
    """The response of `GET /agents`."""

    data: list[AgentSummary | None]
    total: Count | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.data)


class SessionSummary(LenientStruct):
    """A row of `GET /agents/{agent_id}/sessions` (contract: SessionSummary).

    `token_usage` becomes a list of Usage.
    """

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
        self.token_usage = parse_usages(self.token_usage)


class SessionList(LenientStruct):
    """The response of `GET /agents/{agent_id}/sessions` (contract: SessionListResponse)."""

    data: list[SessionSummary | None]
    total: Count | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.data)


class Message(msgspec.Struct, gc=False):
    """One message of a session. The vendor's client types `message` as text."""

    role: str | None = None
    message: Any = None


class SessionDetail(LenientStruct):
    """The response of `GET /sessions/{session_id}`, which has no times and no id.

    `token_usage` becomes a list of Usage.
    """

    messages: list[Message | None] | None = None
    token_usage: Any = None

    def __post_init__(self) -> None:
        self.token_usage = parse_usages(self.token_usage)


class LogItem(LenientStruct):
    """A message or a tool call of a session. `type` is text without a fixed set."""

    type: str | None = None
    timestamp: datetime | None = None
    message: Any = None
    tool_id: str | None = None
    tool_name: str | None = None
    arguments: Any = None
    result: Any = None

    def __post_init__(self) -> None:
        self.timestamp = utc(self.timestamp)


class SessionLog(LenientStruct):
    """The response of `GET /sessions/{session_id}/messages`: the log of a session, in its order."""

    messages: list[LogItem | None]
    agent_name: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.messages)


class ScoredContext(msgspec.Struct, gc=False):
    """The subject of a scoring job. Jobs without a turn judge the whole session."""

    agent_session_id: str | None = None
    agent_turn: int | None = None


class ScoringJob(LenientStruct):
    """A row of `GET /confidence-scoring/jobs`."""

    agent_identity_context: ScoredContext | None = None
    module: str | None = None
    status: str | None = None
    score: Number | None = None
    explanation: str | None = None


AGENT: LenientDecoder[AgentDetail] = LenientDecoder(AgentDetail, quoted_numbers=False)


AGENTS: LenientDecoder[AgentList] = LenientDecoder(AgentList, quoted_numbers=False)


SESSION: LenientDecoder[SessionDetail] = LenientDecoder(SessionDetail, quoted_numbers=False)


LOG: LenientDecoder[SessionLog] = LenientDecoder(SessionLog, quoted_numbers=False)


SESSIONS: LenientDecoder[SessionList] = LenientDecoder(SessionList, quoted_numbers=False)


SCORING_JOBS: LenientDecoder[list[ScoringJob]] = LenientDecoder(list[ScoringJob], quoted_numbers=False)
