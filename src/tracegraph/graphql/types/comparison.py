"""The schema's objects of a comparison. A field without a resolver is the attribute of that name."""

from __future__ import annotations

import strawberry

from tracegraph.federation.analytics.cases import CaseOutcome
from tracegraph.federation.analytics.comparison import Statistic
from tracegraph.graphql.comparison.cases import CaseRow
from tracegraph.graphql.compiler.field_access import instances_of
from tracegraph.graphql.resolvers import comparison as resolvers
from tracegraph.graphql.types.objects import Aggregate, Experiment, Metric, Node, PageInfo, Session, SourceReport


@strawberry.type(
    description="How the baseline's cases turned out in another experiment; the four sum to all of them."
)
class CaseCounts:
    """`federation.cases.CaseCounts`."""

    improved: int
    regressed: int
    equal: int
    missing: int


@strawberry.type(description="One experiment's figure in one metric.")
class MetricEntry:
    """`comparison_resolvers.MetricEntryValue`."""

    experiment: Experiment
    aggregate: Aggregate | None = strawberry.field(
        description="What the value was taken from. Means over different populations are not alike."
    )
    value: float | None = strawberry.field(description="The statistic asked for, in the metric's unit.")
    delta: float | None = strawberry.field(description="The value less the baseline's.")
    ratio: float | None = strawberry.field(
        description="The value over the baseline's; null when the baseline's is 0."
    )
    cases: CaseCounts | None = strawberry.field(
        resolver=resolvers.metric_entry_cases,
        description="Against the baseline; null when the two share no case, and on the baseline's own entry.",
    )


@strawberry.type(description="One metric over all experiments of a comparison.")
class MetricComparison:
    """`comparison_resolvers.MetricComparisonValue`."""

    metric: Metric
    statistic: Statistic
    entries: list[MetricEntry] = strawberry.field(description="One for each of experimentIds, in their order.")
    best: Experiment | None = strawberry.field(
        description="By the metric's betterWhen; null when different experiments share the best value."
    )


@strawberry.type(description="One experiment's run of a test case.")
class CaseEntry:
    """`paired_cases.CaseEntryValue`."""

    experiment: Experiment
    sessions: list[Session] = strawberry.field(
        resolver=resolvers.case_entry_sessions,
        description="Every repetition of the case; none when the experiment did not run it.",
    )
    value: float | None = strawberry.field(description="The mean over the repetitions that have a value.")
    delta: float | None = strawberry.field(description="The value less the baseline's.")
    outcome: CaseOutcome | None = strawberry.field(
        description="Null on the baseline's own entry, and where the source failed."
    )


@strawberry.type(description="One test case as each experiment ran it.")
class CaseComparison(Node):
    """`paired_cases.CaseRow`."""

    id: strawberry.ID
    key: str = strawberry.field(
        resolver=resolvers.case_key,
        description=(
            "The test case's id, or the input: canonical JSON for an object or a list (names sorted, no spaces), "
            "else the text with its white space folded."
        ),
    )
    input: str | None = strawberry.field(
        resolver=resolvers.case_input, description="Of the baseline's first session of the case."
    )
    entries: list[CaseEntry] = strawberry.field(description="One for each of experimentIds, in their order.")

    is_type_of = instances_of(CaseRow)


@strawberry.type(description="A case and the cursor that resumes right after it.")
class CaseComparisonEdge:
    """`case_pages.CaseEdgeValue`."""

    node: CaseComparison
    cursor: str


@strawberry.type(description="A page of the baseline's cases, by their key.")
class CaseComparisonConnection:
    """`case_pages.CasePage`."""

    edges: list[CaseComparisonEdge]
    nodes: list[CaseComparison]
    page_info: PageInfo
    total_count: int | None = strawberry.field(description="Exact, or null when not every session was read.")


@strawberry.type(
    description=(
        "Experiments side by side, from whichever vendors. A comparison of an experiment with itself is all "
        "EQUAL. An experiment whose source fails keeps its column, without values."
    )
)
class Comparison:
    """`comparison.ComparisonValue`."""

    baseline: Experiment
    experiments: list[Experiment]
    metrics: list[MetricComparison] = strawberry.field(
        resolver=resolvers.comparison_metrics,
        description="Those asked for, else those that at least two of the experiments have.",
    )
    cases: CaseComparisonConnection = strawberry.field(
        resolver=resolvers.comparison_cases,
        description=(
            "The baseline's cases; with an outcome, those that some experiment has it for. A cursor is good for "
            "the experiments, metric, outcome and joinOn that it was made with."
        ),
    )
    sources: list[SourceReport] = strawberry.field(
        resolver=resolvers.comparison_sources,
        description="How each source fared in all that is asked of this comparison.",
    )
