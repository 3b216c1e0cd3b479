"""The unified model of every vendor: experiments, sessions and aggregates.

Frozen values without I/O and without GraphQL. Times are timezone-aware UTC, durations are milliseconds, money is
USD, ratios are 0..1. None means that the vendor does not report the value; 0 means zero.

The values are structs because a response consists of thousands of them. A session takes 0.2 us to create, a frozen
dataclass 5. The garbage collector ignores the types without cycles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, TypedDict, TypeGuard

from msgspec import Struct
from msgspec.structs import replace

from tracegraph.errors import SourceError


class ExperimentKind(Enum):
    """The vendor's notion of an experiment: an evaluation over a dataset, a live project, an agent."""

    EVALUATION = "EVALUATION"
    PROJECT = "PROJECT"
    AGENT = "AGENT"


class SessionStatus(Enum):
    """How a session ended, or that it is still running."""

    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


class SpanKind(Enum):
    """The kind of a step; UNKNOWN stands for all other words of vendors."""

    AGENT = "AGENT"
    CHAIN = "CHAIN"
    LLM = "LLM"
    TOOL = "TOOL"
    RETRIEVER = "RETRIEVER"
    EMBEDDING = "EMBEDDING"
    RERANKER = "RERANKER"
    GUARDRAIL = "GUARDRAIL"
    EVALUATOR = "EVALUATOR"
    PROMPT = "PROMPT"
    PARSER = "PARSER"
    UNKNOWN = "UNKNOWN"


class MetricUnit(Enum):
    """The unit of a metric's figures."""

    MILLISECONDS = "MILLISECONDS"
    USD = "USD"
    TOKENS = "TOKENS"
    RATIO = "RATIO"
    SCORE = "SCORE"


class Better(Enum):
    """Which direction of a metric is an improvement."""

    LOWER = "LOWER"
    HIGHER = "HIGHER"


class MetricKind(Enum):
    """The measured quantity."""

    LATENCY = "LATENCY"
    FIRST_TOKEN_LATENCY = "FIRST_TOKEN_LATENCY"  # noqa: S105 - a token of text
    COST = "COST"
    INPUT_TOKENS = "INPUT_TOKENS"
    OUTPUT_TOKENS = "OUTPUT_TOKENS"
    CACHED_TOKENS = "CACHED_TOKENS"
    TOTAL_TOKENS = "TOTAL_TOKENS"
    ERROR_RATE = "ERROR_RATE"
    SCORE = "SCORE"


class AggregateBasis(Enum):
    """The origin of an aggregate's figures; BEST occurs in queries only."""

    REPORTED = "REPORTED"
    COMPUTED = "COMPUTED"
    BEST = "BEST"


class AggregatePopulation(Enum):
    """The population of an aggregate's figures; means over different populations are not comparable."""

    SESSIONS = "SESSIONS"
    TEST_CASES = "TEST_CASES"
    RUNS = "RUNS"
    EVALUATIONS = "EVALUATIONS"


_UNITS = {
    MetricKind.LATENCY: MetricUnit.MILLISECONDS,
    MetricKind.FIRST_TOKEN_LATENCY: MetricUnit.MILLISECONDS,
    MetricKind.COST: MetricUnit.USD,
    MetricKind.ERROR_RATE: MetricUnit.RATIO,
    MetricKind.SCORE: MetricUnit.SCORE,
}


class Metric(Struct, frozen=True, gc=False):
    """One metric; `evaluator` names the score and is set with SCORE only."""

    kind: MetricKind
    evaluator: str | None = None

    @property
    def name(self) -> str:
        """The name as the command line takes it: `latency`, `cost`, `score:accuracy`."""
        name = self.kind.value.lower()
        return f"{name}:{self.evaluator}" if self.evaluator is not None else name

    @property
    def unit(self) -> MetricUnit:
        """The unit of every statistic of this metric but `count`."""
        return _UNITS.get(self.kind, MetricUnit.TOKENS)

    @property
    def better_when(self) -> Better:
        """HIGHER for scores, LOWER for everything else."""
        return Better.HIGHER if self.kind is MetricKind.SCORE else Better.LOWER


LATENCY = Metric(MetricKind.LATENCY)


FIRST_TOKEN_LATENCY = Metric(MetricKind.FIRST_TOKEN_LATENCY)


COST = Metric(MetricKind.COST)


INPUT_TOKENS = Metric(MetricKind.INPUT_TOKENS)


OUTPUT_TOKENS = Metric(MetricKind.OUTPUT_TOKENS)


CACHED_TOKENS = Metric(MetricKind.CACHED_TOKENS)


TOTAL_TOKENS = Metric(MetricKind.TOTAL_TOKENS)


ERROR_RATE = Metric(MetricKind.ERROR_RATE)
"""These are all metrics but the scores."""


class Aggregate(Struct, frozen=True, gc=False):
    """Statistics of one metric over one experiment, in the metric's unit; None where the basis gives none.

    `values` are the values behind COMPUTED statistics, ascending.
    """

    metric: Metric
    basis: AggregateBasis
    population: AggregatePopulation
    count: int | None = None
    sum: float | None = None
    mean: float | None = None
    stddev: float | None = None
    min: float | None = None
    median: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    complete: bool = True
    p25: float | None = None
    p75: float | None = None
    values: Sequence[float] = ()


class RawObject(Protocol):
    """The vendor's object as received, decoded on demand."""

    def decode(self) -> dict[str, Any]:
        """Return the JSON object with the vendor's own field names."""
        ...


class VendorRecord(Struct, frozen=True):  # noqa: PLW1641 - metadata cannot be hashed
    """Data that a vendor reports about one object; equal when the reported data is equal."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.comparable_fields() == other.comparable_fields()

    def comparable_fields(self) -> dict[str, Any]:
        """Return the fields that decide equality: all but the vendor's object and errors."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name not in _EXCLUDED_FROM_EQ}


_EXCLUDED_FROM_EQ = frozenset({"raw", "figures_error", "scores_by_evaluator", "scores_error"})


class Experiment(VendorRecord, frozen=True):
    """A NeMo experiment, a LangSmith tracer session, a Meibel agent.

    `ref` is the vendor's look-up name. `deferred` names the fields that the vendor's list leaves out.
    `Adapter.get_experiments` fills them, and the total of its sessions fills `session_count`. `figures_error` is
    the reason why the vendor could not report session_count, aggregates, models and evaluators.

    `group_ids`, `agent_names` and `agent_versions` are all values of a vendor that has several; `group_id`,
    `agent_name` and `agent_version` are then the first. `vendor_status` is the vendor's own word. `url` is the
    experiment's page in the vendor's user interface. `source_url` leads to the code that ran, such as a commit.
    `progress` is the part of an evaluation that is done, from 0 to 1.
    """

    source: str
    ref: str
    vendor_id: str
    kind: ExperimentKind
    name: str
    description: str | None = None
    group_id: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    dataset_id: str | None = None
    dataset_name: str | None = None
    dataset_version: str | None = None
    models: tuple[str, ...] = ()
    evaluators: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    ended_at: datetime | None = None
    session_count: int | None = None
    error_rate: float | None = None
    url: str | None = None
    metadata: Mapping[str, Any] | None = None
    aggregates: tuple[Aggregate, ...] = ()
    figures_error: SourceError | None = None
    raw: RawObject | None = None
    deferred: frozenset[str] = frozenset()
    group_ids: tuple[str, ...] = ()
    agent_names: tuple[str, ...] = ()
    agent_versions: tuple[str, ...] = ()
    vendor_status: str | None = None
    source_url: str | None = None
    progress: float | None = None


class TokenUsage(Struct, frozen=True, gc=False):
    """Tokens of one session.

    `cached` and `cache_write` are parts of `input`. `reasoning` is a part of `output`.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    total: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


def is_number(value: object) -> TypeGuard[float]:
    """Return whether the value is a number that a float can hold; an adapter may return any value."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


class Score(Struct, frozen=True, gc=False):
    """One evaluator's verdict, on that evaluator's own scale.

    `value` is None where the verdict has words only, and where the evaluator failed: it could not judge.
    """

    evaluator: str
    value: float | None = None
    label: str | None = None
    explanation: str | None = None
    failed: bool = False


class ScoreText(Struct, frozen=True, gc=False):
    """The words of one evaluator's verdict on one session: a label, and an explanation."""

    label: str | None = None
    explanation: str | None = None


_NO_TEXT = ScoreText()


class TurnScore(Struct, frozen=True, gc=False):
    """One evaluator's verdict on one turn of a session, with the vendor's number of the turn.

    `value` is on the evaluator's own scale. It is None where the verdict has words only.
    """

    turn: int
    evaluator: str
    value: float | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class SessionRef:
    """The identity of a session: its experiment's ref and its own id."""

    experiment_ref: str
    session_id: str


class Session(VendorRecord, frozen=True, gc=False):
    """One execution: a NeMo experiment session, a LangSmith root run, a Meibel agent session.

    `scores_by_evaluator` may hold evaluators without a number, and `score_texts` the words of any of them.
    `failed_evaluators` names the evaluators that could not judge the session. `deferred` names the fields that the
    vendor's list leaves out and `Adapter.get_sessions` fills. `conversation_id` is common to the sessions of one
    conversation. `turn_scores` are verdicts on single turns, where a vendor judges these. `models` and `providers`
    are those that the vendor's list names; empty where it names none.
    """

    source: str
    experiment_ref: str
    vendor_id: str
    status: SessionStatus
    started_at: datetime
    vendor_status: str | None = None
    name: str | None = None
    ended_at: datetime | None = None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    trace_id: str | None = None
    root_span_id: str | None = None
    test_case_id: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    tokens: TokenUsage | None = None
    cost_usd: float | None = None
    message_count: int | None = None
    scores_by_evaluator: Mapping[str, float | None] | None = None
    url: str | None = None
    metadata: Mapping[str, Any] | None = None
    raw: RawObject | None = None
    deferred: frozenset[str] = frozenset()
    conversation_id: str | None = None
    failed_evaluators: tuple[str, ...] = ()
    score_texts: Mapping[str, ScoreText] | None = None
    input_cost_usd: float | None = None
    output_cost_usd: float | None = None
    turn_scores: tuple[TurnScore, ...] = ()
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()

    @property
    def ref(self) -> SessionRef:
        """The identity for `Adapter.get_sessions`."""
        return SessionRef(self.experiment_ref, self.vendor_id)

    @property
    def score_values(self) -> Mapping[str, float]:
        """The scores that have a number, by evaluator."""
        scores = self.scores_by_evaluator or {}
        return {name: value for name, value in scores.items() if name.__class__ is str and is_number(value)}

    @property
    def scores(self) -> tuple[Score, ...]:
        """All verdicts in the order of evaluators, built on demand: most lists are read without them."""
        values = self.score_values
        if not self.score_texts and not self.failed_evaluators:
            return tuple([Score(name, value) for name, value in sorted(values.items())])
        texts, failed = self.score_texts or {}, frozenset(self.failed_evaluators)
        return tuple([_score(name, values, texts, failed) for name in sorted({*values, *texts, *failed})])

    def comparable_fields(self) -> dict[str, Any]:
        """Return the fields that decide equality; of the scores, only those that say something."""
        return super().comparable_fields() | {"scores": self.scores}


class ScoreFields(TypedDict):
    """The fields of `Session` that hold its verdicts."""

    scores_by_evaluator: Mapping[str, float | None]
    score_texts: Mapping[str, ScoreText] | None
    failed_evaluators: tuple[str, ...]


def score_fields(scores: Sequence[Score]) -> ScoreFields:
    """Return the fields of a session for its verdicts: `Session(..., **score_fields(scores))`."""
    texts = {
        score.evaluator: ScoreText(score.label, score.explanation)
        for score in scores
        if score.label is not None or score.explanation is not None
    }
    return {
        "scores_by_evaluator": {score.evaluator: score.value for score in scores},
        "score_texts": texts or None,
        "failed_evaluators": tuple([score.evaluator for score in scores if score.failed]),
    }


def with_scores(session: Session, scores: Sequence[Score]) -> Session:
    """Return the session with these scores in place of its own, which are no longer deferred."""
    return replace(session, **score_fields(scores), deferred=session.deferred - {"scores", "score_texts"})


def _score(
    evaluator: str, values: Mapping[str, float], texts: Mapping[str, ScoreText], failed: frozenset[str]
) -> Score:
    text = texts.get(evaluator, _NO_TEXT)
    return Score(evaluator, values.get(evaluator), text.label, text.explanation, evaluator in failed)


@dataclass(frozen=True, slots=True)
class SpanRef:
    """The identity of a span: its session, and its own id."""

    session: SessionRef
    span_id: str


class Span(VendorRecord, frozen=True, gc=False):
    """One step of a session. `parent_id` is the `vendor_id` of the span around it, None for a root.

    The depth of a span follows from its parents. `deferred` names the fields that the list of a session's spans
    leaves out and `ListsSpans.get_spans` fills. `scores_error` is the reason why the scores could not be read.
    """

    vendor_id: str
    kind: SpanKind = SpanKind.UNKNOWN
    status: SessionStatus = SessionStatus.UNKNOWN
    parent_id: str | None = None
    vendor_kind: str | None = None
    name: str | None = None
    vendor_status: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    model: str | None = None
    provider: str | None = None
    tool_name: str | None = None
    agent_name: str | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    tokens: TokenUsage | None = None
    cost_usd: float | None = None
    scores: tuple[Score, ...] = ()
    metadata: Mapping[str, Any] | None = None
    raw: RawObject | None = None
    deferred: frozenset[str] = frozenset()
    scores_error: SourceError | None = None
