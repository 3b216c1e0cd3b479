"""A source with a list for each kind of experiment: a stream for each, of its own kind of paging."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.federation.fake import FakeVendor, Item
from tests.federation.misbehaving import MisbehavingSource
from tracegraph.adapter.capabilities import Capabilities, ListCapabilities
from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.paging import CursorRequest, ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionOrder,
    SessionOrderField,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionStatus
from tracegraph.domain.sort_values import EPOCH
from tracegraph.errors import SourceError
from tracegraph.federation.lists import Listing, MergeRequest, ScanBudget, list_experiments, list_sessions
from tracegraph.federation.merge import Positions
from tracegraph.federation.report import SourceReportStatus

CREATED = ExperimentOrderField.CREATED_AT
EVALUATION, PROJECT, AGENT = ExperimentKind.EVALUATION, ExperimentKind.PROJECT, ExperimentKind.AGENT
SEEDS = st.integers(0, 2**32)


@dataclass
class SourceByKind(MisbehavingSource):
    """Lists each kind by a vendor of its own, the kinds of `one_way` newest first only."""

    vendors: Mapping[ExperimentKind, FakeVendor] = field(default_factory=dict)
    one_way: frozenset[ExperimentKind] = frozenset()

    @property
    def capabilities(self) -> Capabilities:
        lists = {kind: self._list(kind, CREATED) for kind in self.vendors}
        sessions = {kind: self._list(kind, SessionOrderField.STARTED_AT) for kind in self.vendors}
        return replace(super().capabilities, experiments=lists, sessions=sessions, kinds=frozenset(lists))

    def _list(self, kind: ExperimentKind, order: ExperimentOrderField | SessionOrderField) -> ListCapabilities:
        vendor = self.vendors[kind]
        directions = [OrderDirection.DESC] if kind in self.one_way else list(OrderDirection)
        orders = frozenset[Any]() if vendor.whole else frozenset((order, direction) for direction in directions)
        return ListCapabilities(vendor.paging, vendor.page_max, orders, ranges=vendor.token_ranges)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        assert query.kind is not None
        vendor = self.vendors[query.kind]
        found = await _answer(vendor, query.order.direction, page)
        return Page([self.experiment(item, query.kind) for item in found.items], found.offset, found.next_hint)

    def experiment(self, item: Item, kind: ExperimentKind) -> Experiment:
        return Experiment(self.name, item.id, item.id, kind, item.id, created_at=_time(item))

    def experiment_kind(self, ref: str) -> ExperimentKind | None:
        return next(kind for kind, vendor in self.vendors.items() if ref in {item.id for item in vendor.items})

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """The rows of a vendor are the sessions of each experiment of its kind."""
        return [await self._sessions(ask) for ask in asks]

    async def _sessions(self, ask: SessionPageRequest) -> Page[Session]:
        (ref,) = ask.experiment_refs
        kind = self.experiment_kind(ref)
        assert kind is not None
        found = await _answer(self.vendors[kind], ask.order.direction, ask.page)
        rows = [
            Session(
                self.name, ref, item.id, SessionStatus.SUCCESS, EPOCH + timedelta(microseconds=item.value or 0)
            )
            for item in found.items
        ]
        return Page(rows, found.offset, found.next_hint)


def _time(item: Item) -> datetime:
    return EPOCH + timedelta(microseconds=item.value or 0)


async def _answer(vendor: FakeVendor, direction: OrderDirection, page: PageRequest) -> Page[Item]:
    vendor.direction = direction
    return await vendor.fetch(page)


def vendor_of(kind: str, values: Sequence[int], prefix: str, page_max: int, source: str = "s") -> FakeVendor:
    return FakeVendor(
        source,
        [Item(f"{prefix}{number:04}", value) for number, value in enumerate(values)],
        page_max=page_max,
        pages_by_range="range" in kind,
        pages_by_token="tokens" in kind,
        token_ranges=kind == "tokens and windows, one way",
        whole=kind == "whole",
    )


KINDS = [
    *("offsets", "range", "tokens", "whole"),
    *("offsets, one way", "range, one way", "tokens, one way", "tokens and windows, one way"),
]


async def listed(
    sources: Sequence[MisbehavingSource],
    first: int,
    positions: Positions,
    direction: OrderDirection,
    pages: int = 100,
) -> Listing[Experiment]:
    adapters = [CheckedAdapter(source) for source in sources]
    filters = {adapter.name: ExperimentFilter() for adapter in adapters}
    request = MergeRequest(first, positions, ScanBudget(pages=pages))
    return await list_experiments(adapters, filters, ExperimentOrder(CREATED, direction), request)


def ids(listing: Listing[Experiment]) -> list[str]:
    return [row.node.ref for row in listing.merged.rows]


@st.composite
def sources_by_kind(draw: st.DrawFn) -> list[SourceByKind]:
    """One or two sources, whose ids run against and with those of the other kind."""
    sources = []
    for name in draw(st.sampled_from([["s"], ["s", "r"]])):
        prefixes = draw(st.permutations(["0", "k", "z"]))
        pagings = draw(st.lists(st.sampled_from(KINDS), min_size=3, max_size=3))
        kinds = (EVALUATION, PROJECT, AGENT)
        vendors = {
            kind: vendor_of(
                paging,
                draw(st.lists(st.integers(0, 8), max_size=20)),
                f"{prefix}{name}",
                draw(st.integers(3, 9)),
                name,
            )
            for kind, prefix, paging in zip(kinds, prefixes, pagings, strict=True)
        }
        one_way = frozenset(kind for kind, paging in zip(kinds, pagings, strict=True) if "one way" in paging)
        sources.append(SourceByKind([], name=name, vendors=vendors, one_way=one_way))
    return sources


@settings(max_examples=examples(150), deadline=None)
@given(sources_by_kind(), st.sampled_from(OrderDirection), st.integers(1, 12), SEEDS)
async def test_every_row_of_every_kind_comes_once_and_any_edge_resumes(
    sources: list[SourceByKind], direction: OrderDirection, first: int, seed: int
) -> None:
    """Rows of one time are on lists of several kinds: each list goes on after its own rows."""
    rng = random.Random(seed)
    everything = {item.id for source in sources for vendor in source.vendors.values() for item in vendor.items}
    positions, seen, values = Positions(), list[str](), list[int]()
    for _ in range(500):
        listing = await listed(sources, first, positions, direction)
        assert {report.status for report in listing.reports} <= {SourceReportStatus.OK}
        for index in rng.sample(range(len(listing.merged.rows)), min(2, len(listing.merged.rows))):
            if rng.random() < 0.3:
                rng.choice(list(rng.choice(sources).vendors.values())).expire()
            rest = await listed(
                sources, 1000, listing.merged.positions_after(listing.merged.rows[index]), direction
            )
            passed = [*seen, *ids(listing)[: index + 1]]
            assert sorted([*passed, *ids(rest)]) == sorted(everything)
        seen += ids(listing)
        values += [int(row.sort_key.value or 0) for row in listing.merged.rows]
        if not listing.merged.has_next:
            break
        positions = listing.merged.positions_at_end()
    assert len(seen) == len(set(seen))
    assert set(seen) == everything
    assert values == sorted(values, reverse=direction is OrderDirection.DESC)


def two_lists() -> SourceByKind:
    """Runs by tokens, projects by offset: 300 rows of each, of alternating times."""
    runs = vendor_of("tokens", range(1, 600, 2), "run", 100)
    projects = vendor_of("offsets", range(0, 600, 2), "project", 100)
    return SourceByKind([], name="s", vendors={EVALUATION: runs, PROJECT: projects})


async def test_a_page_costs_one_call_to_each_list_of_the_source() -> None:
    source, positions = two_lists(), Positions()
    for _ in range(10):
        before = {kind: len(vendor.calls) for kind, vendor in source.vendors.items()}
        listing = await listed([source], 20, positions, OrderDirection.DESC, pages=20)
        assert [row.sort_key.value for row in listing.merged.rows[:1]]
        positions = listing.merged.positions_at_end()
        assert max(len(vendor.calls) - before[kind] for kind, vendor in source.vendors.items()) <= 2
    assert set(positions.overrides) == {"s/EVALUATION", "s/PROJECT"}


async def test_a_list_whose_kind_no_row_can_match_is_not_read() -> None:
    source = two_lists()
    request = MergeRequest(5)
    filters = {"s": ExperimentFilter(kinds=frozenset({PROJECT}))}
    listing = await list_experiments(
        [CheckedAdapter(source)], filters, ExperimentOrder(CREATED, OrderDirection.DESC), request
    )
    assert {row.node.kind for row in listing.merged.rows} == {PROJECT}
    assert not source.vendors[EVALUATION].calls


async def test_one_list_that_fails_makes_its_source_fail_and_its_rows_come_late() -> None:
    source = two_lists()
    source.vendors[EVALUATION].down = True
    listing = await listed([source], 20, Positions(), OrderDirection.DESC)
    assert listing.reports[0].status is SourceReportStatus.FAILED
    assert all(ref.startswith("project") for ref in ids(listing))
    source.vendors[EVALUATION].down = False
    rest = await listed([source], 1000, listing.merged.positions_at_end(), OrderDirection.DESC)
    assert len(set(ids(listing) + ids(rest))) == len(ids(listing) + ids(rest)) == 600


@pytest.mark.parametrize("direction", OrderDirection)
async def test_sessions_of_experiments_of_several_kinds_are_one_list(direction: OrderDirection) -> None:
    source = two_lists()
    positions, seen = Positions(), list[tuple[str, str]]()
    request = SessionPageRequest((), CursorRequest(1), order=SessionOrder(direction=direction))

    async def fetch(_: str, ask: SessionPageRequest) -> Page[Session]:
        (page,) = await source.list_sessions([ask])
        assert not isinstance(page, SourceError)
        return page

    for _ in range(100):
        listing = await list_sessions(
            [CheckedAdapter(source)], {"s": ["run0000", "run0001", "project0000"]}, request,
            MergeRequest(100, positions), fetch,
        )  # fmt: skip
        seen += [(row.node.experiment_ref, row.node.vendor_id) for row in listing.merged.rows]
        if not listing.merged.has_next:
            break
        positions = listing.merged.positions_at_end()
    assert len(seen) == len(set(seen)) == 900
