"""A log stream with a writer thread, so that a slow reader of the log delays no response."""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import TextIO

MAX_LINES = 10_000


_FLUSH_INTERVAL_S = 0.05
"""The time in which lines are collected. A wake-up per line would interrupt the other threads each time."""


_CLOSE_TIMEOUT_S = 2.0


class BackgroundLogWriter:
    """A stream for a logger that never blocks. Its thread writes the lines to `out` soon, at the latest at exit.

    While `max_lines` lines wait, the stream drops further lines. A line then reports the number of dropped lines.
    """

    def __init__(self, out: TextIO, max_lines: int = MAX_LINES) -> None:
        self._out = out
        self._max_lines = max_lines
        self._waiting: deque[str] = deque()
        self._dropped = 0
        self._writing = threading.Lock()
        threading.Thread(target=self._write_forever, name="log", daemon=True).start()
        atexit.register(self.close)

    def write(self, line: str) -> int:
        """Queue a line for the thread."""
        if len(self._waiting) < self._max_lines:
            self._waiting.append(line)
        else:
            self._dropped += 1
        return len(line)

    def flush(self) -> None:
        """Do nothing, since a logger calls this method after each line."""

    def close(self) -> None:
        """Write the waiting lines, unless the thread is blocked for two more seconds."""
        if self._writing.acquire(timeout=_CLOSE_TIMEOUT_S):
            try:
                self._write_waiting()
            finally:
                self._writing.release()

    def _write_forever(self) -> None:
        while True:
            time.sleep(_FLUSH_INTERVAL_S)
            with self._writing:
                self._write_waiting()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            lines.append(
                f'{{"event":"log.lines_left_out","lines":{dropped},"level":"warning","timestamp":"{now}"}}\n'
            )
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except (OSError, ValueError):  # the stream is closed: an error cannot be reported
            pass
