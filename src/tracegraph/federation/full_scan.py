"""Reads a whole list and sorts it in the gateway, for an order that the vendor does not offer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tracegraph.errors import SourceError, SourceUnavailable
from tracegraph.federation.faults import bad_response
from tracegraph.federation.keyset import RowBatch
from tracegraph.federation.pages import COMPARABLE_KEY, PageBudgetExhausted, PageSource, Row
from tracegraph.federation.progress import STABLE_PASSES, ProgressCheck
from tracegraph.federation.sort_key import SortKey

T = TypeVar("T")


_MAX_PASSES = 10


@dataclass(frozen=True, slots=True)
class EmittedRows:
    """The ids of the rows that a reader emitted after the sort key `since`, until the vendor's order broke."""

    since: SortKey | None = None
    ids: Collection[str] = ()


NO_ROWS = EmittedRows()


@dataclass(frozen=True, slots=True)
class _Pass:
    """The received ids in order, whether each page continued the one before it, and whether no row is missing."""

    ids: Sequence[str]
    follows_on: bool
    complete: bool


class FullScanReader(Generic[T]):
    """Reads a list once to its end, in any order, and returns it in the requested order.

    The vendor's rows may move between pages, so each page begins with the last row of the page before. When it
    does not, the list is read again, and rows are matched by id. Of a list that is longer than the page budget,
    the rows within the budget are returned, and `is_limited` is set. `vendor_orders` is set for a vendor that
    declares the requested order but breaks it: such a list must fit into the budget.
    """

    def __init__(
        self,
        source: PageSource[T],
        after: SortKey | None,
        *,
        page_budget: int,
        vendor_orders: bool = False,
        emitted: EmittedRows = NO_ROWS,
    ) -> None:
        self._source = source
        self._direction = source.ordering.direction
        self._after = after
        self._name = source.ordering.source
        self._page_budget = page_budget
        self._orders = vendor_orders
        self._earlier = emitted
        self.is_limited = False
        """Whether the page budget ended before the list did."""

    async def read(self, count: int) -> RowBatch[T]:  # noqa: ARG002 - the signature of all readers
        """Return every row after the sort key.

        Raises:
            SourceBadResponse: The vendor declares the order, breaks it, and its list is longer than the page
                budget; or its pages contradict each other.
            SourceError: The source failed.
        """
        rows_by_id: dict[str, Row[T]] = {}
        previous_ids: Sequence[str] = ()
        identical_passes = 0
        for pass_number in range(_MAX_PASSES):
            try:
                result = await self._pass(rows_by_id, bypass_cache=pass_number > 0)
            except PageBudgetExhausted:
                if pass_number:
                    raise self._moves() from None
                result = self._limited(())
            identical_passes, previous_ids = (
                (identical_passes + 1 if result.ids == previous_ids else 0),
                result.ids,
            )
            if result.follows_on and (result.complete or identical_passes >= STABLE_PASSES):
                break
            if identical_passes >= STABLE_PASSES:
                raise self._bad(f"Source {self._name!r} returned pages that do not continue each other.")
        if self.is_limited:
            self._source.drop_total()
        elif self._after is None:
            self._source.set_row_count(len(rows_by_id))
        return RowBatch(self._following(rows_by_id), (), ended=True)

    def _following(self, rows_by_id: dict[str, Row[T]]) -> Sequence[Row[T]]:
        """Return the rows after the sort key. Raise SourceBadResponse if an earlier batch skipped a row."""
        rows = sorted(rows_by_id.values(), key=COMPARABLE_KEY)
        first = self._index_after(rows, self._after)
        if not self._earlier.ids:
            return rows[first:]
        id_of, ids = self._source.ordering.id_of, self._earlier.ids
        passed = rows[self._index_after(rows, self._earlier.since) : first]
        if any(id_of(row.node) not in ids for row in passed):
            raise self._bad(f"Source {self._name!r} returned rows out of the requested order.")
        return [row for row in rows[first:] if id_of(row.node) not in ids]

    def _index_after(self, rows: Sequence[Row[T]], sort_key: SortKey | None) -> int:
        return (
            0 if sort_key is None else bisect_right(rows, sort_key.comparable(self._direction), key=COMPARABLE_KEY)
        )

    async def _pass(self, rows_by_id: dict[str, Row[T]], *, bypass_cache: bool) -> _Pass:
        """Read every page once. Later passes bypass the cache, which would repeat the same gap."""
        advance: ProgressCheck[T] = ProgressCheck()
        ids: list[str] = []
        follows_on, overlaps, skipped = True, False, 0
        hint: int | str | None = None
        previous_ids: Sequence[str] = ()
        for page_number in range(self._page_budget):
            page = await self._source.page(self._source.page_max, None, hint, bypass_cache=bypass_cache)
            page_ids = advance.check(page)
            if overlaps:
                follows_on = follows_on and (
                    (bool(page_ids) and page_ids[0] in rows_by_id) or not set(previous_ids).isdisjoint(page_ids)
                )
            rows_by_id.update(zip(page_ids, page.rows(), strict=True))
            ids += page_ids
            skipped += len(page.skipped)
            slots = (page.start_offset or 0) + len(page.nodes) + len(page.skipped) - skipped
            if page.next_hint is None:
                return _Pass(
                    ids, follows_on, page.start_offset is None or not page_number or len(rows_by_id) >= slots
                )
            hint, overlaps, previous_ids = page.continuation, page.continuation != page.next_hint, page_ids
        return self._limited(ids)

    def _limited(self, ids: Sequence[str]) -> _Pass:
        """Return a pass that the page budget ended. Raise SourceBadResponse if the vendor broke its order."""
        if self._orders:
            raise self._bad(
                f"Source {self._name!r} returns rows out of the requested order, and its list is longer "
                f"than the gateway may read to order it ({self._page_budget} pages): use another order, or narrow "
                "the filter."
            )
        self.is_limited = True
        return _Pass(ids, follows_on=True, complete=True)

    def _moves(self) -> SourceError:
        return SourceUnavailable(
            self._name, f"A list of source {self._name!r} changes faster than it can be read."
        )

    def _bad(self, message: str) -> SourceError:
        return bad_response(self._name, message)
