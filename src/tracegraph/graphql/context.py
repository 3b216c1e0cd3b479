"""The state that the resolvers of one request share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tracegraph.adapter.protocol import Adapter
from tracegraph.federation.analytics.session_scan import SessionScans
from tracegraph.federation.lists import ScanBudget
from tracegraph.federation.report import SourceReport
from tracegraph.graphql.loaders import Loaders
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline

CostCharger = Callable[[int], Awaitable[None]]
"""Charges a principal for the cost of a query before it runs. Raises RequestError when the budget is exhausted."""


@dataclass(frozen=True, slots=True)
class PageLimits:
    """The page size of a list, default and maximum, and the maximum cost of a query (see `documents/cost.py`)."""

    default_first: int = 20
    max_first: int = 1000
    max_cost: int = 100_000


@dataclass(frozen=True, slots=True)
class GatewayLimits(PageLimits):
    """The limits of one request, as clients may read them."""

    max_depth: int = 20
    max_aliases: int = 100
    deadline_ms: int = 10_000


@dataclass(slots=True)
class RequestContext:
    """The sources, loaders and scans of one request, with the reports that its response carries.

    `reports` come from every list that was read. `operation` is the name of the operation. `cost` is set before
    the operation runs and passed to `charge`, which may reject it. `rounds_below` is keyed by the `id` of a field
    node (see `call_levels.py`). `cacheable` is false for a document with fields about their own execution;
    `admitted` gets that value as soon as the document is known. `incremental` says whether deferred fragments have
    parts of their own. `has_deferred` says whether the operation has `@defer`.
    """

    adapters: Sequence[Adapter]
    loaders: Loaders
    budgets: ScanBudget
    page_limits: PageLimits
    reports: list[SourceReport] = field(default_factory=list)
    operation: str | None = None
    pipelines: Mapping[str, ResiliencePipeline] = field(default_factory=dict)
    cost: int = 0
    charge: CostCharger | None = None
    rounds_below: Mapping[int, int] = field(default_factory=dict)
    cacheable: bool = True
    admitted: Callable[[bool], None] | None = None
    limits: GatewayLimits = GatewayLimits()
    incremental: bool = False
    has_deferred: bool = False
    _scans: SessionScans | None = field(default=None, init=False)

    @property
    def scans(self) -> SessionScans:
        """The scans that read sessions for computed figures."""
        if self._scans is None:
            self._scans = SessionScans(self.adapters, self.loaders.session_page, self.budgets, self.reports)
        return self._scans

    def adapter(self, source: str) -> Adapter | None:
        """Return the adapter of the named source, or None."""
        for adapter in self.adapters:
            if adapter.name == source:
                return adapter
        return None
