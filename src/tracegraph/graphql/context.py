"""What the resolvers of one request share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphql import GraphQLError

from tracegraph.adapter.protocol import Adapter
from tracegraph.federation.analytics.session_scan import SessionScans
from tracegraph.federation.lists import ScanBudget
from tracegraph.federation.report import SourceReport
from tracegraph.graphql.loaders import Loaders
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline

Charge = Callable[[int], Awaitable[None]]
"""Takes a query's cost before it runs. Raises RequestError when the caller may not spend it now."""


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How many rows a list gives without `first`, and at most; what a query may cost (see `cost.py`)."""

    default_first: int = 20
    max_first: int = 1000
    max_cost: int = 100_000


@dataclass(slots=True)
class RequestContext:
    """One request's sources, loaders and scans, and what it has to say beside its data.

    `reports` are those of every list that was answered; `errors` belong to fields whose value still stands
    because the schema does not let it be null. `operation` is the name of what shall run; `cost` is told before,
    and handed to `charge`, which may refuse it. `rounds_below` is by the id of a field's node (`call_levels.py`).
    """

    adapters: Sequence[Adapter]
    loaders: Loaders
    budgets: ScanBudget
    page_limits: PageLimits
    reports: list[SourceReport] = field(default_factory=list)
    errors: list[GraphQLError] = field(default_factory=list)
    operation: str | None = None
    guards: Mapping[str, ResiliencePipeline] = field(default_factory=dict)
    cost: int = 0
    charge: Charge | None = None
    rounds_below: Mapping[int, int] = field(default_factory=dict)
    _scans: SessionScans | None = field(default=None, init=False)

    @property
    def scans(self) -> SessionScans:
        """What reads sessions for figures."""
        if self._scans is None:
            self._scans = SessionScans(self.adapters, self.loaders.session_page, self.budgets, self.reports)
        return self._scans

    def adapter(self, source: str) -> Adapter | None:
        """The source of that name."""
        for adapter in self.adapters:
            if adapter.name == source:
                return adapter
        return None
