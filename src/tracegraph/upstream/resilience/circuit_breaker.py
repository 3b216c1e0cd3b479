"""A circuit breaker: stops calls of a class that fails repeatedly, and later lets one probe decide."""

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
    """When a circuit opens, and for how long.

    It opens when a share of `failure_rate` failed among at least `min_calls` calls in the last `window_s` seconds.
    It also opens after `timeouts_in_a_row` consecutive timeouts, however few calls there were. It stays open for
    `pause_s`; then one call, the probe, decides. With `enabled` False it never opens.
    """

    enabled: bool = True
    failure_rate: float = 0.5
    min_calls: int = 10
    window_s: float = 30.0
    pause_s: float = 5.0
    timeouts_in_a_row: int = 3


class CircuitBreaker:
    """One circuit. Each call that passes goes through `before_call` and then `after_call` with its outcome."""

    __slots__ = ("_calls", "_clock", "_failures", "_generation", "_open_until", "_policy", "_probing", "_timeouts")

    def __init__(self, policy: CircuitBreakerPolicy, clock: Callable[[], float] = monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._calls = SlidingWindowCounter(policy.window_s)
        self._failures = SlidingWindowCounter(policy.window_s)
        self._open_until: float | None = None
        self._probing = False
        self._generation = 0
        self._timeouts = 0

    @property
    def state(self) -> CircuitState:
        """CLOSED lets every call pass, OPEN none, HALF_OPEN one."""
        if self._open_until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._clock() < self._open_until else CircuitState.HALF_OPEN

    def retry_after_s(self) -> float | None:
        """Return None when a call may pass now, else about how many seconds from now one may."""
        if self._open_until is None:
            return None
        left_s = self._open_until - self._clock()
        if left_s > 0:
            return left_s
        return self._policy.pause_s if self._probing else None

    def before_call(self) -> int:
        """Begin a call that may pass, and return the generation for `after_call`. In HALF_OPEN it is the probe."""
        if self._open_until is not None:
            self._probing = True
        return self._generation

    def after_call(self, generation: int, *, failed: bool | None, timed_out: bool = False) -> bool:
        """Record the outcome of a call, and return whether the circuit opens or closes because of the call.

        A call of an earlier generation, from before the circuit last opened or closed, changes nothing.

        Args:
            generation: The result of `before_call`.
            failed: None when the outcome says nothing about the vendor, as after a cancellation.
            timed_out: The call failed because its time was over.
        """
        if generation != self._generation:
            return False
        if self._open_until is not None:
            self._probing = False
            return failed is not None and self._transition(opens=failed)
        if failed is None:
            return False
        return self._exceeds_threshold(failed=failed, timed_out=timed_out) and self._transition(opens=True)

    def _exceeds_threshold(self, *, failed: bool, timed_out: bool) -> bool:
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

    def _transition(self, *, opens: bool) -> bool:
        self._calls.clear()
        self._failures.clear()
        self._timeouts = 0
        self._generation += 1
        self._open_until = self._clock() + self._policy.pause_s if opens else None
        return True


def is_failure(error: SourceError, call: UpstreamRequest, *, had_fair_time: bool) -> bool | None:
    """Return whether an error is a failure of the vendor, or None when it says nothing about the vendor.

    A 4xx status, 429 included, shows that the vendor works. A reply that is unreadable or redirects is a failure.
    A timeout after too short a time says nothing. Nor does a reply that is too large: a smaller page may be
    possible. A 500 for a batch may concern one of its objects only.

    Args:
        error: The error.
        call: The call that failed.
        had_fair_time: The call had enough time for a timeout to count.
    """
    if error.http_status in call.expected_statuses:
        return False
    if error.http_status is None and isinstance(error, SourceTimeout):
        return True if had_fair_time else None
    if isinstance(error, SourceResponseTooLarge) or (call.is_batch and error.http_status == 500):
        return None
    return error.http_status is None or error.http_status >= 500 or isinstance(error, SourceBadResponse)
