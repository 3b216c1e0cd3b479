"""The schema's orders, metrics and page sizes, and their conversion to checked domain values."""

from __future__ import annotations

from functools import cached_property

import strawberry

from tracegraph.domain import filters, models
from tracegraph.domain.figures import Figure, Statistic
from tracegraph.errors import BadUserInput
from tracegraph.federation.analytics.case_order import CaseOrderField


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


@strawberry.input(description="The order of a list of experiments; missing values come last in both directions.")
class ExperimentOrder:
    """The GraphQL input of `domain.filters.ExperimentOrder`."""

    field: filters.ExperimentOrderField
    direction: filters.OrderDirection = filters.OrderDirection.DESC
    metric: MetricInput | None = strawberry.field(
        default=None,
        description=(
            "Required with METRIC, and not allowed with other fields: the metric that the vendor reports. "
            "Experiments without the figure come last."
        ),
    )
    statistic: Statistic = strawberry.field(
        default=Statistic.MEAN, description="The statistic of the metric. Without effect on other fields."
    )

    @cached_property
    def parsed(self) -> filters.ExperimentOrder:
        """The domain value.

        Raises:
            BadUserInput: When metric and field do not match.
        """
        if (self.field is filters.ExperimentOrderField.METRIC) != (self.metric is not None):
            raise BadUserInput("orderBy: METRIC requires a metric, and other fields do not allow one.")
        figure = None if self.metric is None else Figure(self.metric.parsed, self.statistic)
        return filters.ExperimentOrder(self.field, self.direction, figure)


@strawberry.input(description="The order of a list of sessions; missing values come last in both directions.")
class SessionOrder:
    """The GraphQL input of `domain.filters.SessionOrder`."""

    field: filters.SessionOrderField
    direction: filters.OrderDirection = filters.OrderDirection.DESC
    evaluator: str | None = strawberry.field(
        default=None, description="The name of the score. Required with SCORE, and not allowed with other fields."
    )

    @cached_property
    def parsed(self) -> filters.SessionOrder:
        """The domain value.

        Raises:
            BadUserInput: When evaluator and field do not match.
        """
        if (self.field is filters.SessionOrderField.SCORE) != (self.evaluator is not None):
            raise BadUserInput("orderBy: SCORE requires an evaluator, and other fields do not allow one.")
        return filters.SessionOrder(self.field, self.direction, self.evaluator)


@strawberry.input(
    description=(
        "The order of a comparison's cases; missing values come last in both directions. Equal values are ordered "
        "by key. DELTA and VALUE are those of experimentId."
    )
)
class CaseOrder:
    """The GraphQL input of `federation.analytics.case_order.CaseOrder`."""

    field: CaseOrderField
    direction: filters.OrderDirection = filters.OrderDirection.DESC
    experiment_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "One of the compared experiments. The default is the first of them that is not the baseline: the "
            "second, unless baselineId names another baseline. Without effect on KEY."
        ),
    )
