"""The CPU cost of a list grows with its rows, and rows that are only passed on cost almost nothing.

The tests count reads of values and ids: all work on rows starts with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.federation.fake import FakeVendor, Item, stream
from tracegraph.federation.merge import Merged, Positions, merge
from tracegraph.federation.position import Position
from tracegraph.federation.stream import Stream


class Reads:
    """Counts reads of values and ids."""

    def __init__(self) -> None:
        self.values = 0
        self.ids = 0

    def value_of(self, item: Item) -> int | None:
        self.values += 1
        return item.value

    def id_of(self, item: Item) -> str:
        self.ids += 1
        return item.id

    def counted(self, vendor: FakeVendor, matches: Callable[[Item], bool] | None = None) -> Stream[Item]:
        plain = stream(vendor, Positions(), matches=matches).spec
        ordering = replace(plain.ordering, value_of=self.value_of, id_of=self.id_of)
        return Stream(replace(plain, ordering=ordering), Position())


def vendors(rows: int, *, ties: int = 1) -> list[FakeVendor]:
    """Return three vendors with that many rows each, of which `ties` share a value."""
    return [
        FakeVendor(name, [Item(f"{n:05}", -(n // ties)) for n in range(rows)], page_max=1000) for name in "abc"
    ]


async def test_ordered_rows_of_one_source_are_read_once() -> None:
    reads = Reads()
    merged = await merge([reads.counted(vendors(500)[0])], 100)
    assert (len(merged.rows), reads.values, reads.ids) == (100, 101, 0)


async def work(rows: int, look: Callable[[Merged[Item]], object], *, ties: int, dropped: int) -> int:
    reads = Reads()
    matches = (lambda item: int(item.id) % dropped == 0) if dropped > 1 else None
    merged = await merge([reads.counted(vendor, matches) for vendor in vendors(rows, ties=ties)], rows)
    look(merged)
    return reads.values + reads.ids


def last_cursor(merged: Merged[Item]) -> object:
    return merged.positions_at_end()


def every_cursor(merged: Merged[Item]) -> object:
    return [merged.positions_after(row) for row in merged.rows]


@pytest.mark.parametrize("look", [last_cursor, every_cursor])
@pytest.mark.parametrize(("ties", "dropped"), [(1, 1), (7, 1), (1, 3), (10_000, 1)])
async def test_ten_times_the_rows_take_at_most_eleven_times_the_work(
    look: Callable[[Merged[Item]], object], ties: int, dropped: int
) -> None:
    few = await work(90, look, ties=ties, dropped=dropped)
    many = await work(900, look, ties=ties, dropped=dropped)
    assert many <= 11 * few
