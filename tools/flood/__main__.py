"""Runs the flood and prints its table. The exit code is 1 when a known query waited over 20 times as long."""

from __future__ import annotations

import argparse
import sys

from tools.flood.run import Plan, flood
from tools.flood.summary import MAX_P99_RATIO, known_p99_ratio, summary


def main() -> int:
    """Parse the command line and run the flood."""
    parser = argparse.ArgumentParser(prog="python -m tools.flood", description=__doc__)
    parser.add_argument("--rate", type=int, default=1000, help="hostile requests in a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--kind", action="append", default=[], help="only this kind; may be given several times")
    parser.add_argument("--allowed", type=int, help="the hostile key's requests_per_minute; without, none")
    arguments = parser.parse_args()
    plan = Plan(arguments.rate, arguments.seconds, tuple(arguments.kind), arguments.allowed)
    result = flood(plan)
    sys.stdout.write(summary(plan, result))
    return 0 if known_p99_ratio(result) <= MAX_P99_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
