"""Measures the cases, and the peers if they are set up, and writes docs/performance.md and its plot."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tools.bench.cases import CASES
from tools.bench.measure import BenchFailed, Measurement, measure_case
from tools.bench.peers import is_set_up, measure_peers
from tools.bench.report import plot, tables, write_into
from tools.processes import vendors_running

_DOCS = Path("docs")


def main() -> int:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="of which the one with the least CPU counts")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--peers", type=Path, help="the folder of the peers' benchmark, where it is set up")
    parser.add_argument("--only", default="", help="cases whose names contain this; prints the results only")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child processes end, too
    if shutil.which("wrk") is None:
        sys.stderr.write("wrk is missing: install Debian's package of that name.\n")
        return 2
    results: dict[str, Measurement] = {}
    with vendors_running("tools.bench.vendors") as vendors, tempfile.TemporaryDirectory() as folder:
        for case in arguments.rounds * [
            measurement for measurement in CASES if arguments.only in measurement.name
        ]:
            try:
                measurement = measure_case(
                    case, vendors, arguments.seconds, arguments.connections, Path(folder, "answer.json")
                )
            except BenchFailed as failed:
                sys.stderr.write(f"{failed}\n")
                return 1
            sys.stderr.write(f"{measurement}\n")
            results[case.name] = min(
                results.get(case.name, measurement), measurement, key=lambda candidate: candidate.cpu_ms
            )
    if arguments.only:
        return 0
    has_peers = arguments.peers and is_set_up(arguments.peers)
    peers = measure_peers(arguments.peers, arguments.seconds, arguments.rounds) if has_peers else []
    cases = list(results.values())
    how = (
        f"{arguments.connections} connections, {arguments.seconds} s after 2 s of warm-up; "
        f"the round with the least CPU of {arguments.rounds} rounds"
    )
    text = tables(cases, peers, how, arguments.connections)
    write_into(_DOCS / "performance.md", text)
    plot(cases, peers, _DOCS / "performance.svg")
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
