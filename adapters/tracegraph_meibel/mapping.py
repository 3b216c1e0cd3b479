"""From Meibel's words to the gateway's: pure functions, one for each row of docs/vendors/meibel.md#mapping."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from statistics import mean

from msgspec.structs import replace

from tracegraph.domain.models import (
    Experiment,
    ExperimentKind,
    RawObject,
    Score,
    Session,
    SessionStatus,
    TokenUsage,
)
from tracegraph.upstream.lenient_values import text_of
from tracegraph_meibel import wire

PUSHED_STATUSES: Mapping[SessionStatus, str] = {
    SessionStatus.RUNNING: "RUNNING",
    SessionStatus.SUCCESS: "COMPLETED",
    SessionStatus.ERROR: "FAILED",
}
"""Statuses that are exactly one word of Meibel's: CANCELLED is several, UNKNOWN is every other word."""


_STATUSES: Mapping[str, SessionStatus] = {
    **{word: status for status, word in PUSHED_STATUSES.items()},
    "CANCELED": SessionStatus.CANCELLED,
    "CANCELLED": SessionStatus.CANCELLED,
    "TERMINATED": SessionStatus.CANCELLED,
}


# Python 3.11 takes 0.2 us to look up a member of an Enum.
_RUNNING = SessionStatus.RUNNING


_UNKNOWN = SessionStatus.UNKNOWN


_MILLISECOND = timedelta(milliseconds=1)


_NO_TOKENS = TokenUsage()


_HUMAN = frozenset({"user", "human"})


_NOT_AN_ANSWER = _HUMAN | {"", "system", "developer", "tool", "function"}


def listed_agent(source: str, row: wire.AgentSummary, raw: RawObject) -> Experiment:
    """An agent as the list gives it; what the list lacks is named in `deferred`."""
    lacking = {"metadata", "models", "session_count"}
    if row.created_at is None:
        lacking.add("created_at")
    return replace(_agent(source, row, raw), deferred=frozenset(lacking))


def agent(source: str, ref: str, detail: wire.AgentDetail, raw: RawObject) -> Experiment:
    """An agent with all its fields; the number of its sessions is told by their list only."""
    fallbacks = detail.fallback_models or ()
    return replace(
        _agent(source, detail, raw),
        ref=ref,
        models=_distinct([detail.llm_model, *fallbacks]),
        metadata={"tags": list(detail.tags)} if detail.tags else None,
        deferred=frozenset({"session_count"}),
    )


def _agent(source: str, row: wire.AgentSummary, raw: RawObject) -> Experiment:
    return Experiment(
        source=source,
        ref=row.id,
        vendor_id=row.id,
        kind=ExperimentKind.AGENT,
        name=row.display_name or row.name or row.id,
        description=row.description,
        agent_name=row.name,
        agent_version=row.version,
        models=_distinct([row.llm_model]),
        created_at=row.created_at,
        updated_at=row.last_execution_time,
        raw=raw,
    )


def _distinct(models: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model for model in models if model))


def listed_session(
    source: str, agent_id: str, row: wire.SessionSummary, raw: RawObject, deferred: frozenset[str]
) -> Session:
    """A session as its agent's list gives it."""
    status = session_status(row.status)
    return Session(
        source=source,
        experiment_ref=agent_id,
        vendor_id=row.session_id,
        status=status,
        vendor_status=row.status,
        started_at=row.start_time,
        ended_at=row.end_time,
        latency_ms=_latency_ms(row, status),
        agent_name=row.agent_name,
        agent_version=row.agent_version,
        tokens=token_usage(row.token_usage),
        message_count=row.messages_count,
        raw=raw,
        deferred=deferred,
    )


def completed_session(listed: Session, detail: wire.SessionDetail | None, scores: tuple[Score, ...]) -> Session:
    """The session with what its list row lacks; a server without the detail leaves input and output None."""
    by_evaluator = {score.evaluator: score.value for score in scores}
    if detail is None:
        return replace(listed, scores_by_evaluator=by_evaluator, deferred=frozenset())
    messages = [message for message in detail.messages or () if message is not None]
    return replace(
        listed,
        input=first_input(messages),
        output=last_output(messages),
        tokens=listed.tokens or token_usage(detail.token_usage),
        scores_by_evaluator=by_evaluator,
        deferred=frozenset(),
    )


def session_status(word: str | None) -> SessionStatus:
    """The unified status; Meibel's is text without a fixed set, so an unheard-of word is UNKNOWN."""
    return _STATUSES.get((word or "").upper(), _UNKNOWN)


def _latency_ms(row: wire.SessionSummary, status: SessionStatus) -> float | None:
    """Wall-clock of the whole conversation, the person's thinking included (docs/vendors/meibel.md#mapping)."""
    if status is _RUNNING or row.end_time is None:
        return None
    return (row.end_time - row.start_time) / _MILLISECOND


def token_usage(usages: Sequence[wire.Usage]) -> TokenUsage | None:
    """The sum over the objects that were given; None when none of them says anything."""
    if not usages:
        return None
    known = [_tokens(usage) for usage in usages]
    total = known[0] if len(known) == 1 else _added(known)
    return None if total == _NO_TOKENS else total


def _added(usages: Sequence[TokenUsage]) -> TokenUsage:
    return TokenUsage(
        input=_sum(usage.input for usage in usages),
        output=_sum(usage.output for usage in usages),
        cached=_sum(usage.cached for usage in usages),
        total=_sum(usage.total for usage in usages),
    )


def _tokens(usage: wire.Usage) -> TokenUsage:
    given = usage.input_tokens if usage.prompt_tokens is None else usage.prompt_tokens
    taken = usage.output_tokens if usage.completion_tokens is None else usage.completion_tokens
    details = usage.prompt_tokens_details or usage.input_tokens_details
    in_details = None if details is None else details.cached_tokens
    cached = _first(usage.cached_tokens, usage.cache_read_input_tokens, in_details)
    total = _sum((given, taken)) if usage.total_tokens is None else usage.total_tokens
    return TokenUsage(given, taken, cached, total)


def _first(*counts: int | None) -> int | None:
    for count in counts:
        if count is not None:
            return count
    return None


def _sum(counts: Iterable[int | None]) -> int | None:
    present = [count for count in counts if count is not None]
    return sum(present) if present else None


def first_input(messages: Iterable[wire.Message]) -> str | None:
    """The text of the first message that a person sent."""
    texts = (text_of(message.message) for message in messages if _role(message) in _HUMAN)
    return next((found for found in texts if found), None)


def last_output(messages: Sequence[wire.Message]) -> str | None:
    """The text of the last message that answers: of any role but a person's, the system's or a tool's."""
    texts = (text_of(message.message) for message in reversed(messages) if _role(message) not in _NOT_AN_ANSWER)
    return next((found for found in texts if found), None)


def _role(message: wire.Message) -> str:
    return (message.role or "").casefold()


def scores_by_session(jobs: Iterable[wire.ScoringJob]) -> Mapping[str, tuple[Score, ...]]:
    """Each session's verdicts by module, as reported; the mean where a module judged several turns.

    Modules are on scales of their own: 0 to 10 for judges, 0 to 1 for statistics (docs/vendors/meibel.md#scores).
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        session_id = job.agent_identity_context and job.agent_identity_context.agent_session_id
        if session_id and job.module and job.status == "completed" and job.score is not None:
            values[session_id][job.module].append(job.score)
    return {
        session_id: tuple(Score(module, mean(modules[module])) for module in sorted(modules))
        for session_id, modules in values.items()
    }
