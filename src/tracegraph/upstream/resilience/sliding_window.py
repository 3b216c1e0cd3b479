"""How often something happened in the last seconds."""

from __future__ import annotations

from collections import deque


class SlidingWindowCounter:
    """Counts events of the last `window_s` seconds; the caller tells the time, which must not go back."""

    __slots__ = ("_times", "_window_s")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque()

    def add(self, now: float) -> None:
        """It happened."""
        self._forget(now)
        self._times.append(now)

    def count(self, now: float) -> int:
        """How often since `now - window_s`; an event exactly so old has gone."""
        self._forget(now)
        return len(self._times)

    def clear(self) -> None:
        """Nothing happened."""
        self._times.clear()

    def _forget(self, now: float) -> None:
        times, gone = self._times, now - self._window_s
        while times and times[0] <= gone:
            times.popleft()
