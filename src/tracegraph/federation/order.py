"""The one total order of a merged list: value by the asked direction, nulls last, source name, vendor id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracegraph.query import OrderDirection, SortValue

Place = tuple[bool, Any, str, str]
"""A mark made comparable with `<`: (value is null, value by direction, source, id)."""

AFTER_EVERY_SOURCE = "\U0010ffff"
"""A source name that sorts after every real one."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a row stands: its sort value, its source, its vendor id. The truth that a cursor holds."""

    value: SortValue
    source: str
    id: str

    def place(self, direction: OrderDirection) -> Place:
        """The mark as a tuple that compares in the asked direction."""
        return (self.value is None, directed(self.value, direction), self.source, self.id)


def directed(value: SortValue, direction: OrderDirection) -> Any:
    """The value so that `<` means "comes before"; comparable with others of the same field only."""
    if value is None:
        return 0
    if direction is OrderDirection.ASC:
        return value
    if isinstance(value, int):
        return -value
    # A name that another begins with comes after it when descending: the end of text is the greatest step.
    return (*(-ord(letter) for letter in value), 1)


def end_of_group(place: Place) -> Place:
    """The place right after every row of the same value."""
    return (place[0], place[1], AFTER_EVERY_SOURCE, "")


def same_group(one: Place, other: Place) -> bool:
    """Whether two rows hold the same value."""
    return one[:2] == other[:2]
