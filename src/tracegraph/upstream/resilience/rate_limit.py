"""A rate of calls that is kept in every stretch of time, and the time of the next call under it.

A leaky bucket (aiolimiter and others) lets up to twice the calls through in some windows: a full bucket at once,
and what leaks meanwhile. Vendors count by windows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tracegraph.domain.calls import RateLimit

LONGEST_PAUSE_S = 300.0
"""A vendor may ask for quiet, not for good: after this a call tries whether it still wants it."""


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """Rates by class of call, None for no limit, and how long a class pauses after a 429 that names no time."""

    rates: Mapping[str, RateLimit | None] = field(default_factory=dict)
    backoff_s: float = 1.0


class SlidingWindowLimit:
    """At most `limit.calls` calls in any `limit.per_s` seconds (None: any number), and none while paused.

    The caller tells the time, which must not go back.
    """

    __slots__ = ("_limit", "_paused_until", "_times")

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._times: deque[float] = deque(maxlen=limit.calls if limit else 0)
        self._paused_until = float("-inf")

    def opens_in_s(self, now: float, ahead: int = 0) -> float:
        """Seconds until a call may be made when `ahead` others are made before it as soon as they may."""
        at = max(now, self._paused_until)
        if self._limit is not None:
            rounds, place = divmod(ahead, self._limit.calls)
            before = place - (self._limit.calls - len(self._times))
            if before >= 0:
                at = max(at, self._times[before] + self._limit.per_s)
            at += rounds * self._limit.per_s
        return at - now

    def add(self, now: float) -> None:
        """A call is made, which `opens_in_s` allows."""
        self._times.append(now)

    def pause(self, now: float, seconds: float) -> None:
        """No call for so long, at most LONGEST_PAUSE_S; a longer pause that holds already stays."""
        self._paused_until = max(self._paused_until, now + min(seconds, LONGEST_PAUSE_S))
