"""Stack headroom for versions of Python that return an empty stack chunk to the system at once.

Frames live in stack chunks of 16 KiB. A loop whose calls cross the end of a chunk maps and unmaps memory for each
call (python/cpython#142183). At a bad stack depth, a query with 570 rows caused up to 1,400 page faults and took
twice its time. A frame that is larger than a chunk makes Python allocate a chunk of 256 KiB. The frames of a
server never reach the end of that chunk. Python 3.13.13, 3.14.4 and later keep one empty chunk: no remedy there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


_STACK_SLOTS = 20_000
"""Slots of 8 bytes, 160 kB in all, so that 96 kB of the chunk are left. Python reserves them without a write."""


def needs_headroom(version: tuple[int, int, int]) -> bool:
    """Return whether that version of Python returns an empty stack chunk to the system at once."""
    return version < (3, 13, 13) or (3, 14) <= version < (3, 14, 4)


def run_with_stack_headroom(call: Callable[[], T]) -> T:
    """Return the result of the call, which runs with stack headroom where Python needs it."""
    return call()


if needs_headroom(sys.version_info[:3]):
    run_with_stack_headroom.__code__ = run_with_stack_headroom.__code__.replace(co_stacksize=_STACK_SLOTS)
