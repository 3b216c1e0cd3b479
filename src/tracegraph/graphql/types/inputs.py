"""The schema's orders, metrics and page sizes, and their conversion to checked domain values."""

from __future__ import annotations

from functools import cached_property

import strawberry

from tracegraph.domain import filters, models
from tracegraph.errors import BadUserInput


@strawberry.input(description="The order of a list of experiments; missing values come last in both directions.")
class ExperimentOrder:
    """The GraphQL input of `domain.filters.ExperimentOrder`."""

    field: filters.ExperimentOrderField
    direction: filters.OrderDirection = filters.OrderDirection.DESC

    @cached_property
    def parsed(self) -> filters.ExperimentOrder:
        """The domain value."""
        return filters.ExperimentOrder(self.field, self.direction)


@strawberry.input(description="The order of a list of sessions.")
class SessionOrder:
    """The GraphQL input of `domain.filters.SessionOrder`."""

    field: filters.SessionOrderField
    direction: filters.OrderDirection = filters.OrderDirection.DESC

    @cached_property
    def parsed(self) -> filters.SessionOrder:
        """The domain value."""
        return filters.SessionOrder(self.field, self.direction)


@strawberry.input(description="A metric. evaluator is required for kind SCORE and not allowed for other kinds.")
class MetricInput:
    """The GraphQL input of `domain.models.Metric`."""

    kind: models.MetricKind
    evaluator: str | None = None

    @cached_property
    def parsed(self) -> models.Metric:
        """The metric.

        Raises:
            BadUserInput: When evaluator and kind do not match.
        """
        if (self.kind is models.MetricKind.SCORE) != (self.evaluator is not None):
            raise BadUserInput("A metric of kind SCORE requires an evaluator, and other kinds do not allow one.")
        return models.Metric(self.kind, self.evaluator)


def parse_first(first: int | None, default: int, maximum: int) -> int:
    """Return the number of rows of a page.

    Args:
        first: The argument of the field, or None.
        default: The number of rows without the argument.
        maximum: The maximum number of rows.

    Raises:
        BadUserInput: When `first` is negative or greater than the maximum.
    """
    if first is None:
        return default
    if not 0 <= first <= maximum:
        raise BadUserInput(f"first is {first}, and must be 0 to {maximum}: request less, and continue with after.")
    return first
