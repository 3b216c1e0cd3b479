"""Runs the soak and prints its summary; the exit code is 1 when a law was broken."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from tools.soak.run import Plan, soak
from tools.soak.summary import broken_laws, summary


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--out", type=Path, help="write the summary here, too")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes beside it end, too
    plan = Plan(given.seconds, given.seed, given.connections)
    result = asyncio.run(soak(plan))
    text = summary(plan, result)
    sys.stdout.write(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")
    return 1 if broken_laws(plan, result) else 0


if __name__ == "__main__":
    sys.exit(main())
