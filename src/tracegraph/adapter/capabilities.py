"""What a vendor does itself, as data: its lists with their paging, orders and filters, its figures, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from tracegraph.adapter.paging import (
    CursorRequest,
    OffsetRequest,
    PageRequest,
    Paging,
    RangeRequest,
    WholeRequest,
)
from tracegraph.domain.calls import RateLimit
from tracegraph.domain.conditions import may_match_some_value, meets_without_value
from tracegraph.domain.figures import Statistic
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
    active_conditions,
)
from tracegraph.domain.models import (
    ExperimentKind,
    MetricKind,
    SessionStatus,
)

OrderField = ExperimentOrderField | SessionOrderField
Order = tuple[OrderField, OrderDirection]


def both_directions(*fields: OrderField) -> frozenset[Order]:
    """Return the orders by these fields, ascending and descending."""
    return frozenset(product(fields, OrderDirection))


@dataclass(frozen=True, slots=True)
class ListCapabilities:
    """What the vendor does for one of its lists; all else the gateway does after fetching.

    Attributes:
        paging: How the list goes on.
        page_max: The most rows of one page.
        orders: The orders in which the vendor lists. The other direction of an order is read from windows (RANGE),
            from the end (OFFSET) or from the whole list; any other order from the whole list.
        figures: The figures by which the vendor lists experiments, in both directions: the order METRIC. Each must
            be the figure that the experiment's aggregates hold.
        filters: The conditions that the vendor applies, named as the fields of ExperimentFilter or SessionFilter.
        ranges: Whether a CURSOR list takes range requests, too. Then it resumes without a token in one call.
        lacks: The fields of Experiment that rows of the list lack and that look-ups have. The gateway looks them
            up where they are needed.
        pooled: Whether one request may name several experiments. Requests that the gateway sends together should
            then share calls. Sessions only.
    """

    paging: Paging
    page_max: int
    orders: frozenset[Order] = frozenset()
    filters: frozenset[str] = frozenset()
    ranges: bool = False
    lacks: frozenset[str] = frozenset()
    pooled: bool = False
    figures: frozenset[tuple[MetricKind, Statistic]] = frozenset()

    def lists_in(self, order: ExperimentOrder | SessionOrder) -> bool:
        """Return whether the vendor lists in this order."""
        if isinstance(order, ExperimentOrder) and order.figure is not None:
            return (order.figure.metric.kind, order.figure.statistic) in self.figures
        return (order.field, order.direction) in self.orders

    @property
    def takes_ranges(self) -> bool:
        """Whether the list takes range requests."""
        return self.paging is Paging.RANGE or (self.paging is Paging.CURSOR and self.ranges)

    def first_page(self, limit: int) -> PageRequest:
        """Return the request for the first rows of the list."""
        match self.paging:
            case Paging.OFFSET:
                return OffsetRequest(limit)
            case Paging.RANGE:
                return RangeRequest(limit)
            case Paging.CURSOR:
                return CursorRequest(limit)
            case Paging.WHOLE:
                return WholeRequest(limit)

    def next_page(self, limit: int, hint: int | str) -> PageRequest:
        """Return the request for the rows behind a page that gave this `next_hint`."""
        token = str(hint)
        match self.paging:
            case Paging.OFFSET:
                return OffsetRequest(limit, hint) if isinstance(hint, int) else OffsetRequest(limit, token=hint)
            case Paging.RANGE:
                return RangeRequest(limit, token=token)
            case Paging.CURSOR:
                return CursorRequest(limit, token)
            case Paging.WHOLE:
                return WholeRequest(limit, hint)

    def order_fields(self) -> frozenset[OrderField]:
        """Return the fields that the vendor orders by, in either direction."""
        fields: set[OrderField] = {order_field for order_field, _ in self.orders}
        return frozenset(fields | {ExperimentOrderField.METRIC} if self.figures else fields)


Lists = ListCapabilities | Mapping[ExperimentKind, ListCapabilities]
"""One list for experiments of all kinds, or a list for each kind."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the vendor does itself; all else the gateway does after fetching.

    A condition that needs a value of an `unsupported` field, or a kind or status that occurs, matches no row there
    and causes no call. A condition that a missing value meets, such as `exists=False`, still matches.

    Attributes:
        experiments: The list of experiments, or one for each kind.
        sessions: The list of an experiment's sessions, or one for each kind of experiment.
        reported_metrics: The metrics whose statistics the vendor reports.
        deferred_metrics: Those of them that rows lack: `ReportsAggregates.get_aggregates` reads their statistics,
            with a call for each experiment.
        kinds: The kinds of experiment that occur.
        statuses: The statuses of a session that occur.
        unsupported_experiment_fields: The fields of ExperimentFilter that no experiment has a value for.
        unsupported_session_fields: The fields of SessionFilter that no session has a value for.
        call_kinds: The classes of calls, for rate limits, circuits and metrics.
        rate_limits: The vendor's documented limits by class; `*` limits all classes together that are not named.
        spans: Whether the adapter has `ListsSpans.list_spans`.
        session_details: Groups of COSTLY_SESSION_FIELDS and `scores` that lists and look-ups of sessions defer,
            each with calls of its own: `ReadsSessionDetails.get_session_details` reads one group. A list always
            defers the group of `scores`.
    """

    experiments: Lists
    sessions: Lists
    reported_metrics: tuple[MetricKind, ...]
    kinds: frozenset[ExperimentKind]
    statuses: frozenset[SessionStatus]
    unsupported_experiment_fields: frozenset[str] = frozenset()
    unsupported_session_fields: frozenset[str] = frozenset()
    call_kinds: frozenset[str] = frozenset()
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict)
    spans: bool = False
    deferred_metrics: frozenset[MetricKind] = frozenset()
    session_details: frozenset[frozenset[str]] = frozenset()

    def details_with(self, field: str) -> frozenset[str] | None:
        """Return the group of `session_details` that has a field of Session, None where no group has it."""
        return next((group for group in self.session_details if field in group), None)

    def experiment_lists(self) -> Mapping[ExperimentKind | None, ListCapabilities]:
        """Return the lists of experiments by kind; None is the key of one list for all kinds."""
        return _by_kind(self.experiments)

    def session_list(self, kind: ExperimentKind | None) -> ListCapabilities:
        """Return the list of sessions of experiments of that kind. Raise KeyError for an undeclared kind."""
        lists = _by_kind(self.sessions)
        return lists[None] if None in lists else lists[kind]

    def session_lists(self) -> Mapping[ExperimentKind | None, ListCapabilities]:
        """Return the lists of sessions by the kind of their experiment; None is the key of one list for all."""
        return _by_kind(self.sessions)

    def may_match_experiments(self, filter: ExperimentFilter) -> bool:  # noqa: A002 - the field's own word
        """Return whether any experiment of this vendor could match the filter."""
        if filter.kinds is not None and not filter.kinds & self.kinds:
            return False
        return _may_match(filter, self.unsupported_experiment_fields)

    def may_match_sessions(self, filter: SessionFilter) -> bool:  # noqa: A002 - the field's own word
        """Return whether any session of this vendor could match the filter."""
        if filter.statuses is not None and not filter.statuses & self.statuses:
            return False
        return filter.ids != frozenset() and _may_match(filter, self.unsupported_session_fields)


def _may_match(conditions: ExperimentFilter | SessionFilter, unsupported: frozenset[str]) -> bool:
    active = {name: getattr(conditions, name) for name in active_conditions(conditions)}
    return all(
        may_match_some_value(condition) and (name not in unsupported or meets_without_value(condition))
        for name, condition in active.items()
    )


def _by_kind(lists: Lists) -> Mapping[ExperimentKind | None, ListCapabilities]:
    return {None: lists} if isinstance(lists, ListCapabilities) else {kind: one for kind, one in lists.items()}  # noqa: C416 - the key's type widens
