"""Filters and orders of lists, and the functions that apply filters to objects.

All conditions of a filter must hold; a list within a condition means any of its members. The gateway applies every
filter itself, whatever the vendor has filtered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from operator import attrgetter

from tracegraph.domain.figures import Figure, number
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionStatus
from tracegraph.domain.sort_values import (
    OrderValue,
    SortValue,
    sort_value,
)


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
class StringFilter:
    """Conditions on a string. `eq` and `any_of` are exact, `contains` ignores case."""

    eq: str | None = None
    any_of: frozenset[str] | None = None
    contains: str | None = None

    def matches(self, value: str) -> bool:
        """Return whether the value meets every condition that is set."""
        return (
            (self.eq is None or value == self.eq)
            and (self.any_of is None or value in self.any_of)
            and (self.contains is None or self.contains.casefold() in value.casefold())
        )


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range from `gte` up to but not including `lt`; both are timezone-aware UTC."""

    gte: datetime | None = None
    lt: datetime | None = None

    def matches(self, value: datetime | None) -> bool:
        """Return whether the range contains the time; no range with a bound contains a missing time."""
        if self.gte is None and self.lt is None:
            return True
        return (
            value is not None and (self.gte is None or value >= self.gte) and (self.lt is None or value < self.lt)
        )


@dataclass(frozen=True, slots=True)
class ExperimentFilter:
    """Conditions on experiments of one source; `refs` are the vendor's look-up names.

    A condition on what a vendor has several of, such as groups, matches any of them.
    """

    kinds: frozenset[ExperimentKind] | None = None
    refs: frozenset[str] | None = None
    name: StringFilter | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    dataset_name: str | None = None
    dataset_version: str | None = None
    group_id: str | None = None
    created_at: TimeRange | None = None
    updated_at: TimeRange | None = None

    def matches(self, experiment: Experiment) -> bool:
        """Return whether the experiment meets every condition."""
        return (
            (self.kinds is None or experiment.kind in self.kinds)
            and (self.refs is None or experiment.ref in self.refs)
            and (self.name is None or self.name.matches(experiment.name))
            and _is_among(self.agent_name, experiment.agent_name, experiment.agent_names)
            and _is_among(self.agent_version, experiment.agent_version, experiment.agent_versions)
            and (self.dataset_name is None or experiment.dataset_name == self.dataset_name)
            and (self.dataset_version is None or experiment.dataset_version == self.dataset_version)
            and _is_among(self.group_id, experiment.group_id, experiment.group_ids)
            and (self.created_at is None or self.created_at.matches(experiment.created_at))
            and (self.updated_at is None or self.updated_at.matches(experiment.updated_at))
        )


def _is_among(wanted: str | None, value: str | None, all_values: Sequence[str]) -> bool:
    """Return whether there is no condition, or the wanted value is the value or one of all values."""
    return wanted is None or wanted == value or wanted in all_values


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Conditions on sessions of one source."""

    statuses: frozenset[SessionStatus] | None = None
    test_case_id: str | None = None
    started_at: TimeRange | None = None

    def matches(self, session: Session) -> bool:
        """Return whether the session meets every condition."""
        return (
            (self.statuses is None or session.status in self.statuses)
            and (self.test_case_id is None or session.test_case_id == self.test_case_id)
            and (self.started_at is None or self.started_at.matches(session.started_at))
        )


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
