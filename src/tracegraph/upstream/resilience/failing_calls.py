"""Tells a call that fails for what it asks for from a vendor that fails.

One object of a vendor may fail for as long as it is there, while the calls for all others are answered. Asked for
again and again, and tried again each time, it would open the circuit for the others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from tracegraph.upstream.messages import UpstreamRequest

_MOST = 1000
"""Failing calls that are remembered; the one that began to fail first goes first."""


class FailingCalls:
    """The calls of one kind that have failed each time since their first failure, which is what is remembered.

    `window_s` is in seconds of `clock`: a vendor that answered no call for so long fails as a whole.
    """

    __slots__ = ("_answered_at", "_answers", "_clock", "_failing", "_window_s")

    def __init__(self, window_s: float, clock: Callable[[], float]) -> None:
        self._window_s = window_s
        self._clock = clock
        self._answers = 0
        self._answered_at = clock()
        self._failing: OrderedDict[str, int] = OrderedDict()  # with the answers that there were by then

    def outcome(self, call: UpstreamRequest, *, failed: bool) -> bool | None:
        """What the outcome of a call says about the vendor: `failed`, or None for nothing.

        That is a further failure of a call while others were answered, since its first one and lately.
        """
        if not failed:
            self._answers += 1
            self._answered_at = self._clock()
            if self._failing:
                self._failing.pop(_key(call), None)
            return False
        answers = self._failing.setdefault(_key(call), self._answers)
        if len(self._failing) > _MOST:
            self._failing.popitem(last=False)
        others_do_well = answers < self._answers and self._clock() - self._answered_at < self._window_s
        return None if others_do_well else True


def _key(call: UpstreamRequest) -> str:
    return repr((call.path, call.query, call.body))
