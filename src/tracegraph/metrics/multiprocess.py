"""A directory of snapshots, from which each process of a gateway reports the sum over all processes.

The processes share a port, so a scrape reaches a random process. Each process updates a file of its own. The file
of a process that has ended stays, since a counter must not decrease.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from tracegraph.metrics.snapshot import Snapshot

WRITE_INTERVAL_S = 1.0
"""The interval between snapshots, and therefore the maximum age of the metrics of another process."""


_STALE_AFTER_S = 10.0
"""The age of a file from which its process counts as ended."""


class SnapshotDirectory:
    """Writes the snapshots of one process, and reads those of the other processes of the same gateway."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{uuid4().hex}.json"

    def write(self, snapshot: Snapshot) -> None:
        """Replace the snapshot of this process."""
        new = self._own.with_suffix(".new")
        new.write_bytes(snapshot.to_bytes())
        new.replace(self._own)

    def merge_peers(self, total: Snapshot) -> None:
        """Add the snapshots of the other processes to the total, without the gauges of ended processes."""
        for file in self._folder.glob("*.json"):
            if file != self._own:
                with suppress(OSError, ValueError):  # a full or missing disk affects the metrics only
                    # A running process writes again soon, also after a change of the clock.
                    is_running = abs(time.time() - file.stat().st_mtime) < _STALE_AFTER_S
                    total.add_all(Snapshot.from_bytes(file.read_bytes()), gauges=is_running)

    def retire(self, snapshot: Snapshot) -> None:
        """Write the last snapshot of this process, which ends now, without its gauges."""
        last = Snapshot()
        last.add_all(snapshot, gauges=False)
        self.write(last)
