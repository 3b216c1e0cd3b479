"""What may be asked of a source: filters, orders, and the test whether an object answers them.

Conditions in a filter hold all at once; a list within one means any of its members. The gateway applies every
filter itself, whatever the vendor did with it: these functions are that second look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from operator import attrgetter

from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionStatus
from tracegraph.domain.sort_values import (
    OrderValue,
    SortValue,
    sort_value,
)


class OrderDirection(Enum):
    """Ascending or descending; values that are missing come last in both."""

    ASC = "ASC"
    DESC = "DESC"

    @property
    def opposite(self) -> OrderDirection:
        """The other direction."""
        return OrderDirection.DESC if self is OrderDirection.ASC else OrderDirection.ASC


class ExperimentOrderField(Enum):
    """What experiments can be ordered by."""

    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"
    NAME = "NAME"


class SessionOrderField(Enum):
    """What sessions can be ordered by."""

    STARTED_AT = "STARTED_AT"


@dataclass(frozen=True, slots=True)
class ExperimentOrder:
    """The order of a list of experiments."""

    field: ExperimentOrderField = ExperimentOrderField.CREATED_AT
    direction: OrderDirection = OrderDirection.DESC


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """The order of a list of sessions."""

    field: SessionOrderField = SessionOrderField.STARTED_AT
    direction: OrderDirection = OrderDirection.DESC


@dataclass(frozen=True, slots=True)
class StringFilter:
    """`eq` and `any_of` are exact, `contains` ignores case."""

    eq: str | None = None
    any_of: frozenset[str] | None = None
    contains: str | None = None

    def admits(self, value: str) -> bool:
        """Whether every condition that is set holds for the value."""
        return (
            (self.eq is None or value == self.eq)
            and (self.any_of is None or value in self.any_of)
            and (self.contains is None or self.contains.casefold() in value.casefold())
        )


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From `gte` up to but not including `lt`; both timezone-aware UTC."""

    gte: datetime | None = None
    lt: datetime | None = None

    def admits(self, value: datetime | None) -> bool:
        """Whether the time lies within; a missing time lies in no range."""
        if self.gte is None and self.lt is None:
            return True
        return (
            value is not None and (self.gte is None or value >= self.gte) and (self.lt is None or value < self.lt)
        )


@dataclass(frozen=True, slots=True)
class ExperimentFilter:
    """Conditions on experiments of one source; `refs` are the vendor's look-up names."""

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

    def admits(self, experiment: Experiment) -> bool:
        """Whether the experiment fulfils every condition."""
        return (
            (self.kinds is None or experiment.kind in self.kinds)
            and (self.refs is None or experiment.ref in self.refs)
            and (self.name is None or self.name.admits(experiment.name))
            and (self.agent_name is None or experiment.agent_name == self.agent_name)
            and (self.agent_version is None or experiment.agent_version == self.agent_version)
            and (self.dataset_name is None or experiment.dataset_name == self.dataset_name)
            and (self.dataset_version is None or experiment.dataset_version == self.dataset_version)
            and (self.group_id is None or experiment.group_id == self.group_id)
            and (self.created_at is None or self.created_at.admits(experiment.created_at))
            and (self.updated_at is None or self.updated_at.admits(experiment.updated_at))
        )


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Conditions on sessions of one source."""

    statuses: frozenset[SessionStatus] | None = None
    test_case_id: str | None = None
    started_at: TimeRange | None = None

    def admits(self, session: Session) -> bool:
        """Whether the session fulfils every condition."""
        return (
            (self.statuses is None or session.status in self.statuses)
            and (self.test_case_id is None or session.test_case_id == self.test_case_id)
            and (self.started_at is None or self.started_at.admits(session.started_at))
        )


def active_conditions(of: ExperimentFilter | SessionFilter) -> frozenset[str]:
    """Names of the conditions that are set."""
    return frozenset([name for name in of.__match_args__ if getattr(of, name) is not None])


def experiment_order_value(field: ExperimentOrderField) -> Callable[[Experiment], OrderValue]:
    """Reads what an experiment is ordered by. Names compare by code point after Unicode case folding."""
    if field is ExperimentOrderField.NAME:
        return lambda experiment: experiment.name.casefold()
    return attrgetter("created_at" if field is ExperimentOrderField.CREATED_AT else "updated_at")


session_order_value: Callable[[Session], OrderValue] = attrgetter("started_at")
"""Reads what a session is ordered by: its start."""


def experiment_sort_value(experiment: Experiment, field: ExperimentOrderField) -> SortValue:
    """What an experiment is ordered by, as a sort value."""
    return sort_value(experiment_order_value(field)(experiment))


def session_sort_value(session: Session) -> SortValue:
    """What a session is ordered by, as a sort value."""
    return sort_value(session_order_value(session))
