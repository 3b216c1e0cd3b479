"""What a process uses, as Prometheus's client libraries report it, and the lag of its event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator

from prometheus_client import ProcessCollector

from tracegraph.metrics.definitions import PROCESS_FAMILIES, MetricFamily

LAG_WINDOW_S = 15.0
"""The window of `LoopLag.longest_s`: the usual interval of scrapes."""


_LAG_INTERVAL_S = 0.5


class ProcessUsage:
    """CPU time since its creation, memory and file descriptors of this process. Other systems have no values."""

    def __init__(self) -> None:
        self._collector = ProcessCollector(registry=None)
        self._cpu_s_before = self._read().get("process_cpu_seconds_total", 0.0)

    def values(self) -> Iterator[tuple[MetricFamily, float]]:
        """Yield the current value of each family that the system has."""
        values = self._read()
        if "process_cpu_seconds_total" in values:
            # A process that reloads counts anew, so that the sum over its configurations is its CPU time.
            values["process_cpu_seconds_total"] -= self._cpu_s_before
        for family in PROCESS_FAMILIES:
            if family.name in values:
                yield family, values[family.name]

    def _read(self) -> dict[str, float]:
        return {sample.name: sample.value for metric in self._collector.collect() for sample in metric.samples}


class LoopLag:
    """The delays of an event loop: how much later than due a timer ran."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lags: deque[tuple[float, float]] = deque()

    @property
    def longest_s(self) -> float:
        """The longest delay within the last LAG_WINDOW_S, in seconds."""
        self._forget()
        return max((lag for _, lag in self._lags), default=0.0)

    def add(self, lag_s: float) -> None:
        """Record a delay that ends now."""
        self._forget()
        self._lags.append((self._clock(), max(lag_s, 0.0)))

    async def measure(self) -> None:
        """Measure the delays of the running loop until cancelled."""
        while True:
            began = self._clock()
            await asyncio.sleep(_LAG_INTERVAL_S)
            self.add(self._clock() - began - _LAG_INTERVAL_S)

    def _forget(self) -> None:
        oldest = self._clock() - LAG_WINDOW_S
        while self._lags and self._lags[0][0] < oldest:
            self._lags.popleft()
