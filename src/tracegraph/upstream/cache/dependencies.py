"""The cache entries behind a response: the response stays valid while all of them are current."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tracegraph.upstream.cache.memory import CacheEntry, MemoryStore


@dataclass(slots=True)
class CacheDependencies:
    """The numbers of the entries that were read, by key, and the time until which all of them are current.

    An entry is current until it expires, or until a hot one is due for its refresh. After a failed call or a reply
    that is not cached, the response is never valid.
    """

    numbers: dict[bytes, int] = field(default_factory=dict)
    valid_until: float = math.inf

    def add(self, key: bytes, entry: CacheEntry, valid_until: float) -> None:
        """Add one entry that was read.

        Args:
            key: The key of the entry.
            entry: The entry.
            valid_until: When it stops being current, by the store's clock.
        """
        if self.numbers.setdefault(key, entry.number) != entry.number:
            valid_until = -math.inf  # the response holds two versions of one page
        self.valid_until = min(self.valid_until, valid_until)

    def mark_uncacheable(self) -> None:
        """Record that the response holds data that is not cached."""
        self.valid_until = -math.inf

    def is_valid(self, store: MemoryStore, now: float) -> bool:
        """Return whether every read would find the same entry again; the entries count as used."""
        if now >= self.valid_until:
            return False
        entries = ((store.get(key), number) for key, number in self.numbers.items())
        return all(entry is not None and entry.number == number for entry, number in entries)
