"""Global IDs of compared cases: the comparison's experiments, how cases are paired, the metric, the case."""

from __future__ import annotations

from dataclasses import dataclass

from tracegraph.domain.models import Metric, MetricKind
from tracegraph.errors import InvalidId
from tracegraph.federation.analytics.cases import CaseKey
from tracegraph.graphql.relay.ids import GlobalId, encode_id


@dataclass(frozen=True, slots=True)
class CaseReference:
    """What makes a compared case again. `identities` are (source, ref), `baseline` is an index among them."""

    identities: tuple[tuple[str, str], ...]
    baseline: int
    join_on: CaseKey
    metric: Metric
    digest: bytes

    def encoded(self) -> str:
        """The global ID."""
        return encode_id(
            "CaseComparison",
            *(part for identity in self.identities for part in identity),
            self.join_on.value,
            str(self.baseline),
            self.metric.kind.value,
            self.metric.evaluator or "",
            self.digest.hex(),
        )

    @classmethod
    def of(cls, identity: GlobalId) -> CaseReference:
        """What an ID names. Raises InvalidId when a part of it is nonsense."""
        *experiments, join_on, baseline, kind, evaluator, digest = identity.parts
        identities = tuple(zip(experiments[::2], experiments[1::2], strict=True))
        try:
            metric = Metric(MetricKind(kind), evaluator if kind == MetricKind.SCORE.value else None)
            found = cls(identities, int(baseline), CaseKey(join_on), metric, bytes.fromhex(digest))
        except ValueError:
            raise InvalidId("That is not an ID of this gateway.") from None
        if not 0 <= found.baseline < len(identities):
            raise InvalidId("That is not an ID of this gateway.")
        return found
