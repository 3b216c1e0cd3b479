"""A circuit breaker: a class of calls that keeps failing is left alone for a while, then tried by one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from tracegraph.domain.calls import CircuitState
from tracegraph.errors import SourceBadResponse, SourceError, SourceResponseTooLarge, SourceTimeout
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.resilience.sliding_window import SlidingWindowCounter


@dataclass(frozen=True, slots=True)
class CircuitBreakerPolicy:
    """Opens when of at least `min_calls` in the last `window_s` seconds the share `failure_rate` failed.

    And when `timeouts_in_a_row` calls ran out of their time, one after the other, however few calls there were.
    It stays open for `pause_s`; then one call, the probe, decides. `enabled` False: it never opens.
    """

    enabled: bool = True
    failure_rate: float = 0.5
    min_calls: int = 10
    window_s: float = 30.0
    pause_s: float = 5.0
    timeouts_in_a_row: int = 3


class CircuitBreaker:
    """One circuit. Every call that may pass `enter`s before it and `leave`s after it, with its outcome."""

    __slots__ = ("_calls", "_clock", "_failures", "_open_until", "_period", "_policy", "_probing", "_timeouts")

    def __init__(self, policy: CircuitBreakerPolicy, clock: Callable[[], float] = monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._calls = SlidingWindowCounter(policy.window_s)
        self._failures = SlidingWindowCounter(policy.window_s)
        self._open_until: float | None = None
        self._probing = False
        self._period = 0
        self._timeouts = 0

    @property
    def state(self) -> CircuitState:
        """CLOSED lets every call pass, OPEN none, HALF_OPEN one."""
        if self._open_until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._clock() < self._open_until else CircuitState.HALF_OPEN

    def refused_for_s(self) -> float | None:
        """None when a call may pass now, else about how many seconds from now one may."""
        if self._open_until is None:
            return None
        left_s = self._open_until - self._clock()
        if left_s > 0:
            return left_s
        return self._policy.pause_s if self._probing else None

    def enter(self) -> int:
        """A call that may pass begins; what is returned goes to `leave`. In HALF_OPEN it is the probe."""
        if self._open_until is not None:
            self._probing = True
        return self._period

    def leave(self, period: int, *, failed: bool | None, timed_out: bool = False) -> bool:
        """The call is over; `failed` is None when it says nothing about the vendor: it was cancelled, say.

        `timed_out`: it failed because its time ran out. A call from before the circuit last opened or closed
        changes nothing. True when the circuit opens or closes by this one.
        """
        if period != self._period:
            return False
        if self._open_until is not None:
            self._probing = False
            return failed is not None and self._turn(opens=failed)
        if failed is None:
            return False
        return self._is_too_much(failed=failed, timed_out=timed_out) and self._turn(opens=True)

    def _is_too_much(self, *, failed: bool, timed_out: bool) -> bool:
        now, policy = self._clock(), self._policy
        self._calls.add(now)
        self._timeouts = self._timeouts + 1 if timed_out else 0
        if not failed:
            return False
        self._failures.add(now)
        if policy.enabled and self._timeouts >= policy.timeouts_in_a_row:
            return True
        calls = self._calls.count(now)
        share_reached = self._failures.count(now) >= policy.failure_rate * calls
        return policy.enabled and calls >= policy.min_calls and share_reached

    def _turn(self, *, opens: bool) -> bool:
        self._calls.clear()
        self._failures.clear()
        self._timeouts = 0
        self._period += 1
        self._open_until = self._clock() + self._policy.pause_s if opens else None
        return True


def is_failure(error: SourceError, call: UpstreamRequest, *, had_fair_time: bool) -> bool | None:
    """Whether an error speaks against its vendor; None when it says nothing.

    A refusal (any 4xx, 429 too) is an answer of a vendor that is well. One that cannot be read or redirects is
    not. Running out of a time that was too short for anybody says nothing, nor does an answer that is too
    large: a smaller page may be answered. A 500 for a call of several objects may be about one of them.
    """
    if error.http_status in call.expects:
        return False
    if error.http_status is None and isinstance(error, SourceTimeout):
        return True if had_fair_time else None
    if isinstance(error, SourceResponseTooLarge) or (call.of_several and error.http_status == 500):
        return None
    return error.http_status is None or error.http_status >= 500 or isinstance(error, SourceBadResponse)
