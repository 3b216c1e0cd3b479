"""The vendor page that contains a range of rows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracegraph_nemo.paging import VendorPage, covering_page

MAXIMUM = 1000
offsets = st.integers(0, 100_000)
limits = st.integers(1, 1500)


def pages_that_hold(offset: int, limit: int) -> list[VendorPage]:
    """By trial: every page of at most MAXIMUM rows that holds the whole stretch."""
    return [
        VendorPage(offset // size + 1, size)
        for size in range(limit, MAXIMUM + 1)
        if offset // size == (offset + limit - 1) // size
    ]


@settings(deadline=None)
@given(limits)
def test_the_beginning_is_page_one_of_that_many_rows(limit: int) -> None:
    assert covering_page(0, limit, MAXIMUM) == (1, min(limit, MAXIMUM))


@settings(deadline=None)
@given(offsets, limits)
def test_the_row_at_the_offset_is_always_on_the_page(offset: int, limit: int) -> None:
    page = covering_page(offset, limit, MAXIMUM)
    assert page.offset <= offset < page.offset + page.size
    assert 1 <= page.size <= MAXIMUM


@settings(deadline=None)
@given(offsets, limits)
def test_the_smallest_page_that_holds_the_stretch_is_taken(offset: int, limit: int) -> None:
    holding = pages_that_hold(offset, min(limit, MAXIMUM))
    page = covering_page(offset, limit, MAXIMUM)
    if holding:
        assert page == holding[0]
    else:
        held = page.offset + page.size - offset
        assert held == max(size - offset % size for size in range(1, MAXIMUM + 1))


@pytest.mark.parametrize(
    ("offset", "limit", "page"),
    [(20, 20, (2, 20)), (30, 20, (2, 25)), (15, 20, (1, 35)), (998, 1000, (2, 998)), (1000, 1000, (2, 1000))],
)
def test_examples_by_hand(offset: int, limit: int, page: tuple[int, int]) -> None:
    assert covering_page(offset, limit, MAXIMUM) == page
