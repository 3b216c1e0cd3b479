"""For any behaviour of a source, reading ends within the budget, and rows neither repeat nor get lost silently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.examples import examples
from tests.federation.misbehaving import BROKEN_ANSWERS, MisbehavingSource, experiment
from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.paging import Page, Paging
from tracegraph.domain.filters import ExperimentFilter, ExperimentOrder, OrderDirection
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceErrorCode
from tracegraph.federation.lists import Listing, MergeRequest, ScanBudget, list_experiments
from tracegraph.federation.report import SourceReportStatus

BUDGET = 20
FEW = 20
"""Calls beyond the budget with which a scan that began within it may end."""
EVERY_PAGING = pytest.mark.parametrize("paging", Paging, ids=lambda paging: paging.value)


async def listed(
    *sources: MisbehavingSource, first: int = 1000, direction: OrderDirection = OrderDirection.DESC
) -> Listing[Experiment]:
    adapters = [CheckedAdapter(source) for source in sources]
    return await list_experiments(
        adapters,
        {adapter.name: ExperimentFilter() for adapter in adapters},
        ExperimentOrder(direction=direction),
        MergeRequest(first, budget=ScanBudget(pages=BUDGET)),
    )


def refs(listing: Listing[Experiment]) -> list[str]:
    return [row.node.ref for row in listing.merged.rows]


def rows(values: Sequence[int], source: str = "v") -> list[Experiment]:
    return [experiment(f"{source}{number:02}", value, source) for number, value in enumerate(values)]


LIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "none": st.just({}),
    "a wrong total": st.fixed_dictionaries({"total_off": st.integers(-40, 40)}),
    "repeated rows": st.fixed_dictionaries(
        {"repeated_positions": st.lists(st.integers(0, 40), min_size=1, max_size=6)}
    ),
    "one page for ever": st.fixed_dictionaries({"repeats_from": st.integers(0, 4)}),
    "hints that go round": st.fixed_dictionaries({"restarts_after": st.integers(1, 20)}),
    "empty pages that go on": st.fixed_dictionaries({"empty_every": st.integers(1, 5)}),
    "broken order": st.fixed_dictionaries(
        {"swaps": st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=4)}
    ),
    "a broken answer": st.fixed_dictionaries(
        {"breaks": st.sampled_from(list(BROKEN_ANSWERS.values())), "breaks_at": st.integers(0, 4)}
    ),
}


READINGS = given(
    st.lists(st.integers(0, 30), max_size=40),
    st.sampled_from(Paging),
    st.sampled_from(OrderDirection),
    st.integers(1, 12),
    st.lists(st.sampled_from(sorted(LIES)), min_size=1, max_size=2, unique=True),
    st.data(),
)


async def reading_ends_and_neither_repeats_nor_silently_loses_a_row(  # noqa: PLR0917
    values: list[int],
    paging: Paging,
    direction: OrderDirection,
    page_max: int,
    names: list[str],
    data: st.DataObject,
) -> None:
    lies: dict[str, Any] = {}
    for name in names:
        lies |= data.draw(LIES[name], label=name)
    source = MisbehavingSource(rows(values), paging, page_max, **lies)
    listing = await listed(source, direction=direction)
    returned_refs, (report,) = refs(listing), listing.reports
    assert len(source.calls) <= BUDGET + FEW
    assert len(returned_refs) == len(set(returned_refs))
    is_complete = {row.ref for row in source.rows} <= set(returned_refs)
    assert is_complete or report.status in {SourceReportStatus.FAILED, SourceReportStatus.SCAN_LIMITED}
    if report.total_count is not None and is_complete and report.status is SourceReportStatus.OK:
        assert report.total_count == len(returned_refs)


test_reading_ends_and_neither_repeats_nor_silently_loses_a_row = settings(
    max_examples=examples(100), deadline=None
)(READINGS(reading_ends_and_neither_repeats_nor_silently_loses_a_row))
test_reading_ends_and_neither_repeats_nor_silently_loses_a_row_in_more_examples = pytest.mark.slow(
    settings(max_examples=examples(400), deadline=None)(
        READINGS(reading_ends_and_neither_repeats_nor_silently_loses_a_row)
    )
)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(st.integers(0, 30), max_size=40, unique=True),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=40),
    st.sampled_from(OrderDirection),
    st.integers(2, 12),
    st.sampled_from(Paging),
)
@example(
    paging=Paging.OFFSET,
    values=[0, 1, 2, 3],
    swaps=[(1, 3), (0, 1), (1, 3)],
    direction=OrderDirection.ASC,
    page_max=3,
)
async def test_pages_each_in_order_but_not_across_pages_lose_no_row_silently(
    values: list[int], swaps: list[tuple[int, int]], direction: OrderDirection, page_max: int, paging: Paging
) -> None:
    source = MisbehavingSource(rows(values), paging, page_max, swaps=swaps, sorts_pages=True)
    listing = await listed(source, direction=direction)
    returned_refs = refs(listing)
    assert len(source.calls) <= BUDGET + FEW
    assert len(returned_refs) == len(set(returned_refs))
    is_complete = {row.ref for row in source.rows} == set(returned_refs)
    assert is_complete or listing.reports[0].status in {SourceReportStatus.FAILED, SourceReportStatus.SCAN_LIMITED}


@pytest.mark.parametrize("broken", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
async def test_a_broken_page_costs_the_rows_of_its_own_source_only(broken: Any) -> None:
    healthy = MisbehavingSource(rows([3, 2, 1], "w"), name="w")
    listing = await listed(MisbehavingSource(rows([9, 8]), breaks=broken), healthy)
    assert refs(listing) == ["w00", "w01", "w02"]
    failed, well = listing.reports
    assert (failed.source, failed.status, well.status) == ("v", SourceReportStatus.FAILED, SourceReportStatus.OK)
    assert failed.error is not None
    assert failed.error.code is SourceErrorCode.BAD_RESPONSE


@EVERY_PAGING
@pytest.mark.parametrize(
    "lie",
    [{"repeats_from": 0}, {"repeats_from": 2}, {"empty_every": 1}, {"empty_every": 3}],
    ids=["page one for ever", "page one again later", "an empty page at once", "an empty page later"],
)
async def test_pages_that_do_not_advance_are_a_bad_response_after_a_few_calls(
    lie: dict[str, Any],
    paging: Paging,
) -> None:
    source = MisbehavingSource(rows(range(60)), paging, **lie)
    (report,) = (await listed(source)).reports
    assert report.error is not None
    assert report.error.code is SourceErrorCode.BAD_RESPONSE
    assert len(source.calls) <= 10


@pytest.mark.parametrize("paging", [Paging.RANGE, Paging.CURSOR], ids=lambda paging: paging.value)
async def test_a_token_that_comes_back_is_a_bad_response(paging: Paging) -> None:
    source = MisbehavingSource(rows([1] * 30), paging, restarts_after=10)
    (report,) = (await listed(source)).reports
    assert report.error is not None
    assert "pages do not advance" in report.error.message
    assert len(source.calls) <= 5


@pytest.mark.parametrize("total_off", [-5, -1, 1, 3])
async def test_a_total_that_the_rows_contradict_is_none(total_off: int) -> None:
    listing = await listed(MisbehavingSource(rows(range(5)), total_off=total_off))
    assert (len(refs(listing)), listing.total_count) == (5, None)


@EVERY_PAGING
async def test_a_row_that_comes_twice_is_given_once(paging: Paging) -> None:
    source = MisbehavingSource(rows(range(12)), paging, repeated_positions=[0, 3, 4, 11])
    listing = await listed(source)
    assert refs(listing) == [f"v{number:02}" for number in range(11, -1, -1)]
    assert listing.reports[0].status is SourceReportStatus.OK


@EVERY_PAGING
async def test_an_order_that_breaks_between_pages_is_rebuilt_by_a_full_scan(paging: Paging) -> None:
    """Pages have five sorted rows, and the seventh row belongs on the first page."""
    source = MisbehavingSource(rows(range(10)), paging, swaps=[(1, 6)], sorts_pages=True)
    listing = await listed(source, first=3)
    assert len(set(refs(listing))) == len(refs(listing))
    everything = await listed(source)
    complete = refs(everything) == [f"v{number:02}" for number in range(9, -1, -1)]
    assert complete or everything.reports[0].status is SourceReportStatus.FAILED


@pytest.mark.parametrize("paging", [Paging.RANGE, Paging.CURSOR], ids=lambda paging: paging.value)
async def test_an_offset_in_a_list_without_offsets_is_a_bad_response(paging: Paging) -> None:
    source = MisbehavingSource(rows(range(60)), paging, breaks=lambda page: Page(page.items, None, 5))
    (report,) = (await listed(source)).reports
    assert report.error is not None
    assert report.error.code is SourceErrorCode.BAD_RESPONSE
    assert len(source.calls) == 1


@EVERY_PAGING
@pytest.mark.parametrize(
    "lie", [{"repeats_from": 1}, {"empty_every": 2}], ids=["a repeated page", "an empty page that goes on"]
)
async def test_the_log_names_the_source_whose_pages_do_not_advance(lie: dict[str, Any], paging: Paging) -> None:
    healthy = MisbehavingSource(rows([3, 2, 1], "w"), name="w")
    with capture_logs() as logs:
        listing = await listed(MisbehavingSource(rows(range(60)), paging, **lie), healthy)
    error = listing.reports[0].error
    assert error is not None
    assert {"w00", "w01", "w02"} <= set(refs(listing))
    assert ("v", error.reference) in [(line["source"], line.get("reference")) for line in logs]


@pytest.mark.parametrize("paging", [Paging.OFFSET, Paging.RANGE, Paging.CURSOR], ids=lambda paging: paging.value)
async def test_the_log_names_the_source_that_breaks_its_order(paging: Paging) -> None:
    with capture_logs() as logs:
        listing = await listed(MisbehavingSource(rows(range(10)), paging, swaps=[(0, 2)]))
    assert refs(listing) == [f"v{number:02}" for number in range(9, -1, -1)]
    assert [(line["event"], line["source"]) for line in logs] == [("source.order_broken", "v")]
