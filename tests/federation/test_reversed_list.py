"""A list of offsets read from its end: whatever its totals, the last rows come first, once each, in few calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.adapter.base import BaseAdapter
from tracegraph.adapter.capabilities import Capabilities, ListCapabilities
from tracegraph.adapter.paging import (
    ExperimentQuery,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    SessionPageRequest,
)
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import OrderDirection, SessionFilter, SessionOrderField, TimeRange
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionStatus
from tracegraph.errors import SourceBadResponse, SourceUnavailable
from tracegraph.federation.lists import MergeRequest, list_sessions_of
from tracegraph.federation.merge import Merged, Positions, merge
from tracegraph.federation.reversed_list import ReversedList
from tracegraph.federation.sort_key import Ordering
from tracegraph.federation.stream import Stream, StreamSpec

START = Positions()
START_TIME = datetime(2026, 1, 1, tzinfo=UTC)


State = Callable[[int, int], int | None]
"""The total that the vendor states of so many rows in its nth reply."""

WRONG: dict[str, State] = {
    "one too many": lambda held, _: held + 1,
    "twice too many": lambda held, _: 2 * held + 7,
    "one too few": lambda held, _: max(0, held - 1),
    "half": lambda held, _: held // 2,
    "none": lambda *_: 0,
    "absent": lambda *_: None,
    "huge": lambda *_: 10**30,
    "large": lambda *_: 10**9,
    "another one each time": lambda held, number: max(0, held + (number * 37) % 91 - 45),
}
STEADILY_WRONG = [state for name, state in WRONG.items() if name != "another one each time"]
WRONGLY = pytest.mark.parametrize("state", list(WRONG.values()), ids=list(WRONG))


def right(held: int, _: int) -> int:
    return held


class Vendor:
    """Lists the numbers from 0 on, ascending only. It holds another number of rows in each call, then the last."""

    def __init__(self, *held: int, state: State = right, page_max: int = 1000) -> None:
        self.held = chain(held, repeat(held[-1]))
        self.state = state
        self.page_max = page_max
        self.requests: list[OffsetRequest] = []
        self.fails_after: int | None = None

    async def fetch(self, request: PageRequest) -> Page[int]:
        assert isinstance(request, OffsetRequest)
        if self.fails_after is not None and len(self.requests) >= self.fails_after:
            raise SourceUnavailable("v", "Source 'v' is not available.", upstream_requests=1)
        held, total = next(self.held), self.state
        stated = total(held, len(self.requests))
        self.requests.append(request)
        limit = min(request.limit, self.page_max)
        rows = range(held)[request.offset : request.offset + limit]
        hint = request.offset + len(rows) if len(rows) == limit else None
        return Page(list(rows), request.offset, hint, stated, FetchInfo(1))

    @property
    def calls(self) -> int:
        return len(self.requests)

    def reversed(self, total_hint: int | None = None) -> ReversedList[int]:
        return ReversedList("v", self.fetch, self.page_max, total_hint)


def descending(first: int, count: int) -> list[int]:
    return list(range(first, first - count, -1))


class TestTheEndIsFoundInFewCalls:
    async def test_few_rows_are_one_call(self) -> None:
        vendor = Vendor(5)

        page = await vendor.reversed().fetch(OffsetRequest(2))

        assert page == Page([4, 3, 2, 1, 0], 0, None, 5, FetchInfo(1))

    async def test_many_rows_are_two_calls_the_first_to_find_the_total(self) -> None:
        vendor = Vendor(250)

        page = await vendor.reversed().fetch(OffsetRequest(20))

        assert page == Page(descending(249, 20), 0, 20, 250, FetchInfo(2))
        assert [(one.offset, one.limit) for one in vendor.requests] == [(0, 100), (230, 21)]

    async def test_a_right_total_hint_saves_the_first_call(self) -> None:
        vendor = Vendor(250)

        page = await vendor.reversed(250).fetch(OffsetRequest(20))

        assert page == Page(descending(249, 20), 0, 20, 250, FetchInfo(1))

    @pytest.mark.parametrize("hint", [1, 100, 240, 249, 251, 400])
    async def test_a_wrong_total_hint_costs_at_most_one_more_call(self, hint: int) -> None:
        vendor = Vendor(250)

        page = await vendor.reversed(hint).fetch(OffsetRequest(20))

        assert list(page.items) == descending(249, len(page.items))
        assert (page.offset, page.next_hint, page.total) == (0, len(page.items), 250)
        assert vendor.calls <= 2

    async def test_a_shown_end_is_remembered_for_the_next_page(self) -> None:
        vendor = Vendor(250)
        from_the_end = vendor.reversed(250)

        await from_the_end.fetch(OffsetRequest(20))
        page = await from_the_end.fetch(OffsetRequest(20, 19))

        assert list(page.items) == descending(230, 20)
        assert vendor.calls == 2

    @pytest.mark.parametrize("hint", [None, 250])
    async def test_a_later_page_is_read_by_the_total_where_nothing_has_shown_the_end(
        self, hint: int | None
    ) -> None:
        vendor = Vendor(250)

        page = await vendor.reversed(hint).fetch(OffsetRequest(20, 100))

        assert 149 in page.items
        assert vendor.calls <= 2

    async def test_without_a_total_a_short_first_page_is_all(self) -> None:
        page = await Vendor(7, state=WRONG["absent"]).reversed().fetch(OffsetRequest(20))

        assert (page.items[0], page.next_hint, page.total) == (6, None, None)

    @pytest.mark.parametrize("held", [101, 1_000, 30_000, 100_000])
    async def test_without_a_total_the_end_of_a_long_list_is_searched(self, held: int) -> None:
        vendor = Vendor(held, state=WRONG["absent"])

        page = await vendor.reversed().fetch(OffsetRequest(20))

        assert list(page.items[:20]) == descending(held - 1, 20)
        assert page.provenance == FetchInfo(vendor.calls)
        assert vendor.calls <= 16


class TestTheOldestRow:
    async def test_nothing_follows_it(self) -> None:
        vendor = Vendor(3)

        page = await vendor.reversed().fetch(OffsetRequest(20, 3))

        assert (list(page.items), page.next_hint, page.total) == ([], None, 3)
        assert list((await vendor.reversed().fetch(OffsetRequest(20, 10**30))).items) == []

    async def test_an_empty_list_is_an_empty_page_that_ends(self) -> None:
        page = await Vendor(0).reversed().fetch(OffsetRequest(20))

        assert (list(page.items), page.offset, page.next_hint, page.total) == ([], 0, None, 0)
        assert page.provenance == FetchInfo(1)


class TestRowsThatComeAndGoBetweenTwoCalls:
    async def test_appended_rows_come_in_the_page_without_a_gap(self) -> None:
        vendor = Vendor(250, 253)

        page = await vendor.reversed().fetch(OffsetRequest(20))

        assert list(page.items[:20]) == descending(252, 20)
        assert (page.offset, page.total, page.provenance) == (0, 253, FetchInfo(3))

    async def test_a_later_page_overlaps_rather_than_skips(self) -> None:
        page = await Vendor(250, 260).reversed().fetch(OffsetRequest(20, 40))

        assert page.offset is not None
        assert page.offset <= 40
        assert 209 in page.items, "the row at offset 40 of the 250"
        assert page.next_hint == page.offset + len(page.items)

    async def test_after_deleted_rows_the_end_is_searched_again(self) -> None:
        vendor = Vendor(250, 200)

        page = await vendor.reversed().fetch(OffsetRequest(20))

        assert list(page.items[:20]) == descending(199, 20)
        assert (page.offset, page.total, page.provenance) == (0, 200, FetchInfo(3))

    async def test_a_list_whose_pages_never_show_the_end_is_a_bad_response(self) -> None:
        vendor = Vendor(*range(10_000, 400_000, 10_000), state=WRONG["absent"])

        async def full(request: PageRequest) -> Page[int]:
            assert isinstance(request, OffsetRequest)
            await vendor.fetch(request)
            return Page(
                list(range(request.limit)), request.offset, request.offset + request.limit, None, FetchInfo(1)
            )

        with pytest.raises(SourceBadResponse, match="from its end") as failure:
            await ReversedList("v", full, 100).fetch(OffsetRequest(20))

        assert vendor.calls == failure.value.upstream_requests < 20

    async def test_an_error_carries_the_calls_before_it(self) -> None:
        vendor = Vendor(250)
        vendor.fails_after = 1

        with pytest.raises(SourceUnavailable) as failure:
            await vendor.reversed().fetch(OffsetRequest(20))

        assert failure.value.upstream_requests == 2


@pytest.mark.parametrize("page_max", [1, 2, 3, 50])
async def test_no_page_is_larger_than_the_vendors(page_max: int) -> None:
    vendor = Vendor(30, page_max=page_max)

    page = await vendor.reversed().fetch(OffsetRequest(20))

    assert list(page.items) == descending(29, len(page.items))
    assert page.items
    assert max(request.limit for request in vendor.requests) <= page_max


async def test_rows_that_cannot_be_read_keep_their_places() -> None:
    async def fetch(request: PageRequest) -> Page[int]:
        page = await Vendor(5).fetch(request)
        return Page([0, 2, 4], page.offset, page.next_hint, page.total, page.provenance, (1, 3))

    page = await ReversedList("v", fetch, 100).fetch(OffsetRequest(10))

    assert (list(page.items), page.skipped, page.offset) == ([4, 2, 0], (1, 3), 0)


def stream_of(vendor: Vendor, positions: Positions, total_hint: int | None = None) -> Stream[int]:
    spec = StreamSpec[int](
        name="v",
        key="v",
        fetch=vendor.reversed(total_hint).fetch,
        ordering=Ordering[int]("v", OrderDirection.DESC, lambda number: number, lambda number: f"{number:09}"),
        matches=None,
        vendor_orders=True,
        page_max=vendor.page_max,
        page_budget=60,
    )
    return Stream(spec, positions.for_stream("v"))


async def merged_page(
    vendor: Vendor, first: int, positions: Positions = START, total_hint: int | None = None
) -> Merged[int]:
    """A page of the merged list, in few calls."""
    before = vendor.calls
    stream = stream_of(vendor, positions, total_hint)
    merged = await merge([stream], first, positions)
    assert stream.error is None
    assert vendor.calls - before < 20
    return merged


def rows(merged: Merged[int]) -> list[int]:
    return [row.node for row in merged.rows]


async def traversed(vendor: Vendor, first: int, total_hint: int | None = None) -> list[int]:
    seen: list[int] = []
    positions, more = START, True
    while more:
        merged = await merged_page(vendor, first, positions, total_hint)
        seen += rows(merged)
        positions, more = merged.positions_at_end(), merged.has_next
    return seen


class TestWrongTotals:
    @WRONGLY
    @pytest.mark.parametrize("held", [0, 1, 5, 100, 250, 1003])
    async def test_the_last_rows_come_first(self, state: State, held: int) -> None:
        merged = await merged_page(Vendor(held, state=state), 20)

        assert rows(merged) == descending(held - 1, min(held, 20))
        assert merged.has_next == (held > 20)

    @WRONGLY
    async def test_every_row_comes_once(self, state: State) -> None:
        assert await traversed(Vendor(130, state=state), 30) == descending(129, 130)

    @WRONGLY
    @pytest.mark.parametrize("hint", [0, 1, 100, 249, 250, 251, 300, 10**6, 10**40])
    async def test_the_number_of_rows_that_another_list_states_is_only_a_hint(
        self, state: State, hint: int
    ) -> None:
        assert rows(await merged_page(Vendor(250, state=state), 20, total_hint=hint)) == descending(249, 20)

    @WRONGLY
    async def test_a_total_that_the_rows_contradict_is_no_count(self, state: State) -> None:
        vendor = Vendor(5, state=state)

        merged = await merged_page(vendor, 20)

        assert merged.streams[0].stats.total in {None, 5}


@given(
    held=st.integers(0, 300),
    first=st.integers(1, 40),
    page_max=st.integers(20, 120),
    hint=st.none() | st.integers(0, 400),
    state=st.sampled_from([right, *STEADILY_WRONG]),
)
async def test_every_row_comes_once_in_pages_of_any_size(
    held: int, first: int, page_max: int, hint: int | None, state: State
) -> None:
    vendor = Vendor(held, state=state, page_max=page_max)

    assert await _all_rows(vendor, first, hint) == descending(held - 1, held)


async def _all_rows(vendor: Vendor, first: int, hint: int | None) -> list[int]:
    seen: list[int] = []
    positions, more = START, True
    while more:
        stream = stream_of(vendor, positions, hint)
        merged = await merge([stream], first, positions)
        assert stream.error is None
        seen += rows(merged)
        positions, more = merged.positions_at_end(), merged.has_next
    return seen


class OldestFirst(BaseAdapter):
    """One experiment of 150 sessions. The vendor lists them oldest first, and filters by status alone."""

    vendor = "acme"
    capabilities = Capabilities(
        ListCapabilities(Paging.OFFSET, 1000),
        ListCapabilities(
            Paging.OFFSET,
            1000,
            frozenset({(SessionOrderField.STARTED_AT, OrderDirection.ASC)}),
            frozenset({"statuses"}),
        ),
        (),
        frozenset(ExperimentKind),
        frozenset(SessionStatus),
    )

    def __init__(self) -> None:
        super().__init__("acme")
        self.calls = 0

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        raise AssertionError((query, page))

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        self.calls += 1
        numbers = await Vendor(150).fetch(request.page)
        sessions = [
            Session("acme", "e", f"s{number}", SessionStatus.ERROR, START_TIME + timedelta(minutes=number))
            for number in numbers.items
        ]
        return Page(sessions, numbers.offset, numbers.next_hint, numbers.total, FetchInfo(1))


@pytest.mark.parametrize(
    ("conditions", "calls"),
    [
        (SessionFilter(), 1),
        (SessionFilter(started_at=TimeRange(gte=START_TIME)), 1),
        (SessionFilter(statuses=frozenset({SessionStatus.ERROR})), 2),
    ],
    ids=["unfiltered", "filtered by the gateway", "filtered by the vendor"],
)
async def test_the_session_count_of_an_experiment_saves_a_call_unless_the_vendor_filters(
    conditions: SessionFilter, calls: int
) -> None:
    adapter = OldestFirst()
    experiment = Experiment("acme", "e", "e", ExperimentKind.EVALUATION, "e", session_count=150)

    async def fetch(_: str, request: SessionPageRequest) -> Page[Session]:
        return await adapter.list_session_page(request)

    request = SessionPageRequest((), OffsetRequest(0), conditions)
    listing = await list_sessions_of(adapter, experiment, request, MergeRequest(20), fetch)

    assert [row.node.vendor_id for row in listing.merged.rows] == [f"s{n}" for n in descending(149, 20)]
    assert adapter.calls == calls


class NumberedPages(Vendor):
    """Its pages end at multiples of a size: a page may hold the first requested row and not the last."""

    size = 100

    async def fetch(self, request: PageRequest) -> Page[int]:
        assert isinstance(request, OffsetRequest)
        to_the_boundary = self.size - request.offset % self.size
        return await super().fetch(OffsetRequest(min(request.limit, to_the_boundary), request.offset))


@pytest.mark.parametrize("limit", [2, 50, 51, 100])
@pytest.mark.parametrize("held", [1, 99, 100, 101, 250, 1000, 1001])
async def test_rows_on_both_sides_of_a_page_boundary_come_once(held: int, limit: int) -> None:
    vendor = NumberedPages(held, page_max=100)
    from_the_end = vendor.reversed()
    seen: list[int] = []
    offset: int | None = 0
    while offset is not None:
        page = await from_the_end.fetch(OffsetRequest(limit, offset))
        seen += [row for row in page.items if row not in seen]
        offset = page.next_hint if isinstance(page.next_hint, int) else None
    assert seen == descending(held - 1, held)


@pytest.mark.parametrize("skip", range(880, 1001, 7))
async def test_a_page_deep_in_the_list_is_found_by_a_stated_total(skip: int) -> None:
    vendor = NumberedPages(1000, page_max=100)
    page = await vendor.reversed().fetch(OffsetRequest(53, skip))
    assert list(page.items)[:2] == descending(999 - (page.offset or 0), len(page.items))[:2]
    assert (page.offset or 0) <= skip
