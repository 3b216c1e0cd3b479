"""The queue of documents that are not in the cache: parsing and validating one holds up the event loop.

The queue runs one piece at a time, the smallest first. After each piece the loop has several times as long for
everything else. The queue is bounded: the largest piece is refused in favour of smaller ones. A cached document
does not wait. Smaller pieces overtake a larger one a bounded number of times, so that none waits for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tracegraph.errors import RateLimited

T = TypeVar("T")


_MOST_CHARACTERS = 2_000_000


_CHARACTERS_A_REQUEST = 5000
"""What a request takes that waits with a short text, in characters."""


_CHARACTERS_A_PLACE = 50
"""How much smaller a piece must be, for each place that it came later, to be done first."""


_ASK_AGAIN_S = 1


@dataclass(eq=False, slots=True)
class _Place(Generic[T]):
    """One piece of work. Without askers it is not done."""

    name: str
    number: int
    work: Callable[[], T]
    outcome: asyncio.Future[T]
    askers: int = 0

    @property
    def turn(self) -> int:
        """The least of these is done first."""
        return len(self.name) + _CHARACTERS_A_PLACE * self.number


class ParseQueue(Generic[T]):
    """Pieces of work, each by a text that is as long as the work is large; for one event loop.

    `rest` is how many times as long as a piece took the loop has for everything else.
    """

    def __init__(self, most_characters: int = _MOST_CHARACTERS, *, rest: float = 3) -> None:
        self._most_characters = most_characters
        self._rest = rest
        self._characters = 0
        self._entered = 0
        self._waiting: dict[str, _Place[T]] = {}
        self._is_moving = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def outcome(self, name: str, work: Callable[[], T]) -> T:
        """What the work gives when its turn comes; those who wait for one name have it done once.

        Raises what the work raises, and RateLimited when the line is full of pieces that are no larger.
        """
        self._make_room(name)
        place = self._waiting.get(name) or self._enter(name, work)
        place.askers += 1
        self._characters += _characters(name)
        try:
            return await asyncio.shield(place.outcome)  # who gives up does not take it from the others
        finally:
            place.askers -= 1
            if self._waiting.get(name) is place:
                self._characters -= _characters(name)
                if not place.askers:
                    del self._waiting[name]

    def _enter(self, name: str, work: Callable[[], T]) -> _Place[T]:
        loop = asyncio.get_running_loop()
        self._entered += 1
        place = self._waiting[name] = _Place(name, self._entered, work, loop.create_future())
        if not self._is_moving:
            self._is_moving = True
            loop.call_soon(self._move)
        return place

    def _make_room(self, name: str) -> None:
        """For one more request for that name, at the cost of longer names only."""
        most = self._most_characters - _characters(name)
        while self._characters > most:
            largest = max(self._waiting.values(), key=lambda place: (len(place.name), place.number), default=None)
            if largest is None or len(largest.name) <= len(name):
                raise _no_room()
            self._take(largest)
            largest.outcome.set_exception(_no_room())

    def _take(self, place: _Place[T]) -> None:
        del self._waiting[place.name]
        self._characters -= place.askers * _characters(place.name)

    def _move(self) -> None:
        """Do the smallest piece, and come back after the rest."""
        self._is_moving = bool(self._waiting)
        if not self._waiting:
            return
        place = min(self._waiting.values(), key=lambda place: place.turn)
        self._take(place)
        began = time.thread_time()  # of this thread: others on the machine do not lengthen the rest
        try:
            place.outcome.set_result(place.work())
        except Exception as error:
            place.outcome.set_exception(error)
        rest_s = self._rest * (time.thread_time() - began)
        asyncio.get_running_loop().call_later(rest_s, self._move)


def _characters(name: str) -> int:
    """What one request for it takes while it waits."""
    return len(name) + _CHARACTERS_A_REQUEST


def _no_room() -> RateLimited:
    message = (
        "Too many documents wait to be read for the first time, and this is one of the longest: "
        f"ask again in {_ASK_AGAIN_S} s."
    )
    return RateLimited(message, _ASK_AGAIN_S)
