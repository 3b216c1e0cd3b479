"""What was asked for last, by its text, and for longer what was asked for again: a segmented LRU.

A text that was asked for once waits in the first part to be asked for again; then it moves to the second, which
only others of that sort make it leave, for the first part once more. So texts that are asked for once, each a new
one, never make the cache forget what its callers keep asking for, however many they are.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


_CHARACTERS_EACH = 20
"""What a text takes however short it is, 4 kB, in characters."""


_SHARE_OF_NEW = 0.25


class SegmentedLRU(Generic[T]):
    """Values by text, up to so many characters in all; the latest stays however long it is."""

    def __init__(self, most_characters: int) -> None:
        self._new = _Part[T](most_characters * _SHARE_OF_NEW)
        self._known = _Part[T](most_characters * (1 - _SHARE_OF_NEW))

    def get(self, text: str) -> T | None:
        """The value, which counts as asked for again."""
        if text in self._known.values:
            self._known.values.move_to_end(text)
            return self._known.values[text]
        value = self._new.take(text)
        if value is not None:
            for dropped, of_it in self._known.put(text, value):
                self._new.put(dropped, of_it)
        return value

    def put(self, text: str, value: T) -> None:
        """Keep the value of a text that is not kept."""
        self._new.put(text, value)


class _Part(Generic[T]):
    """Values by text, the one that was put or moved last at the end."""

    def __init__(self, most_characters: float) -> None:
        self.values: OrderedDict[str, T] = OrderedDict()
        self._most_characters = most_characters
        self._characters = 0

    def put(self, text: str, value: T) -> list[tuple[str, T]]:
        """Add it; what has to go for it, the oldest first."""
        self.values[text] = value
        self._characters += len(text) + _CHARACTERS_EACH
        gone = []
        while self._characters > self._most_characters and len(self.values) > 1:
            oldest = next(iter(self.values))
            gone.append((oldest, self.values[oldest]))
            self.take(oldest)
        return gone

    def take(self, text: str) -> T | None:
        """The value, which is no longer here."""
        value = self.values.pop(text, None)
        if value is not None:
            self._characters -= len(text) + _CHARACTERS_EACH
        return value
