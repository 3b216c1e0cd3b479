"""The background log writer: no writer waits for a reader, and no line within the limit is lost."""

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


def test_lines_are_written_in_order_and_the_last_ones_at_exit() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert [json.loads(line)["number"] for line in done.stderr.splitlines()] == list(range(1000))


def test_a_reader_that_does_not_read_blocks_no_writer_and_dropped_lines_are_reported() -> None:
    """A pipe holds 64 KiB, and then blocks its writer."""
    reader, writer = os.pipe()
    received: list[str] = []
    with os.fdopen(reader, encoding="ascii") as log:
        with os.fdopen(writer, "w", encoding="ascii") as out:
            lines = BackgroundLogWriter(out, max_lines=20_000)
            for number in range(100_000):
                lines.write(f"{number}\n")
            thread = threading.Thread(target=lambda: received.extend(log))
            thread.start()
            lines.close()
        thread.join()
    numbers = [int(line) for line in received if line[0].isdigit()]
    dropped = [json.loads(line)["lines"] for line in received if not line[0].isdigit()]
    assert numbers == sorted(numbers)
    assert len(numbers) >= 20_000
    assert dropped
    assert len(numbers) + sum(dropped) == 100_000


def test_a_closed_log_raises_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    out = os.fdopen(writer, "w", encoding="ascii")
    lines = BackgroundLogWriter(out)
    lines.write("x\n")
    lines.close()
    with suppress(BrokenPipeError):
        out.close()
