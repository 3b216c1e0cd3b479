"""The port: what a vendor implements so that the gateway can ask it.

One port call is one question of the gateway, and an adapter answers it in the fewest calls its vendor allows.
Adapters translate; they do not merge, order, filter again or retry: federation and the upstream client do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tracegraph.domain.calls import RateLimit
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrderField,
    SessionFilter,
    SessionOrderField,
)
from tracegraph.domain.models import (
    ExperimentKind,
    MetricKind,
    SessionStatus,
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the vendor does itself; all else the gateway does after fetching.

    `experiment_orders` and `session_orders` hold the orders in which the vendor lists; an order that is not
    here is made by the gateway from the whole list. Filters are named as the fields of ExperimentFilter and
    SessionFilter; a condition on an `absent` field, or on no kind or status that occurs, can match
    no row and causes no call. Page maxima are the vendor's.

    `call_kinds` are the classes of its calls, for limits and metrics, and `rate_limits` what the vendor documents
    for them; under `*` what it allows all classes together that are not named.
    """

    experiment_orders: frozenset[ExperimentOrderField]
    experiment_filters: frozenset[str]
    session_filters: frozenset[str]
    reported_metrics: tuple[MetricKind, ...]
    kinds: frozenset[ExperimentKind]
    statuses: frozenset[SessionStatus]
    experiment_page_max: int
    session_page_max: int
    session_orders: frozenset[SessionOrderField] = frozenset(SessionOrderField)
    absent_experiment_fields: frozenset[str] = frozenset()
    absent_session_fields: frozenset[str] = frozenset()
    pools_sessions: bool = False
    call_kinds: frozenset[str] = frozenset()
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict)

    def may_match_experiments(self, filter: ExperimentFilter) -> bool:  # noqa: A002 - the field's own word
        """Whether any experiment of this vendor could fulfil the filter."""
        if filter.kinds is not None and not filter.kinds & self.kinds:
            return False
        return not any(getattr(filter, name) is not None for name in self.absent_experiment_fields)

    def may_match_sessions(self, filter: SessionFilter) -> bool:  # noqa: A002 - the field's own word
        """Whether any session of this vendor could fulfil the filter."""
        if filter.statuses is not None and not filter.statuses & self.statuses:
            return False
        return not any(getattr(filter, name) is not None for name in self.absent_session_fields)
