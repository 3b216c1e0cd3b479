"""A rate limit that holds in every window of time, and the time of the next permitted call.

Vendors count by windows. A leaky bucket (aiolimiter and others) permits up to twice the calls in some windows: a
full bucket at once, then the leaked amount.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tracegraph.domain.calls import RateLimit

MAX_PAUSE_S = 300.0
"""The longest pause after a 429, whatever Retry-After the vendor sends."""


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """Rates by kind of call, None for no limit; `backoff_s` is the pause after a 429 without Retry-After."""

    rates: Mapping[str, RateLimit | None] = field(default_factory=dict)
    backoff_s: float = 1.0


class SlidingWindowLimit:
    """At most `limit.calls` calls in any `limit.per_s` seconds (None: unlimited), and none during a pause.

    The caller passes the time, which must not go back.
    """

    __slots__ = ("_paused_until", "_times", "limit")

    def __init__(self, limit: RateLimit | None) -> None:
        self.limit = limit
        self._times: deque[float] = deque(maxlen=limit.calls if limit else 0)
        self._paused_until = float("-inf")

    def delay_s(self, now: float, queued: int = 0) -> float:
        """Return the seconds until a call may start, after `queued` others that start as early as they may."""
        at = max(now, self._paused_until)
        if self.limit is not None:
            windows, offset = divmod(queued, self.limit.calls)
            index = offset - (self.limit.calls - len(self._times))
            if index >= 0:
                at = max(at, self._times[index] + self.limit.per_s)
            at += windows * self.limit.per_s
        return at - now

    def headroom(self, now: float) -> float:
        """Return the part of the limit that is free now, from 0 to 1; 0 during a pause."""
        if now < self._paused_until:
            return 0.0
        if self.limit is None:
            return 1.0
        used = sum(at > now - self.limit.per_s for at in self._times)
        return 1 - used / self.limit.calls

    def add(self, now: float) -> None:
        """Count a call that `delay_s` permits now."""
        self._times.append(now)

    def take_back(self) -> None:
        """Forget the latest call, which was not sent after all."""
        if self._times:
            self._times.pop()

    def pause(self, now: float, seconds: float) -> None:
        """Permit no call for so long, at most MAX_PAUSE_S; a longer current pause stays."""
        self._paused_until = max(self._paused_until, now + min(seconds, MAX_PAUSE_S))
