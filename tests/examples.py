"""How many examples of a law a run plays: a fifth in `make test`, all of them in `make test-slow`."""

from __future__ import annotations

import os

ALL = "TRACEGRAPH_TESTS_EXAMPLES"
"""The variable that asks for all examples."""


def plays_all() -> bool:
    """Return whether the run plays all examples."""
    return os.environ.get(ALL) == "all"


def examples(count: int) -> int:
    """Return the count, or a fifth of it in a quick run."""
    return count if plays_all() else max(1, count // 5)
