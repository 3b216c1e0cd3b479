"""Mapping of Meibel's objects to the domain model (docs/vendors/meibel.md#mapping); pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

from msgspec import Struct
from msgspec.structs import replace

from tracegraph.adapter import distinct, latency_ms, text_of
from tracegraph.domain.models import (
    Experiment,
    ExperimentKind,
    RawObject,
    Score,
    Session,
    SessionStatus,
    TokenUsage,
    TurnScore,
    with_scores,
)
from tracegraph_meibel import wire

PUSHED_STATUSES: Mapping[SessionStatus, str] = {
    SessionStatus.RUNNING: "RUNNING",
    SessionStatus.SUCCESS: "COMPLETED",
    SessionStatus.ERROR: "FAILED",
}
"""Statuses with exactly one word in Meibel. CANCELLED has several, and UNKNOWN stands for all other words."""


_STATUSES: Mapping[str, SessionStatus] = {
    **{word: status for status, word in PUSHED_STATUSES.items()},
    "CANCELED": SessionStatus.CANCELLED,
    "CANCELLED": SessionStatus.CANCELLED,
    "TERMINATED": SessionStatus.CANCELLED,
}


# Python 3.11 takes 0.2 us to look up a member of an Enum.
_RUNNING = SessionStatus.RUNNING


_UNKNOWN = SessionStatus.UNKNOWN


_NO_TOKENS = TokenUsage()


_NO_DETAILS = wire.TokenDetails()


_HUMAN_ROLES = frozenset({"user", "human"})


_NO_OUTPUT_ROLES = _HUMAN_ROLES | {"", "system", "developer", "tool", "function"}


_COMPLETED = "completed"


_ENDED = frozenset({_COMPLETED, "failed"})
"""The statuses of scoring jobs that judged a session, or could not."""


LACKING_FIELDS = frozenset({"created_at", "metadata", "models"})
"""The fields that rows of the list of agents may lack and that details have."""


def listed_agent(source: str, row: wire.AgentSummary, raw: RawObject, url: str | None = None) -> Experiment:
    """Return the experiment of a list row. `deferred` names the fields that the list lacks.

    Args:
        source: The name of the source.
        row: The decoded row.
        raw: The undecoded row.
        url: The address of its page.
    """
    deferred = LACKING_FIELDS | {"session_count"}
    if row.created_at is not None:
        deferred -= {"created_at"}
    return replace(_agent(source, row, raw), deferred=deferred, url=url)


def agent(source: str, ref: str, detail: wire.AgentDetail, raw: RawObject, url: str | None = None) -> Experiment:
    """Return the experiment of an agent's details. Only the list of its sessions has their number.

    Args:
        source: The name of the source.
        ref: The requested id.
        detail: The decoded details.
        raw: The undecoded details.
        url: The address of its page.
    """
    fallbacks = detail.fallback_models or ()
    return replace(
        _agent(source, detail, raw),
        ref=ref,
        url=url,
        models=distinct([detail.llm_model, *fallbacks]),
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
        models=distinct([row.llm_model]),
        created_at=row.created_at,
        updated_at=row.last_execution_time,
        raw=raw,
    )


def listed_session(
    source: str,
    agent_id: str,
    row: wire.SessionSummary,
    raw: RawObject,
    deferred: frozenset[str],
    *,
    url: str | None = None,
) -> Session:
    """Return the session of a list row.

    Args:
        source: The name of the source.
        agent_id: The id of the agent.
        row: The decoded row.
        raw: The undecoded row.
        deferred: The fields that the list lacks.
        url: The address of its page.
    """
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
        url=url,
        raw=raw,
        deferred=deferred,
    )


class Verdicts(Struct, frozen=True):
    """What the scoring jobs of one session say: a score of each module, and those of each turn."""

    scores: tuple[Score, ...] = ()
    turn_scores: tuple[TurnScore, ...] = ()


NO_VERDICTS = Verdicts()


def with_texts(listed: Session, detail: wire.SessionDetail | None) -> Session:
    """Return the session with input and output, which are no longer deferred.

    Args:
        listed: The session of the list row.
        detail: The decoded details, or None if the server has none: input and output remain None.
    """
    messages = [] if detail is None else [message for message in detail.messages or () if message is not None]
    return replace(
        listed,
        input=first_input(messages),
        output=last_output(messages),
        tokens=listed.tokens or (None if detail is None else token_usage(detail.token_usage)),
        deferred=listed.deferred - {"input", "output"},
    )


def with_verdicts(listed: Session, verdicts: Verdicts) -> Session:
    """Return the session with its scores, which are no longer deferred."""
    judged = with_scores(listed, verdicts.scores)
    return replace(judged, turn_scores=verdicts.turn_scores, deferred=judged.deferred - {"turn_scores"})


def session_status(word: str | None) -> SessionStatus:
    """Return the unified status. Meibel's status is text without a fixed set, so an unknown word is UNKNOWN."""
    return _STATUSES.get((word or "").upper(), _UNKNOWN)


def _latency_ms(row: wire.SessionSummary, status: SessionStatus) -> float | None:
    """Return the duration of the whole conversation, with the person's pauses (docs/vendors/meibel.md#mapping)."""
    return None if status is _RUNNING else latency_ms(row.start_time, row.end_time)


def token_usage(usages: Sequence[wire.Usage]) -> TokenUsage | None:
    """Return the sum of the usages, or None if they contain no count."""
    if not usages:
        return None
    counts = [_tokens(usage) for usage in usages]
    total = counts[0] if len(counts) == 1 else _sum_usages(counts)
    return None if total == _NO_TOKENS else total


def _sum_usages(usages: Sequence[TokenUsage]) -> TokenUsage:
    return TokenUsage(
        input=_sum(usage.input for usage in usages),
        output=_sum(usage.output for usage in usages),
        cached=_sum(usage.cached for usage in usages),
        total=_sum(usage.total for usage in usages),
        cache_write=_sum(usage.cache_write for usage in usages),
        reasoning=_sum(usage.reasoning for usage in usages),
    )


def _tokens(usage: wire.Usage) -> TokenUsage:
    input_tokens = _first_known(usage.prompt_tokens, usage.input_tokens)
    output_tokens = _first_known(usage.completion_tokens, usage.output_tokens)
    of_input = usage.prompt_tokens_details or usage.input_tokens_details or _NO_DETAILS
    of_output = usage.completion_tokens_details or usage.output_tokens_details or _NO_DETAILS
    return TokenUsage(
        input=input_tokens,
        output=output_tokens,
        cached=_first_known(usage.cached_tokens, usage.cache_read_input_tokens, of_input.cached_tokens),
        total=_first_known(usage.total_tokens, _sum((input_tokens, output_tokens))),
        cache_write=_first_known(
            usage.cache_write_tokens, usage.cache_creation_input_tokens, of_input.cache_write_tokens
        ),
        reasoning=_first_known(usage.reasoning_tokens, of_output.reasoning_tokens),
    )


def _first_known(*counts: int | None) -> int | None:
    for count in counts:
        if count is not None:
            return count
    return None


def _sum(counts: Iterable[int | None]) -> int | None:
    present = [count for count in counts if count is not None]
    return sum(present) if present else None


def first_input(messages: Iterable[wire.Message]) -> str | None:
    """Return the text of the first message that a person sent."""
    texts = (text_of(message.message) for message in messages if _role(message) in _HUMAN_ROLES)
    return next((text for text in texts if text), None)


def last_output(messages: Sequence[wire.Message]) -> str | None:
    """Return the text of the last message whose role is not that of a person, the system or a tool."""
    texts = (text_of(message.message) for message in reversed(messages) if _role(message) not in _NO_OUTPUT_ROLES)
    return next((text for text in texts if text), None)


def _role(message: wire.Message) -> str:
    return (message.role or "").casefold()


def verdicts_by_session(jobs: Iterable[wire.ScoringJob]) -> Mapping[str, Verdicts]:
    """Return each session's verdicts, as reported, from its jobs that ended.

    Several scores of one module become their mean, and its explanations the lines of one text. A module has failed
    if one of its jobs did and none was completed. Modules use different scales: 0 to 10 for judges, 0 to 1 for
    statistics (docs/vendors/meibel.md#scores).
    """
    jobs_by_session: dict[str, list[wire.ScoringJob]] = defaultdict(list)
    for job in jobs:
        session_id = job.agent_identity_context and job.agent_identity_context.agent_session_id
        if session_id and job.module and job.status in _ENDED:
            jobs_by_session[session_id].append(job)
    found = {session_id: _verdicts(of_session) for session_id, of_session in jobs_by_session.items()}
    return {session_id: verdicts for session_id, verdicts in found.items() if verdicts != NO_VERDICTS}


def _verdicts(jobs: Iterable[wire.ScoringJob]) -> Verdicts:
    jobs_by_module: dict[str, list[wire.ScoringJob]] = defaultdict(list)
    turns: list[TurnScore] = []
    for job in sorted(jobs, key=_turn_and_module):
        module, turn = job.module or "", _turn(job)
        jobs_by_module[module].append(job)
        if turn is not None and job.status == _COMPLETED and (job.score is not None or job.explanation):
            turns.append(TurnScore(turn, module, job.score, job.explanation or None))
    scores = [_score(module, of_module) for module, of_module in sorted(jobs_by_module.items())]
    return Verdicts(tuple([score for score in scores if score is not None]), tuple(turns))


def _score(module: str, jobs: Sequence[wire.ScoringJob]) -> Score | None:
    """Return the mean of the completed jobs of one module, or its failure; None for jobs that say nothing."""
    completed = [job for job in jobs if job.status == _COMPLETED]
    values = [job.score for job in completed if job.score is not None]
    explanation = "\n".join(distinct([job.explanation for job in completed or jobs])) or None
    if completed and not values and explanation is None:
        return None
    return Score(module, mean(values) if values else None, explanation=explanation, failed=not completed)


def _turn_and_module(job: wire.ScoringJob) -> tuple[bool, int, str]:
    """Return the place of a job: by turn, with those of the whole session last."""
    turn = _turn(job)
    return turn is None, turn or 0, job.module or ""


def _turn(job: wire.ScoringJob) -> int | None:
    return None if job.agent_identity_context is None else job.agent_identity_context.agent_turn
