"""The kept pages that an answer is made of: it would come out the same while they are the ones to be read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from tracegraph.upstream.cache.memory import CacheEntry, MemoryStore

_gathered: ContextVar[CacheDependencies | None] = ContextVar("tracegraph_origins", default=None)


@dataclass(slots=True)
class CacheDependencies:
    """Which entries were read, by their numbers, and until when the store's clock says that all are to be read.

    That is over when one is too old, and before it when a hot one is to be refreshed. It never was when a call
    failed, or an answer is not kept.
    """

    numbers: dict[bytes, int] = field(default_factory=dict)
    good_until: float = math.inf

    def add(self, key: bytes, entry: CacheEntry, good_until: float) -> None:
        """One more page was read."""
        if self.numbers.setdefault(key, entry.number) != entry.number:
            good_until = -math.inf  # both of a page's versions are in it
        self.good_until = min(self.good_until, good_until)

    def spoil(self) -> None:
        """Something was read that is not kept."""
        self.good_until = -math.inf

    def still_hold(self, store: MemoryStore, now: float) -> bool:
        """Whether each read would find the same again; the pages count as used."""
        if now >= self.good_until:
            return False
        entries = ((store.get(key), number) for key, number in self.numbers.items())
        return all(entry is not None and entry.number == number for entry, number in entries)


@contextmanager
def collect_dependencies() -> Iterator[CacheDependencies]:
    """Gathers what is read within, tasks included."""
    gathered = CacheDependencies()
    token = _gathered.set(gathered)
    try:
        yield gathered
    finally:
        _gathered.reset(token)


def current_dependencies() -> CacheDependencies | None:
    """Where to tell what is read now; None when nobody asks."""
    return _gathered.get()


def mark_uncacheable() -> None:
    """What is read now is not kept."""
    gathered = _gathered.get()
    if gathered is not None:
        gathered.spoil()
