"""A stream's rows as read from one page of a vendor, and the count of what reading took."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tracegraph.adapter import Key, Page, PageRequest, Provenance
from tracegraph.federation.order import Mark, Place
from tracegraph.query import OrderDirection

T = TypeVar("T")

Fetch = Callable[[PageRequest], Awaitable[Page[T]]]
MarkOf = Callable[[T], Mark]


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """A row of a stream and how to find it again.

    `offset` is where the vendor has it and `anchor` where the last row of an earlier value stands (0 when there
    is none): a page read from the anchor shows whether rows moved. Both are None in a list asked by range.
    """

    node: T
    mark: Mark
    place: Place
    offset: int | None = None
    anchor: int | None = None


@dataclass(frozen=True, slots=True)
class RowPage(Generic[T]):
    """One page as rows; `next` continues it, None at the list's end. `asked` is the hint that it was read from."""

    rows: list[Row[T]]
    start: int | None
    next: int | str | None
    asked: int | str | None = None

    @property
    def continuation(self) -> int | str | None:
        """The hint for the next page so that it shares a row with this one: that row shows movement.

        A vendor that gives single rows is followed without, and so is one whose page ends with the very row that
        was asked for, since asking for that again would lead nowhere; a vendor's own cursor needs none.
        """
        if isinstance(self.next, int) and len(self.rows) > 1 and self.next - 1 != self.asked:
            return self.next - 1
        return self.next


@dataclass(slots=True)
class Tally:
    """What reading took: port calls, rows, calls to the vendor; and the vendor's own total."""

    pages: int = 0
    fetched: int = 0
    provenance: Provenance = field(default_factory=Provenance)
    total: int | None = None


class PageSource(Generic[T]):
    """Fetches pages and turns them into rows, counting."""

    def __init__(
        self,
        fetch: Fetch[T],
        mark_of: MarkOf[T],
        direction: OrderDirection,
        page_max: int,
        tally: Tally,
        *,
        on_grid: bool = False,
    ) -> None:
        self._fetch = fetch
        self._mark_of = mark_of
        self.direction = direction
        self.page_max = page_max
        self.tally = tally
        self.on_grid = on_grid

    async def page(
        self, limit: int, after: Mark | None, hint: int | str | None, *, fresh: bool = False
    ) -> RowPage[T]:
        """One port call. Raises SourceError."""
        key = None if after is None else Key(after.value, after.id)
        page = await self._fetch(PageRequest(min(limit, self.page_max), key, hint, fresh, self.on_grid))
        self.tally.pages += 1
        self.tally.fetched += len(page.items)
        self.tally.provenance += page.provenance
        self.tally.total = page.total
        return RowPage(self._rows(page), page.start, page.next, hint)

    def _rows(self, page: Page[T]) -> list[Row[T]]:
        rows: list[Row[T]] = []
        start, anchor = page.start, 0 if page.start is None else max(0, page.start - 1)
        for index, node in enumerate(page.items):
            mark = self._mark_of(node)
            place = mark.place(self.direction)
            if start is None:
                rows.append(Row(node, mark, place))
                continue
            if rows and rows[-1].place[:2] != place[:2]:
                anchor = start + index - 1
            rows.append(Row(node, mark, place, start + index, anchor))
        return rows
