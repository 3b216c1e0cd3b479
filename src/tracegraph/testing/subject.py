# ruff: noqa: S101, B008 - assertions are what a law is made of; frozen values as defaults are shared
"""An adapter opened on its vendor, and its lists as federation reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import pytest

from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.adapter.registry import OpenAdapter
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    experiment_sort_value,
    session_sort_value,
)
from tracegraph.domain.models import Experiment, Session
from tracegraph.domain.sort_values import SortValue
from tracegraph.errors import SourceError
from tracegraph.federation.lists import (
    Listing,
    MergeRequest,
    ScanBudget,
    list_experiments,
    list_sessions,
    list_sessions_of,
)
from tracegraph.federation.merge import Positions
from tracegraph.federation.report import SourceReportStatus
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.core.simulator import RecordedCall
from tracegraph.testing.vendor import Vendor, fill, seeded
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline, ResiliencePolicy
from tracegraph.upstream.resilience.rate_limit import LimitPolicy
from tracegraph.upstream.resilience.retry import RetryPolicy
from tracegraph.upstream.transport import Transport, TransportSettings

T = TypeVar("T")

SOURCE = "source-under-test"
EVERYTHING = 1000
AMPLE = ScanBudget(pages=10_000, active_experiments=5)
ORDER_IDS = [
    f"{field.value.lower()} {way.value.lower()}" for field in ExperimentOrderField for way in OrderDirection
]
EXPERIMENT_ORDERS = [ExperimentOrder(field, way) for field in ExperimentOrderField for way in OrderDirection]
SESSION_ORDERS = [SessionOrder(direction=way) for way in OrderDirection]
in_every_order = pytest.mark.parametrize("order", EXPERIMENT_ORDERS, ids=ORDER_IDS)
in_both_directions = pytest.mark.parametrize("order", SESSION_ORDERS, ids=["oldest first", "newest first"])


@dataclass(frozen=True, slots=True)
class Subject:
    """One adapter on one vendor, and what reading its lists may take."""

    adapter: Adapter
    vendor: Vendor
    base_url: str
    budgets: ScanBudget = AMPLE

    @property
    def calls(self) -> list[RecordedCall]:
        """Every call that reached the vendor."""
        return self.vendor.simulator.calls

    @property
    def known(self) -> tuple[str, str]:
        """An experiment with three sessions, and one of them."""
        ref = list(self.vendor.experiments())[2]
        return ref, next(iter(self.vendor.sessions(ref)))

    async def fetch(self, _source: str, ask: SessionPageRequest) -> Page[Session]:
        """One ask by itself; raises what it failed with."""
        (answer,) = await self.adapter.list_sessions([ask])
        if isinstance(answer, SourceError):
            raise answer
        return answer

    async def complete_experiments(self) -> dict[str, Experiment]:
        """Every experiment by its ref, as a look-up gives it."""
        refs = list(self.vendor.experiments())
        found = await self.adapter.get_experiments(refs)
        return {ref: expect(found[ref], Experiment) for ref in refs}

    async def experiments(
        self,
        order: ExperimentOrder = ExperimentOrder(),
        matching: ExperimentFilter = ExperimentFilter(),
        first: int = EVERYTHING,
        positions: Positions = Positions(),
    ) -> Listing[Experiment]:
        """A page of the merged list of this one source."""
        wanted = MergeRequest(first, positions, self.budgets)
        return sound(await list_experiments([self.adapter], {self.adapter.name: matching}, order, wanted))

    async def sessions_of(
        self,
        experiment: Experiment,
        order: SessionOrder = SessionOrder(),
        matching: SessionFilter = SessionFilter(),
        first: int = EVERYTHING,
        positions: Positions = Positions(),
    ) -> Listing[Session]:
        """A page of the sessions of one experiment."""
        ask = SessionPageRequest((), OffsetRequest(1), matching, order)
        wanted = MergeRequest(first, positions, self.budgets)
        return sound(await list_sessions_of(self.adapter, experiment, ask, wanted, self.fetch))

    async def sessions(
        self,
        refs: Sequence[str] | None,
        order: SessionOrder = SessionOrder(),
        matching: SessionFilter = SessionFilter(),
        first: int = EVERYTHING,
        positions: Positions = Positions(),
    ) -> Listing[Session]:
        """A page of the sessions of some experiments; with None of the most recently active ones."""
        ask = SessionPageRequest((), OffsetRequest(1), matching, order)
        named = None if refs is None else {self.adapter.name: refs}
        wanted = MergeRequest(first, positions, self.budgets)
        return await list_sessions([self.adapter], named, ask, wanted, self.fetch)


class Contract:
    """What a vendor states, and how its adapter is opened.

    `options` are the adapter's own settings, the credential included; `secret` is that credential as text, which
    the simulator asks for; `base_path` is appended to the server's address. `unknown_refs` look like refs of this
    vendor and name nothing. `nameless_experiments` and `nameless_sessions` are bodies of lists with a row that
    lacks its identity.
    """

    vendor: ClassVar[type[Vendor]]
    open_adapter: ClassVar[OpenAdapter]
    options: ClassVar[Mapping[str, Any]]
    secret: ClassVar[str]
    base_path: ClassVar[str] = ""
    unknown_refs: ClassVar[Sequence[str]]
    nameless_experiments: ClassVar[Any]
    nameless_sessions: ClassVar[Any]

    @asynccontextmanager
    async def opened(
        self, seed: int = 0, *, name: str = SOURCE, steady: bool = False, **transport: Any
    ) -> AsyncIterator[Subject]:
        """The adapter on a vendor whose content the seed makes; `steady`: equals come in one order."""
        rng = seeded(seed)
        vendor = self.vendor(rng)
        fill(vendor, rng)
        if steady:
            vendor.steady()
        async with running(vendor.simulator) as url, self.connected(url, name, **transport) as adapter:
            # Pages are asked for as without a cache, or, in every other case, as with one.
            yield Subject(adapter, vendor, url, replace(AMPLE, align_to_cache_pages=seed % 2 == 0))

    @asynccontextmanager
    async def connected(
        self, url: str, name: str = SOURCE, *, attempts: int = 1, **transport: Any
    ) -> AsyncIterator[Adapter]:
        """The adapter on whatever listens there, opened as the gateway opens it."""
        settings = SourceSettings(name, "under-test", self.options)
        transport = {"timeout_s": 60.0, **transport}  # so that a slow machine is no failing vendor
        async with Transport(name, TransportSettings(url + self.base_path, **transport)) as connections:
            retry = RetryPolicy(attempts=attempts, base_s=0.0, budget_floor=EVERYTHING)
            policy = ResiliencePolicy(retry, CircuitBreakerPolicy(enabled=False), LimitPolicy(backoff_s=0.0))
            upstream = Upstream(ResiliencePipeline(connections, policy))
            async with type(self).open_adapter(settings, upstream) as adapter:
                yield adapter


def first_experiments(adapter: Adapter, limit: int) -> tuple[ExperimentQuery, PageRequest]:
    """Return the query and the request for the first rows of the adapter's first list of experiments."""
    kind, capabilities = next(iter(adapter.capabilities.experiment_lists().items()))
    return ExperimentQuery(kind=kind), capabilities.first_page(limit)


def first_sessions(
    adapter: Adapter, ref: str, limit: int, matching: SessionFilter = SessionFilter()
) -> SessionPageRequest:
    """Return the request for the first rows of an experiment's sessions, in an order that the vendor has."""
    capabilities = adapter.capabilities.session_list(adapter.experiment_kind(ref))
    order = SessionOrder()
    if (order.field, order.direction) not in capabilities.orders:
        order = replace(order, direction=order.direction.opposite)
    return SessionPageRequest((ref,), capabilities.first_page(limit), matching, order)


def expect(value: object, kind: type[T]) -> T:
    """The value, which has to be of that kind."""
    assert isinstance(value, kind), repr(value)
    return value


def sound(listing: Listing[T]) -> Listing[T]:
    """The listing, of which every source has to be well."""
    for report in listing.reports:
        assert report.status is SourceReportStatus.OK, report
    return listing


def rows(listing: Listing[T]) -> list[T]:
    """The rows of a page."""
    return [merged.node for merged in listing.merged.rows]


async def in_pages(page: Callable[..., Awaitable[Listing[T]]], most: int = 5000) -> list[T]:
    """The rows of all pages; `page` takes `positions`, which are those at the end of the page before."""
    found: list[T] = []
    positions = Positions()
    for _ in range(most):
        listing = await page(positions=positions)
        found += rows(listing)
        if not listing.merged.has_next:
            return found
        positions = listing.merged.positions_at_end()
    raise AssertionError("the list does not end")


def ordered(
    values: Sequence[T], by: Callable[[T], SortValue], direction: OrderDirection, tie: Callable[[T], Any]
) -> list[T]:
    """The one total order, made the plain way: by value, nulls last, equals by id upwards."""
    known = sorted((value for value in values if by(value) is not None), key=tie)
    known.sort(key=by, reverse=direction is OrderDirection.DESC)  # type: ignore[arg-type]  # of one type each
    return known + sorted((value for value in values if by(value) is None), key=tie)


def ordered_refs(experiments: Sequence[Experiment], order: ExperimentOrder) -> list[str]:
    """The refs in that order."""
    found = ordered(
        experiments,
        lambda one: experiment_sort_value(one, order.field),
        order.direction,
        lambda one: one.vendor_id,
    )
    return [one.ref for one in found]


def ordered_sessions(sessions: Sequence[Session], order: SessionOrder) -> list[Session]:
    """Sessions in that order; an id that several experiments share goes by their refs."""
    return ordered(
        sessions, session_sort_value, order.direction, lambda one: f"{one.vendor_id}\0{one.experiment_ref}"
    )


def refs_of(experiments: Sequence[Experiment]) -> list[str]:
    """Their refs."""
    return [one.ref for one in experiments]
