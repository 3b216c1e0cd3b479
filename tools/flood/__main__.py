"""Runs the flood and prints its table; the exit code is 1 when honest queries waited too long."""

from __future__ import annotations

import argparse
import sys

from tools.flood.run import Plan, flood
from tools.flood.summary import LONGEST_P99_MS, honest_p99_ms, summary


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.flood", description=__doc__)
    parser.add_argument("--rate", type=int, default=1000, help="hostile requests in a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--kind", action="append", default=[], help="only this kind; may be given several times")
    parser.add_argument("--allowed", type=int, help="the hostile key's requests_per_minute; without, none")
    given = parser.parse_args()
    plan = Plan(given.rate, given.seconds, tuple(given.kind), given.allowed)
    result = flood(plan)
    sys.stdout.write(summary(plan, result))
    return 0 if honest_p99_ms(result) <= LONGEST_P99_MS else 1


if __name__ == "__main__":
    sys.exit(main())
