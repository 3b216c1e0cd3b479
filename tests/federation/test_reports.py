"""What a source's report says of its streams, and the total of a list."""

from __future__ import annotations

from tests.federation.fake import FakeVendor, Item, stream
from tracegraph.adapter.paging import Page, PageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceTimeout, SourceUnavailable
from tracegraph.federation.merge import Positions, merge
from tracegraph.federation.report import SourceReport, SourceReportStatus, not_asked, report, total_count
from tracegraph.federation.stream import Stream

ITEMS = [Item(f"{number:03}", number) for number in range(30)]


class StaleVendor(FakeVendor):
    """Answers from a cache, because the vendor timed out."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        page = await super().fetch(request)
        return Page(page.items, page.offset, page.next_hint, page.total, FetchInfo(2, SourceTimeout("v", "late")))


async def read(*streams: Stream[Item], first: int = 5) -> SourceReport:
    await merge(streams, first)
    return report("v", streams)


def of(vendor: FakeVendor, *, budget: int = 100, none_admitted: bool = False) -> Stream[Item]:
    return stream(vendor, Positions(), budget=budget, admits=(lambda _: False) if none_admitted else None)


async def test_a_source_that_answered_is_ok_with_its_total_and_what_it_took() -> None:
    told = await read(of(FakeVendor("v", ITEMS)))
    assert (told.status, told.error, told.total_count) == (SourceReportStatus.OK, None, 30)
    assert told.fetched >= 5


async def test_the_totals_of_a_sources_lists_add_up() -> None:
    told = await read(of(FakeVendor("v", ITEMS)), of(FakeVendor("v", ITEMS[:7])))
    assert told.total_count == 37


async def test_one_list_without_a_total_leaves_none() -> None:
    told = await read(of(FakeVendor("v", ITEMS)), of(FakeVendor("v", ITEMS, tells_total=False)))
    assert (told.status, told.total_count) == (SourceReportStatus.OK, None)


async def test_one_list_that_failed_makes_the_source_failed_and_its_calls_count() -> None:
    told = await read(of(FakeVendor("v", ITEMS)), of(FakeVendor("v", ITEMS, down=True)))
    assert (told.status, told.total_count, told.upstream_requests) == (SourceReportStatus.FAILED, None, 1)
    assert isinstance(told.error, SourceUnavailable)


async def test_an_older_answer_is_stale_and_says_why() -> None:
    told = await read(of(StaleVendor("v", ITEMS)))
    assert (told.status, told.total_count, told.upstream_requests) == (SourceReportStatus.STALE, 30, 2)
    assert isinstance(told.error, SourceTimeout)


async def test_failed_is_said_before_stale_and_stale_before_limited() -> None:
    limited = of(FakeVendor("v", ITEMS, page_max=5), budget=1, none_admitted=True)
    stale = of(StaleVendor("v", ITEMS))
    failed = of(FakeVendor("v", ITEMS, down=True))
    await merge([limited, stale, failed], 5)
    assert report("v", [limited, stale, failed]).status is SourceReportStatus.FAILED
    assert report("v", [limited, stale]).status is SourceReportStatus.STALE
    assert report("v", [limited]).status is SourceReportStatus.SCAN_LIMITED


async def test_a_list_that_was_cut_short_has_no_total() -> None:
    """The sessions of the most recently active experiments are not all sessions."""
    read_whole = of(FakeVendor("v", ITEMS))
    await merge([read_whole], 50)
    told = report("v", [read_whole], truncated=True)
    assert (told.status, told.total_count) == (SourceReportStatus.SCAN_LIMITED, None)


def test_a_source_that_was_not_asked_holds_none() -> None:
    assert not_asked("v") == SourceReport("v", SourceReportStatus.OK, None, 0, 0, 0, 0.0)


def test_the_total_of_a_list_is_known_when_every_source_tells_its_own() -> None:
    assert total_count([SourceReport("a", total_count=3), not_asked("b")]) == 3
    assert total_count([SourceReport("a", total_count=3), SourceReport("b")]) is None
    assert total_count([]) == 0
