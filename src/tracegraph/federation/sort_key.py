"""The one total order of a merged list: value by the asked direction, nulls last, source name, vendor id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import gt, lt
from typing import Any, Generic, NamedTuple, TypeVar

from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.sort_values import EPOCH, OrderValue, SortValue, sort_value
from tracegraph.domain.value_objects import value_object

T = TypeVar("T")


ComparableKey = tuple[int, Any, str, str]
"""A mark made comparable with `<`: (value is null, value by direction, source, id)."""


AFTER_EVERY_SOURCE = "\U0010ffff"
"""A source name that sorts after every real one."""


BEFORE_ALL: ComparableKey = (-1, None, "", "")


AFTER_ALL: ComparableKey = (2, None, "", "")
"""Places before and after those of all rows."""


class SortKey(NamedTuple):
    """Where a row stands: its sort value, its source, its vendor id. The truth that a cursor holds."""

    value: SortValue
    source: str
    id: str

    def place(self, direction: OrderDirection) -> ComparableKey:
        """The mark as a tuple that compares in the asked direction."""
        return (self.value is None, directional(self.value, direction), self.source, self.id)


@value_object(frozen=True, slots=True)
class Ordering(Generic[T]):
    """How the rows of one source are ordered: by `value_of`, among equal values by `id_of`.

    `value_of` gives a row's value as the row has it: a time, a text or a number, None when it is missing.
    """

    source: str
    direction: OrderDirection
    value_of: Callable[[T], OrderValue]
    id_of: Callable[[T], str]

    def mark(self, node: T) -> SortKey:
        """Where the row stands."""
        return SortKey(sort_value(self.value_of(node)), self.source, self.id_of(node))

    def place(self, node: T) -> ComparableKey:
        """The place of the row's mark."""
        value = self.value_of(node)
        if value.__class__ is not datetime:
            return self.mark(node).place(self.direction)
        since = value - EPOCH if self.direction is OrderDirection.ASC else EPOCH - value
        return (False, since, self.source, self.id_of(node))

    def rises(self, nodes: Sequence[T]) -> bool:
        """Whether each row has a value, and each comes before the next one by its value alone."""
        values: list[Any] = list(map(self.value_of, nodes))
        if None in values[:1]:
            return False
        try:
            return all(map(lt if self.direction is OrderDirection.ASC else gt, values, values[1:]))
        except TypeError:  # None compares with nothing
            return False


def directional(value: SortValue, direction: OrderDirection) -> Any:
    """The value so that `<` means "comes before"; comparable with others of the same field only.

    A time is a timedelta since 1970, which a row gives in 0.1 us where whole microseconds take 0.4.
    """
    if value is None:
        return 0
    if isinstance(value, int):
        return timedelta(microseconds=value if direction is OrderDirection.ASC else -value)
    if direction is OrderDirection.ASC:
        return value
    # A name that another begins with comes after it when descending: the end of text is the greatest step.
    return (*(-ord(letter) for letter in value), 1)


def end_of_group(place: ComparableKey) -> ComparableKey:
    """The place right after every row of the same value."""
    return (place[0], place[1], AFTER_EVERY_SOURCE, "")


def same_value(one: ComparableKey, other: ComparableKey) -> bool:
    """Whether two rows hold the same value."""
    return one[:2] == other[:2]
