"""Lines of a log, written by a thread of its own: who reads them slowly, or not at all, holds up no answer."""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from typing import TextIO

_MOST_LINES = 10_000


_TOGETHER_S = 0.05
"""How long lines are gathered. Waking the thread for each would stop the others for it each time."""


_LAST_LINES_S = 2.0


class BackgroundLogWriter:
    """A stream for a logger, which never blocks. What is written to it is in `out` soon, at the latest at exit.

    While `most_lines` wait, further ones are left out; a line tells how many.
    """

    def __init__(self, out: TextIO, most_lines: int = _MOST_LINES) -> None:
        self._out = out
        self._most_lines = most_lines
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._writing = threading.Lock()
        threading.Thread(target=self._write_on, name="log", daemon=True).start()
        atexit.register(self.close)

    def write(self, line: str) -> int:
        """Have it written soon."""
        if len(self._waiting) < self._most_lines:
            self._waiting.append(line)
        else:
            self._left_out += 1
        return len(line)

    def flush(self) -> None:
        """Nothing: a logger flushes after each line."""

    def close(self) -> None:
        """Write what waits, unless nobody has read for two seconds."""
        if self._writing.acquire(timeout=_LAST_LINES_S):
            try:
                self._write_waiting()
            finally:
                self._writing.release()

    def _write_on(self) -> None:
        while True:
            time.sleep(_TOGETHER_S)
            with self._writing:
                self._write_waiting()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        left_out, self._left_out = self._left_out, 0
        if left_out:
            lines.append(f'{{"event":"log.lines_left_out","lines":{left_out},"level":"warning"}}\n')
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except (OSError, ValueError):  # it is closed: there is nobody to tell
            pass
