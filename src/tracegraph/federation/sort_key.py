"""The total order of a merged list: value by direction, nulls last, source name, vendor id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import gt, lt
from typing import Any, Generic, NamedTuple, TypeVar

from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.sort_values import EPOCH, OrderValue, SortValue, sort_value

T = TypeVar("T")


ComparableKey = tuple[int, Any, str, str]
"""A sort key that compares with `<`: (value is null, value by direction, source, id)."""


AFTER_EVERY_SOURCE = "\U0010ffff"
"""A source name that sorts after every real one."""


BEFORE_ALL: ComparableKey = (-1, None, "", "")


AFTER_ALL: ComparableKey = (2, None, "", "")
"""Keys before and after the keys of all rows."""


class SortKey(NamedTuple):
    """The position of a row: its sort value, its source, its vendor id. A cursor stores the sort key."""

    value: SortValue
    source: str
    id: str

    def comparable(self, direction: OrderDirection) -> ComparableKey:
        """Return a tuple that compares in the requested direction."""
        return (self.value is None, directional(self.value, direction), self.source, self.id)


@dataclass(frozen=True)  # Python 3.11 cannot create `Ordering[T](...)` of a frozen dataclass with slots
class Ordering(Generic[T]):
    """The order of one source's rows: by `value_of`, equal values by `id_of`.

    `value_of` returns the row's value as the row has it: a time, a text, a number, or None.
    """

    source: str
    direction: OrderDirection
    value_of: Callable[[T], OrderValue]
    id_of: Callable[[T], str]

    def sort_key(self, node: T) -> SortKey:
        """Return the row's sort key."""
        return SortKey(sort_value(self.value_of(node)), self.source, self.id_of(node))

    def comparable_key(self, node: T) -> ComparableKey:
        """Return the comparable form of the row's sort key."""
        value = self.value_of(node)
        if value.__class__ is not datetime:
            return self.sort_key(node).comparable(self.direction)
        since = value - EPOCH if self.direction is OrderDirection.ASC else EPOCH - value
        return (False, since, self.source, self.id_of(node))

    def is_strictly_sorted(self, nodes: Sequence[T]) -> bool:
        """Return whether each row has a value and precedes the next row by its value alone."""
        values: list[Any] = list(map(self.value_of, nodes))
        if None in values[:1]:
            return False
        try:
            return all(map(lt if self.direction is OrderDirection.ASC else gt, values, values[1:]))
        except TypeError:  # None compares with nothing
            return False


def directional(value: SortValue, direction: OrderDirection) -> Any:
    """Return the value so that `<` means "comes before". It compares with values of the same field only.

    A time becomes a timedelta since 1970, which costs 0.1 us per row where integer microseconds cost 0.4 us.
    """
    if value is None:
        return 0
    if isinstance(value, int):
        return timedelta(microseconds=value if direction is OrderDirection.ASC else -value)
    if isinstance(value, float):
        return value if direction is OrderDirection.ASC else -value
    if direction is OrderDirection.ASC:
        return value
    # Descending, a name follows the names that it is a prefix of: the end of text sorts last.
    return (*(-ord(character) for character in value), 1)


def end_of_group(key: ComparableKey) -> ComparableKey:
    """Return the key right after every row of the same value."""
    return (key[0], key[1], AFTER_EVERY_SOURCE, "")


def same_value(left: ComparableKey, right: ComparableKey) -> bool:
    """Return whether two keys hold the same value."""
    return left[:2] == right[:2]
