"""In-process LRU cache of vendors' replies: bytes by key, bounded in number and size.

aiocache's memory backend has no bound and starts a timer for every entry. So this store is our own. The Redis
backend of aiocache is behind this store, in `cache/redis.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import count

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


class MemoryStore:
    """Entries up to a number and a size in bytes. Readers check the age: the store expires nothing."""

    def __init__(self, *, max_entries: int = 10_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, CacheEntry] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """The memory that all entries use."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> CacheEntry | None:
        """Return the entry of any age, and count it as used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: CacheEntry) -> None:
        """Store an entry in place of an earlier one, unless the entry alone exceeds the size limit."""
        self.remove(key)
        size = entry.size_bytes
        if size > self._max_bytes:
            return
        self._entries[key] = entry
        self._bytes += size
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self.remove(next(iter(self._entries)))

    def remove(self, key: bytes) -> None:
        """Remove the entry, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size_bytes
