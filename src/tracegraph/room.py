"""Room on Python's stack, so that no hot loop runs where one piece of the stack ends and another begins.

Up to Python 3.13.0 frames live in pieces of 16 KiB, and an empty piece is given back to the system at once. A loop
whose calls step over the end of one maps and unmaps memory for each (python/cpython#142183): a query with 570 rows
took up to 1,400 page faults and twice its time, by nothing but the depth at which it ran. Below one frame that is
larger than a piece, Python takes a piece of 256 KiB, and the frames of a server never see its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import uvloop

T = TypeVar("T")

_PLACES = 20_000
"""Of 8 bytes: 160 kB, so that 96 kB are left of the piece. They are set apart, not written to."""


def with_room(call: Callable[[], T]) -> T:
    """What the call gives; all that it calls has room."""
    return call()


with_room.__code__ = with_room.__code__.replace(co_stacksize=_PLACES)


class RoomyLoop(uvloop.Loop):
    """uvloop's loop; all that it runs has room."""

    def run_forever(self) -> None:
        """Run until it is stopped."""
        with_room(super().run_forever)
