"""How many examples of a law a run plays: a fifth in `make test`, all of them in `make test-slow`."""

from __future__ import annotations

import os

ALL = "TRACEGRAPH_TESTS_EXAMPLES"
"""The variable that asks for all examples."""


def examples(count: int) -> int:
    """Return the count, or a fifth of it in a quick run."""
    return count if os.environ.get(ALL) == "all" else max(1, count // 5)
