"""What the upstream pieces did, as plain numbers in this process, for whoever shows them."""

from __future__ import annotations

from enum import Enum


class Event(Enum):
    """One thing that happened to a call."""

    FRESH = "cache_fresh"
    SHARED_STORE = "cache_shared_store"
    MISS = "cache_miss"
    STALE = "cache_stale"
    REFRESH = "cache_refresh"
    JOINED = "in_flight_joined"


class Counters:
    """Counts by source, kind of call and event; they only grow, and a lookup of one never seen is 0."""

    __slots__ = ("events",)

    def __init__(self) -> None:
        self.events: dict[tuple[str, str, Event], int] = {}

    def count(self, source: str, kind: str, event: Event) -> None:
        """One more."""
        key = (source, kind, event)
        self.events[key] = self.events.get(key, 0) + 1

    def total(self, event: Event) -> int:
        """Over all sources and kinds."""
        return sum(number for (_, _, one), number in self.events.items() if one is event)
