"""Checks whether the pages of one scan advance, and whether they can be parts of one ordered list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Generic, TypeVar

from tracegraph.errors import SourceBadResponse
from tracegraph.federation.faults import bad_response
from tracegraph.federation.pages import RowPage
from tracegraph.federation.sort_key import ComparableKey

T = TypeVar("T")


STABLE_PASSES = 2
"""Two more passes that are equal to the first show that a list does not move: the vendor repeats rows itself."""


_REPEATS, _ROWS_REPEATED = 2, 10


class OrderBroken(Exception):
    """The vendor's rows are not in the requested order. `emitted_ids` are the ids of the rows already emitted."""

    def __init__(self, emitted_ids: Collection[str] = ()) -> None:
        super().__init__()
        self.emitted_ids = emitted_ids


class OrderUnknown(OrderBroken):
    """The list starts with rows without a value: whether such rows are first or last, its page does not show."""


def do_not_advance(source: str) -> SourceBadResponse:
    """Return the error of a source whose pages do not advance."""
    return bad_response(
        source, f"Source {source!r} returned the same rows again and again: its pages do not advance."
    )


class ProgressCheck(Generic[T]):
    """Checks consecutive pages for progress.

    A vendor's cursor never leads to rows that were already read. An offset may, after rows were inserted ahead.
    But an offset does not return the page of another offset again and again.
    """

    def __init__(self) -> None:
        self._hints: set[str] = set()
        self._seen: set[str] = set()
        self._last: Sequence[str] = ()
        self._repeats = 0

    def check(self, page: RowPage[T]) -> Sequence[str]:
        """Return the ids on the page. Raise SourceBadResponse when the scan would never end."""
        id_of = page.ordering.id_of
        ids = [id_of(node) for node in page.nodes]
        self._repeats = self._repeats + 1 if ids == self._last else 0
        self._last = ids
        repeats = self._repeats >= _REPEATS and self._repeats * len(ids) >= _ROWS_REPEATED
        if page.next_hint is not None and (repeats or self._leads_back(page.next_hint, ids)):
            raise do_not_advance(page.ordering.source)
        return ids

    def _leads_back(self, following: int | str, ids: Sequence[str]) -> bool:
        if isinstance(following, int):
            return False
        back = following in self._hints or self._seen.issuperset(ids)
        self._hints.add(following)
        self._seen.update(ids)
        return back


def follows(previous: RowPage[T], current: RowPage[T]) -> bool:
    """Return whether the later page begins with the last two values of the previous page. Then no row moved."""
    id_of = previous.ordering.id_of
    shared = max(0, previous.last_group - 1)
    tail = [id_of(node) for node in previous.nodes[shared:]]
    return tail == [id_of(node) for node in current.nodes[: len(tail)]]


def agree(left: RowPage[T], right: RowPage[T]) -> bool:
    """Return whether both pages can be parts of one ordered list: where they overlap, they hold the same rows.

    Rows with the first or last value of a page may be on either page: vendors promise no order among equal values.
    """
    return not (_contradicts(left, right) or _contradicts(right, left))


def _contradicts(page: RowPage[T], other_page: RowPage[T]) -> bool:
    """Return whether a row of one page sorts inside the other page, which does not hold it.

    No row can sort before a list's first page or after its last one.
    """
    if not page.nodes or not other_page.nodes:
        return False
    first, last = _group(other_page.comparable_key(0)), _group(other_page.comparable_key(-1))
    begins, ends = other_page.start_offset == 0, other_page.next_hint is None
    id_of = page.ordering.id_of
    ids = set(map(id_of, other_page.nodes))
    return any(
        (begins or first < group) and (ends or group < last) and id_of(node) not in ids
        for node, group in ((node, _group(page.comparable_key(index))) for index, node in enumerate(page.nodes))
    )


def _group(key: ComparableKey) -> tuple[Any, ...]:
    return key[:2]
