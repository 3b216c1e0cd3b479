"""Whether the pages of one reading lead on, and whether they can be stretches of one ordered list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Generic, TypeVar

from tracegraph.errors import SourceBadResponse
from tracegraph.federation.pages import RowPage
from tracegraph.federation.sort_key import ComparableKey

T = TypeVar("T")


STABLE_PASSES = 2
"""A list that two more passes show as the first did does not move: rows that come twice are the vendor's doing."""


_REPEATS, _ROWS_REPEATED = 2, 10


class OrderBroken(Exception):
    """The vendor's rows do not come in the asked order; `handed_on` are the ids of those already given."""

    def __init__(self, emitted_ids: Collection[str] = ()) -> None:
        super().__init__()
        self.emitted_ids = emitted_ids


def do_not_advance(source: str) -> SourceBadResponse:
    """The error of a source whose pages lead nowhere."""
    return SourceBadResponse(source, f"Source {source!r} gave pages that lead nowhere: its pages do not advance.")


class ProgressCheck(Generic[T]):
    """Watches pages that are read one after the other.

    A vendor's cursor never leads to rows that came already. An offset may, when rows were inserted ahead, but
    not to the very page that stood at another offset, again and again.
    """

    def __init__(self) -> None:
        self._hints: set[str] = set()
        self._seen: set[str] = set()
        self._last: Sequence[str] = ()
        self._repeats = 0

    def check(self, page: RowPage[T]) -> Sequence[str]:
        """The ids on the page. Raises SourceBadResponse when the reading would go on for ever."""
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
    """Whether the later page begins with the last two values of the earlier one: then nothing moved."""
    id_of = previous.ordering.id_of
    shared = max(0, previous.last_group - 1)
    tail = [id_of(node) for node in previous.nodes[shared:]]
    return tail == [id_of(node) for node in current.nodes[: len(tail)]]


def agree(left: RowPage[T], right: RowPage[T]) -> bool:
    """Whether both can be stretches of one ordered list: where they overlap, they hold the same rows.

    Rows of the values at which a page begins or ends may be on either: vendors promise no order among equals.
    """
    return not (_contradicts(left, right) or _contradicts(right, left))


def _contradicts(page: RowPage[T], other: RowPage[T]) -> bool:
    """Whether a row of one page would stand in the midst of the other, which does not hold it.

    Before a list's first page and behind its last no row can stand.
    """
    if not page.nodes or not other.nodes:
        return False
    first, last = _group(other.comparable_key(0)), _group(other.comparable_key(-1))
    begins, ends = other.start_offset == 0, other.next_hint is None
    id_of = page.ordering.id_of
    ids = set(map(id_of, other.nodes))
    return any(
        (begins or first < group) and (ends or group < last) and id_of(node) not in ids
        for node, group in ((node, _group(page.comparable_key(index))) for index, node in enumerate(page.nodes))
    )


def _group(key: ComparableKey) -> tuple[Any, ...]:
    return key[:2]
