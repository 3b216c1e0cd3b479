"""Vendors' answers kept in this process: bytes by key, bounded, the least recently used goes first.

aiocache's memory backend has no bound and a timer for every entry, so the memory is our own; its Redis backend is
behind this one, in `redis_store`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import count

PER_ENTRY_BYTES = 480
"""What an entry takes beside its body: its key, its place, its objects (measured with tracemalloc)."""


@dataclass(slots=True)
class CacheEntry:
    """An answer's body.

    `stored_at` is in seconds of this process's clock for ages (`clocks.elapsed_s`); `shared_at` is the same moment
    on the wall clock, under which copies of the gateway share the entry, None where it is not shared. `took_s` is
    how long the vendor needed, 0 where it is not known. `read_again` and `refreshing` tell an early refresh what
    is worth it. `number` is no other entry's of this process.
    """

    body: bytes
    stored_at: float
    took_s: float = 0.0
    shared_at: float | None = None
    read_again: bool = False
    refreshing: bool = False
    number: int = field(default_factory=count().__next__, compare=False)

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        return len(self.body) + PER_ENTRY_BYTES


class MemoryStore:
    """Entries up to a number and a size in bytes. It does not expire them: the reader checks their age."""

    def __init__(self, *, max_entries: int = 10_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, CacheEntry] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """What the entries take."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> CacheEntry | None:
        """The entry, however old; it counts as used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: CacheEntry) -> None:
        """Keep an entry in the place of an earlier one, unless it alone is larger than all may be."""
        self.remove(key)
        size = entry.size_bytes
        if size > self._max_bytes:
            return
        self._entries[key] = entry
        self._bytes += size
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self.remove(next(iter(self._entries)))

    def remove(self, key: bytes) -> None:
        """Forget the entry, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size_bytes
