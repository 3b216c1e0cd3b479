"""Bounded caches in memory: `LRU`, and `SegmentedLRU`, whose repeated entries survive many entries used once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from math import inf
from typing import Generic, TypeVar

K = TypeVar("K")


V = TypeVar("V")


_PROBATION_SHARE = 0.25
"""The share of the weight that entries used once get."""


class LRU(Generic[K, V]):
    """Values by key, up to a number and a total weight; the least recently used entry is evicted first.

    The latest entry stays however heavy it is. A value is never None.
    """

    __slots__ = ("_entries", "_max_entries", "_max_weight", "_total", "_weight_of")

    def __init__(
        self,
        max_entries: int | None = None,
        max_weight: float = inf,
        weight: Callable[[K, V], float] | None = None,
    ) -> None:
        """Create a cache.

        Args:
            max_entries: The number of entries, or None for any number.
            max_weight: The sum of the entries' weights.
            weight: The weight of an entry, the same at every call. Without it every entry weighs 0.
        """
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._max_entries = inf if max_entries is None else max_entries
        self._max_weight = max_weight
        self._weight_of = weight
        self._total: float = 0

    @property
    def weight(self) -> float:
        """The sum of the entries' weights."""
        return self._total

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[K]:
        """Iterate over the keys, the least recently used first."""
        return iter(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value, or None, and count it as used."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def peek(self, key: K) -> V | None:
        """Return the value, or None, without counting it as used."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> list[tuple[K, V]]:
        """Store a value in place of an earlier one, and return the evicted entries, the oldest first."""
        self.remove(key)
        self._entries[key] = value
        if self._weight_of is not None:
            self._total += self._weight_of(key, value)
        evicted: list[tuple[K, V]] = []
        while len(self._entries) > 1 and self._exceeds_bounds():
            oldest = next(iter(self._entries))
            evicted.append((oldest, self._entries[oldest]))
            self.remove(oldest)
        return evicted

    def _exceeds_bounds(self) -> bool:
        return self._total > self._max_weight or len(self._entries) > self._max_entries

    def remove(self, key: K) -> V | None:
        """Remove the entry, and return its value, or None without one."""
        value = self._entries.pop(key, None)
        if value is not None and self._weight_of is not None:
            self._total -= self._weight_of(key, value)
        return value


class SegmentedLRU(Generic[K, V]):
    """Values by key, in a probation segment for new entries and a protected segment for repeated ones.

    A new entry enters the probation segment. A second use moves it to the protected segment, from which only other
    repeated entries push it back. So any number of entries used once cannot evict those that clients repeat.
    """

    __slots__ = ("_probation", "_protected")

    def __init__(self, max_weight: float, weight: Callable[[K, V], float]) -> None:
        """Create a cache.

        Args:
            max_weight: The sum of the entries' weights. The latest entry stays however heavy it is.
            weight: The weight of an entry, the same at every call.
        """
        self._probation = LRU[K, V](None, max_weight * _PROBATION_SHARE, weight)
        self._protected = LRU[K, V](None, max_weight * (1 - _PROBATION_SHARE), weight)

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    def __iter__(self) -> Iterator[K]:
        """Iterate over the keys, those on probation first."""
        yield from self._probation
        yield from self._protected

    def get(self, key: K) -> V | None:
        """Return the value, or None, and count the access as a repeated use."""
        value = self._protected.get(key)
        if value is not None:
            return value
        value = self._probation.remove(key)
        if value is not None:
            for pushed_back in self._protected.put(key, value):
                self._probation.put(*pushed_back)
        return value

    def put(self, key: K, value: V) -> None:
        """Store a value whose key is not in the cache."""
        self._probation.put(key, value)
