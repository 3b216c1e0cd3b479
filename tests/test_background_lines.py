"""A server's log is written in the background: nothing waits for who reads it, and nothing that fits is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress

from tracegraph.observability.log_writer import BackgroundLogWriter

SCRIPT = (
    "import structlog; from tracegraph.observability.logging import configure_logs\n"
    "from tracegraph.config.settings import LogSettings\n"
    "configure_logs(LogSettings(format='json'), in_background=True)\n"
    "for number in range(1000): structlog.get_logger().info('said', number=number)\n"
)


def test_lines_come_in_their_order_and_the_last_ones_at_exit() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert [json.loads(line)["number"] for line in done.stderr.splitlines()] == list(range(1000))


def test_who_does_not_read_holds_up_nobody_and_is_told_how_much_was_left_out() -> None:
    """A pipe takes 64 KiB, then it blocks whoever writes."""
    reader, writer = os.pipe()
    said: list[str] = []
    with os.fdopen(reader, encoding="ascii") as log:
        with os.fdopen(writer, "w", encoding="ascii") as out:
            lines = BackgroundLogWriter(out, most_lines=20_000)
            for number in range(100_000):
                lines.write(f"{number}\n")
            thread = threading.Thread(target=lambda: said.extend(log))
            thread.start()
            lines.close()
        thread.join()
    numbers = [int(line) for line in said if line[0].isdigit()]
    left_out = [json.loads(line)["lines"] for line in said if not line[0].isdigit()]
    assert numbers == sorted(numbers)
    assert len(numbers) >= 20_000
    assert left_out
    assert len(numbers) + sum(left_out) == 100_000


def test_a_log_that_is_closed_breaks_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    out = os.fdopen(writer, "w", encoding="ascii")
    lines = BackgroundLogWriter(out)
    lines.write("x\n")
    lines.close()
    with suppress(BrokenPipeError):
        out.close()
