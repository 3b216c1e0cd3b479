"""Runs the three simulated vendors with the sample data of `tracegraph.simulators.data` in a separate process.

    python -m tools.vendors

The process prints the vendors' URLs, and runs until its standard input is closed or its parent ends.
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
