"""NeMo's JSON in NeMo's names: what the adapter maps, and nothing else.

The contracts are nemo-experiments.json and nemo-experiment-sessions.json. The real service departs from them
(VENDORS.md A2, A3): it sends null for what is absent, lists of agents for one agent, times without a zone, and
leaves out what the contract requires. So a row needs its identity only. Any other value that does not parse is
left out of its row and named in `unparsable`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)


def utc(text: Any) -> datetime:
    """An ISO 8601 time in UTC; without a zone it is UTC already (VENDORS.md trap 3)."""
    if not isinstance(text, str):
        raise ValueError("not a time")  # noqa: TRY004 - pydantic reports a ValueError
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


def usd(amount: Any) -> float:
    """An amount of money given as number or string; nobody is paid for a session."""
    try:
        dollars = float(Decimal(str(amount)))
    except InvalidOperation:
        raise ValueError("not an amount") from None
    if not math.isfinite(dollars) or dollars < 0:
        raise ValueError("not a finite amount of zero or more")
    return dollars


Name = Annotated[str, StringConstraints(min_length=1)]
Moment = Annotated[datetime, PlainValidator(utc)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Usd = Annotated[float, BeforeValidator(usd)]


class Lenient(BaseModel):
    """An object that gives up single values rather than itself."""

    model_config = ConfigDict(frozen=True)

    _unparsable: tuple[str, ...] = PrivateAttr(default=())

    @property
    def unparsable(self) -> tuple[str, ...]:
        """The fields of which a value was left out, once for each value."""
        return self._unparsable

    @model_validator(mode="wrap")
    @classmethod
    def _keep_what_parses(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            if not isinstance(data, dict):
                raise
            places = [problem["loc"] for problem in error.errors(include_url=False, include_input=False)]
        kept = handler(_without(data, places))
        return kept.giving_up(tuple(str(place[0]) for place in places))

    def giving_up(self, fields: tuple[str, ...]) -> Self:
        """The object, knowing what was left out of it."""
        self._unparsable = fields
        return self


def _without(data: dict[str, Any], places: Sequence[tuple[int | str, ...]]) -> dict[str, Any]:
    kept = copy.deepcopy(data)
    for place in reversed(places):  # from the end, so that a list's earlier indices stay right
        *path, last = place
        holder: Any = kept
        try:
            for step in path:
                holder = holder[step]
            del holder[last]
        except (KeyError, IndexError, TypeError):  # missing, or a place that is no value's
            kept.pop(str(place[0]), None)
    return kept


class Figures(BaseModel):
    """The contract's EvaluatorAggregate: statistics of a score, of cost or of latency."""

    sum: Number | None = None
    mean: Number | None = None
    median: Number | None = None
    p90: Number | None = None
    p95: Number | None = None
    p99: Number | None = None
    count: Count | None = None


class Amounts(Figures):
    """Statistics of something that cannot be negative: cost, latency."""

    sum: Amount | None = None
    mean: Amount | None = None
    median: Amount | None = None
    p90: Amount | None = None
    p95: Amount | None = None
    p99: Amount | None = None


class ExperimentRow(Lenient):
    """The contract's ExperimentResponse, and what tells other releases' objects from it."""

    id: Name
    name: Name
    experiment_group_id: str | None = None
    agent_name: str | None = None
    agent_names: list[str] | None = None
    agent_version: str | None = None
    agent_versions: list[str] | None = None
    dataset_name: str | None = None
    dataset_version: str | None = None
    source_link: str | None = None
    metadata: dict[str, Any] | None = None
    description: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    evaluator_names: list[str] | None = None
    model_names: list[str] | None = None
    aggregate_scores: dict[str, Figures | None] | None = None
    run_count: Count | None = None
    cost_usd: Amounts | None = None
    latency_ms: Amounts | None = None
    default_sort: Any = None
    test_case_count: Any = None
    experiment_ids: Any = None

    @property
    def is_group(self) -> bool:
        """Whether this is an experiment group, which releases from helix 0.5 list here (VENDORS.md trap 1)."""
        return "default_sort" in self.model_fields_set and "dataset_name" not in self.model_fields_set

    @property
    def averages_test_cases(self) -> bool:
        """Whether the figures are over test cases, as from 0.3.0 on (VENDORS.md trap 2)."""
        return self.test_case_count is not None or self.experiment_ids is not None


class SessionRow(Lenient):
    """The contract's ExperimentSessionResponse; `output` comes from 0.3.0 on (VENDORS.md A2)."""

    session_id: Name
    started_at: Moment
    ended_at: Moment | None = None
    latency_ms: Amount | None = None
    status: str | None = None
    test_case_id: str | None = None
    trace_id: str | None = None
    root_span_id: str | None = None
    input: Any = None
    output: Any = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_tokens: Count | None = None
    cost_total_usd: Usd | None = None
    evaluator_scores: dict[str, Number | None] | None = None


R = TypeVar("R", bound=Lenient)


class Pagination(Lenient):
    """The contract's PaginationData."""

    total_results: Count | None = None


class Listed(BaseModel, Generic[R]):
    """A page of a list."""

    data: list[R]
    pagination: Pagination | None = None

    @property
    def total(self) -> int | None:
        """How many rows the whole list has, where the vendor tells."""
        return None if self.pagination is None else self.pagination.total_results


EXPERIMENTS: TypeAdapter[Listed[ExperimentRow]] = TypeAdapter(Listed[ExperimentRow])
SESSIONS: TypeAdapter[Listed[SessionRow]] = TypeAdapter(Listed[SessionRow])
