"""Runs the soak and prints its summary. The exit code is 1 after a violation."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from tools.soak.run import Plan, soak
from tools.soak.summary import summary, violations


def main() -> int:
    """Parse the command line and run the soak."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--transport", choices=["pooled", "httpx"], default="pooled")
    parser.add_argument("--without-plans", action="store_true", help="without compiled plans")
    parser.add_argument("--out", type=Path, help="a file to write the summary to")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child processes end, too
    plan = Plan(
        arguments.seconds,
        arguments.seed,
        arguments.connections,
        transport=arguments.transport,
        compiled_plans=not arguments.without_plans,
    )
    result = asyncio.run(soak(plan))
    text = summary(plan, result)
    sys.stdout.write(text)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
    return 1 if violations(plan, result) else 0


if __name__ == "__main__":
    sys.exit(main())
