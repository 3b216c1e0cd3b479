"""A vendor's total is believed only where the rows of its page do not contradict it."""

import pytest

from tracegraph.adapter import Page, consistent_total


@pytest.mark.parametrize(
    ("page", "total"),
    [
        (Page("ab", 0, 2, total=5), 5),
        (Page("ab", 0, None, total=2), 2),
        (Page("ab", 0, None, total=3, skipped=(1,)), 3),
        (Page("ab", 0, 2, total=1), None),
        (Page("ab", 0, None, total=5), None),
        (Page("ab", 4, None, total=6), 6),
        (Page("ab", 4, None, total=5), None),
        (Page("", 0, None, total=0), 0),
        (Page("", 0, None, total=3), None),
        (Page("", 7, None, total=3), 3),
        (Page("", 7, None, total=9), None),
        (Page("ab", None, None, total=9), 9),
        (Page("ab", 0, 2), None),
    ],
    ids=[
        "a page that goes on",
        "a whole list",
        "a whole list with a row that cannot be read",
        "fewer than the rows",
        "more than a whole list",
        "the last page",
        "fewer than the last page ends at",
        "an empty list",
        "an empty list of some rows",
        "behind the end",
        "behind the end of a longer list",
        "a list without offsets",
        "no total",
    ],
)
def test_the_total_of_a_page(page: Page[str], total: int | None) -> None:
    assert consistent_total(page) == total
