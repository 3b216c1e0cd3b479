"""Distinguish a call that fails because of its object from a vendor that fails.

One object of a vendor may fail permanently while the calls for all others succeed. Repeated and retried calls for
that object would open the circuit for the others.
"""

from __future__ import annotations

from collections.abc import Callable

from tracegraph.domain.lru import LRU
from tracegraph.upstream.messages import UpstreamRequest

MAX_FAILING_CALLS = 1000
"""The number of failing calls that are remembered; the call that began to fail first is evicted first."""


class FailingCalls:
    """The calls of one kind that have failed each time since their first failure.

    A vendor without a successful call for `window_s` seconds of `clock` fails as a whole.
    """

    __slots__ = ("_clock", "_failing", "_succeeded_at", "_successes", "_window_s")

    def __init__(self, window_s: float, clock: Callable[[], float]) -> None:
        self._window_s = window_s
        self._clock = clock
        self._successes = 0
        self._succeeded_at = clock()
        self._failing = LRU[str, int](MAX_FAILING_CALLS)  # call -> number of successes at its first failure

    def record(self, call: UpstreamRequest, *, failed: bool) -> bool | None:
        """Record the outcome of a call. Return whether the vendor failed, or None when only the object failed.

        Only the object failed if the call failed before, and other calls have succeeded since then and recently.
        """
        if not failed:
            self._successes += 1
            self._succeeded_at = self._clock()
            if self._failing:
                self._failing.remove(_key(call))
            return False
        key = _key(call)
        successes = self._failing.peek(key)
        if successes is None:
            successes = self._successes
            self._failing.put(key, successes)
        others_succeed = successes < self._successes and self._clock() - self._succeeded_at < self._window_s
        return None if others_succeed else True


def _key(call: UpstreamRequest) -> str:
    return repr((call.path, call.query, call.body))
