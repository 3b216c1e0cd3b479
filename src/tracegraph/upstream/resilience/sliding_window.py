"""A counter of the events of the last seconds."""

from __future__ import annotations

from collections import deque


class SlidingWindowCounter:
    """Counts the events of the last `window_s` seconds. The caller passes the time, which must not go back."""

    __slots__ = ("_times", "_window_s")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque()

    def add(self, now: float) -> None:
        """Count one event."""
        self._forget(now)
        self._times.append(now)

    def count(self, now: float) -> int:
        """Return the number of events after `now - window_s`."""
        self._forget(now)
        return len(self._times)

    def clear(self) -> None:
        """Remove all events."""
        self._times.clear()

    def _forget(self, now: float) -> None:
        times, cutoff = self._times, now - self._window_s
        while times and times[0] <= cutoff:
            times.popleft()
