"""In-process LRU cache of vendors' replies: bytes by key, bounded in number and size.

aiocache's memory backend has no bound and starts a timer for every entry. So this store is our own. The Redis
backend of aiocache is behind this store, in `cache/redis.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from tracegraph.domain.lru import LRU

PER_ENTRY_BYTES = 480
"""The overhead of an entry beside its body: key, dict slot, objects (measured with tracemalloc)."""


@dataclass(slots=True)
class CacheEntry:
    """The body of a reply.

    `stored_at` is in seconds of this process's clock for ages (`clocks.elapsed_s`). `shared_at` is the same time
    on the wall clock, by which processes date a shared entry; None for an entry that is not shared.
    `duration_s` is the duration of the vendor's call, 0 when unknown. `read_again` and `refreshing` decide on an
    early refresh. `number` is unique within this process.
    """

    body: bytes
    stored_at: float
    duration_s: float = 0.0
    shared_at: float | None = None
    read_again: bool = False
    refreshing: bool = False
    number: int = field(default_factory=count().__next__, compare=False)

    @property
    def size_bytes(self) -> int:
        """The memory that the entry uses."""
        return len(self.body) + PER_ENTRY_BYTES


class MemoryStore(LRU[bytes, CacheEntry]):
    """Entries up to a number and a size in bytes. Readers check the age: the store expires nothing."""

    __slots__ = ()

    def __init__(self, *, max_entries: int = 10_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        super().__init__(max_entries, max_bytes, _size_bytes)

    @property
    def size_bytes(self) -> int:
        """The memory that all entries use."""
        return int(self.weight)

    def put(self, key: bytes, entry: CacheEntry) -> list[tuple[bytes, CacheEntry]]:
        """Store an entry in place of an earlier one, unless the entry alone exceeds the size limit."""
        if entry.size_bytes > self._max_weight:
            self.remove(key)
            return []
        return super().put(key, entry)


def _size_bytes(_: bytes, entry: CacheEntry) -> int:
    return entry.size_bytes
