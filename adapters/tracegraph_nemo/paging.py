"""From offsets to NeMo's numbered pages; pure arithmetic.

The vendor cuts its lists into pages of `page_size` rows, so a stretch of rows that is wanted rarely is a page.
A somewhat larger page that holds all of it costs one call; two adjoining pages would cost two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

LARGEST_PAGE = 1000
"""The largest `page_size` that the service takes (docs/vendors/nemo.md#paging)."""


class VendorPage(NamedTuple):
    """The query's `page`, from 1, and `page_size`."""

    number: int
    size: int

    @property
    def start(self) -> int:
        """The offset of its first row."""
        return (self.number - 1) * self.size


def covering_page(offset: int, limit: int, maximum: int) -> VendorPage:
    """The smallest page that holds the `limit` rows from `offset` on.

    Where none does, the one that holds most of them, the row at `offset` in any case.
    """
    limit = max(1, min(limit, maximum))
    whole = _holding(offset, limit, maximum)
    if whole is not None:
        return whole
    size = _size_of_most_rows(maximum, lambda size: min(limit, size - offset % size))
    return VendorPage(offset // size + 1, size)


def page_up_to(end: int, limit: int, maximum: int) -> VendorPage:
    """The smallest page that holds the `limit` rows that end before offset `end`.

    Where none does, the one that holds most of them, the row before `end` in any case.
    """
    limit = max(1, min(limit, maximum, end))
    whole = _holding(end - limit, limit, maximum)
    if whole is not None:
        return whole
    last = end - 1
    size = _size_of_most_rows(maximum, lambda size: min(limit, last % size + 1))
    return VendorPage(last // size + 1, size)


def _size_of_most_rows(maximum: int, rows_of: Callable[[int], int]) -> int:
    """The page size of which the wanted part is largest, the smallest of such sizes."""
    found, most = maximum, 0
    for size in range(maximum, 0, -1):
        if size < most:
            break
        if (rows := rows_of(size)) >= most:
            found, most = size, rows
    return found


def _holding(offset: int, limit: int, maximum: int) -> VendorPage | None:
    for size in range(limit, maximum + 1):
        if offset % size + limit <= size:
            return VendorPage(offset // size + 1, size)
    return None
