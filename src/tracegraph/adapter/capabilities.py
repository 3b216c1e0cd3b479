"""What a vendor can do itself, as data."""

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
    """The features of the vendor; the gateway does everything else after fetching.

    `experiment_orders` and `session_orders` are the orders in which the vendor lists. The gateway reads the
    complete list for any other order. Filters are named as the fields of ExperimentFilter and SessionFilter. A
    condition on an `unsupported_*` field, or on a kind or status that the vendor does not have, matches no row and
    causes no call. Page maxima are the vendor's.

    `call_kinds` are the classes of its calls, for limits and metrics. `rate_limits` are the documented rates of
    the classes; `*` stands for all classes without a rate of their own together.
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
    unsupported_experiment_fields: frozenset[str] = frozenset()
    unsupported_session_fields: frozenset[str] = frozenset()
    lists_many_experiments: bool = False
    call_kinds: frozenset[str] = frozenset()
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict)

    def may_match_experiments(self, filter: ExperimentFilter) -> bool:  # noqa: A002 - the field's own word
        """Return whether any experiment of this vendor could match the filter."""
        if filter.kinds is not None and not filter.kinds & self.kinds:
            return False
        return not any(getattr(filter, name) is not None for name in self.unsupported_experiment_fields)

    def may_match_sessions(self, filter: SessionFilter) -> bool:  # noqa: A002 - the field's own word
        """Return whether any session of this vendor could match the filter."""
        if filter.statuses is not None and not filter.statuses & self.statuses:
            return False
        return not any(getattr(filter, name) is not None for name in self.unsupported_session_fields)
