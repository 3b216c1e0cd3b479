# ruff: noqa: S101, B008 - the contract consists of assertions; frozen values as defaults are shared
"""An adapter connected to its vendor's simulator, and its lists as federation reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, ClassVar, Literal, TypeVar

import pytest

from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, PageRequest, Paging, SessionPageRequest
from tracegraph.adapter.protocol import COSTLY_SESSION_FIELDS, Adapter
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
from tracegraph.domain.models import Experiment, Session, SessionRef
from tracegraph.domain.sort_values import SortValue
from tracegraph.errors import SourceError
from tracegraph.federation.completion import with_details
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
from tracegraph.testing.configuration import Configuration, Example
from tracegraph.testing.mocked import SOURCE, opened
from tracegraph.testing.vendor import Vendor, fill, seeded
from tracegraph.upstream.transport import Transport, TransportSettings

T = TypeVar("T")

ALL_ROWS = 1000
AMPLE_BUDGET = ScanBudget(pages=10_000, active_experiments=5)
EXPERIMENT_ORDERS = [
    ExperimentOrder(field, way)
    for field in (ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT, ExperimentOrderField.NAME)
    for way in OrderDirection
]
"""The orders by what an experiment says of itself: a look-up need not say the figures of its sessions."""

ORDER_IDS = [f"{order.field.value.lower()} {order.direction.value.lower()}" for order in EXPERIMENT_ORDERS]
SESSION_ORDERS = [SessionOrder(direction=way) for way in OrderDirection]
in_every_order = pytest.mark.parametrize("order", EXPERIMENT_ORDERS, ids=ORDER_IDS)
in_both_directions = pytest.mark.parametrize("order", SESSION_ORDERS, ids=["oldest first", "newest first"])


@dataclass(frozen=True, slots=True)
class Subject:
    """One adapter connected to one vendor, with the budget of its lists."""

    adapter: Adapter
    vendor: Vendor
    base_url: str
    budgets: ScanBudget = AMPLE_BUDGET

    @property
    def calls(self) -> list[RecordedCall]:
        """Return every call that reached the vendor."""
        return self.vendor.simulator.calls

    @property
    def known_refs(self) -> tuple[str, str]:
        """Return the ref of an experiment with three sessions, and the id of its first session."""
        ref = list(self.vendor.experiments())[2]
        return ref, next(iter(self.vendor.sessions(ref)))

    async def fetch(self, _source: str, request: SessionPageRequest) -> Page[Session]:
        """Return the page of a single request. Raise its error."""
        (page,) = await self.adapter.list_sessions([request])
        if isinstance(page, SourceError):
            raise page
        return page

    def ties_by_id(self, sessions: Sequence[Session], order: SessionOrder) -> list[Session]:
        """Return sessions of one start ordered by id where their list is paged by token, else as they are.

        Such a list keeps the vendor's order among equal values.
        """
        lists = self.adapter.capabilities.session_lists().values()
        if all(capabilities.paging is not Paging.CURSOR for capabilities in lists):
            return list(sessions)
        groups = groupby(sessions, key=session_sort_value)
        return [session for _, group in groups for session in ordered_sessions(list(group), order)]

    def experiment_ties_by_id(self, experiments: Sequence[Experiment], order: ExperimentOrder) -> list[Experiment]:
        """Return experiments of one value ordered by id where their list is paged by token, else as they are."""
        lists = self.adapter.capabilities.experiment_lists().values()
        if all(capabilities.paging is not Paging.CURSOR for capabilities in lists):
            return list(experiments)
        groups = groupby(experiments, key=lambda experiment: experiment_sort_value(experiment, order))
        return [one for _, group in groups for one in sorted(group, key=attrgetter("source", "vendor_id"))]

    async def complete_experiments(self) -> dict[str, Experiment]:
        """Return every experiment by its ref, as a look-up returns it."""
        refs = list(self.vendor.experiments())
        experiments = await self.adapter.get_experiments(refs)
        return {ref: expect(experiments[ref], Experiment) for ref in refs}

    async def complete_sessions(self, sessions: Sequence[Session]) -> dict[SessionRef, Session]:
        """Return these sessions by their refs, as a look-up returns them, with their details."""
        refs = [session.ref for session in sessions]
        fields = COSTLY_SESSION_FIELDS | {"scores"}
        found = await with_details(self.adapter, await self.adapter.get_sessions(refs), fields)
        return {ref: expect(found[ref], Session) for ref in refs}

    async def experiments(
        self,
        order: ExperimentOrder = ExperimentOrder(),
        matching: ExperimentFilter = ExperimentFilter(),
        first: int = ALL_ROWS,
        positions: Positions = Positions(),
    ) -> Listing[Experiment]:
        """Return a page of the list of this source's experiments."""
        request = MergeRequest(first, positions, self.budgets)
        return healthy(await list_experiments([self.adapter], {self.adapter.name: matching}, order, request))

    async def sessions_of(
        self,
        experiment: Experiment,
        order: SessionOrder = SessionOrder(),
        matching: SessionFilter = SessionFilter(),
        first: int = ALL_ROWS,
        positions: Positions = Positions(),
    ) -> Listing[Session]:
        """Return a page of the sessions of one experiment."""
        request = SessionPageRequest((), OffsetRequest(1), matching, order)
        merge_request = MergeRequest(first, positions, self.budgets)
        return healthy(await list_sessions_of(self.adapter, experiment, request, merge_request, self.fetch))

    async def sessions(
        self,
        refs: Sequence[str] | None,
        order: SessionOrder = SessionOrder(),
        matching: SessionFilter = SessionFilter(),
        first: int = ALL_ROWS,
        positions: Positions = Positions(),
    ) -> Listing[Session]:
        """Return a page of the sessions of several experiments; None means the most recently active ones."""
        request = SessionPageRequest((), OffsetRequest(1), matching, order)
        refs_by_source = None if refs is None else {self.adapter.name: refs}
        merge_request = MergeRequest(first, positions, self.budgets)
        return await list_sessions([self.adapter], refs_by_source, request, merge_request, self.fetch)


class Contract:
    """What a vendor declares, and how its adapter is opened.

    `configurations` names the ways to run the suite, and every law holds for each. A vendor with one configuration
    may declare its parts as attributes of the class instead; see `Configuration` for their meaning.
    """

    open_adapter: ClassVar[OpenAdapter]
    configurations: ClassVar[Mapping[str, Configuration]] = {}

    transport: ClassVar[Literal["pooled", "httpx"]] = "pooled"
    """The transport of the calls: the setting of the same name."""

    vendor: ClassVar[type[Vendor]]
    options: ClassVar[Mapping[str, Any]] = {}
    secret: ClassVar[str]
    base_path: ClassVar[str] = ""
    unknown_refs: ClassVar[Sequence[str]]
    nameless_experiments: ClassVar[Any]
    nameless_sessions: ClassVar[Any]
    experiment_examples: ClassVar[Sequence[Example]] = ()
    session_examples: ClassVar[Sequence[Example]] = ()

    _selected: Configuration | None = None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every law for every configuration."""
        if self.configurations:
            metafunc.parametrize("_use_configuration", sorted(self.configurations), indirect=True)

    @pytest.fixture(autouse=True)
    def _use_configuration(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request, "param", None)
        self._selected = None if name is None else self.configurations[name]

    @property
    def configuration(self) -> Configuration:
        """The configuration of the running law."""
        return self._selected or Configuration(
            vendor=self.vendor,
            secret=self.secret,
            unknown_refs=self.unknown_refs,
            nameless_experiments=self.nameless_experiments,
            nameless_sessions=self.nameless_sessions,
            options=self.options,
            base_path=self.base_path,
            experiment_examples=self.experiment_examples,
            session_examples=self.session_examples,
        )

    @asynccontextmanager
    async def open_subject(
        self, seed: int = 0, *, name: str = SOURCE, steady: bool = False, **transport: Any
    ) -> AsyncIterator[Subject]:
        """Open the adapter on a vendor with random content of the seed. `steady`: equal values have one order."""
        rng = seeded(seed)
        vendor = self.configuration.vendor(rng)
        fill(vendor, rng)
        if steady:
            vendor.steady()
        async with running(vendor.simulator) as url, self.connect_adapter(url, name, **transport) as adapter:
            # Even seeds request pages as with a cache, odd seeds as without one.
            yield Subject(adapter, vendor, url, replace(AMPLE_BUDGET, align_to_cache_pages=seed % 2 == 0))

    @asynccontextmanager
    async def connect_adapter(
        self, url: str, name: str = SOURCE, *, attempts: int = 1, **transport: Any
    ) -> AsyncIterator[Adapter]:
        """Open the adapter on a server, as the gateway opens it."""
        configuration = self.configuration
        settings = SourceSettings(name, "under-test", configuration.options)
        # A slow machine must not look like a failing vendor.
        transport = {"timeout_s": 60.0, "connect_timeout_s": 60.0, "implementation": self.transport, **transport}
        connections = Transport(name, TransportSettings(url + configuration.base_path, **transport))
        async with opened(type(self).open_adapter, settings, connections, attempts=attempts) as adapter:
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
    """Return the value. Fail unless it has the type."""
    assert isinstance(value, kind), repr(value)
    return value


def healthy(listing: Listing[T]) -> Listing[T]:
    """Return the listing. Fail unless every source is OK."""
    for report in listing.reports:
        assert report.status is SourceReportStatus.OK, (
            f"the gateway could not read the list ({report.status.value}): {report.error!r}. "
            "The captured log has the details at level debug, under the error's reference."
        )
    return listing


def rows(listing: Listing[T]) -> list[T]:
    """Return the rows of a page."""
    return [merged.node for merged in listing.merged.rows]


async def read_all_pages(page: Callable[..., Awaitable[Listing[T]]], max_pages: int = 5000) -> list[T]:
    """Return the rows of all pages; `page` takes the `positions` at the end of the previous page."""
    collected: list[T] = []
    positions = Positions()
    for _ in range(max_pages):
        listing = await page(positions=positions)
        collected += rows(listing)
        if not listing.merged.has_next:
            return collected
        positions = listing.merged.positions_at_end()
    raise AssertionError("the list does not end")


def ordered(
    values: Sequence[T], by: Callable[[T], SortValue], direction: OrderDirection, tie: Callable[[T], Any]
) -> list[T]:
    """Sort by the one total order: by value, nulls last, equal values by ascending id."""
    with_value = sorted((value for value in values if by(value) is not None), key=tie)
    with_value.sort(key=by, reverse=direction is OrderDirection.DESC)  # type: ignore[arg-type]  # of one type each
    return with_value + sorted((value for value in values if by(value) is None), key=tie)


def ordered_refs(experiments: Sequence[Experiment], order: ExperimentOrder) -> list[str]:
    """Return the refs in an order."""
    sorted_experiments = ordered(
        experiments,
        lambda experiment: experiment_sort_value(experiment, order),
        order.direction,
        lambda experiment: experiment.vendor_id,
    )
    return [experiment.ref for experiment in sorted_experiments]


def ordered_sessions(sessions: Sequence[Session], order: SessionOrder) -> list[Session]:
    """Sort sessions; sessions with one id in several experiments sort by the experiments' refs."""
    return ordered(
        sessions,
        session_sort_value,
        order.direction,
        lambda session: f"{session.vendor_id}\0{session.experiment_ref}",
    )


def refs_of(experiments: Sequence[Experiment]) -> list[str]:
    """Return the refs of experiments."""
    return [experiment.ref for experiment in experiments]
