"""Filters and orders of lists, and the functions that apply filters to objects.

All conditions of a filter must hold; a list within a condition means any of its members. The gateway applies every
filter itself, whatever the vendor has filtered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from tracegraph.domain.conditions import FloatRange, MetadataFilter, ScoreFilter, StringFilter, TimeRange
from tracegraph.domain.figures import Figure, number
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionStatus
from tracegraph.domain.sort_values import (
    OrderValue,
    SortValue,
    sort_value,
)

__all__ = [
    "ExperimentFilter",
    "ExperimentOrder",
    "ExperimentOrderField",
    "FloatRange",
    "MetadataFilter",
    "OrderDirection",
    "ScoreFilter",
    "SessionFilter",
    "SessionOrder",
    "SessionOrderField",
    "StringFilter",
    "TimeRange",
    "active_conditions",
    "contains_text",
    "experiment_order_value",
    "experiment_sort_value",
    "fields_of_conditions",
    "session_order_value",
    "session_sort_value",
]


class OrderDirection(Enum):
    """Ascending or descending; missing values come last in both."""

    ASC = "ASC"
    DESC = "DESC"

    @property
    def opposite(self) -> OrderDirection:
        """The other direction."""
        return OrderDirection.DESC if self is OrderDirection.ASC else OrderDirection.ASC


class ExperimentOrderField(Enum):
    """The fields by which experiments can be ordered."""

    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"
    NAME = "NAME"
    SESSION_COUNT = "SESSION_COUNT"
    METRIC = "METRIC"


class SessionOrderField(Enum):
    """The fields by which sessions can be ordered."""

    STARTED_AT = "STARTED_AT"
    LATENCY = "LATENCY"
    COST = "COST"
    TOTAL_TOKENS = "TOTAL_TOKENS"
    SCORE = "SCORE"


@dataclass(frozen=True, slots=True)
class ExperimentOrder:
    """The order of a list of experiments. `figure` is set with METRIC only: the figure that the vendor reports."""

    field: ExperimentOrderField = ExperimentOrderField.CREATED_AT
    direction: OrderDirection = OrderDirection.DESC
    figure: Figure | None = None


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """The order of a list of sessions. `evaluator` names the score and is set with SCORE only."""

    field: SessionOrderField = SessionOrderField.STARTED_AT
    direction: OrderDirection = OrderDirection.DESC
    evaluator: str | None = None


Order = ExperimentOrder | SessionOrder
"""The order of any list."""


@dataclass(frozen=True, slots=True)
class ExperimentFilter:
    """Conditions on experiments of one source; `refs` are the vendor's look-up names.

    A condition on what a vendor has several of, such as groups, agents or models, matches any of them.
    """

    kinds: frozenset[ExperimentKind] | None = None
    refs: frozenset[str] | None = None
    name: StringFilter | None = None
    agent_name: StringFilter | None = None
    agent_version: StringFilter | None = None
    dataset_name: StringFilter | None = None
    dataset_version: StringFilter | None = None
    group_id: StringFilter | None = None
    created_at: TimeRange | None = None
    updated_at: TimeRange | None = None
    dataset_id: StringFilter | None = None
    model: StringFilter | None = None
    metadata: tuple[MetadataFilter, ...] | None = None

    def matches(self, experiment: Experiment) -> bool:
        """Return whether the experiment meets every condition."""
        return (
            (self.kinds is None or experiment.kind in self.kinds)
            and (self.refs is None or experiment.ref in self.refs)
            and (self.name is None or self.name.matches(experiment.name))
            and _matches_any(self.agent_name, experiment.agent_name, experiment.agent_names)
            and _matches_any(self.agent_version, experiment.agent_version, experiment.agent_versions)
            and _matches(self.dataset_id, experiment.dataset_id)
            and _matches(self.dataset_name, experiment.dataset_name)
            and _matches(self.dataset_version, experiment.dataset_version)
            and _matches_any(self.group_id, experiment.group_id, experiment.group_ids)
            and _matches_any(self.model, None, experiment.models)
            and _matches_metadata(self.metadata, experiment.metadata)
            and (self.created_at is None or self.created_at.matches(experiment.created_at))
            and (self.updated_at is None or self.updated_at.matches(experiment.updated_at))
        )


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Conditions on sessions of one source.

    `ids` are sessions by source, ref of their experiment, and vendor id. `text` occurs in the input, the output or
    the error, after case folding.
    """

    statuses: frozenset[SessionStatus] | None = None
    test_case_id: StringFilter | None = None
    started_at: TimeRange | None = None
    ids: frozenset[tuple[str, str, str]] | None = None
    name: StringFilter | None = None
    agent_name: StringFilter | None = None
    agent_version: StringFilter | None = None
    model: StringFilter | None = None
    conversation_id: StringFilter | None = None
    text: str | None = None
    latency_ms: FloatRange | None = None
    cost_usd: FloatRange | None = None
    total_tokens: FloatRange | None = None
    score: ScoreFilter | None = None
    metadata: tuple[MetadataFilter, ...] | None = None

    def matches(self, session: Session) -> bool:
        """Return whether the session meets every condition."""
        tokens = session.tokens
        return (
            (self.statuses is None or session.status in self.statuses)
            and (self.ids is None or (session.source, session.experiment_ref, session.vendor_id) in self.ids)
            and (self.started_at is None or self.started_at.matches(session.started_at))
            and _matches(self.test_case_id, session.test_case_id)
            and _matches(self.name, session.name)
            and _matches(self.agent_name, session.agent_name)
            and _matches(self.agent_version, session.agent_version)
            and _matches_any(self.model, None, session.models)
            and _matches(self.conversation_id, session.conversation_id)
            and (self.latency_ms is None or self.latency_ms.matches(session.latency_ms))
            and (self.cost_usd is None or self.cost_usd.matches(session.cost_usd))
            and (self.total_tokens is None or self.total_tokens.matches(None if tokens is None else tokens.total))
            and _matches_metadata(self.metadata, session.metadata)
            and (self.text is None or contains_text(self.text, session.input, session.output, session.error))
            and (self.score is None or self.score.matches(session.score_values))
        )


def _matches(condition: StringFilter | None, value: str | None) -> bool:
    return condition is None or condition.matches(value)


def _matches_any(condition: StringFilter | None, value: str | None, all_values: Sequence[str]) -> bool:
    """Return whether the condition is absent or met by the values, of which `value` may be only one."""
    if condition is None:
        return True
    return condition.matches_any(all_values if value is None or value in all_values else (value, *all_values))


def _matches_metadata(conditions: Sequence[MetadataFilter] | None, metadata: Mapping[str, Any] | None) -> bool:
    return conditions is None or all(condition.matches(metadata) for condition in conditions)


def contains_text(text: str, *values: str | None) -> bool:
    """Return whether a text occurs in one of the values, after Unicode case folding."""
    folded = text.casefold()
    return any(value is not None and folded in value.casefold() for value in values)


_FIELDS_OF_CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "model": ("models",),
    "text": ("input", "output", "error"),
    "score": ("scores",),
    "total_tokens": ("tokens",),
}
"""The fields of an object that a condition of another name reads."""


def fields_of_conditions(conditions: ExperimentFilter | SessionFilter) -> frozenset[str]:
    """Return the fields of an object that the conditions read, for those that a list may leave out."""
    names = active_conditions(conditions)
    return frozenset(field for name in names for field in _FIELDS_OF_CONDITIONS.get(name, (name,)))


def active_conditions(conditions: ExperimentFilter | SessionFilter) -> frozenset[str]:
    """Return the names of the conditions that are set."""
    return frozenset([name for name in conditions.__match_args__ if getattr(conditions, name) is not None])


def experiment_order_value(order: ExperimentOrder) -> Callable[[Experiment], OrderValue]:
    """Return a function that reads the order value of an experiment.

    Names compare by code point after Unicode case folding.
    """
    match order.field:
        case ExperimentOrderField.NAME:
            return lambda experiment: experiment.name.casefold()
        case ExperimentOrderField.SESSION_COUNT:
            return lambda experiment: number(experiment.session_count)
        case ExperimentOrderField.METRIC:
            return _no_value if order.figure is None else order.figure.value_of
        case ExperimentOrderField.CREATED_AT | ExperimentOrderField.UPDATED_AT:
            return attrgetter(order.field.value.lower())


def session_order_value(order: SessionOrder) -> Callable[[Session], OrderValue]:
    """Return a function that reads the order value of a session."""
    match order.field:
        case SessionOrderField.STARTED_AT:
            return _STARTED_AT
        case SessionOrderField.LATENCY:
            return lambda session: number(session.latency_ms)
        case SessionOrderField.COST:
            return lambda session: number(session.cost_usd)
        case SessionOrderField.TOTAL_TOKENS:
            return lambda session: number(getattr(session.tokens, "total", None))
        case SessionOrderField.SCORE:
            evaluator = order.evaluator
            return lambda session: number((session.scores_by_evaluator or {}).get(evaluator or ""))


_STARTED_AT: Callable[[Session], OrderValue] = attrgetter("started_at")


def _no_value(_: Experiment) -> None:
    return None


def sort_value_type(order: Order) -> type[int] | type[float] | type[str]:
    """Return the type of the sort values: microseconds of times, figures, or texts."""
    if order.field is ExperimentOrderField.NAME:
        return str
    return int if order.field in _BY_TIME else float


_BY_TIME = frozenset(
    {ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT, SessionOrderField.STARTED_AT}
)


def experiment_sort_value(experiment: Experiment, order: ExperimentOrder) -> SortValue:
    """Return the sort value of an experiment in an order."""
    return sort_value(experiment_order_value(order)(experiment))


def session_sort_value(session: Session, order: SessionOrder = SessionOrder()) -> SortValue:
    """Return the sort value of a session in an order."""
    return sort_value(session_order_value(order)(session))
