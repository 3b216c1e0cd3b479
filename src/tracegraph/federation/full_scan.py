"""An order that the vendor does not offer, made by the gateway from the whole list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceError, SourceUnavailable
from tracegraph.federation.keyset import RowBatch
from tracegraph.federation.pages import PLACE, PageSource, PagesSpent, Row
from tracegraph.federation.progress import ALIKE, Advance
from tracegraph.federation.sort_key import SortKey

T = TypeVar("T")


_PASSES = 10


@dataclass(frozen=True, slots=True)
class Earlier:
    """The ids of the rows that a reading had handed on since a place when the order turned out to be broken."""

    since: SortKey | None = None
    ids: Collection[str] = ()


NOTHING = Earlier()


@dataclass(frozen=True, slots=True)
class _Pass:
    """The ids as they came, whether each page followed on the one before it, and whether no place lacks a row."""

    ids: Sequence[str]
    follows_on: bool
    complete: bool


class WholeListReader(Generic[T]):
    """Reads a list to its end once, whatever order it comes in, and hands it on in the asked one.

    The vendor's rows may move between its pages, so each page begins with the last row of the one before; when
    it does not, the list is read again, and rows are known by their id. `orders` says that the vendor ought to
    list in the asked order, but does not.
    """

    def __init__(
        self,
        source: PageSource[T],
        after: SortKey | None,
        *,
        page_budget: int,
        orders: bool = False,
        earlier: Earlier = NOTHING,
    ) -> None:
        self._source = source
        self._direction = source.ordering.direction
        self._after = after
        self._name = source.ordering.source
        self._page_budget = page_budget
        self._orders = orders
        self._earlier = earlier

    async def read(self, want: int) -> RowBatch[T]:  # noqa: ARG002 - the readers' common form
        """Every row after the place.

        Raises SourceBadRequest (SourceBadResponse, where the vendor ought to give the order) when the list is
        longer than the page budget, and SourceError.
        """
        known: dict[str, Row[T]] = {}
        before: Sequence[str] = ()
        alike = 0
        for number in range(_PASSES):
            try:
                done = await self._pass(known, fresh=number > 0)
            except PagesSpent:
                raise self._too_long() if number == 0 else self._moves() from None
            alike, before = (alike + 1 if done.ids == before else 0), done.ids
            if done.follows_on and (done.complete or alike >= ALIKE):
                break
            if alike >= ALIKE:
                raise self._bad(f"Source {self._name!r} gave pages that do not follow on each other.")
        if self._after is None:
            self._source.read_whole(len(known))
        return RowBatch(self._following(known), (), ended=True)

    def _following(self, known: dict[str, Row[T]]) -> Sequence[Row[T]]:
        """The rows after the place. Raises SourceBadResponse when the reading went past others before it broke."""
        rows = sorted(known.values(), key=PLACE)
        first = self._index_after(rows, self._after)
        if not self._earlier.ids:
            return rows[first:]
        id_of, ids = self._source.ordering.id_of, self._earlier.ids
        passed = rows[self._index_after(rows, self._earlier.since) : first]
        if any(id_of(row.node) not in ids for row in passed):
            raise self._bad(f"Source {self._name!r} gave rows out of the order that it was asked for.")
        return [row for row in rows[first:] if id_of(row.node) not in ids]

    def _index_after(self, rows: Sequence[Row[T]], mark: SortKey | None) -> int:
        return 0 if mark is None else bisect_right(rows, mark.place(self._direction), key=PLACE)

    async def _pass(self, known: dict[str, Row[T]], *, fresh: bool) -> _Pass:
        """Read every page once. A cache would show the same gap again."""
        advance: Advance[T] = Advance()
        ids: list[str] = []
        follows_on, overlaps, skipped = True, False, 0
        hint: int | str | None = None
        of_last: Sequence[str] = ()
        for number in range(self._page_budget):
            page = await self._source.page(self._source.page_max, None, hint, fresh=fresh)
            of_page = advance.see(page)
            if overlaps:
                follows_on = follows_on and (
                    (bool(of_page) and of_page[0] in known) or not set(of_last).isdisjoint(of_page)
                )
            known.update(zip(of_page, page.rows(), strict=True))
            ids += of_page
            skipped += len(page.skipped)
            places = (page.start or 0) + len(page.nodes) + len(page.skipped) - skipped
            if page.next is None:
                return _Pass(ids, follows_on, page.start is None or not number or len(known) >= places)
            hint, overlaps, of_last = page.continuation, page.continuation != page.next, of_page
        raise self._too_long()

    def _too_long(self) -> SourceError:
        if self._orders:
            return self._bad(
                f"Source {self._name!r} gives rows out of the order that it was asked for, and its list is longer "
                f"than the gateway may read to order it ({self._page_budget} pages): use another order, or narrow "
                "the filter."
            )
        return SourceBadRequest(
            self._name,
            f"Source {self._name!r} does not offer this order, and its list is longer than the gateway may "
            f"read to make it ({self._page_budget} pages): use another order, or narrow the filter.",
        )

    def _moves(self) -> SourceError:
        return SourceUnavailable(
            self._name, f"A list of source {self._name!r} changes faster than it can be read."
        )

    def _bad(self, message: str) -> SourceError:
        return SourceBadResponse(self._name, message)
