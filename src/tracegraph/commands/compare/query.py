"""A comparison as one GraphQL query, the same for this process and for a running gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracegraph.commands.compare.regressions import RegressionList, regression_lists
from tracegraph.domain.figures import Statistic
from tracegraph.domain.models import AggregateBasis, MetricKind
from tracegraph.errors import BadUserInput
from tracegraph.federation.analytics.cases import CaseKey
from tracegraph.graphql.runner import Operation

_TEMPLATE = """\
query Compare($ids: [ID!]!, $baseline: ID, $metrics: [MetricInput!], $statistic: Statistic!,
              $basis: AggregateBasis!, $joinOn: CaseKey!%(declarations)s) {
  comparison(experimentIds: $ids, baselineId: $baseline, metrics: $metrics, statistic: $statistic,
             basis: $basis, joinOn: $joinOn) {
    baseline { id name source { name } }
    experiments { id name source { name } }
    missingIds
    metrics {
      metric { name unit betterWhen }
      statistic
      best { id }
      entries {
        experiment { id }
        aggregate { basis population count complete median p95 }
        value
        delta
        ratio
        cases { improved regressed equal missing }
      }
    }
%(cases)s    sources { source { name } status error { code message } fetched upstreamRequests durationMs }
  }
}"""


QUERY = _TEMPLATE % {"declarations": "", "cases": ""}
"""The query without regressions."""


@dataclass(frozen=True, slots=True)
class CompareQuery:
    """The experiments' global IDs and the kind of comparison.

    Without metrics, the metrics that at least two of the experiments have are compared. `cases` is the number of
    largest regressions of each experiment, in each of the metrics, or without metrics in the latency.
    """

    experiment_ids: Sequence[str]
    baseline_id: str | None = None
    metrics: Sequence[str] = ()
    statistic: Statistic = Statistic.MEAN
    basis: AggregateBasis = AggregateBasis.BEST
    join_on: CaseKey = CaseKey.TEST_CASE_ID
    cases: int = 0

    @property
    def regressions(self) -> list[RegressionList]:
        """The requested lists of regressions. Raises BadUserInput for an unknown metric."""
        if not self.cases:
            return []
        return regression_lists(self.experiment_ids, self.baseline_id, [*map(parse_metric, self.metrics)])

    def operation(self) -> Operation:
        """Return the query with its variables. Raise BadUserInput for an unknown metric."""
        lists = self.regressions
        query = _TEMPLATE % {
            "declarations": "".join(one.declaration for one in lists),
            "cases": "".join(one.selection(self.cases) for one in lists),
        }
        of_cases = [one.variables for one in lists]
        return Operation(
            query,
            {name: value for variables in of_cases for name, value in variables.items()}
            | {
                "ids": list(self.experiment_ids),
                "baseline": self.baseline_id,
                "metrics": [parse_metric(name) for name in self.metrics] or None,
                "statistic": self.statistic.value,
                "basis": self.basis.value,
                "joinOn": self.join_on.value,
            },
        )


def parse_metric(name: str) -> dict[str, Any]:
    """Parse a metric's name such as `latency` or `score:accuracy` into the schema's input. Raise BadUserInput."""
    kind, _, evaluator = name.partition(":")
    kinds = {member.value.lower(): member for member in MetricKind}
    metric_kind = kinds.get(kind.strip().lower().replace("-", "_"))
    if metric_kind is None or (metric_kind is MetricKind.SCORE) != bool(evaluator):
        names = ", ".join(word for word in kinds if word != "score")
        raise BadUserInput(f"{name!r} is not a metric: use {names}, or score:NAME with an evaluator's name.")
    return {"kind": metric_kind.value} | ({"evaluator": evaluator} if evaluator else {})
