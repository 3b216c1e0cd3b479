"""Segmented LRU cache by text: a probation segment for new entries, a protected segment for repeated ones.

A new text enters the probation segment. A second use moves the text to the protected segment, from which only
other repeated texts push it back. So any number of texts used once cannot evict the texts that clients repeat.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


_ENTRY_OVERHEAD = 20
"""The fixed overhead of an entry, 4 kB, in characters."""


_PROBATION_SHARE = 0.25


class SegmentedLRU(Generic[T]):
    """Values by text, up to a total number of characters. The latest entry stays however long it is."""

    def __init__(self, max_characters: int) -> None:
        self._probation = _Segment[T](max_characters * _PROBATION_SHARE)
        self._protected = _Segment[T](max_characters * (1 - _PROBATION_SHARE))

    def get(self, text: str) -> T | None:
        """Return the value of a text, or None, and count the access as a repeated use."""
        if text in self._protected.values:
            self._protected.values.move_to_end(text)
            return self._protected.values[text]
        value = self._probation.pop(text)
        if value is not None:
            for dropped, dropped_value in self._protected.put(text, value):
                self._probation.put(dropped, dropped_value)
        return value

    def put(self, text: str, value: T) -> None:
        """Store the value of a text that is not in the cache."""
        self._probation.put(text, value)


class _Segment(Generic[T]):
    """One segment: values by text, the most recent last."""

    def __init__(self, max_characters: float) -> None:
        self.values: OrderedDict[str, T] = OrderedDict()
        self._max_characters = max_characters
        self._characters = 0

    def put(self, text: str, value: T) -> list[tuple[str, T]]:
        """Add a value, and return the evicted entries, the oldest first."""
        self.values[text] = value
        self._characters += len(text) + _ENTRY_OVERHEAD
        evicted = []
        while self._characters > self._max_characters and len(self.values) > 1:
            oldest = next(iter(self.values))
            evicted.append((oldest, self.values[oldest]))
            self.pop(oldest)
        return evicted

    def pop(self, text: str) -> T | None:
        value = self.values.pop(text, None)
        if value is not None:
            self._characters -= len(text) + _ENTRY_OVERHEAD
        return value
