"""Meibel's JSON in Meibel's names: the fields that are mapped, and nothing else.

The contract (meibel-agent-sessions.json) covers the session list; the other shapes are those of the vendor's
own client, version 2.0.7 (VENDORS.md C2). Only an identity, and the start of a session, must be there: any
other value that cannot be read becomes None and is remembered, so that it can be told and never costs its row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema


def _iso_text(value: Any) -> Any:
    """No number may pass for a time, nor a text of digits, which pydantic would take for seconds since 1970.

    Strictness would not do: the second reading is not from JSON.
    """
    if not isinstance(value, str) or value[4:5] != "-":
        raise ValueError("a time is written as ISO 8601 text")
    return value


def _utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


Identity = Annotated[str, Field(min_length=1)]
Time = Annotated[datetime, BeforeValidator(_iso_text), AfterValidator(_utc)]
"""Aware UTC, from text; a time without a zone is UTC."""
Count = Annotated[int, Strict(), Field(ge=0)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]


class Wire(BaseModel):
    """An object of Meibel's; `left_out` names the fields whose value could not be read."""

    model_config = ConfigDict(frozen=True)

    left_out: ClassVar[tuple[str, ...]] = ()


W = TypeVar("W", bound=Wire)


def _leave_out(given: Any, handler: Callable[[Any], W]) -> W:
    """The object without the values that cannot be read; ValidationError when its identity is among them."""
    try:
        return handler(given)
    except ValidationError as error:
        bad = {problem["loc"][0] for problem in error.errors(include_url=False) if problem["loc"]}
        if not bad or not isinstance(given, dict):
            raise
        try:
            kept = handler({name: value for name, value in given.items() if name not in bad})
        except ValidationError:
            raise error from None
    object.__setattr__(kept, "left_out", tuple(sorted(map(str, bad))))  # frozen for everybody else
    return kept


class _Forgiving:
    """Marks an object that is read a second time, without the values that cannot be read, when it must be.

    The first reading stays in pydantic's own code, straight from the bytes: a wrapping validator alone would
    cost every object a detour through Python, and nearly all of them are sound.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        sound = handler(source)
        return core_schema.union_schema(
            [sound, core_schema.no_info_wrap_validator_function(_leave_out, sound)], mode="left_to_right"
        )


FORGIVING = _Forgiving()
_HOLDERS = (Wire, list)


def unreadable(body: object) -> list[str]:
    """The names of the fields that were left out, anywhere within a decoded body."""
    names: list[str] = []
    to_do = [body]
    while to_do:
        value = to_do.pop()
        if isinstance(value, list):
            to_do += value
        elif isinstance(value, Wire):
            names += value.left_out
            to_do += [inner for inner in value.__dict__.values() if isinstance(inner, _HOLDERS)]
    return names


class Usage(Wire):
    """Tokens, by the keys of the usual model providers: Meibel documents none (VENDORS.md C2)."""

    prompt_tokens: Count | None = Field(None, validation_alias=AliasChoices("prompt_tokens", "input_tokens"))
    completion_tokens: Count | None = Field(
        None, validation_alias=AliasChoices("completion_tokens", "output_tokens")
    )
    total_tokens: Count | None = None
    cached_tokens: Count | None = Field(
        None,
        validation_alias=AliasChoices(
            "cached_tokens",
            "cache_read_input_tokens",
            AliasPath("prompt_tokens_details", "cached_tokens"),
            AliasPath("input_tokens_details", "cached_tokens"),
        ),
    )


_USAGE_KEYS = frozenset({"prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "total_tokens"})


def _usage_object(given: Any) -> Mapping[str, Any] | None:
    """The object that holds the counts: the given one, or the only one within it that does."""
    if not isinstance(given, dict):
        raise ValueError("token usage is an object")  # noqa: TRY004 - pydantic collects ValueError
    told = {name: value for name, value in given.items() if value is not None}
    if not told:
        return None
    if _USAGE_KEYS & told.keys():
        return told
    within = [value for value in told.values() if isinstance(value, dict) and _USAGE_KEYS & value.keys()]
    if len(within) != 1:  # none, or several of which nobody says whether they add up
        raise ValueError("no known key of token usage")
    return within[0]


def _usages(given: Any) -> Any:
    """One object (list rows) or a list of nullable objects (the detail) as a list (VENDORS.md trap 10)."""
    if isinstance(given, list):
        return [_usage_object(one) for one in given if one is not None]
    return [_usage_object(given)]


Usages = Annotated[list[Annotated[Usage, FORGIVING] | None], BeforeValidator(_usages)]


class AgentSummary(Wire):
    """A row of `GET /agents`. `created_at` is not among the vendor's documented fields here."""

    id: Identity
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    version: str | None = None
    llm_model: str | None = None
    created_at: Time | None = None
    last_execution_time: Time | None = None


class AgentDetail(AgentSummary):
    """The answer of `GET /agents/{agent_id}`."""

    fallback_models: list[str] | None = None
    tags: list[str] | None = None


class AgentList(Wire):
    """The answer of `GET /agents`."""

    data: list[Annotated[AgentSummary, FORGIVING]]
    total: Count | None = None


class SessionSummary(Wire):
    """A row of `GET /agents/{agent_id}/sessions` (contract: SessionSummary)."""

    session_id: Identity
    start_time: Time
    status: str | None = None
    end_time: Time | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    messages_count: Count | None = None
    token_usage: Usages | None = None


class SessionList(Wire):
    """The answer of `GET /agents/{agent_id}/sessions` (contract: SessionListResponse)."""

    data: list[Annotated[SessionSummary, FORGIVING]]
    total: Count | None = None


class Message(Wire):
    """One message of a session; the vendor's client types `message` as text."""

    role: str | None = None
    message: Any = None


class SessionDetail(Wire):
    """The answer of `GET /sessions/{session_id}`: it has no times and no id."""

    messages: list[Annotated[Message, FORGIVING] | None] | None = None
    token_usage: Usages | None = None


class ScoredContext(Wire):
    """What a scoring job looked at."""

    agent_session_id: str | None = None


class ScoringJob(Wire):
    """A row of `GET /confidence-scoring/jobs`."""

    agent_identity_context: Annotated[ScoredContext, FORGIVING] | None = None
    module: str | None = None
    status: str | None = None
    score: Number | None = None


AGENT = TypeAdapter[AgentDetail](Annotated[AgentDetail, FORGIVING])
AGENTS = TypeAdapter[AgentList](Annotated[AgentList, FORGIVING])
SESSION = TypeAdapter[SessionDetail](Annotated[SessionDetail, FORGIVING])
SESSIONS = TypeAdapter[SessionList](Annotated[SessionList, FORGIVING])
SCORING_JOBS = TypeAdapter[list[ScoringJob]](list[Annotated[ScoringJob, FORGIVING]])
