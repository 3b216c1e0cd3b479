"""Lists whose rows lack the value that orders or filters them: look-ups complete them, each its own row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as with_fields

from tracegraph.adapter.base import BaseAdapter
from tracegraph.adapter.capabilities import Capabilities, ListCapabilities, Order, both_directions
from tracegraph.adapter.paging import (
    CursorRequest,
    ExperimentQuery,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    SessionPageRequest,
    WholeRequest,
)
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    TimeRange,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionStatus
from tracegraph.errors import (
    SourceCircuitOpen,
    SourceError,
    SourceObjectNotFound,
    SourceRateLimited,
    SourceTimeout,
    SourceUnavailable,
)
from tracegraph.federation.lists import Listing, MergeRequest, list_experiments
from tracegraph.federation.merge import Positions
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.upstream.request_scope import count_request

START = datetime(2026, 1, 1, tzinfo=UTC)
BY_CREATION = both_directions(ExperimentOrderField.CREATED_AT)
BY_NAME = ExperimentOrder(ExperimentOrderField.NAME, OrderDirection.ASC)
OLDEST_FIRST = ExperimentOrder(direction=OrderDirection.ASC)
NEWEST_FIRST = ExperimentOrder(direction=OrderDirection.DESC)
ONE_DIRECTION: frozenset[Order] = frozenset({(ExperimentOrderField.CREATED_AT, OrderDirection.ASC)})


class Catalogue(BaseAdapter):
    """Lists experiments `e00`, `e01`, ... by creation, without the times; a look-up has them."""

    vendor = "acme"

    def __init__(
        self,
        count: int,
        *,
        paging: Paging = Paging.OFFSET,
        orders: frozenset[Order] = BY_CREATION,
        lacks: frozenset[str] = frozenset({"created_at"}),
    ) -> None:
        super().__init__("acme")
        listed = ListCapabilities(paging, 100, orders, lacks=lacks)
        self.capabilities = Capabilities(
            listed, listed, (), frozenset({ExperimentKind.AGENT}), frozenset(SessionStatus)
        )
        self.names = [f"e{number:02}" for number in range(count)]
        self.errors: dict[str, SourceError] = {}
        self.lists = 0
        self.looked_up: list[str] = []

    @property
    def calls(self) -> int:
        return self.lists + len(self.looked_up)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        self.lists += 1
        names = self.names if query.order.direction is OrderDirection.ASC else self.names[::-1]
        match page:
            case OffsetRequest():
                start = page.offset
            case CursorRequest() | WholeRequest():
                start = int(page.token or 0)
            case _:
                raise AssertionError(page)
        rows = [
            with_fields(_experiment(name), created_at=None, deferred=frozenset({"created_at"})) for name in names
        ]
        items, end = rows[start : start + page.limit], start + page.limit
        is_by_offset = isinstance(page, OffsetRequest)
        hint = None if end >= len(rows) else end if is_by_offset else str(end)
        return Page(items, start if is_by_offset else None, hint, len(rows), FetchInfo(1))

    async def find_experiment(self, ref: str) -> Experiment:
        count_request()
        self.looked_up.append(ref)
        if ref in self.errors:
            raise self.errors[ref]
        return _experiment(ref)

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        raise AssertionError(request)

    def fail(self, *names: str) -> None:
        """Respond with status 500 to look-ups of these."""
        self.errors |= {
            name: SourceUnavailable("acme", "Source 'acme' is down.", http_status=500, upstream_requests=1)
            for name in names
        }

    def delete(self, *names: str) -> None:
        missing = SourceObjectNotFound("acme", "Source 'acme' has no object with that id.", upstream_requests=1)
        self.errors |= dict.fromkeys(names, missing)


def _experiment(name: str) -> Experiment:
    created_at = START + timedelta(days=int(name[1:]))
    return Experiment("acme", name, name, ExperimentKind.AGENT, name, created_at=created_at)


def _listed(name: str) -> Experiment:
    return with_fields(_experiment(name), created_at=None, deferred=frozenset({"created_at"}))


ANY = ExperimentFilter()
FIFTY = MergeRequest(50)


async def listing(
    vendor: Catalogue,
    order: ExperimentOrder = OLDEST_FIRST,
    conditions: ExperimentFilter = ANY,
    request: MergeRequest = FIFTY,
) -> Listing[Experiment]:
    return await list_experiments([vendor], {"acme": conditions}, order, request)


def names(found: Listing[Experiment]) -> list[str]:
    return [row.node.name for row in found.merged.rows]


def report(found: Listing[Experiment]) -> SourceReport:
    (only,) = found.reports
    return only


async def test_an_order_by_a_lacking_field_looks_up_each_row_and_counts_the_calls() -> None:
    vendor = Catalogue(5)

    found = await listing(vendor, NEWEST_FIRST)

    assert names(found) == vendor.names[::-1]
    assert found.merged.rows[0].node.created_at == START + timedelta(days=4)
    assert (report(found).status, report(found).total_count) == (SourceReportStatus.OK, 5)
    assert report(found).upstream_requests == vendor.calls == 6


async def test_a_filter_by_a_lacking_field_looks_up_each_row() -> None:
    vendor = Catalogue(5)

    created = ExperimentFilter(created_at=TimeRange(gte=START + timedelta(days=3)))

    assert names(await listing(vendor, BY_NAME, created)) == ["e03", "e04"]
    assert len(vendor.looked_up) == 5


async def test_a_query_that_needs_no_lacking_field_causes_no_look_up() -> None:
    vendor = Catalogue(5)

    assert names(await listing(vendor, BY_NAME)) == vendor.names
    assert vendor.looked_up == []


async def test_rows_that_have_the_field_are_not_looked_up() -> None:
    class Complete(Catalogue):
        async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
            found = await super().list_experiments(query, page)
            return replace(found, items=[_experiment(row.ref) for row in found.items])

    vendor = Complete(5)

    assert names(await listing(vendor)) == vendor.names
    assert vendor.looked_up == []


async def test_a_vendor_whose_list_lacks_nothing_is_never_looked_up() -> None:
    vendor = Catalogue(5, lacks=frozenset())

    await listing(vendor)

    assert vendor.looked_up == []


async def test_a_failed_look_up_costs_its_own_row_and_fails_the_source() -> None:
    vendor = Catalogue(5)
    vendor.fail("e02")

    found = await listing(vendor)

    assert names(found) == ["e00", "e01", "e03", "e04"]
    assert report(found).status is SourceReportStatus.FAILED
    assert isinstance(report(found).error, SourceUnavailable)
    assert report(found).upstream_requests == vendor.calls


@pytest.mark.parametrize(
    "error",
    [
        SourceTimeout("acme", "Source 'acme' did not respond within 1 s.", upstream_requests=1),
        SourceUnavailable("acme", "Source 'acme' closed the connection.", upstream_requests=1),
        SourceCircuitOpen("acme", "Source 'acme' is not called."),
        SourceRateLimited("acme", "Source 'acme' takes no more calls.", http_status=429, upstream_requests=1),
    ],
    ids=lambda error: error.code.value,
)
@pytest.mark.parametrize("row", ["e00", "e02", "e04"])
async def test_a_row_whose_look_up_gets_no_response_comes_when_it_does(row: str, error: SourceError) -> None:
    """The look-ups of other rows work, but nothing says that the row itself is the reason."""
    vendor = Catalogue(5)
    vendor.errors[row] = error
    vendor.fail("e03")

    found = await listing(vendor)
    assert report(found).status is SourceReportStatus.FAILED
    assert report(found).upstream_requests == vendor.calls

    vendor.errors.clear()
    again = await listing(vendor, request=MergeRequest(50, found.merged.positions_at_end()))
    assert names(found) + names(again) == vendor.names


async def test_a_deleted_row_is_left_out_without_a_failure() -> None:
    vendor = Catalogue(5)
    vendor.delete("e02")

    found = await listing(vendor)

    assert names(found) == ["e00", "e01", "e03", "e04"]
    assert (report(found).status, report(found).total_count) == (SourceReportStatus.OK, None)
    assert report(found).upstream_requests == vendor.calls == 6


async def test_a_page_of_deleted_rows_gives_way_to_the_next() -> None:
    vendor = Catalogue(9)
    vendor.delete(*vendor.names[:6])

    assert names(await listing(vendor, request=MergeRequest(3))) == ["e06", "e07", "e08"]


async def test_look_ups_that_all_fail_fail_the_source_and_the_rows_come_when_they_work_again() -> None:
    vendor = Catalogue(5)
    vendor.fail(*vendor.names)

    found = await listing(vendor)
    assert (names(found), report(found).status) == ([], SourceReportStatus.FAILED)
    assert report(found).upstream_requests == vendor.calls

    vendor.errors.clear()
    again = await listing(vendor, request=MergeRequest(50, found.merged.positions_at_end()))
    assert names(again) == vendor.names


async def test_a_look_up_that_raises_for_all_rows_fails_the_source() -> None:
    class Down(Catalogue):
        async def get_experiments(self, refs: Sequence[str]) -> dict[str, Experiment | SourceError]:
            raise SourceUnavailable("acme", f"Source 'acme' looks up none of {len(refs)}.")

    found = await listing(Down(5))

    assert (names(found), report(found).status) == ([], SourceReportStatus.FAILED)


async def traversed(vendor: Catalogue, order: ExperimentOrder, first: int) -> list[str]:
    seen: list[str] = []
    positions, more = Positions(), True
    while more:
        found = await listing(vendor, order, request=MergeRequest(first, positions))
        seen += names(found)
        assert len(seen) <= len(vendor.names)
        positions, more = found.merged.positions_at_end(), found.merged.has_next
    return seen


@pytest.mark.parametrize(
    "kind",
    [
        (Paging.OFFSET, BY_CREATION),
        (Paging.OFFSET, ONE_DIRECTION),
        (Paging.CURSOR, BY_CREATION),
        (Paging.WHOLE, frozenset[Order]()),
    ],
    ids=["by offset", "by offset, one direction", "by token", "whole"],
)
@given(st.integers(0, 30), st.sets(st.integers(0, 29)), st.integers(1, 9), st.sampled_from(OrderDirection))
async def test_every_row_that_is_not_deleted_comes_once_and_in_order(
    kind: tuple[Paging, frozenset[Order]], count: int, deleted: set[int], first: int, direction: OrderDirection
) -> None:
    vendor = Catalogue(count, paging=kind[0], orders=kind[1])
    vendor.delete(*(f"e{number:02}" for number in deleted))

    seen = await traversed(vendor, ExperimentOrder(direction=direction), first)

    expected = [name for name in vendor.names if name not in vendor.errors]
    assert seen == (expected if direction is OrderDirection.ASC else expected[::-1])


@given(st.integers(0, 30), st.sets(st.integers(0, 29), max_size=8), st.integers(1, 9))
async def test_every_row_whose_look_up_works_comes_once_though_others_fail(
    count: int, failing: set[int], first: int
) -> None:
    vendor = Catalogue(count)
    vendor.fail(*(f"e{number:02}" for number in failing))
    seen: list[str] = []
    positions, stuck = Positions(), 0
    more = True
    while more and stuck < 2:
        found = await listing(vendor, request=MergeRequest(first, positions))
        stuck = 0 if found.merged.rows else stuck + 1
        seen += names(found)
        positions, more = found.merged.positions_at_end(), found.merged.has_next

    expected = [name for name in vendor.names if name not in vendor.errors]
    assert seen == expected[: len(seen)]
    assert len(seen) == len(expected) or report(found).status is SourceReportStatus.FAILED
