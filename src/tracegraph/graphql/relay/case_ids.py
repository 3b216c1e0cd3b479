"""Global IDs of compared cases, built from the comparison's experiments, join key, metric and case."""

from __future__ import annotations

from dataclasses import dataclass

from tracegraph.domain.models import Metric, MetricKind
from tracegraph.errors import InvalidId
from tracegraph.federation.analytics.cases import CaseKey
from tracegraph.graphql.relay.ids import GlobalId, encode_id


@dataclass(frozen=True, slots=True)
class CaseReference:
    """Identifies a compared case. `identities` are (source, ref) pairs, and `baseline` is an index into them."""

    identities: tuple[tuple[str, str], ...]
    baseline: int
    join_on: CaseKey
    metric: Metric
    digest: bytes

    def encoded(self) -> str:
        """Return the global ID."""
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
        """Return the reference that an ID encodes.

        Raises:
            InvalidId: When a part of the ID is malformed.
        """
        *experiments, join_on, baseline, kind, evaluator, digest = identity.parts
        identities = tuple(zip(experiments[::2], experiments[1::2], strict=True))
        try:
            metric = Metric(MetricKind(kind), evaluator if kind == MetricKind.SCORE.value else None)
            reference = cls(identities, int(baseline), CaseKey(join_on), metric, bytes.fromhex(digest))
        except ValueError:
            raise InvalidId("That is not an ID of this gateway.") from None
        if not 0 <= reference.baseline < len(identities):
            raise InvalidId("That is not an ID of this gateway.")
        return reference
