"""GraphQL types of a comparison. A field without a resolver reads the attribute of its name."""

from __future__ import annotations

import strawberry

from tracegraph.domain.figures import Statistic
from tracegraph.federation.analytics.cases import CaseOutcome
from tracegraph.graphql.comparison.cases import CaseRow
from tracegraph.graphql.compiler.field_access import instances_of
from tracegraph.graphql.resolvers import comparison as resolvers
from tracegraph.graphql.types.figures import Aggregate, Metric
from tracegraph.graphql.types.objects import (
    Connection,
    Edge,
    Experiment,
    Node,
    Session,
    SourceReport,
)


@strawberry.type(
    description="Outcomes of the baseline's cases in another experiment; the four counts add up to all cases."
)
class CaseCounts:
    """The GraphQL type of `federation.analytics.cases.CaseCounts`."""

    improved: int
    regressed: int
    equal: int
    missing: int


@strawberry.type(description="One experiment's figure in one metric.")
class MetricEntry:
    """The GraphQL type of `resolvers.comparison.ComparedMetricEntry`."""

    experiment: Experiment
    aggregate: Aggregate | None = strawberry.field(
        description=(
            "The figures that the value comes from. Means over different populations are not comparable. Null "
            "without any, and where the source failed."
        )
    )
    value: float | None = strawberry.field(
        description="The requested statistic, in the metric's unit. Null without one, and where the source failed."
    )
    delta: float | None = strawberry.field(
        description="The value minus the baseline's, in the metric's unit. Null when one of them is null."
    )
    ratio: float | None = strawberry.field(
        description="The value divided by the baseline's. Null when one of them is null, or the baseline's is 0."
    )
    cases: CaseCounts | None = strawberry.field(
        resolver=resolvers.metric_entry_cases,
        description=(
            "Outcomes of the baseline's cases. Null when the two share no case, on the baseline's own entry, and "
            "where a source failed."
        ),
    )


@strawberry.type(description="One metric over all experiments of a comparison.")
class MetricComparison:
    """The GraphQL type of `resolvers.comparison.ComparedMetric`."""

    metric: Metric
    statistic: Statistic
    entries: list[MetricEntry] = strawberry.field(
        description="One for each of Comparison.experiments, in their order."
    )
    best: Experiment | None = strawberry.field(
        description="The best experiment by betterWhen; null when several experiments share the best value."
    )


@strawberry.type(description="One experiment's run of a test case.")
class CaseEntry:
    """The GraphQL type of `comparison.cases.CaseEntry`."""

    experiment: Experiment
    sessions: list[Session] | None = strawberry.field(
        resolver=resolvers.case_entry_sessions,
        description=(
            "Every repetition of the case, in the order of the experiment's sessions. Empty when the experiment "
            "did not run it, null when its source failed."
        ),
    )
    value: float | None = strawberry.field(
        description=(
            "The mean over the repetitions that have a value, in the metric's unit. Null when none has one."
        )
    )
    delta: float | None = strawberry.field(
        description="The value minus the baseline's, in the metric's unit. Null when one of them is null."
    )
    outcome: CaseOutcome | None = strawberry.field(
        description="Null on the baseline's own entry, and where the source failed."
    )


@strawberry.type(description="One test case as each experiment ran it.")
class CaseComparison(Node):
    """The GraphQL type of `comparison.cases.CaseRow`."""

    id: strawberry.ID
    key: str = strawberry.field(
        resolver=resolvers.case_key,
        description=(
            "The test case's id, or the input: canonical JSON for an object or a list (names sorted, no spaces), "
            "otherwise the text with its white space folded."
        ),
    )
    input: str | None = strawberry.field(
        resolver=resolvers.case_input,
        description=(
            "The input of the baseline's first session of the case, as text. Null without one, and with an error "
            "when it could not be read."
        ),
    )
    entries: list[CaseEntry] = strawberry.field(
        description="One for each of Comparison.experiments, in their order."
    )

    is_type_of = instances_of(CaseRow)


@strawberry.type(description="A case and the cursor that continues right after the case.")
class CaseComparisonEdge(Edge[CaseComparison]):
    """The GraphQL type of `comparison.case_pages.CaseEdge`."""


@strawberry.type(description="A page of the baseline's cases.")
class CaseComparisonConnection(Connection[CaseComparison, CaseComparisonEdge]):
    """The GraphQL type of `comparison.case_pages.CaseConnection`."""

    total_count: int | None = strawberry.field(description="Exact, or null when not every session was read.")


@strawberry.type(
    description=(
        "Experiments of any vendors side by side. A comparison of an experiment with itself is all EQUAL. An "
        "experiment whose source fails keeps its column, without values: its name is the vendor's ID, and its "
        "kind is EVALUATION where the source has evaluations and does not tell kinds apart by ID."
    )
)
class Comparison:
    """The GraphQL type of `comparison.figures.Comparison`."""

    baseline: Experiment
    experiments: list[Experiment]
    missing_ids: list[strawberry.ID] = strawberry.field(
        description="The members of experimentIds that no source knows, in their order. They have no column."
    )
    metrics: list[MetricComparison] = strawberry.field(
        resolver=resolvers.comparison_metrics,
        description=(
            "The requested metrics in their order. By default the metrics that at least two of the experiments "
            "have, in the order of MetricKind."
        ),
    )
    cases: CaseComparisonConnection | None = strawberry.field(
        resolver=resolvers.comparison_cases,
        description=(
            "The baseline's cases, by default ordered by key. Null when the source of the baseline failed. With "
            "an outcome, only the cases for which at least one experiment has that outcome. For the largest "
            "regressions, order by DELTA. A cursor is valid only with the same experiments, metric, outcome, "
            "text, order and joinOn."
        ),
    )
    sources: list[SourceReport] = strawberry.field(
        resolver=resolvers.comparison_sources,
        description=(
            "The report of each source over all selected fields of this comparison, in the order of the "
            "experiments."
        ),
    )
