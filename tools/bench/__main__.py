"""Measures the cases, and the peers where they are set up, and writes docs/performance.md and its plot."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tools.bench.cases import CASES
from tools.bench.measure import BenchFailed, Measured, measured
from tools.bench.peers import is_set_up, peers_measured
from tools.bench.report import plot, tables, written_into
from tools.processes import vendors_running

_DOCS = Path("docs")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="of which the one with the least CPU counts")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--peers", type=Path, help="the folder of the peers' benchmark, where it is set up")
    parser.add_argument("--only", default="", help="cases whose names hold this; prints, writes nothing")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes beside it end, too
    if shutil.which("wrk") is None:
        sys.stderr.write("wrk is missing: install Debian's package of that name.\n")
        return 2
    results: dict[str, Measured] = {}
    with vendors_running("tools.bench.vendors") as vendors, tempfile.TemporaryDirectory() as folder:
        for case in given.rounds * [one for one in CASES if given.only in one.name]:
            try:
                one = measured(case, vendors, given.seconds, given.connections, Path(folder, "answer.json"))
            except BenchFailed as failed:
                sys.stderr.write(f"{failed}\n")
                return 1
            sys.stderr.write(f"{one}\n")
            results[case.name] = min(results.get(case.name, one), one, key=lambda any_of: any_of.cpu_ms)
    if given.only:
        return 0
    has_peers = given.peers and is_set_up(given.peers)
    peers = peers_measured(given.peers, given.seconds, given.rounds) if has_peers else []
    cases = list(results.values())
    how = (
        f"{given.connections} connections, {given.seconds} s after 2 s of warm-up; "
        f"the round with the least CPU of {given.rounds} rounds"
    )
    text = tables(cases, peers, how, given.connections)
    written_into(_DOCS / "performance.md", text)
    plot(cases, peers, _DOCS / "performance.svg")
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
