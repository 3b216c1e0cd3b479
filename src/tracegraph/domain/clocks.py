"""The clock for ages: nothing sets this clock, so ages are never negative.

Dates, and times that several processes share, come from the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


elapsed_s: Callable[[], float] = time.monotonic if _BOOTTIME is None else partial(time.clock_gettime, _BOOTTIME)
"""Return the seconds since an arbitrary moment, comparable within one process.

The clock never goes back. Where the system offers such a clock, it continues while the machine sleeps: cached data
is old when the machine wakes.
"""
