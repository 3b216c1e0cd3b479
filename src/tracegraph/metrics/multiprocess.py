"""Where the processes of one gateway lay their readings, so that any of them can tell the sum of all.

They share a port, so a scrape reaches one of them at random. Each keeps a file of its own up to date; that
of a process which has ended stays, since a counter must not go back.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from tracegraph.metrics.snapshot import Snapshot

WRITTEN_EVERY_S = 1.0
"""How old the figures of another process may be."""


_ENDED_AFTER_S = 10.0


class SnapshotDirectory:
    """A process's place in a folder that its gateway's processes, and nobody else, share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{uuid4().hex}.json"

    def put(self, readings: Snapshot) -> None:
        """Replace what this process laid there before."""
        fresh = self._own.with_suffix(".new")
        fresh.write_bytes(readings.packed())
        fresh.replace(self._own)

    def add_others(self, sum_of_all: Snapshot) -> None:
        """Add what the others have laid there; of those that have ended the counters only."""
        for file in self._folder.glob("*.json"):
            if file != self._own:
                with suppress(OSError, ValueError):  # a disk that is full or gone costs figures, not answers
                    # A running process writes again soon, also after the clock was set.
                    runs = abs(time.time() - file.stat().st_mtime) < _ENDED_AFTER_S
                    sum_of_all.add_all(Snapshot.unpacked(file.read_bytes()), gauges=runs)

    def leave(self, readings: Snapshot) -> None:
        """Lay the last readings there, of a process that ends now."""
        last = Snapshot()
        last.add_all(readings, gauges=False)
        self.put(last)
