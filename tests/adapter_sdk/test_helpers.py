"""Helpers of the SDK: outcomes, costs, pages that follow one another, groups and latencies."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.adapter import (
    CallCost,
    FetchInfo,
    Page,
    add_cost_on_error,
    distinct,
    failure_of,
    first_page_with_rows,
    gather_by_key,
    gather_outcomes,
    latency_ms,
    read_pages,
    refs_by_experiment,
    total_cost,
)
from tracegraph.adapter.helpers import Hint
from tracegraph.domain.models import SessionRef
from tracegraph.errors import (
    SourceBadResponse,
    SourceError,
    SourceObjectNotFound,
    SourceTimeout,
    SourceUnavailable,
)

ONE_CALL = FetchInfo(1)


async def returned(value: str) -> str:
    return value


async def failed(error: SourceError) -> str:
    raise error


def failure(calls: int = 1) -> SourceTimeout:
    return SourceTimeout("vendor", "Source 'vendor' did not respond.", upstream_requests=calls)


async def test_a_failed_call_stands_as_its_error_among_the_results_of_the_others() -> None:
    error = failure()

    assert await gather_outcomes([returned("a"), failed(error), returned("c")]) == ["a", error, "c"]


async def test_an_exception_that_is_no_source_error_is_raised() -> None:
    async def broken() -> str:
        raise KeyError("a fault of the adapter")

    with pytest.raises(KeyError):
        await gather_outcomes([broken()])


async def test_outcomes_by_key_lack_objects_that_do_not_exist() -> None:
    error = failure()
    missing = SourceObjectNotFound("vendor", "Source 'vendor' has no object with that id.")

    outcomes = await gather_by_key({"a": returned("A"), "b": failed(missing), "c": failed(error)})

    assert outcomes == {"a": "A", "c": error}


def test_the_total_cost_counts_failed_calls_and_holds_the_first_stale_reason() -> None:
    stale = SourceUnavailable("vendor", "Source 'vendor' is not available.")

    total = total_cost([Page((), None, None, provenance=FetchInfo(2, stale)), failure(3)])

    assert total == FetchInfo(5, stale)


def test_a_stale_reply_has_the_error_that_it_stands_for() -> None:
    stale = SourceUnavailable("vendor", "Source 'vendor' is not available.")
    error = failure()

    assert failure_of(Page((), None, None, provenance=FetchInfo(1, stale))) is stale
    assert failure_of(error) is error
    assert failure_of(Page((), None, None)) is None


def test_an_error_carries_the_calls_before_it() -> None:
    with pytest.raises(SourceTimeout) as raised, add_cost_on_error(FetchInfo(4)):
        raise failure(1)

    assert raised.value.upstream_requests == 5


@given(st.lists(st.integers(0, 5)), st.integers(0, 5))
def test_a_cost_counts_each_call_once_on_success_and_on_error(calls: Sequence[int], last: int) -> None:
    cost = CallCost()
    for number in calls:
        with cost:
            cost.add(Page((), None, None, provenance=FetchInfo(number)))

    assert cost.total.upstream_requests == sum(calls)
    with pytest.raises(SourceTimeout) as raised, cost:
        raise failure(last)
    assert raised.value.upstream_requests == sum(calls) + last


def test_a_cost_counts_several_outcomes() -> None:
    cost = CallCost(ONE_CALL)

    cost.add_outcomes([failure(2), Page((), None, None, provenance=ONE_CALL)])

    assert cost.total == FetchInfo(4)


class Pages:
    """A list by tokens: each page names its rows and the token of the next page."""

    def __init__(self, **pages: tuple[Sequence[str], Hint]) -> None:
        self.pages = pages
        self.requested: list[Hint] = []

    async def fetch(self, hint: Hint) -> Page[str]:
        self.requested.append(hint)
        if hint == "broken":
            raise failure()
        rows, token = self.pages["start" if hint is None else str(hint)]
        return Page(rows, None, token, provenance=ONE_CALL)


async def test_an_empty_page_that_goes_on_is_read_on_to_the_first_row() -> None:
    vendor = Pages(start=((), "a"), a=((), "b"), b=(("row",), "c"))

    page = await first_page_with_rows(vendor.fetch, "vendor")

    assert (page.items, page.next_hint, page.provenance) == (("row",), "c", FetchInfo(3))


async def test_a_list_that_ends_without_a_row_is_an_empty_page_without_a_hint() -> None:
    page = await first_page_with_rows(Pages(start=((), "a"), a=((), None)).fetch, "vendor")

    assert (page.items, page.next_hint, page.provenance) == ((), None, FetchInfo(2))


@pytest.mark.parametrize("token", ["a", "b"])
async def test_an_empty_page_whose_token_repeats_does_not_advance(token: str) -> None:
    vendor = Pages(start=((), "a"), a=((), "b"), b=((), token))

    with pytest.raises(SourceBadResponse, match="do not advance") as raised:
        await first_page_with_rows(vendor.fetch, "vendor")

    assert raised.value.upstream_requests == len(vendor.requested) == 3


async def test_empty_pages_are_read_up_to_a_bound() -> None:
    vendor = Pages(start=((), "1"), **{str(number): ((), str(number + 1)) for number in range(100)})

    with pytest.raises(SourceBadResponse):
        await first_page_with_rows(vendor.fetch, "vendor", max_pages=5)

    assert len(vendor.requested) == 5


async def test_an_error_after_empty_pages_carries_their_cost() -> None:
    with pytest.raises(SourceTimeout) as raised:
        await first_page_with_rows(Pages(start=((), "broken")).fetch, "vendor")

    assert raised.value.upstream_requests == 2


async def test_pages_are_read_to_the_end_of_the_list() -> None:
    vendor = Pages(start=(("1",), "a"), a=(("2",), "b"), b=(("3",), None))

    assert [page.items async for page in read_pages(vendor.fetch, 10)] == [("1",), ("2",), ("3",)]


async def test_pages_are_read_up_to_a_bound() -> None:
    vendor = Pages(start=(("1",), "a"), a=(("2",), "b"))

    assert [page.items async for page in read_pages(vendor.fetch, 2)] == [("1",), ("2",)]


async def test_an_error_after_pages_carries_their_cost() -> None:
    with pytest.raises(SourceTimeout) as raised:
        async for _ in read_pages(Pages(start=(("1",), "a"), a=(("2",), "broken")).fetch, 10):
            pass

    assert raised.value.upstream_requests == 3


@given(st.lists(st.builds(SessionRef, st.sampled_from("abc"), st.sampled_from("xyz"))))
def test_groups_hold_each_ref_once(refs: list[SessionRef]) -> None:
    grouped = refs_by_experiment(refs)

    flat = [SessionRef(experiment, session) for experiment, sessions in grouped.items() for session in sessions]
    assert len(flat) == len(set(flat))
    assert set(flat) == set(refs)


def test_a_latency_is_in_milliseconds() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    assert latency_ms(start, start + timedelta(seconds=1.5)) == 1500.0


def test_a_latency_is_unknown_without_an_end_or_with_an_end_before_the_start() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    assert latency_ms(start, None) is None
    assert latency_ms(None, start) is None
    assert latency_ms(start, start - timedelta(seconds=1)) is None


def test_distinct_texts_keep_their_order_and_lack_empty_ones() -> None:
    assert distinct(["b", None, "a", "", "b"]) == ("b", "a")
