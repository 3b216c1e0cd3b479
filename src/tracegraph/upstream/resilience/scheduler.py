"""Who may call a source now: so many calls at once, each class within its rate, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from time import monotonic

from tracegraph.domain.calls import RateLimit
from tracegraph.errors import SourceRateLimited, SourceTimeout
from tracegraph.upstream.resilience.rate_limit import SlidingWindowLimit

ALL_OTHERS = "*"
"""The class that stands for every class without a rate of its own."""


@dataclass(slots=True, eq=False)
class _Waiter:
    order: int
    ends_at: float
    turn: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class _Line:
    """The calls of one class that wait, and its rate."""

    window: SlidingWindowLimit
    waiting: deque[_Waiter] = field(default_factory=deque)


class RequestScheduler:
    """Gives turns. Every turn that was taken or waited for must be given back when its call is over."""

    def __init__(
        self,
        source: str,
        at_once: int,
        rates: Mapping[str, RateLimit | None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._source = source
        self._at_once = at_once
        self._free = at_once
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self.limit(rates)

    def limit(self, rates: Mapping[str, RateLimit | None]) -> None:
        """Rates for the classes that have none yet."""
        for kind, rate in rates.items():
            self._lines.setdefault(kind, _Line(SlidingWindowLimit(rate)))

    def take(self, kind: str) -> bool:
        """A turn without waiting; False when there is none, and then nothing was taken."""
        line, now = self._line(kind), self._clock()
        if not self._free or line.waiting or line.window.opens_in_s(now) > 0:
            return False
        self._free -= 1
        line.window.add(now)
        return True

    async def wait(self, kind: str, within_s: float) -> None:
        """A turn after those that came before.

        Raises SourceRateLimited as soon as it is clear that the rate gives none within the time, and
        SourceTimeout when all connections were taken for so long.
        """
        line, now = self._line(kind), self._clock()
        opens_in_s = line.window.opens_in_s(now, len(line.waiting))
        if opens_in_s > within_s:
            raise self._too_late(opens_in_s)
        waiter = _Waiter(next(self._order), now + within_s, asyncio.get_running_loop().create_future())
        line.waiting.append(waiter)
        self._serve()
        try:
            async with asyncio.timeout(within_s):
                await waiter.turn
        except TimeoutError:
            self._withdraw(line, waiter)
            raise self._all_busy() from None
        except asyncio.CancelledError:
            self._withdraw(line, waiter)
            raise

    def give_back(self) -> None:
        """The call of a turn is over."""
        self._free += 1
        self._serve()

    def pause(self, kind: str, seconds: float) -> None:
        """Pause this class for so long; a waiting call that cannot start in time is refused now."""
        line, now = self._line(kind), self._clock()
        line.window.pause(now, seconds)
        staying: deque[_Waiter] = deque()
        for waiter in line.waiting:
            opens_in_s = line.window.opens_in_s(now, len(staying))
            if now + opens_in_s <= waiter.ends_at:
                staying.append(waiter)
            elif not waiter.turn.done():
                waiter.turn.set_exception(self._too_late(opens_in_s))
        line.waiting = staying
        self._serve()

    def _line(self, kind: str) -> _Line:
        line = self._lines.get(kind) or self._lines.get(ALL_OTHERS)
        if line is None:
            line = self._lines[kind] = _Line(SlidingWindowLimit(None))
        return line

    def _serve(self) -> None:
        """Give every turn that can be given now, and come back when the next rate opens."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waited_for = [line for line in self._lines.values() if line.waiting]
        if not waited_for:
            return
        now = self._clock()
        while self._free:
            open_lines = [line for line in waited_for if line.waiting and line.window.opens_in_s(now) <= 0]
            if not open_lines:
                break
            line = min(open_lines, key=lambda line: line.waiting[0].order)
            waiter = line.waiting.popleft()
            if not waiter.turn.done():
                self._free -= 1
                line.window.add(now)
                waiter.turn.set_result(None)
        closed = [line.window.opens_in_s(now) for line in waited_for if line.waiting]
        if self._free and closed:
            self._timer = asyncio.get_running_loop().call_later(min(closed), self._serve)

    def _withdraw(self, line: _Line, waiter: _Waiter) -> None:
        """Leave the line; a turn that was given at the same moment goes to the next."""
        if waiter in line.waiting:
            line.waiting.remove(waiter)
        elif waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
            self.give_back()

    def _too_late(self, opens_in_s: float) -> SourceRateLimited:
        return SourceRateLimited(
            self._source,
            f"Source {self._source!r} was not asked: its rate limit allows the call in {opens_in_s:.1f} s only, "
            "after this request's deadline.",
            retry_after_s=opens_in_s,
        )

    def _all_busy(self) -> SourceTimeout:
        return SourceTimeout(
            self._source,
            f"Source {self._source!r} was not asked in time: the gateway's {self._at_once} connections to it "
            "were all in use.",
        )
