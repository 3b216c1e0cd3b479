"""Conversion of offsets to NeMo's numbered pages; pure arithmetic.

The vendor cuts its lists into pages of `page_size` rows, so a requested range of rows rarely is one page. One
larger page that contains the whole range costs one call; two adjoining pages cost two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tracegraph.adapter import OffsetRequest, PageRequest

MAX_PAGE_SIZE = 1000
"""The largest `page_size` that the service accepts (docs/vendors/nemo.md#paging)."""


class VendorPage(NamedTuple):
    """The query parameters `page`, counted from 1, and `page_size`."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """Return the offset of the first row."""
        return (self.number - 1) * self.size


def vendor_page(request: PageRequest) -> VendorPage:
    """Return the page of the vendor that contains the requested rows."""
    offset = request.offset if isinstance(request, OffsetRequest) else 0
    return covering_page(offset, request.limit, MAX_PAGE_SIZE)


def covering_page(offset: int, limit: int, max_size: int) -> VendorPage:
    """Return the smallest page that contains the `limit` rows from `offset` on.

    If no page contains all of them, return the page with most of them, always including the row at `offset`.

    Args:
        offset: The offset of the first row.
        limit: The number of rows.
        max_size: The largest page size.
    """
    limit = max(1, min(limit, max_size))
    page = _smallest_page(offset, limit, max_size)
    if page is not None:
        return page
    size = _best_page_size(max_size, lambda size: min(limit, size - offset % size))
    return VendorPage(offset // size + 1, size)


def _best_page_size(max_size: int, rows_of: Callable[[int], int]) -> int:
    """Return the smallest page size among those that contain the most requested rows."""
    best_size, max_rows = max_size, 0
    for size in range(max_size, 0, -1):
        if size < max_rows:
            break
        if (rows := rows_of(size)) >= max_rows:
            best_size, max_rows = size, rows
    return best_size


def _smallest_page(offset: int, limit: int, max_size: int) -> VendorPage | None:
    for size in range(limit, max_size + 1):
        if offset % size + limit <= size:
            return VendorPage(offset // size + 1, size)
    return None
