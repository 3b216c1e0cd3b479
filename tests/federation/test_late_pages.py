"""The memory and the vendor rows of a page, which do not depend on its position in the list."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from tests.federation.fake import FakeVendor, Item, page
from tracegraph.adapter.paging import OffsetRequest, Page, PageRequest
from tracegraph.domain.filters import OrderDirection
from tracegraph.federation.merge import Merged, Positions

ROWS = 100_000


class EndlessVendor(FakeVendor):
    """Creates its rows on request, so that it holds none; every third value occurs twice."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        assert isinstance(request, OffsetRequest)
        start = request.offset
        end = min(start + min(request.limit, self.page_max), ROWS)
        got = [Item(f"{number:07}", number // 4 * 4 + min(number % 4, 2)) for number in range(start, end)]
        return Page(got, start, end if end < ROWS else None, ROWS)


def vendors() -> list[FakeVendor]:
    return [EndlessVendor(name, [], OrderDirection.ASC) for name in "abc"]


async def measured(first: int, positions: Positions) -> tuple[Merged[Item], int]:
    """Return a page, and the peak memory in bytes while it was built."""
    sources = vendors()
    gc.collect()
    tracemalloc.start()
    try:
        merged = await page(sources, first, positions)
        return merged, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("rows", [3_000, pytest.param(60_000, marks=pytest.mark.slow)])
async def test_memory_and_fetched_rows_do_not_grow_with_the_position(rows: int) -> None:
    first_page, at_start = await measured(100, Positions())
    positions = Positions()
    for _ in range(rows // 1_000):
        positions = (await page(vendors(), 1_000, positions)).positions_at_end()
    late_page, late = await measured(100, positions)
    assert late_page.rows[0].offset is not None
    assert late_page.rows[0].offset * 3 == pytest.approx(rows, abs=30)
    assert late < 2 * at_start
    for first_stream, late_stream in zip(first_page.streams, late_page.streams, strict=True):
        assert late_stream.stats.pages <= first_stream.stats.pages + 1
        assert late_stream.stats.fetched <= first_stream.stats.fetched + 10
        assert late_stream.buffered <= first_stream.buffered + 10
