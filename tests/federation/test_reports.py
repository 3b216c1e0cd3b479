"""A source's report on its streams, and the total of a list."""

from __future__ import annotations

from dataclasses import replace

from tests.federation.fake import FakeVendor, Item, stream
from tracegraph.adapter.paging import Page, PageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceTimeout, SourceUnavailable
from tracegraph.federation.merge import Positions, merge
from tracegraph.federation.pages import ScanStats
from tracegraph.federation.report import (
    SourceReport,
    SourceReportStatus,
    combined_in_parallel,
    combined_in_sequence,
    not_queried,
    report,
    total_count,
)
from tracegraph.federation.stream import Stream

ITEMS = [Item(f"{number:03}", number) for number in range(30)]


class StaleVendor(FakeVendor):
    """Serves stale replies, because the vendor timed out."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        page = await super().fetch(request)
        return Page(page.items, page.offset, page.next_hint, page.total, FetchInfo(2, SourceTimeout("v", "late")))


async def read(*streams: Stream[Item], first: int = 5) -> SourceReport:
    await merge(streams, first)
    return report("v", streams)


def stream_of(vendor: FakeVendor, *, budget: int = 100, none_match: bool = False) -> Stream[Item]:
    return stream(vendor, Positions(), budget=budget, matches=(lambda _: False) if none_match else None)


async def test_a_source_that_answered_is_ok_with_its_total_and_cost() -> None:
    source_report = await read(stream_of(FakeVendor("v", ITEMS)))
    assert (source_report.status, source_report.error, source_report.total_count) == (
        SourceReportStatus.OK,
        None,
        30,
    )
    assert source_report.fetched >= 5


async def test_the_totals_of_a_sources_lists_add_up() -> None:
    source_report = await read(stream_of(FakeVendor("v", ITEMS)), stream_of(FakeVendor("v", ITEMS[:7])))
    assert source_report.total_count == 37


async def test_one_list_without_a_total_leaves_none() -> None:
    source_report = await read(
        stream_of(FakeVendor("v", ITEMS)), stream_of(FakeVendor("v", ITEMS, reports_total=False))
    )
    assert (source_report.status, source_report.total_count) == (SourceReportStatus.OK, None)


async def test_one_list_that_failed_makes_the_source_failed_and_its_calls_count() -> None:
    source_report = await read(stream_of(FakeVendor("v", ITEMS)), stream_of(FakeVendor("v", ITEMS, down=True)))
    assert (source_report.status, source_report.total_count, source_report.upstream_requests) == (
        SourceReportStatus.FAILED,
        None,
        1,
    )
    assert isinstance(source_report.error, SourceUnavailable)


async def test_a_stale_reply_is_reported_stale_with_its_cause() -> None:
    source_report = await read(stream_of(StaleVendor("v", ITEMS)))
    assert (source_report.status, source_report.total_count, source_report.upstream_requests) == (
        SourceReportStatus.STALE,
        30,
        2,
    )
    assert isinstance(source_report.error, SourceTimeout)


async def test_failed_outranks_stale_and_stale_outranks_limited() -> None:
    limited = stream_of(FakeVendor("v", ITEMS, page_max=5), budget=1, none_match=True)
    stale = stream_of(StaleVendor("v", ITEMS))
    failed = stream_of(FakeVendor("v", ITEMS, down=True))
    await merge([limited, stale, failed], 5)
    assert report("v", [limited, stale, failed]).status is SourceReportStatus.FAILED
    assert report("v", [limited, stale]).status is SourceReportStatus.STALE
    assert report("v", [limited]).status is SourceReportStatus.SCAN_LIMITED


async def test_a_list_that_was_cut_short_has_no_total() -> None:
    """The sessions of the most recently active experiments are not all sessions."""
    complete_stream = stream_of(FakeVendor("v", ITEMS))
    await merge([complete_stream], 50)
    source_report = report("v", [complete_stream], truncated=True)
    assert (source_report.status, source_report.total_count) == (SourceReportStatus.SCAN_LIMITED, None)


def test_a_source_that_was_not_queried_has_no_rows() -> None:
    assert not_queried("v") == SourceReport("v", SourceReportStatus.OK, None, 0, 0, 0, 0.0)


def test_a_list_has_a_total_when_every_source_reports_one() -> None:
    assert total_count([SourceReport("a", total_count=3), not_queried("b")]) == 3
    assert total_count([SourceReport("a", total_count=3), SourceReport("b")]) is None
    assert total_count([]) == 0


class UnreadableVendor(FakeVendor):
    """Reports the row before each page as unreadable, and the first row of it as repeated."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        page = await super().fetch(request)
        return replace(page, skipped=(0, 1), repeated=frozenset({1}))


async def test_unreadable_rows_count_as_skipped_and_repeated_rows_do_not() -> None:
    source_report = await read(stream_of(UnreadableVendor("v", ITEMS)))
    assert source_report.skipped == 1


async def test_a_page_that_is_read_again_counts_its_unreadable_rows_once() -> None:
    stats = ScanStats()
    page = Page("ab", 10, 13, skipped=(1,))
    for read_page in (page, page, replace(page, offset=20)):
        stats.add(read_page)
    assert stats.unreadable == {11, 21}


async def test_unreadable_rows_of_a_list_without_offsets_add_up() -> None:
    stats = ScanStats()
    for _ in range(2):
        stats.add(Page("ab", None, "token", skipped=(0, 0)))
    assert len(stats.unreadable) == 4


def test_combined_reports_add_up_their_skipped_rows() -> None:
    reports = [SourceReport("v", skipped=1), SourceReport("v", skipped=2)]
    assert combined_in_parallel("v", reports).skipped == combined_in_sequence(reports).skipped == 3
