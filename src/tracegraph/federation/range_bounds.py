"""Start and end of a list under a range filter on its sort value, for vendors that take no such range."""

from __future__ import annotations

from dataclasses import dataclass

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.paging import SessionPageRequest
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    SessionOrderField,
    TimeRange,
)
from tracegraph.domain.sort_values import microseconds
from tracegraph.federation.sort_key import (
    ComparableKey,
    Direction,
    SortKey,
    after_value,
    ascends,
    before_value,
    end_of_group,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """No row up to `starts_after`, and none from `ends_at` on, can match the filter."""

    starts_after: SortKey | None = None
    ends_at: ComparableKey | None = None


UNBOUNDED = Bounds()


def experiment_bounds(
    order: ExperimentOrder, experiment_filter: ExperimentFilter, capabilities: ListCapabilities
) -> Bounds:
    """Return the bounds from createdAt or updatedAt when experiments are ordered by that time."""
    if order.field is ExperimentOrderField.CREATED_AT:
        name, times = "created_at", experiment_filter.created_at
    elif order.field is ExperimentOrderField.UPDATED_AT:
        name, times = "updated_at", experiment_filter.updated_at
    else:
        return UNBOUNDED
    if times is None or name in capabilities.filters:
        return UNBOUNDED
    return _bounds(times, order.direction)


def session_bounds(
    request: SessionPageRequest, capabilities: ListCapabilities, direction: Direction | None = None
) -> Bounds:
    """Return the bounds from startedAt when sessions are ordered by that time.

    Args:
        request: The filter and the order.
        capabilities: The capabilities of the list.
        direction: The direction in which the list is read, by default that of the order.
    """
    times = request.filter.started_at
    if (
        request.order.field is not SessionOrderField.STARTED_AT
        or times is None
        or "started_at" in capabilities.filters
    ):
        return UNBOUNDED
    return _bounds(times, direction or request.order.direction)


def _bounds(times: TimeRange, direction: Direction) -> Bounds:
    gte = None if times.gte is None else microseconds(times.gte)
    lt = None if times.lt is None else microseconds(times.lt)
    if ascends(direction):
        return Bounds(
            None if gte is None else after_value(gte - 1, direction),
            None if lt is None else before_value(lt, direction).comparable(direction),
        )
    return Bounds(
        None if lt is None else after_value(lt, direction),
        None if gte is None else end_of_group(before_value(gte, direction).comparable(direction)),
    )
