"""The three simulated vendors with the sample data of `tracegraph.simulators.data`, as a process of their own.

    python -m tools.vendors

It prints where they listen, and runs until its standard input is closed or whoever started it is gone.
"""

import dataclasses
import json
import sys

from tracegraph.simulators.vendors import demo_vendors

if __name__ == "__main__":
    with demo_vendors() as vendors:
        sys.stdout.write(json.dumps(dataclasses.asdict(vendors)) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
