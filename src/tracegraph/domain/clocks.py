"""The clock for ages: nobody sets it, so no age is negative. Dates and what processes share take the wall's."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


elapsed_s: Callable[[], float] = time.monotonic if _BOOTTIME is None else partial(time.clock_gettime, _BOOTTIME)
"""Seconds since some moment, for one process. They never go back, and where the system has such a clock they go on
while the machine sleeps: what was read before is old when it wakes."""
