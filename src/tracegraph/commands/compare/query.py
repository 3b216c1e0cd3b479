"""What is compared, as one GraphQL query: the same for this process and for a running gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracegraph.domain.models import AggregateBasis, MetricKind
from tracegraph.errors import BadUserInput
from tracegraph.federation.analytics.cases import CaseKey
from tracegraph.federation.analytics.comparison import Statistic
from tracegraph.graphql.runner import Operation

QUERY = """\
query Compare($ids: [ID!]!, $baseline: ID, $metrics: [MetricInput!], $statistic: Statistic!,
              $basis: AggregateBasis!, $joinOn: CaseKey!) {
  comparison(experimentIds: $ids, baselineId: $baseline, metrics: $metrics, statistic: $statistic,
             basis: $basis, joinOn: $joinOn) {
    baseline { id name source { name } }
    experiments { id name source { name } }
    metrics {
      metric { name unit betterWhen }
      statistic
      best { id }
      entries {
        experiment { id }
        aggregate { basis population count complete }
        value
        delta
        ratio
        cases { improved regressed equal missing }
      }
    }
    sources { source { name } status error { code message } fetched upstreamRequests durationMs }
  }
}"""


@dataclass(frozen=True, slots=True)
class CompareQuery:
    """The experiments' global IDs, and how they are compared; without metrics, those that two of them have."""

    experiment_ids: Sequence[str]
    baseline_id: str | None = None
    metrics: Sequence[str] = ()
    statistic: Statistic = Statistic.MEAN
    basis: AggregateBasis = AggregateBasis.BEST
    join_on: CaseKey = CaseKey.TEST_CASE_ID

    def operation(self) -> Operation:
        """The query with its variables. Raises BadUserInput for a metric that is none."""
        return Operation(
            QUERY,
            {
                "ids": list(self.experiment_ids),
                "baseline": self.baseline_id,
                "metrics": [parse_metric(name) for name in self.metrics] or None,
                "statistic": self.statistic.value,
                "basis": self.basis.value,
                "joinOn": self.join_on.value,
            },
        )


def parse_metric(name: str) -> dict[str, Any]:
    """`latency`, `score:accuracy`: a metric's name as the schema's input. Raises BadUserInput."""
    kind, _, evaluator = name.partition(":")
    known = {one.value.lower(): one for one in MetricKind}
    found = known.get(kind.strip().lower().replace("-", "_"))
    if found is None or (found is MetricKind.SCORE) != bool(evaluator):
        others = ", ".join(word for word in known if word != "score")
        raise BadUserInput(f"{name!r} is not a metric: take {others}, or score:NAME with an evaluator's name.")
    return {"kind": found.value} | ({"evaluator": evaluator} if evaluator else {})
