"""An order that the vendor does not offer, made by the gateway from the whole list."""

from __future__ import annotations

from bisect import bisect_right
from typing import Generic, TypeVar

from tracegraph.errors import SourceBadRequest
from tracegraph.federation.keyset import Stretch
from tracegraph.federation.order import Mark
from tracegraph.federation.pages import PLACE, PageSource, Row

T = TypeVar("T")

_PASSES = 10


class WholeListReader(Generic[T]):
    """Reads a list to its end once, whatever order it comes in, and hands it on in the asked one.

    The vendor's rows may move between its pages, so each page begins with the last row of the one before; when
    it does not, the list is read again, and rows are known by their id.
    """

    def __init__(self, source: PageSource[T], after: Mark | None, *, name: str, page_budget: int) -> None:
        self._source = source
        self._after = None if after is None else after.place(source.ordering.direction)
        self._name = name
        self._page_budget = page_budget

    async def read(self, want: int) -> Stretch[T]:  # noqa: ARG002 - the readers' common form
        """Every row after the place.

        Raises SourceBadRequest when the list is longer than the page budget, and SourceError.
        """
        known: dict[str, Row[T]] = {}
        for number in range(_PASSES):
            if await self._pass(known, fresh=number > 0):
                break
        rows = sorted(known.values(), key=PLACE)
        first = 0 if self._after is None else bisect_right(rows, self._after, key=PLACE)
        return Stretch(rows[first:], (), ended=True)

    async def _pass(self, known: dict[str, Row[T]], *, fresh: bool) -> bool:
        """Read every page once; whether no row can have slipped by. A cache would show the same gap again."""
        id_of = self._source.ordering.id_of
        steady, places, skipped = True, 0, 0
        hint: int | str | None = None
        overlaps = False
        for _ in range(self._page_budget):
            page = await self._source.page(self._source.page_max, None, hint, fresh=fresh)
            if overlaps:
                steady = steady and bool(page.nodes) and id_of(page.nodes[0]) in known
            known |= {id_of(row.node): row for row in page.rows()}
            skipped += len(page.skipped)
            places = (page.start or 0) + len(page.nodes) + len(page.skipped)
            if page.next is None:
                return steady and (page.start is None or len(known) >= places - skipped)
            hint, overlaps = page.continuation, page.continuation != page.next
        raise SourceBadRequest(
            self._name,
            f"Source {self._name!r} does not offer this order, and its list is longer than the gateway may "
            f"read to make it ({self._page_budget} pages): use another order, or narrow the filter.",
        )
